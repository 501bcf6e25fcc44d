#' Task cancellation
#'
#' Cancels waiting and running tasks. A waiting task, whether pending or deferred, will not run. A
#' running task is interrupted as if by Ctrl-C, and its worker continues with the next task. A task
#' in a separate process is ended together with all processes it started: they are asked to exit,
#' then killed after the `timeout_process_die` of the worker's configuration. Tasks that depend on a
#' cancelled one become `IMPOSSIBLE`, usually before this function returns; if there are so many
#' that this takes more than 5 seconds, the rest follows later.
#'
#' In the worker's own process, code that catches the interrupt, or is in the middle of a long
#' computation in C, may run to completion, and its result is kept. The same holds for a task that
#' ends just before it can be stopped. Code that continues for too long is killed, see
#' `timeout_process_die` of [rrq_worker_config()].
#'
#' @param task_id A character vector of task ids.
#' @param wait Whether to wait until running tasks have ended.
#' @param timeout_wait The longest time to wait, in seconds.
#' @param ended What to do about tasks that have already ended, and about unknown ids: `"error"`
#'   raises an error, and no task is cancelled; `"ignore"` cancels the tasks that are still open.
#' @inheritParams rrq_destroy
#' @return The status of each task afterwards, invisibly: `"CANCELLED"`, except for tasks that ended
#'   by themselves in the meantime and, with `wait = FALSE`, those still `"RUNNING"`. With
#'   `ended = "ignore"`, tasks that had already ended have their status, and unknown ids are
#'   `"MISSING"`.
#' @section Errors: `rrq_error_task_state` lists the tasks that have already ended in `$ids` and
#'   their statuses in `$status`; `rrq_error_task_missing` lists the unknown ids. In both cases no
#'   task is cancelled. `rrq_error_timeout` if running tasks have not ended in time; they may still
#'   end later.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
#' rrq_task_cancel(id, controller = r)
#' rrq_task_status(id, controller = r)
#' print(rrq_task_cancel(c(id, "unknown"), ended = "ignore", controller = r))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_cancel <- function(task_id, wait = TRUE, timeout_wait = 10, ended = c("error", "ignore"),
                            controller = NULL) {
  task_id <- check_ids(task_id)
  check_flag(wait)
  check_number(timeout_wait)
  ignore <- check_choice(ended, c("error", "ignore")) == "ignore"
  handle <- queue_handle(controller)
  status <- rust_call(rs_task_cancel(handle, task_id, ignore))
  running <- unique(task_id[status == "RUNNING"])
  if (wait && length(running) > 0) {
    wait_for_end(handle, running, timeout_wait, ignore)
    # Tasks that depend on them are resolved by then, too.
    rust_call(rs_task_resolve_dependents(handle))
  }
  invisible(rust_call(rs_task_status(handle, task_id, FALSE)))
}

# A task that is deleted in the meantime, or expires, has ended as well.
wait_for_end <- function(handle, ids, limit, ignore_missing, call = caller_env()) {
  deadline <- now() + limit
  repeat {
    missing <- tryCatch(
      {
        wait_for_tasks(
          handle, ids, max(0, deadline - now()), time_poll = 1, progress = FALSE, call = call
        )
        return(invisible())
      },
      rrq_error_task_missing = function(e) if (ignore_missing) e$ids else rlang::cnd_signal(e)
    )
    ids <- setdiff(ids, missing)
    if (length(ids) == 0) {
      return(invisible())
    }
  }
}

#' Task deletion
#'
#' Deletes tasks and everything stored for them: code, results, warnings, progress, and shared
#' values that no other task uses. Waiting tasks will not run, and tasks that depend on deleted ones
#' become `IMPOSSIBLE`. Running tasks must be cancelled first, see [rrq_task_cancel()].
#'
#' @param check Whether unknown ids are an error; otherwise they are ignored.
#' @inheritParams rrq_task_status
#' @return `NULL`, invisibly.
#' @section Errors: `rrq_error_task_state` lists the running tasks in `$ids`, and
#'   `rrq_error_task_missing` the unknown ids. In both cases no task is deleted, with one exception:
#'   if more than 128 ids are given and a worker claims one of the tasks during the call, others may
#'   have been deleted.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
#' rrq_task_delete(ids[1:2], controller = r)
#' rrq_task_exists(ids, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_delete <- function(task_ids, check = TRUE, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(check)
  handle <- queue_handle(controller)
  rust_call(rs_task_delete(handle, task_ids, check))
  invisible()
}
