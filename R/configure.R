#' Queue settings
#'
#' Sets the default retry policy and time to live for the tasks of a new queue, where large values
#' are stored, and how much the queue may store. Call
#' `rrq_configure()` before any session or worker attaches to the queue: settings of an existing
#' queue cannot be changed. Repeating the call with the same settings has no effect.
#'
#' @param store_max_size Values whose serialised form is larger, in bytes, are stored in
#'   `offload_path` instead of the server: results, arguments, and what tasks share. Without an
#'   `offload_path` they are refused, so then this must be above 0.
#' @param offload_path A directory that all sessions and workers can write to; it is created if it
#'   does not exist. Where it has another path, give that path to [rrq_controller()] and
#'   [rrq_worker_spawn()], or to other workers in the environment variable `RRQ_OFFLOAD_PATH`. Or a
#'   folder in a bucket, see below.
#' @param compress Whether to compress objects in the server (values above 1 MB, and larger ones
#'   that tasks share) that get at least a third smaller, by LZ4. It saves memory of the server and
#'   network traffic, and costs no more time than it saves.
#' @param max_bytes How many bytes the queue may store in the server. While it stores more, the
#'   functions that queue tasks wait, see `wait` of [rrq_task_options()]. The size is an estimate:
#'   it counts tasks, results and objects, but not logs, messages and files; sizes of many tasks are
#'   extrapolated from samples; and it is measured before a submission and, within a large one, each
#'   time that a sixteenth of `max_bytes` has been sent. So leave some room below the memory of the
#'   server.
#' @param retry The default retry policy, made by [rrq_retry()], for tasks created without `retry`;
#'   `NULL` (the default) means no retries, so that a task whose worker is lost ends as `DIED`. With
#'   `retry = rrq_retry(3, on = "lost")`, such tasks run again on another worker: recommended where
#'   tasks may run twice. A task with `retry = rrq_retry(1)` is never retried.
#' @param ttl The default time to live in seconds: a task created without `ttl` is deleted that long
#'   after its end. `NULL` (the default) keeps tasks; so does `ttl = Inf` of a task.
#' @inheritParams rrq_controller
#' @return `NULL`, invisibly.
#' @section Cloud storage: `offload_path` can be a URL: `"s3://bucket/folder"` for Amazon S3 and
#'   compatible services, `"gs://bucket/folder"` for Google Cloud Storage, or
#'   `"az://container/folder"` for Azure. The bucket must exist. This needs an installation from a
#'   clone of the repository with `RRQ_FEATURES=cloud R CMD INSTALL .`, on each machine that stores
#'   or reads large values.
#'
#'   Each session and worker takes credentials and addresses from environment variables:
#'   * S3: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`. For a
#'     service other than Amazon's, also `AWS_ENDPOINT`, and `AWS_ALLOW_HTTP=true` if its address
#'     begins with `http:`. Without keys, the role of the machine or container is used. The files
#'     of the AWS command line are not read.
#'   * Google: `GOOGLE_SERVICE_ACCOUNT`, the path of a key file. Without it, the application default
#'     credentials are used, or those of the machine.
#'   * Azure: `AZURE_STORAGE_ACCOUNT_NAME` with `AZURE_STORAGE_ACCOUNT_KEY`, or with
#'     `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_TENANT_ID`. Without keys, the identity of
#'     the machine is used.
#'
#'   A request that fails is repeated for 10 seconds. A process that is killed while it stores a
#'   value of more than 8 MB leaves parts in the bucket that cost money and are not listed as files.
#'   To have them deleted, give the bucket a rule for incomplete multipart uploads.
#' @section Errors: `rrq_error_queue_exists` if the queue exists with other settings;
#'   `rrq_error_offload_path` if the `offload_path` cannot be used.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' rrq_configure("jobs", server$url, retry = rrq_retry(3, on = "lost"), ttl = 3600)
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(sqrt(1), controller = r)
#' rrq_task_info(id, controller = r)$retry
#' rrq_destroy(controller = r)
#' server$stop()
rrq_configure <- function(queue_id, con = NULL, store_max_size = Inf, offload_path = NULL,
                          retry = NULL, ttl = NULL, compress = TRUE, max_bytes = Inf) {
  check_queue_id(queue_id)
  check_number(store_max_size)
  check_string(offload_path, null = TRUE)
  check_flag(compress)
  check_retry(retry)
  check_number(ttl, null = TRUE)
  check_number(max_bytes)
  if (store_max_size == 0 && is.null(offload_path)) {
    abort_argument("store_max_size", "above 0 if there is no `offload_path`", store_max_size,
      call = rlang::current_env()
    )
  }
  url <- resolve_url(con)
  settings <- list(
    retry = retry,
    ttl = if (!is.null(ttl)) as.numeric(ttl),
    store_max_size = if (is.finite(store_max_size)) as.numeric(store_max_size),
    offload_path = expand_path(offload_path),
    compress = if (!compress) FALSE,
    max_bytes = if (is.finite(max_bytes)) as.numeric(max_bytes)
  )
  rust_call(rs_queue_configure(full_url(url), queue_id, settings))
  invisible()
}

check_retry <- function(retry, arg = "retry", call = caller_env()) {
  if (!is.null(retry) && !inherits(retry, "rrq_retry")) {
    abort_argument(arg, "a policy made by `rrq_retry()`, or NULL", retry, call)
  }
}
