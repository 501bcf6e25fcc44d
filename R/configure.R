#' Set what holds for a queue
#'
#' To be called before anybody attaches to the queue with [rrq_controller()], or as a worker. To do
#' it again with the same settings is fine; they cannot be changed once the queue exists.
#'
#' @param store_max_size,offload_path From which size in bytes values are kept outside the server,
#'   and where. Not available yet: must be `Inf` and `NULL`.
#' @param retry A policy of trying again for tasks that are queued without one, see [rrq_retry()]. A
#'   task with `retry = rrq_retry(1)` is not tried again.
#' @param ttl Seconds after its end when a task is forgotten that was queued without `ttl`. A task
#'   with `ttl = Inf` is kept.
#' @inheritParams rrq_controller
#' @return Nothing, invisibly.
#' @section Errors: `rrq_error_queue_exists` when the queue exists with other settings.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' rrq_configure("jobs", server$url, retry = rrq_retry(3), ttl = 3600)
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(sqrt(1), controller = r)
#' rrq_task_info(id, controller = r)$retry
#' rrq_destroy(controller = r)
#' server$stop()
rrq_configure <- function(queue_id, con = NULL, store_max_size = Inf, offload_path = NULL,
                          retry = NULL, ttl = NULL) {
  check_queue_id(queue_id)
  check_not_yet(store_max_size, Inf)
  check_not_yet(offload_path, NULL)
  check_retry(retry)
  check_number(ttl, null = TRUE)
  url <- resolve_url(con)
  settings <- list(retry = retry, ttl = if (!is.null(ttl)) as.numeric(ttl))
  rust_call(rs_queue_configure(url, queue_id, settings))
  invisible()
}

check_retry <- function(retry, arg = "retry", call = caller_env()) {
  if (!is.null(retry) && !inherits(retry, "rrq_retry")) {
    abort_argument(arg, "made by `rrq_retry()`, or NULL", retry, call)
  }
}
