#' Waiting for workers
#'
#' Blocks until workers with the given names are alive, for example those of cluster jobs, see
#' [rrq_worker_script()]. [rrq_worker_spawn()] itself waits for its workers.
#'
#' @param worker_ids A character vector: the names that the workers will have.
#' @param timeout The longest time to wait, in seconds.
#' @param time_poll Seconds between checks.
#' @param is_dead A function of no arguments. It returns a logical vector with one element for each
#'   of `worker_ids`, in their order or named by them: whether the job that should start this worker
#'   has ended. `NULL` if that cannot be determined.
#' @param fetch_logs A function of the ids of workers that failed to start. It returns a list with
#'   one character vector per id: the lines of its log. `NULL` uses the logs that workers keep in
#'   the queue.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return The ids, invisibly.
#' @section Errors: `rrq_error_worker_start`, with the end of their logs, names the workers for
#'   which `is_dead()` returns `TRUE`, or that have exited or were lost. If this is an earlier
#'   worker of the same name, delete it first with [rrq_worker_delete_exited()]. `rrq_error_timeout`
#'   names the workers that are not alive in time.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", timeout = 0, controller = r)
#' rrq_worker_wait(c("w_1", "w_2"), timeout = 60, controller = r)
#' rrq_worker_status(controller = r)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_wait <- function(worker_ids, timeout = Inf, time_poll = 0.2, is_dead = NULL,
                            fetch_logs = NULL, progress = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids)
  check_number(timeout)
  check_number(time_poll)
  check_function(is_dead, null = TRUE)
  check_function(fetch_logs, null = TRUE)
  check_flag(progress, null = TRUE)
  handle <- queue_handle(controller)
  call <- rlang::current_env()
  fetch_logs <- fetch_logs %||% function(ids) queue_logs(handle, ids)
  watch <- list(
    is_dead = function(ids, states) {
      ids %in% states$id[states$exited] | ids %in% ask_dead(is_dead, worker_ids, call)
    },
    logs = function(ids) ask_logs(fetch_logs, ids, call)
  )
  ids <- unique(worker_ids)
  wait_started(handle, ids, watch, timeout, time_poll, show_progress(progress), call)
}

# The ids of those that will never be alive.
ask_dead <- function(is_dead, ids, call) {
  if (is.null(is_dead)) {
    return(character())
  }
  dead <- is_dead()
  if (!is.logical(dead) || !length(dead) %in% c(1, length(ids)) || anyNA(dead)) {
    must <- "a function that returns TRUE or FALSE, for each id or for all"
    abort_argument("is_dead", must, dead, call)
  }
  if (is.null(names(dead))) {
    return(ids[rep_len(dead, length(ids))])
  }
  if (!setequal(names(dead), ids)) {
    must <- "a function that returns a vector named by `worker_ids`, or without names"
    abort_argument("is_dead", must, dead, call)
  }
  names(dead)[dead]
}

ask_logs <- function(fetch_logs, ids, call) {
  logs <- fetch_logs(ids)
  if (!is.list(logs) || length(logs) != length(ids) || !all(vapply(logs, is_lines, NA))) {
    must <- "a function that returns a list with one character vector per id"
    abort_argument("fetch_logs", must, logs, call)
  }
  logs
}

is_lines <- function(x) is.null(x) || is.character(x)

queue_logs <- function(handle, ids) {
  lapply(ids, function(id) {
    log <- rust_call(rs_worker_log(handle, id, log_shown))
    trimws(paste(log$command, log$message))
  })
}

# How many lines of a log an error shows.
log_shown <- 10

# Wait until all are alive. `watch$is_dead(ids, states)` returns which ones never will be,
# `watch$logs(ids)` their logs, named by their origin if that is known.
wait_started <- function(handle, ids, watch, timeout, time_poll, progress, call) {
  if (!progress) {
    return(await_started(handle, ids, watch, timeout, time_poll, call))
  }
  frame <- rlang::current_env()
  step <- suspendInterrupts(cli::cli_progress_step("Waiting for {length(ids)} worker{?s}"))
  is_over <- FALSE
  fail <- function(condition) {
    if (!is_over) suspendInterrupts(cli::cli_progress_done(step, .envir = frame, result = "failed"))
    is_over <<- TRUE
  }
  # After an interrupt: see with_bar().
  on.exit(fail(), add = TRUE, after = FALSE)
  # Its last line goes before the text of the error, not behind it.
  withCallingHandlers(
    await_started(handle, ids, watch, timeout, time_poll, call), rrq_error = fail
  )
  is_over <- TRUE
  invisible(ids)
}

await_started <- function(handle, ids, watch, timeout, time_poll, call) {
  deadline <- now() + timeout
  local_deadline(handle, timeout)
  repeat {
    supervise()
    # One that was killed while it started cannot report that.
    rust_call(rs_worker_sweep(handle, sweep_limit), call)
    states <- rust_call(rs_worker_states(handle), call)
    waiting <- setdiff(ids, states$id[states$active])
    if (length(waiting) == 0) {
      return(invisible(ids))
    }
    dead <- watch$is_dead(waiting, states)
    if (any(dead)) {
      abort_worker_start(waiting[dead], watch$logs(waiting[dead]), call)
    }
    if (now() >= deadline) {
      message <- c(
        sprintf("Workers not alive after %g s: %s.", timeout, toString(waiting)),
        i = watch$hint %||% "They may still be starting: wait again with `rrq_worker_wait()`."
      )
      abort("timeout", message, ids = waiting, call = call)
    }
    Sys.sleep(max(0.01, min(time_poll, deadline - now())))
  }
}

abort_worker_start <- function(ids, logs, call) {
  tails <- vapply(logs, function(log) paste(utils::tail(log, log_shown), collapse = "\n"), "")
  message <- c(
    sprintf("Workers ended before they were alive: %s.", toString(ids)),
    stats::setNames(sprintf("Log of %s:\n%s", names(logs) %||% ids, tails), rep("x", length(ids)))
  )
  abort("worker_start", message, ids = ids, call = call)
}
