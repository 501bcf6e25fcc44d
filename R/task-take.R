#' Take the outcomes of tasks
#'
#' Fetches the status and value of tasks and deletes those that have ended, as [rrq_task_delete()]
#' does, in two requests. A task is deleted when its value is here: if the connection is lost in
#' between, nothing is lost, and the call may be repeated.
#'
#' A retried task stands for the newest of its chain, and the whole chain is deleted. Values that
#' other tasks depend on are deleted, too.
#'
#' @inheritParams rrq_task_result
#' @return A list of two, in the order of `task_ids`:
#'   * `status`: a character vector. Tasks that have not ended (`PENDING`, `RUNNING`, `DEFERRED`)
#'     are left alone. Unknown ids are `MISSING`; that is not an error.
#'   * `value`: a list of the values, as from [rrq_task_results()]: of a task that failed it is an
#'     `rrq_task_error`, also of one that is `MISSING`; of one that has not ended it is `NULL`.
#' @seealso [rrq_watch()] tells which tasks have ended.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:2, controller = r)
#' rrq_task_wait(ids, controller = r)
#' rrq_task_take(ids, controller = r)
#' rrq_task_exists(ids, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_take <- function(task_ids, warnings = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(warnings, null = TRUE)
  controller <- get_controller(controller)
  if (length(task_ids) == 0) {
    return(list(status = character(), value = list()))
  }
  handle <- queue_handle(controller)
  found <- rust_call(rs_task_take(handle, task_ids))
  # With the tasks still there: what made a task impossible is found by its id.
  outcomes <- complete_outcomes(task_ids, found$outcomes, controller, TRUE)
  rust_call(rs_task_delete_taken(handle, found$taken))
  signal_outcomes(task_ids, outcomes, warnings)
  list(status = outcomes$status, value = outcomes$value)
}
