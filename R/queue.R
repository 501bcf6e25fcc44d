#' Queue contents
#'
#' `rrq_queue_length()` counts the tasks that wait in a named queue, and `rrq_queue_list()` lists
#' them. A controller's queue contains several named queues. By default tasks go to `"default"`,
#' which every worker listens to; [rrq_worker_config()] sets the other queues of a worker.
#'
#' @param queue The name of the queue, a string; `NULL` (the default) is `"default"`.
#' @inheritParams rrq_destroy
#' @return `rrq_queue_length()`: the number of waiting tasks. `rrq_queue_list()`: a character vector
#'   of their ids, the next to run first. A queue that was never used is empty.
#'   If no worker or configuration names it either, a message says so once.
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
  handle <- queue_handle(controller)
  n <- rust_call(rs_queue_length(handle, name))
  if (n == 0) report_unknown_queue(name, handle)
  n
}

#' @rdname rrq_queue_length
#' @export
rrq_queue_list <- function(queue = NULL, controller = NULL) {
  check_string(queue, null = TRUE)
  name <- queue %||% default_queue
  handle <- queue_handle(controller)
  ids <- rust_call(rs_queue_list(handle, name))
  if (length(ids) == 0) report_unknown_queue(name, handle)
  ids
}

# A queue needs no declaration, so a misspelt name is that of an empty queue. Reported once for each
# name: a program may ask for the length of a queue again and again.
report_unknown_queue <- function(name, handle, call = caller_env()) {
  if (name == default_queue || name %in% the$unknown_queues) {
    return(invisible())
  }
  known <- known_queues(handle, call)
  if (!name %in% known) {
    the$unknown_queues <- c(the$unknown_queues, name)
    guess <- closest(name, known)
    inform_plainly(c(
      "!" = sprintf(
        "Queue \"%s\" has never had a task, and no worker listens to it.", shorten(name, 60)
      ),
      i = sprintf("Known queues: %s.", shorten(toString(dQuote(sort(known), FALSE)), 300)),
      i = if (!is.null(guess)) sprintf("Did you mean \"%s\"?", guess)
    ))
  }
}

# The queues that have or had tasks, that are paused, and that workers or configurations name.
known_queues <- function(handle, call = caller_env()) {
  states <- rust_call(rs_queue_states(handle), call)
  configured <- lapply(rust_call(rs_config_list(handle), call), function(name) {
    rust_call(rs_config_read(handle, name), call)$queue
  })
  listened <- listened_queues(handle, call = call)
  unique(c(default_queue, states$name, states$paused, unlist(listened), unlist(configured)))
}

#' Task removal from a queue
#'
#' No worker runs a task that was removed from its queue; the task stays `PENDING` until it is
#' cancelled with [rrq_task_cancel()] or deleted with [rrq_task_delete()]. Removal is safe against
#' concurrent workers: a task is either removed or run. The other tasks keep their order.
#'
#' @param task_ids A character vector of task ids.
#' @inheritParams rrq_queue_length
#' @return A logical vector: `TRUE` for each pending task of this queue, which is now removed or was
#'   removed before, otherwise `FALSE`.
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
  handle <- queue_handle(controller)
  rust_call(rs_queue_remove(handle, name, task_ids))
}

#' Pausing and resuming a queue
#'
#' Workers take no tasks from a paused queue until it is resumed. Running tasks continue, and you
#' can still queue tasks. Other queues are not affected. A queue can be paused before it is used; a
#' message says that it is unknown.
#'
#' @inheritParams rrq_queue_length
#' @return `TRUE` if the state of the queue changed, `FALSE` if it was already paused or running,
#'   invisibly.
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
  handle <- queue_handle(controller, call)
  report_unknown_queue(name, handle, call)
  invisible(rust_call(rs_queue_pause(handle, name, pause), call))
}

# The default queue of tasks; every worker listens to it.
default_queue <- "default"
