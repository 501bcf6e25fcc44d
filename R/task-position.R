#' Task position in a queue
#'
#' `rrq_task_position()` returns the positions of tasks in their queue, and `rrq_task_preceeding()`
#' the tasks ahead of a given one.
#'
#' @param task_id The id of a task, a string.
#' @param missing The position to return for a task that does not wait in the queue, a whole number
#'   or `NA`; 0 by default.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_queue_length
#' @return `rrq_task_position()`: an integer vector; 1 is the next task to run.
#'   `rrq_task_preceeding()`: a character vector of the ids of the tasks ahead, the next to run
#'   first, or `NULL` if the task does not wait in the queue. Both warn of ids that are unknown.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
#' rrq_task_position(rev(ids), controller = r)
#' rrq_task_preceeding(ids[[2]], controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_position <- function(task_ids, missing = 0L, queue = NULL, follow = NULL,
                              controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_position(missing)
  check_string(queue, null = TRUE)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  ids <- followed(task_ids, follow, controller)
  position <- match(ids, waiting_in(queue, handle))
  warn_if_missing(handle, ids[is.na(position)])
  position[is.na(position)] <- as.integer(missing)
  position
}

#' @rdname rrq_task_position
#' @export
rrq_task_preceeding <- function(task_id, queue = NULL, follow = NULL, controller = NULL) {
  check_id(task_id)
  check_string(queue, null = TRUE)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  id <- followed(task_id, follow, controller)
  waiting <- waiting_in(queue, handle)
  position <- match(id, waiting)
  if (is.na(position)) warn_if_missing(handle, id) else utils::head(waiting, position - 1L)
}

warn_if_missing <- function(handle, ids, call = caller_env()) {
  if (length(ids) > 0) {
    status <- rust_call(rs_task_status(handle, ids, FALSE), call)
    warn_missing_tasks(unique(ids[status == "MISSING"]))
  }
  NULL
}

waiting_in <- function(name, handle, call = caller_env()) {
  rust_call(rs_queue_list(handle, name %||% default_queue), call)
}

check_position <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  is_na <- is.atomic(x) && length(x) == 1 && is.na(x)
  if (!is_na && !is_integer(x)) {
    abort_argument(arg, "a single whole number or NA", x, call)
  }
}
