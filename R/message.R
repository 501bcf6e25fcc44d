#' Send messages to workers
#'
#' Workers handle messages before tasks, one after the other, each worker by itself. A worker that
#' runs a task answers when that has ended.
#'
#' @section Commands:
#' * `PING` is answered with `"PONG"`.
#' * `ECHO` prints its argument, one string, to the worker's process log; `"OK"`.
#' * `EVAL` takes R code, one string or an expression, and answers with its value in the worker's
#'   global environment; an error is a value of class `try-error`.
#' * `INFO` is answered with what [rrq_worker_info()] returns, made and stored anew.
#' * `DIR` takes a list of arguments of [dir()] and answers with the named md5 sums of those files,
#'   `NA` for folders.
#' * `PUSH` takes names of files: the worker stores those of its working directory, and answers with
#'   a `files_pack`. See [rrq_files_unpack()].
#' * `PULL` takes a `files_pack`, see [rrq_files_pack()]: the worker writes the files into its
#'   working directory; `"OK"`.
#' * `PAUSE` and `RESUME`: take no tasks, take tasks again; `"OK"`, or `"NOOP"` if nothing changed.
#' * `REFRESH`: build the environment anew, see [rrq_envir()]; `"OK"`. A worker on which that fails
#'   answers with the error, logs it and exits.
#' * `TIMEOUT_SET` takes a number of seconds: exit after being idle that long; `"OK"`.
#' * `TIMEOUT_GET` is answered with the numbers `timeout_idle` and `remaining`.
#' * `STOP` takes a reason, or nothing: `"BYE"`, then exit.
#'
#' The answer to anything else is a condition that says that the message is unknown. Where a command
#' fails on the worker, the answer is a value of class `try-error`, and the worker goes on.
#'
#' @section Answers are forgotten: The answers of a worker are kept for a week after the last of
#'   them, those that are fetched with `delete = TRUE` are deleted then.
#'
#' @param command The command.
#' @param args Its argument.
#' @param worker_ids Ids of workers. For sending, `NULL` is all active workers; for answers, all
#'   that are active or have answered.
#' @param message_id The id of a message.
#' @param worker_id The id of a worker.
#' @param named Whether the answer has the workers' ids as names.
#' @param delete Whether to delete the answers once they are fetched.
#' @param timeout Seconds to wait for the answers of all workers.
#' @param time_poll Seconds between two updates of the progress bar. It does not delay the return.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return
#'   * `rrq_message_send()`: the id of the message, text that sorts by time.
#'   * `rrq_message_has_response()`: a logical vector, one per worker.
#'   * `rrq_message_response_ids()`: the ids of the messages a worker has answered, in time order.
#'   * `rrq_message_get_response()` and `rrq_message_send_and_wait()`: a list of answers, one per
#'     worker.
#' @section Errors: `rrq_error_no_workers` when there is nobody to send to;
#'   `rrq_error_worker_missing` lists the ids of workers that are not known or have exited.
#'   `rrq_error_timeout` names the workers that have not answered, `rrq_error_worker_gone` those
#'   that exited without, once there is nobody left to wait for.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' id <- rrq_message_send("EVAL", quote(Sys.getpid()), controller = r)
#' rrq_message_get_response(id, timeout = 10, controller = r)
#' rrq_message_response_ids("w_1", controller = r)
#' rrq_message_send_and_wait("PING", worker_ids = "w_2", controller = r)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_message_send <- function(command, args = NULL, worker_ids = NULL, controller = NULL) {
  check_message(command, args)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  queue <- queue_of(controller)
  worker_ids <- unique(worker_ids %||% active_workers(queue))
  send_message(queue, command, args, worker_ids)
}

#' @rdname rrq_message_send
#' @export
rrq_message_has_response <- function(message_id, worker_ids = NULL, named = TRUE,
                                     controller = NULL) {
  check_id(message_id)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_flag(named)
  queue <- queue_of(controller)
  worker_ids <- answering_workers(queue, message_id, worker_ids)
  has <- read_responses(queue, message_id, worker_ids)$has
  if (named) rlang::set_names(has, worker_ids) else has
}

#' @rdname rrq_message_send
#' @export
rrq_message_response_ids <- function(worker_id, controller = NULL) {
  check_id(worker_id)
  queue <- queue_of(controller)
  check_workers(worker_id, worker_states(queue)$id)
  rust_call(rs_message_response_ids(queue, worker_id))
}

#' @rdname rrq_message_send
#' @export
rrq_message_get_response <- function(message_id, worker_ids = NULL, named = TRUE, delete = FALSE,
                                     timeout = 0, time_poll = 0.5, progress = NULL,
                                     controller = NULL) {
  check_id(message_id)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_response_options(named, delete, timeout, time_poll, progress)
  queue <- queue_of(controller)
  worker_ids <- answering_workers(queue, message_id, worker_ids)
  step <- if (show_progress(progress)) time_poll else Inf
  get_responses(queue, message_id, worker_ids, named, delete, timeout, step)
}

