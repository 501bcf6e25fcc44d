#' What waits in a queue
#'
#' A controller's queue has several queues inside, told apart by name; tasks go to `"default"` and
#' every worker listens to it. Which others a worker listens to is part of its configuration, see
#' [rrq_worker_config()].
#'
#' @param queue The name of the queue; `NULL` is `"default"`.
#' @inheritParams rrq_destroy
#' @return `rrq_queue_length()` returns the number of tasks waiting, `rrq_queue_list()` their ids,
#'   the next to run first. A queue nothing was submitted to is empty.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' rrq_queue_length(controller = r)
#' rrq_queue_list(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_queue_length <- function(queue = NULL, controller = NULL) {
  check_string(queue, null = TRUE)
  name <- queue %||% default_queue
  queue <- queue_of(controller)
  rust_call(rs_queue_length(queue, name))
}

#' @rdname rrq_queue_length
#' @export
rrq_queue_list <- function(queue = NULL, controller = NULL) {
  check_string(queue, null = TRUE)
  name <- queue %||% default_queue
  queue <- queue_of(controller)
  rust_call(rs_queue_list(queue, name))
}

#' Take tasks out of a queue
#'
#' Workers do not take such a task any more; it stays `PENDING`. It can be cancelled with
#' [rrq_task_cancel()] or deleted with [rrq_task_delete()]. What workers do at the same time is
#' minded: a task is either taken out or run.
#'
#' @param task_ids Ids of tasks.
#' @inheritParams rrq_queue_length
#' @return A logical vector: whether each task is one of the queue that waits, and is out of it
#'   now; also if it was before. The others keep their order.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
#' rrq_queue_remove(c(ids[[2]], "unknown"), controller = r)
#' rrq_queue_list(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_queue_remove <- function(task_ids, queue = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_string(queue, null = TRUE)
  name <- queue %||% default_queue
  queue <- queue_of(controller)
  rust_call(rs_queue_remove(queue, name, task_ids))
}

#' Pause a queue
#'
#' Workers take no tasks from a queue that is paused; what runs goes on, and tasks can still be
#' queued. Other queues are not affected.
#'
#' @inheritParams rrq_queue_length
#' @return Whether that changed anything, invisibly.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' rrq_queue_pause(controller = r)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' r
#' rrq_queue_resume(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_queue_pause <- function(queue = NULL, controller = NULL) {
  pause_queue(queue, TRUE, controller)
}

#' @rdname rrq_queue_pause
#' @export
rrq_queue_resume <- function(queue = NULL, controller = NULL) {
  pause_queue(queue, FALSE, controller)
}

pause_queue <- function(queue, pause, controller, call = caller_env()) {
  check_name(queue, null = TRUE, arg = "queue", call = call)
  name <- queue %||% default_queue
  handle <- queue_of(controller, call)
  invisible(rust_call(rs_queue_pause(handle, name, pause), call))
}

# Where tasks go, and what every worker listens to.
default_queue <- "default"
