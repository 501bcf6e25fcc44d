#' Messages to workers
#'
#' Sends commands to workers and reads their responses. Each worker handles its messages one at a
#' time, before tasks. A worker that is running a task responds when the task has ended: a wait of
#' more than two seconds says which task that is.
#'
#' @section Commands:
#' * `PING`: responds `"PONG"`.
#' * `ECHO` takes a string and prints it to the worker's process log; responds `"OK"`.
#' * `EVAL` takes R code, a string or an expression, evaluates it in the worker's global
#'   environment, prints a visible value to the process log, and responds with the value, or with a
#'   `try-error` if it fails.
#' * `INFO` updates and returns what [rrq_worker_info()] reports.
#' * `DIR` takes a list of arguments for [dir()] and responds with the md5 sums of the files, named
#'   by file; `NA` for directories.
#' * `PUSH` takes file names: the worker stores these files from its working directory and responds
#'   with a `files_pack`. See [rrq_files_unpack()].
#' * `PULL` takes a `files_pack`, see [rrq_files_pack()]: the worker writes the files into its
#'   working directory; responds `"OK"`.
#' * `PAUSE` and `RESUME`: stop and resume taking tasks; responds `"OK"`, or `"NOOP"` if nothing
#'   changed.
#' * `REFRESH`: rebuilds the environment, see [rrq_envir()]; responds `"OK"`. If that fails, the
#'   worker responds with the error, logs it and exits.
#' * `TIMEOUT_SET` takes the number of seconds after which an idle worker exits, or `NULL` for no
#'   limit; responds `"OK"`.
#' * `TIMEOUT_GET`: responds with the numbers `timeout_idle` and `remaining`, in seconds.
#' * `STOP` takes a reason (a string) or `NULL`: the worker responds `"BYE"` and exits.
#'
#' Any other command is sent with a warning, and the response is a condition that says that it is
#' unknown. If a command fails on the worker, the response is a `try-error`, which prints as an
#' error, and the worker continues.
#'
#' @section Expiry: The responses of a worker expire one week after its latest response, unless they
#'   were deleted with `delete = TRUE`.
#'
#' @param command The command, a string.
#' @param args The argument of the command, see Commands; `NULL` by default.
#' @param worker_ids A character vector of worker ids. `NULL` (the default) is, for sending, all
#'   active workers; for responses, all workers that are active or have responded.
#' @param message_id The id of a message, a string.
#' @param worker_id The id of a worker, a string.
#' @param named Whether the result is named by worker id.
#' @param delete Whether to delete the responses after fetching them.
#' @param timeout Seconds to wait for the responses of all workers.
#' @param time_poll Seconds between updates of the progress bar. It does not delay the return.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return
#'   * `rrq_message_send()`: the id of the message, a string that sorts by time, invisibly.
#'   * `rrq_message_has_response()`: a logical vector with one element per worker.
#'   * `rrq_message_response_ids()`: a character vector of the ids of messages that the worker has
#'     responded to, oldest first.
#'   * `rrq_message_get_response()` and `rrq_message_send_and_wait()`: a list with one response per
#'     worker. With `delete = FALSE`, that of `rrq_message_send_and_wait()` has the message id in
#'     the attribute `message_id`.
#' @section Errors: `rrq_error_no_workers` if no worker is active; `rrq_error_worker_missing` lists
#'   the ids of workers that are unknown or have exited. `rrq_error_timeout` names the workers that
#'   did not respond in time; `rrq_error_worker_gone` names those that exited without a response, if
#'   there is no other worker left to wait for.
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
  handle <- queue_handle(controller)
  worker_ids <- unique(worker_ids %||% active_workers(handle))
  invisible(send_message(handle, command, args, worker_ids))
}

