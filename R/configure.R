#' Queue settings
#'
#' Sets the default retry policy and time to live for the tasks of a new queue. Call
#' `rrq_configure()` before any session or worker attaches to the queue: settings of an existing
#' queue cannot be changed. Repeating the call with the same settings has no effect.
#'
#' @param store_max_size,offload_path A number of bytes and a path: the size above which values are
#'   kept outside the server, and where. Not available yet: must be `Inf` and `NULL`, the defaults.
#' @param retry The default retry policy, made by [rrq_retry()], for tasks created without `retry`;
#'   `NULL` (the default) means no retries. A task with `retry = rrq_retry(1)` is never retried.
#' @param ttl The default time to live in seconds: a task created without `ttl` is deleted that long
#'   after its end. `NULL` (the default) keeps tasks; so does `ttl = Inf` of a task.
#' @inheritParams rrq_controller
#' @return `NULL`, invisibly.
#' @section Errors: `rrq_error_queue_exists` if the queue exists with other settings.
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
    abort_argument(arg, "a policy made by `rrq_retry()`, or NULL", retry, call)
  }
}
