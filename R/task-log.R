#' Task output
#'
#' Returns the output of a task, even while it runs: its printed output, messages and warnings, and
#' the output of programs it starts. Output is kept for tasks in separate processes (see
#' `separate_process` of [rrq_task_create_expr()]) and for tasks created with `capture = TRUE`.
#'
#' The first and last 64 KB are kept, with a line between them that says how much was omitted. A
#' worker whose configuration sets `logdir` (see [rrq_worker_config()]) also writes the output to a
#' file, up to 64 MB. What a task logs with the package logger is output, too, unless its appenders
#' were changed; with `logger::log_threshold()` in the worker environment (see
#' [rrq_worker_envir_set()]) you choose how much. If a task is retried, the log is that of the
#' latest attempt.
#'
#' @param follow Whether to print the output as it arrives, until the task ends. Ctrl-C stops
#'   following, not the task.
#' @inheritParams rrq_task_info
#' @return A character vector of lines: `character()` if the task has printed nothing, or `NULL`,
#'   with a message that says how to keep a log, if none is kept. With `follow = TRUE` the value is
#'   invisible and returned after the task has ended.
#' @section Errors: `rrq_error_task_missing` for an unknown id.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' id <- rrq_task_create_expr(print(1:3), separate_process = TRUE, controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_log(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_log <- function(task_id, follow = FALSE, controller = NULL) {
  check_id(task_id)
  check_flag(follow)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  if (follows(NULL, controller)) {
    task_id <- newest_of(handle, task_id)
  }
  if (follow) {
    follow_log(handle, task_id)
  }
  log <- rust_call(rs_task_log(handle, task_id, 0))
  # A task that has printed nothing may have no log yet. An unknown task is an error here.
  lines <- if (!is.null(log)) {
    log_lines(log)
  } else if (rust_call(rs_task_keeps_log(handle, task_id))) {
    character()
  }
  if (is.null(lines)) {
    cli::cli_inform(c(
      i = "No log is kept of this task: create it with {.code capture = TRUE} or
        {.code separate_process = TRUE}."
    ))
  }
  if (follow) invisible(lines) else lines
}

log_lines <- function(log) {
  if (log$total == 0) character() else strsplit(log$text, "\r?\n")[[1]]
}

# Output is stored before the end of the task, so the log is complete once the task has ended.
follow_log <- function(handle, task_id, call = caller_env()) {
  seen <- 0
  attempt <- 0
  repeat {
    status <- rust_call(rs_task_status(handle, task_id, FALSE), call)
    log <- rust_call(rs_task_log(handle, task_id, seen), call)
    if (!is.null(log) && log$attempt != attempt) {
      attempt <- log$attempt
      log <- rust_call(rs_task_log(handle, task_id, 0), call)
    }
    if (!is.null(log)) {
      cat(log$text)
      seen <- log$total
    }
    if (!status %in% c("PENDING", "DEFERRED", "RUNNING")) {
      return()
    }
    supervise()
    Sys.sleep(0.1)
  }
}
