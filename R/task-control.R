#' Cancel tasks
#'
#' A task that waits, in a queue or for other tasks, will not run. One that runs is interrupted, as
#' Ctrl-C would; its worker goes on with the next task. A process of its own is ended with all it
#' started: told to end, and killed after the `timeout_process_die` of its worker's configuration.
#' What depends on a cancelled task becomes `IMPOSSIBLE`.
#'
#' In the worker's own process, code that catches the interrupt, or is in the middle of a long
#' computation in C, may go on and complete: its result is kept. So it is for a task that ends just
#' before it could be stopped. What goes on for too long is ended hard, see `timeout_process_die` of
#' [rrq_worker_config()].
#'
#' @param task_id Ids of tasks.
#' @param wait Whether to wait until running tasks have ended.
#' @param timeout_wait Seconds to wait at most.
#' @inheritParams rrq_destroy
#' @return The status of each task afterwards, invisibly: `"CANCELLED"`, except for the tasks that
#'   ended by themselves meanwhile and, with `wait = FALSE`, those still `"RUNNING"`.
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
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_cancel <- function(task_id, wait = TRUE, timeout_wait = 10, controller = NULL) {
  task_id <- check_ids(task_id)
  check_flag(wait)
  check_number(timeout_wait)
  queue <- queue_of(controller)
  running <- rust_call(rs_task_cancel(queue, task_id))
  if (wait && length(running) > 0) {
    wait_for_tasks(queue, running, timeout_wait, time_poll = 1, progress = FALSE)
    # What depends on them is settled by then, too.
    rust_call(rs_worker_sweep(queue))
  }
  invisible(rust_call(rs_task_status(queue, task_id, FALSE)))
}

#' Delete tasks
#'
#' Forgets tasks with all that is stored for them: code, results, warnings, progress, and shared
#' values no other task uses. Those that wait will not run, and what depends on them becomes
#' `IMPOSSIBLE`. Running tasks must be cancelled first, see [rrq_task_cancel()].
#'
#' @param check Whether an unknown id is an error; else it is ignored.
#' @inheritParams rrq_task_status
#' @return Nothing, invisibly.
#' @section Errors: `rrq_error_task_state` lists the running tasks in `$ids`,
#'   `rrq_error_task_missing` those not known. No task is deleted then; of more than 256, some may
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
  queue <- queue_of(controller)
  rust_call(rs_task_delete(queue, task_ids, check))
  invisible()
}