#' @rdname rrq_message_send
#' @export
rrq_message_has_response <- function(message_id, worker_ids = NULL, named = TRUE,
                                     controller = NULL) {
  check_id(message_id)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_flag(named)
  handle <- queue_handle(controller)
  worker_ids <- answering_workers(handle, message_id, worker_ids)
  has <- read_responses(handle, message_id, worker_ids)$has
  if (named) rlang::set_names(has, worker_ids) else has
}

#' @rdname rrq_message_send
#' @export
rrq_message_response_ids <- function(worker_id, controller = NULL) {
  check_id(worker_id)
  handle <- queue_handle(controller)
  check_workers(worker_id, worker_states(handle)$id)
  rust_call(rs_message_response_ids(handle, worker_id))
}

#' @rdname rrq_message_send
#' @export
rrq_message_get_response <- function(message_id, worker_ids = NULL, named = TRUE, delete = FALSE,
                                     timeout = 0, time_poll = 0.5, progress = NULL,
                                     controller = NULL) {
  check_id(message_id)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_response_options(named, delete, timeout, time_poll, progress)
  handle <- queue_handle(controller)
  worker_ids <- answering_workers(handle, message_id, worker_ids)
  step <- if (show_progress(progress)) time_poll else Inf
  get_responses(handle, message_id, worker_ids, named, delete, timeout, step)
}

#' @rdname rrq_message_send
#' @export
rrq_message_send_and_wait <- function(command, args = NULL, worker_ids = NULL, named = TRUE,
                                      delete = TRUE, timeout = 600, time_poll = 0.5,
                                      progress = NULL, controller = NULL) {
  check_message(command, args)
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_response_options(named, delete, timeout, time_poll, progress)
  handle <- queue_handle(controller)
  worker_ids <- unique(worker_ids %||% active_workers(handle))
  message_id <- send_message(handle, command, args, worker_ids)
  step <- if (show_progress(progress)) time_poll else Inf
  answers <- get_responses(handle, message_id, worker_ids, named, delete, timeout, step)
  if (delete) answers else structure(answers, message_id = message_id)
}

send_message <- function(handle, command, args, worker_ids, call = caller_env()) {
  if (command == "TIMEOUT_SET") {
    args <- as.numeric(args %||% Inf)
  }
  rust_call(rs_message_send(handle, command, args, worker_ids), call)
}

# Invalid arguments are rejected here rather than on the worker.
check_message <- function(command, args, call = caller_env()) {
  check_string(command, arg = "command", call = call)
  if (!command %in% names(answers)) warn("unknown_command", unknown_command(command))
  switch(command,
    ECHO = if (!is.character(args) || length(args) != 1 || is.na(args)) {
      abort_argument("args", "a single string", args, call)
    },
    EVAL = check_code(args, call),
    PUSH = check_file_names(list(args), "args", call),
    PULL = check_files_pack(args, arg = "args", call = call),
    TIMEOUT_SET = check_number(args, null = TRUE, arg = "args", call = call),
    STOP = check_string(args, null = TRUE, arg = "args", call = call)
  )
  invisible()
}

# A worker of another version may know it.
unknown_command <- function(command) {
  guess <- closest(command, names(answers))
  c(
    sprintf("Unknown command \"%s\".", shorten(command, 60)),
    i = if (!is.null(guess)) sprintf("Did you mean \"%s\"?", guess),
    i = sprintf("Commands: %s.", toString(names(answers)))
  )
}

