#' Task table
#'
#' Summarises tasks in a data frame, optionally filtered by status, tag, queue or time.
#'
#' [rrq_lapply()] and [rrq_mapply()] delete their tasks when they return, so these are not in the
#' table afterwards. To look at tasks, create them with [rrq_task_create_bulk_call()].
#'
#' @param task_ids A character vector of task ids; `NULL` (the default) is all tasks.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_destroy
#' @return An `rrq_task_table`: a data frame with one row per task, in the order of `task_ids`, or
#'   of submission if `task_ids` is `NULL`. `plot()` draws it as a timeline, see
#'   [plot.rrq_task_table()]. Columns: `id`, `label`, `status`, `queue`, `worker` (`NA` if there is
#'   none), `attempt` (how many times a worker claimed the task), and the times `submitted`,
#'   `started` and `ended` (`POSIXct`) by the server's clock. Unknown ids have no row,
#'   and a warning lists them.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:3, label = c("a", "b", "c"), tags = "roots",
#'   controller = r
#' )
#' rrq_task_table(tag = "roots", controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_table <- function(task_ids = NULL, status = NULL, tag = NULL, queue = NULL, since = NULL,
                           controller = NULL) {
  task_ids <- check_ids(task_ids, null = TRUE)
  filter <- check_filter(status, tag, queue, since)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  found <- rust_call(rs_task_table(handle, task_ids, filter))
  warn_if_missing(handle, setdiff(task_ids, found$id))
  new_task_table(found, server_time(controller))
}

# `now` is the time of the table: tasks without an end had not ended then.
new_task_table <- function(found, now) {
  or_na <- function(text) replace(text, !nzchar(text), NA)
  as_time <- function(seconds) .POSIXct(seconds)
  table <- data.frame(
    id = found$id,
    label = or_na(found$label),
    status = found$status,
    queue = found$queue,
    worker = or_na(found$worker),
    attempt = found$attempt,
    submitted = as_time(found$times$submit),
    started = as_time(found$times$start),
    ended = as_time(found$times$end)
  )
  structure(table, now = as_time(now), class = c("rrq_task_table", "data.frame"))
}

# Parts of a table are tables of the same time.
#' @export
`[.rrq_task_table` <- function(x, ...) {
  part <- NextMethod()
  if (is.data.frame(part)) {
    attr(part, "now") <- attr(x, "now")
  }
  part
}

#' @export
as.data.frame.rrq_task_table <- function(x, ...) {
  structure(x, now = NULL, class = "data.frame")
}

# The filter of `rrq_task_list()` and `rrq_task_table()`.
check_filter <- function(status, tag, queue, since, call = caller_env()) {
  if (!is.null(status) && !(is.character(status) && length(status) && all(status %in% statuses))) {
    must <- paste("one or more of", toString(dQuote(statuses, FALSE)))
    abort_argument("status", must, status, call)
  }
  check_string(tag, null = TRUE, arg = "tag", call = call)
  check_string(queue, null = TRUE, arg = "queue", call = call)
  list(status = status, tag = tag, queue = queue, since = check_since(since, call))
}

check_since <- function(since, call) {
  if (is.null(since)) {
    return(NULL)
  }
  is_time <- is.numeric(since) || inherits(since, "POSIXct")
  if (!is_time || length(since) != 1 || is.na(since)) {
    abort_argument("since", "a single time, or seconds since 1970", since, call)
  }
  as.numeric(since)
}

statuses <- c(
  "PENDING", "RUNNING", "COMPLETE", "ERROR", "CANCELLED", "DIED", "TIMEOUT", "DEFERRED",
  "IMPOSSIBLE", "MOVED"
)
