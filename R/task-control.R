#' Task cancellation
#'
#' Cancels tasks that wait or run. A task that waits, in a queue or for other tasks, will not run. A
#' running task is interrupted as by Ctrl-C; its worker goes on with the next task. The process of
#' an isolated task is ended with all processes it started: first asked to end, then killed after
#' the `timeout_process_die` of its worker's configuration. Tasks that depend on a cancelled one
#' become `IMPOSSIBLE`: they are so when this
#' returns, unless they are so many that this takes longer than 5 seconds.
#'
#' In the worker's own process, code that catches the interrupt, or is in the middle of a long
#' computation in C, may go on and complete: its result is kept. The same holds for a task that ends
#' just before it can be stopped. Code that goes on for too long is killed, see
#' `timeout_process_die` of [rrq_worker_config()].
#'
#' @param task_id Ids of tasks.
#' @param wait Whether to wait until running tasks have ended.
#' @param timeout_wait Seconds to wait at most.
#' @param ended What to do about tasks that have ended, and ids that are not known: `"error"` raises
#'   an error, and no task is cancelled; `"ignore"` cancels those that are still open.
#' @inheritParams rrq_destroy
#' @return The status of each task afterwards, invisibly: `"CANCELLED"`, except for tasks that ended
#'   by themselves meanwhile and, with `wait = FALSE`, those still `"RUNNING"`. With
#'   `ended = "ignore"` also how the others had ended, and `"MISSING"` for unknown ids.
#' @section Errors: `rrq_error_task_state` lists the tasks that have ended in `$ids` and how in
#'   `$status`, `rrq_error_task_missing` those not known; no task is cancelled then.
#'   `rrq_error_timeout` when running tasks have not ended in time; they may still do.
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

# A task that is deleted meanwhile, or expires, has ended as well.
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
#' Deletes tasks with all that is stored for them: code, results, warnings, progress, and shared
#' values that no other task uses. Tasks that wait will not run, and tasks that depend on deleted
#' ones become `IMPOSSIBLE`. Running tasks must be cancelled first, see [rrq_task_cancel()].
#'
#' @param check Whether an unknown id is an error; otherwise it is ignored.
#' @inheritParams rrq_task_status
#' @return Nothing, invisibly.
#' @section Errors: `rrq_error_task_state` lists the running tasks in `$ids`,
#'   `rrq_error_task_missing` those not known. No task is deleted then; of more than 128, some may
#'   be if a worker takes another one at that very moment.
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
