#' Task output
#'
#' Returns the output of a task, even while it runs: its printed output, messages and warnings, and
#' the output of programs it starts. Output is kept for tasks in separate processes (see
#' `separate_process` of [rrq_task_create_expr()]) and for tasks created with `capture = TRUE`.
#'
#' The first and last 64 KB are kept, with a line between them that says how much was omitted. A
#' worker whose configuration sets `logdir` (see [rrq_worker_config()]) also writes the complete
#' output to a file. If a task is retried, the log is that of the latest attempt.
#'
#' @param follow Whether to print the output as it arrives, until the task ends. Ctrl-C stops
#'   following, not the task.
#' @inheritParams rrq_task_info
#' @return A character vector of lines, or `NULL` if there are none; with `follow = TRUE` invisibly,
#'   after the task has ended.
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
  if (is.null(log)) {
    # Neither a task without output nor an unknown task has a log: raise an error for the latter.
    rust_call(rs_task_times(handle, task_id))
  }
  lines <- log_lines(log)
  if (follow) invisible(lines) else lines
}

log_lines <- function(log) {
  if (is.null(log) || log$total == 0) {
    return(NULL)
  }
  strsplit(log$text, "\r?\n")[[1]]
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