check_code <- function(args, call) {
  if (is.language(args)) {
    return(invisible())
  }
  if (!is.character(args) || length(args) != 1 || is.na(args)) {
    abort_argument("args", "a single string or an expression", args, call)
  }
  tryCatch(parse(text = args, keep.source = FALSE), error = function(e) {
    message <- c("`args` must be valid R code.", x = conditionMessage(e))
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

# The recipients are not recorded. Workers that responded and then exited, as on STOP, still count.
answering_workers <- function(handle, message_id, worker_ids, call = caller_env()) {
  states <- worker_states(handle, call)
  check_workers(worker_ids, states$id, call)
  if (!is.null(worker_ids)) {
    return(unique(worker_ids))
  }
  has <- read_responses(handle, message_id, states$id, call = call)$has
  states$id[states$active | has]
}

# Wait up to `limit` seconds for responses: a list of `has` and `value`, one element per worker.
read_responses <- function(handle, message_id, worker_ids, limit = 0, call = caller_env()) {
  if (length(worker_ids) == 0) {
    return(list(has = logical(), value = list()))
  }
  rust_call(rs_message_responses(handle, message_id, worker_ids, limit), call)
}

# Seconds between checks that the workers waited for are still alive.
look_every <- 5

get_responses <- function(handle, message_id, worker_ids, named, delete, timeout, step,
                          call = caller_env()) {
  local_deadline(handle, timeout)
  answers <- wait_responses(handle, message_id, worker_ids, timeout, step, call)
  if (delete && length(worker_ids) > 0) {
    rust_call(rs_message_delete(handle, message_id, worker_ids), call)
  }
  if (named) rlang::set_names(answers, worker_ids) else answers
}

wait_responses <- function(handle, message_id, worker_ids, timeout, step, call) {
  bar <- if (is.finite(step)) {
    suspendInterrupts(
      cli::cli_progress_bar("Waiting for responses", total = length(worker_ids))
    )
  }
  deadline <- now() + timeout
  report_at <- now() + stall_s
  limit <- 0
  gone <- character()
  repeat {
    answers <- read_responses(handle, message_id, worker_ids, limit, call)
    silent <- worker_ids[!answers$has]
    if (!is.null(bar)) {
      suspendInterrupts(cli::cli_progress_update(set = sum(answers$has), id = bar))
    }
    if (length(silent) == 0) {
      return(answers$value)
    }
    if (now() >= deadline || all(silent %in% gone)) {
      abort_silent(silent, gone, timeout, call)
    }
    # A worker may have responded just before it exited, so the responses are read once more. The
    # sweep detects killed workers if no other process does.
    supervise()
    rust_call(rs_worker_sweep(handle, sweep_limit), call)
    states <- worker_states(handle, call)
    gone <- states$id[states$exited]
    if (now() >= report_at) {
      report_at <- Inf
      report_busy(states[match(silent, states$id), ])
    }
    left <- max(0, deadline - now())
    longest <- min(max(step, 0.05), look_every, supervise_pause(), max(0, report_at - now()))
    limit <- if (all(silent %in% gone)) 0 else min(longest, left)
  }
}

# A worker that runs a task reads its messages when the task has ended.
report_busy <- function(states) {
  busy <- states[!is.na(states$task), ]
  n <- nrow(busy)
  if (n == 0) {
    return(invisible())
  }
  runs <- sprintf("worker %s runs task %s", busy$id, busy$task)
  more <- if (n > 3) sprintf("%d more workers run tasks", n - 3)
  text <- capitalise(paste(c(utils::head(runs, 3), more), collapse = ", "))
  ends <- if (n == 1) "It responds when the task ends." else "They respond when their tasks end."
  inform_plainly(c(i = text, i = paste(ends, "Ctrl-C ends the wait, but not the task.")))
}

abort_silent <- function(silent, gone, timeout, call) {
  names <- toString(silent)
  if (all(silent %in% gone)) {
    message <- sprintf("Workers exited without a response: %s.", names)
    abort("worker_gone", message, ids = silent, call = call)
  }
  message <- sprintf("No response within %g s from workers: %s.", timeout, names)
  abort("timeout", message, ids = silent, call = call)
}

#' @export
print.rrq_answer_error <- function(x, ...) {
  lines <- strsplit(sub("\n$", "", unclass(x)), "\n", fixed = TRUE)[[1]]
  writeLines(c(paste("<error on the worker>", lines[[1]]), lines[-1]))
  invisible(x)
}
