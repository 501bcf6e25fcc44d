#' Events of running tasks
#'
#' A running task emits conditions, such as updates of its progress of which each one counts; they
#' reach the watches of the task at once, in order and each once (see [rrq_watch()]).
#' `rrq_task_events()` reads them at any time. For a state of which only the latest counts, use
#' [rrq_task_progress_update()].
#'
#' A task keeps its latest 1000 events, and at most 1 MB of them; older ones are dropped. They are
#' deleted with the task. Those of several attempts at a task are in one list. Each event takes one
#' request; a task that emits nothing costs nothing.
#'
#' @param condition A condition, as made by [simpleCondition()] or [rlang::cnd()].
#' @param error Whether to raise an error outside a task. If `FALSE` (the default), such a call has
#'   no effect.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_task_result
#' @return `rrq_task_emit()`: `TRUE` if the event was stored; `FALSE` outside a task, or if the task
#'   is no longer running for others, because its worker was taken to be lost. Invisibly.
#'   `rrq_task_events()`: a list of conditions, in order; its attribute `dropped` is the number of
#'   older ones that were dropped.
#' @section Errors: `rrq_error_event_large` if a condition has more than 1 MB; `rrq_error_no_task`
#'   outside a task if `error = TRUE`; `rrq_error_task_missing` for an unknown id.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' count <- function(n) {
#'   for (i in seq_len(n)) rrq::rrq_task_emit(simpleCondition(paste("step", i)))
#' }
#' id <- rrq_task_create_call(count, list(3), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_events(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_emit <- function(condition, error = FALSE) {
  if (!inherits(condition, "condition")) {
    abort_argument("condition", "a condition", condition, rlang::current_env())
  }
  check_flag(error)
  if (isTRUE(the$task$active)) {
    id <- rust_call(rs_worker_task())
    return(invisible(rust_call(rs_task_emit(the$task$handle, id, condition))))
  }
  if (error) {
    message <- c(
      "No task is running in this process.",
      i = "Call `rrq_task_emit()` only from a task's code."
    )
    abort("no_task", message)
  }
  invisible(FALSE)
}

#' @rdname rrq_task_emit
#' @export
rrq_task_events <- function(task_id, controller = NULL) {
  check_id(task_id)
  found <- rust_call(rs_task_events(queue_handle(controller), task_id))
  structure(found$events, dropped = found$dropped)
}
