#' Task results
#'
#' Fetches the values of tasks that have ended. The value of a failed task is an error object, which
#' can also be thrown.
#'
#' @param task_id,task_ids A character vector of ids of tasks that have ended; for
#'   `rrq_task_result()` a single id.
#' @param error Whether to throw the errors of failed tasks. If `FALSE` (the default), they are
#'   returned as values.
#' @param named Whether the list is named by task id.
#' @param follow Whether a retried task stands for the newest task of its chain, see
#'   [rrq_task_retry()]; `NULL` (the default) is the controller's setting.
#' @inheritParams rrq_destroy
#' @return `rrq_task_result()`: the task's value. `rrq_task_results()`: a list of values, fetched in
#'   one round trip. The value of a failed task is an `rrq_task_error`: a condition with the classes
#'   of the original one and the fields `message`, `call`, `queue_id`, `task_id`, `status`, `trace`
#'   (see [rlang::trace_back()]) and `warnings`.
#' @section Errors: `rrq_error_task_missing` and `rrq_error_task_unfinished` list the tasks in
#'   `$ids`, the latter also their statuses in `$status`. With `error = TRUE`, `rrq_task_result()`
#'   throws the task's own error, and `rrq_task_results()` an `rrq_task_error_group`, which counts
#'   and lists the failures and holds them in `$errors`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' id <- rrq_task_create_expr(log(-1), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_result(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_result <- function(task_id, error = FALSE, follow = NULL, controller = NULL) {
  check_id(task_id)
  check_flag(error)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  outcome <- fetch_outcomes(task_id, controller, follows(follow, controller))
  if (error && outcome$status != "COMPLETE") {
    rlang::cnd_signal(outcome$value[[1]])
  }
  outcome$value[[1]]
}

#' @rdname rrq_task_result
#' @export
rrq_task_results <- function(task_ids, error = FALSE, named = FALSE, follow = NULL,
                             controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(error)
  check_flag(named)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  if (length(task_ids) == 0) {
    return(if (named) stats::setNames(list(), character()) else list())
  }
  outcomes <- fetch_outcomes(task_ids, controller, follows(follow, controller))
  if (error) throw_failures(outcomes, rlang::current_env())
  if (named) rlang::set_names(outcomes$value, task_ids) else outcomes$value
}

# The `status` and `value` of tasks. If the worker sent no value (it was lost, say), the error is
# made here. A task's own value may be NULL or another task's error, so only the status shows
# whether it failed. A retried task that is not followed has its status before the retry.
fetch_outcomes <- function(ids, controller, follow = FALSE, call = caller_env()) {
  outcomes <- rust_call(rs_task_outcomes(queue_handle(controller, call), ids, follow), call)
  silent <- which(outcomes$status != "COMPLETE" & vapply(outcomes$value, is.null, TRUE))
  for (i in silent) {
    outcomes$value[[i]] <- ended_without_value(
      ids[[i]], controller$queue_id, outcomes$status[[i]], outcomes$worker[[i]]
    )
  }
  outcomes
}

# The same, if tasks may have been deleted or may have expired since they ended: they are `MISSING`.
fetch_left <- function(ids, controller, follow, call = caller_env()) {
  tryCatch(
    fetch_outcomes(ids, controller, follow, call),
    rrq_error_task_missing = function(e) {
      status <- rust_call(rs_task_status(queue_handle(controller, call), ids, FALSE), call)
      gone <- status == "MISSING"
      if (!any(gone)) rlang::cnd_signal(e)
      left <- fetch_left(ids[!gone], controller, follow, call)
      value <- vector("list", length(ids))
      value[!gone] <- left$value
      status[!gone] <- left$status
      value[gone] <- lapply(ids[gone], ended_without_value, controller$queue_id, "MISSING", "")
      list(status = status, value = value)
    }
  )
}