#' @rdname rrq_message_send
#' @export
rrq_message_send_and_wait <- function(command, args = NULL, worker_ids = NULL, named = TRUE,
                                      delete = TRUE, timeout = 600, time_poll = 0.5,
                                      progress = NULL, controller = NULL) {
  check_message(command, args)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_response_options(named, delete, timeout, time_poll, progress)
  queue <- queue_of(controller)
  worker_ids <- unique(worker_ids %||% active_workers(queue))
  message_id <- send_message(queue, command, args, worker_ids)
  step <- if (show_progress(progress)) time_poll else Inf
  get_responses(queue, message_id, worker_ids, named, delete, timeout, step)
}

send_message <- function(queue, command, args, worker_ids, call = caller_env()) {
  if (command == "TIMEOUT_SET") {
    args <- as.numeric(args)
  }
  rust_call(rs_message_send(queue, command, args, worker_ids), call)
}

# What is known to be wrong is refused here, not on the worker.
check_message <- function(command, args, call = caller_env()) {
  check_string(command, arg = "command", call = call)
  switch(command,
    ECHO = if (!is.character(args) || length(args) != 1 || is.na(args)) {
      abort_argument("args", "one string", args, call)
    },
    EVAL = check_code(args, call),
    PUSH = check_file_names(list(args), "args", call),
    PULL = check_files_pack(args, arg = "args", call = call),
    TIMEOUT_SET = check_number(args, arg = "args", call = call),
    STOP = check_string(args, null = TRUE, arg = "args", call = call)
  )
  invisible()
}

check_code <- function(args, call) {
  if (is.language(args)) {
    return(invisible())
  }
  if (!is.character(args) || length(args) != 1 || is.na(args)) {
    abort_argument("args", "one string or an expression", args, call)
  }
  tryCatch(parse(text = args, keep.source = FALSE), error = function(e) {
    message <- c("`args` is not R code.", x = conditionMessage(e))
    abort("argument", message, argument = "args", call = call)
  })
  invisible()
}

check_response_options <- function(named, delete, timeout, time_poll, progress,
                                   call = caller_env()) {
  check_flag(named, arg = "named", call = call)
  check_flag(delete, arg = "delete", call = call)
  check_number(timeout, arg = "timeout", call = call)
  check_number(time_poll, arg = "time_poll", call = call)
  check_flag(progress, null = TRUE, arg = "progress", call = call)
}

# Who was asked is not recorded. Those that answered and exited since, as on STOP, still count.
answering_workers <- function(queue, message_id, worker_ids, call = caller_env()) {
  states <- worker_states(queue, call)
  check_workers(worker_ids, states$id, call)
  if (!is.null(worker_ids)) {
    return(unique(worker_ids))
  }
  has <- read_responses(queue, message_id, states$id, call = call)$has
  states$id[states$active | has]
}

# Wait up to `limit` seconds for answers: a list of `has` and `value`, one element per worker.
read_responses <- function(queue, message_id, worker_ids, limit = 0, call = caller_env()) {
  if (length(worker_ids) == 0) {
    return(list(has = logical(), value = list()))
  }
  rust_call(rs_message_responses(queue, message_id, worker_ids, limit), call)
}

# How often to look whether those waited for are still there.
look_every <- 5

get_responses <- function(queue, message_id, worker_ids, named, delete, timeout, step,
                          call = caller_env()) {
  answers <- wait_responses(queue, message_id, worker_ids, timeout, step, call)
  if (delete && length(worker_ids) > 0) {
    rust_call(rs_message_delete(queue, message_id, worker_ids), call)
  }
  if (named) rlang::set_names(answers, worker_ids) else answers
}

wait_responses <- function(queue, message_id, worker_ids, timeout, step, call) {
  bar <- if (is.finite(step)) {
    cli::cli_progress_bar("Waiting for answers", total = length(worker_ids))
  }
  deadline <- now() + timeout
  limit <- 0
  gone <- character()
  repeat {
    answers <- read_responses(queue, message_id, worker_ids, limit, call)
    silent <- worker_ids[!answers$has]
    if (!is.null(bar)) {
      cli::cli_progress_update(set = sum(answers$has), id = bar)
    }
    if (length(silent) == 0) {
      return(answers$value)
    }
    if (now() >= deadline || all(silent %in% gone)) {
      abort_silent(silent, gone, timeout, call)
    }
    # One that has exited may have answered just before: the answers are read once more. One that
    # was killed is found lost here when nobody else looks.
    rust_call(rs_worker_sweep(queue), call)
    states <- worker_states(queue, call)
    gone <- states$id[states$exited]
    left <- max(0, deadline - now())
    limit <- if (all(silent %in% gone)) 0 else min(max(step, 0.05), look_every, left)
  }
}

abort_silent <- function(silent, gone, timeout, call) {
  names <- toString(silent)
  if (all(silent %in% gone)) {
    message <- sprintf("These workers exited without an answer: %s.", names)
    abort("worker_gone", message, ids = silent, call = call)
  }
  message <- sprintf("No answer after %g s from: %s.", timeout, names)
  abort("timeout", message, ids = silent, call = call)
}
