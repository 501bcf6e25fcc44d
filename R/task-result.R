#' Task results
#'
#' Fetches the values of tasks that have ended. The value of a failed task is an error object, which
#' can also be thrown.
#'
#' Warnings that the tasks signalled are signalled again, as if the code had run in this session. A
#' warning that several tasks have in common is signalled once, with the number of these tasks:
#' "Warning in 37 of 1000 tasks: ...". At most 50 different warnings are stored per task and
#' signalled per call; a further one counts the rest. `rrq_task_info(id)$warnings` lists those of a
#' task.
#'
#' @param task_id,task_ids A character vector of ids of tasks that have ended; for
#'   `rrq_task_result()` a single id.
#' @param error Whether to throw the errors of failed tasks. If `FALSE` (the default), they are
#'   returned as values.
#' @param named Whether the list is named by task id.
#' @param follow Whether a retried task stands for the newest task of its chain, see
#'   [rrq_task_retry()]; `NULL` (the default) is the controller's setting.
#' @param warnings Whether to signal the tasks' warnings again; `NULL` is the option `rrq.warnings`,
#'   by default `TRUE`.
#' @inheritParams rrq_destroy
#' @return `rrq_task_result()`: the task's value. `rrq_task_results()`: a list of values, fetched in
#'   one round trip. The value of a failed task is an `rrq_task_error`: a condition with the classes
#'   of the original one and the fields `message`, `call`, `queue_id`, `task_id`, `label`, `worker`,
#'   `attempt`, `status`, `trace` (see [rlang::trace_back()]) and `warnings`. For a task that is
#'   `IMPOSSIBLE`, the message names the task whose failure is the cause, and `parent` is the error
#'   of that task.
#' @section Errors: `rrq_error_task_missing` and `rrq_error_task_unfinished` list the tasks in
#'   `$ids`, the latter also their statuses in `$status`. With `error = TRUE`, `rrq_task_result()`
#'   throws the task's own error, and `rrq_task_results()` an `rrq_task_error_group`, which counts
#'   and lists the failures and holds them in `$errors`. It is an `rrq_task_error`, too.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' root <- function(x) if (x < 0) stop("x is negative") else sqrt(x)
#' ids <- rrq_task_create_bulk_call(root, c(4, -1), controller = r)
#' rrq_task_wait(ids, controller = r)
#' rrq_task_result(ids[[1]], controller = r)
#' failure <- rrq_task_result(ids[[2]], controller = r)
#' failure
#' failure$trace
#' tryCatch(rrq_task_result(ids[[2]], error = TRUE, controller = r), error = conditionMessage)
#' rrq_task_results(ids, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_result <- function(task_id, error = FALSE, follow = NULL, warnings = NULL,
                            controller = NULL) {
  check_id(task_id)
  check_flag(error)
  check_flag(follow, null = TRUE)
  check_flag(warnings, null = TRUE)
  controller <- get_controller(controller)
  outcome <- fetch_outcomes(task_id, controller, follows(follow, controller))
  signal_outcomes(task_id, outcome, warnings)
  if (error && outcome$status != "COMPLETE") {
    throw_task_error(outcome$value[[1]])
  }
  outcome$value[[1]]
}

#' @rdname rrq_task_result
#' @export
rrq_task_results <- function(task_ids, error = FALSE, named = FALSE, follow = NULL,
                             warnings = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(error)
  check_flag(named)
  check_flag(follow, null = TRUE)
  check_flag(warnings, null = TRUE)
  controller <- get_controller(controller)
  if (length(task_ids) == 0) {
    return(if (named) stats::setNames(list(), character()) else list())
  }
  outcomes <- fetch_outcomes(task_ids, controller, follows(follow, controller))
  signal_outcomes(task_ids, outcomes, warnings)
  if (error) throw_failures(outcomes, rlang::current_env())
  if (named) rlang::set_names(outcomes$value, task_ids) else outcomes$value
}

# The `status` and `value` of tasks, and their `extra`, such as warnings, if one has any. If the
# worker sent no value (it was lost, say), the error is made here. A task's own value may be NULL or
# another task's error, so only the status shows whether it failed. A retried task that is not
# followed has its status before the retry.
fetch_outcomes <- function(ids, controller, follow = FALSE, call = caller_env()) {
  handle <- queue_handle(controller, call)
  # A value that cannot be read is an error for R, which the engine ends when R jumps to this
  # handler.
  outcomes <- rust_call(tryCatch(rs_task_outcomes(handle, ids, follow), error = stop), call)
  complete_outcomes(ids, outcomes, controller, follow, call)
}

# Of tasks that have not ended, nothing is added.
complete_outcomes <- function(ids, outcomes, controller, follow, call = caller_env()) {
  failed <- which(!outcomes$status %in% c("COMPLETE", "PENDING", "RUNNING", "DEFERRED"))
  if (length(failed) > 0) {
    values <- outcomes$value
    silent <- failed[vapply(values[failed], is.null, NA)]
    values[silent] <- absent_values(ids[silent], outcomes, silent, controller, follow, call)
    outcomes$value[failed] <- Map(add_origin, values[failed], outcomes$label[failed],
      outcomes$worker[failed], outcomes$attempt[failed], USE.NAMES = FALSE
    )
  }
  outcomes
}

# The values of tasks for which no worker sent one.
absent_values <- function(ids, outcomes, places, controller, follow, call) {
  values <- Map(ended_without_value, ids, controller$queue_id, outcomes$status[places],
    outcomes$worker[places], outcomes$poison[places] %||% FALSE,
    USE.NAMES = FALSE
  )
  impossible <- which(outcomes$status[places] == "IMPOSSIBLE")
  if (length(impossible) > 0) {
    causes <- fetch_causes(ids[impossible], controller, follow, call)
    values[impossible] <- Map(
      function(value, cause) {
        if (is.null(cause)) value else impossible_value(value$task_id, value$queue_id, cause)
      },
      values[impossible], causes
    )
  }
  values
}

# The error of the task whose failure made each of these impossible, or NULL. Many may have the same
# cause, which is fetched once.
fetch_causes <- function(ids, controller, follow, call) {
  handle <- queue_handle(controller, call)
  if (follow) ids <- newest_of(handle, ids, call)
  causes <- rust_call(rs_task_causes(handle, ids), call)
  known <- unique(causes[nzchar(causes)])
  errors <- fetch_left(known, controller, FALSE, call)$value
  errors[match(causes, known)]
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
      value <- extra <- vector("list", length(ids))
      value[!gone] <- left$value
      status[!gone] <- left$status
      value[gone] <- lapply(ids[gone], ended_without_value, controller$queue_id, "MISSING", "")
      if (!is.null(left$extra)) extra[!gone] <- left$extra
      list(status = status, value = value, extra = extra)
    }
  )
}
