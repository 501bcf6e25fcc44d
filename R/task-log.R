#' What a task printed
#'
#' Kept, line by line while it runs, is what an isolated task (see `separate_process` of
#' [rrq_task_create_expr()]) prints, and what a task created with `capture = TRUE` does: output,
#' messages and warnings, and what programs it starts print.
#'
#' The first and the last 64 KB are kept, with a line between them that says how much is left out.
#' With a `logdir` in its configuration (see [rrq_worker_config()]) a worker writes all of it to a
#' file, too. If a task is tried again, the log is that of the latest attempt.
#'
#' @param follow Whether to wait for the end of the task and meanwhile print what it prints, as it
#'   comes. Ctrl-C ends that and leaves the task alone.
#' @inheritParams rrq_task_info
#' @return Lines, a character vector; `NULL` before there are any. With `follow = TRUE` the same at
#'   the end, invisibly.
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
  queue <- queue_of(controller)
  if (follows(NULL, controller)) {
    task_id <- newest_of(queue, task_id)
  }
  if (follow) {
    follow_log(queue, task_id)
  }
  log <- rust_call(rs_task_log(queue, task_id, 0))
  if (is.null(log)) {
    # Nothing is stored for a task that prints nothing, nor for an unknown one.
    rust_call(rs_task_times(queue, task_id))
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

# What is printed is stored before the end of the task: after an end there is nothing to wait for.
follow_log <- function(queue, task_id, call = caller_env()) {
  seen <- 0
  attempt <- 0
  repeat {
    status <- rust_call(rs_task_status(queue, task_id, FALSE), call)
    log <- rust_call(rs_task_log(queue, task_id, seen), call)
    if (!is.null(log) && log$attempt != attempt) {
      attempt <- log$attempt
      log <- rust_call(rs_task_log(queue, task_id, 0), call)
    }
    if (!is.null(log)) {
      cat(log$text)
      seen <- log$total
    }
    if (!status %in% c("PENDING", "DEFERRED", "RUNNING")) {
      return()
    }
    Sys.sleep(0.1)
  }
}
