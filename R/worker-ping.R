#' Worker pings
#'
#' Checks that workers respond, even in the middle of a task. Unlike messages, pings are answered at
#' once, by a thread of the worker's process that does not need R.
#'
#' @param timeout The longest time to wait for responses, in seconds.
#' @inheritParams rrq_worker_status
#' @return A data frame with one row per worker:
#'   * `worker_id`;
#'   * `round_trip`, the seconds until its response arrived;
#'   * `busy`, whether it runs a task; `task_id`, the id of that task, and `task_age`, the seconds
#'     since the task started;
#'   * `rss`, the resident memory of its process in bytes, or `NA` if the system does not report it
#'     (Linux does);
#'   * `uptime`, the seconds since the worker started.
#'
#'   All columns but `worker_id` are `NA` for a worker that did not respond in time or has exited.
#' @section Errors: `rrq_error_worker_missing` lists the unknown ids.
#' @seealso [rrq_message_send()] for messages, which R answers between tasks.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' rrq_worker_ping(controller = r)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_ping <- function(worker_ids = NULL, timeout = 1, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_number(timeout)
  handle <- queue_handle(controller)
  local_deadline(handle, timeout + 0.3)
  states <- worker_states(handle)
  check_workers(worker_ids, states$id)
  worker_ids <- worker_ids %||% states$id[states$active]
  as.data.frame(rust_call(rs_worker_ping(handle, worker_ids, timeout)))
}
