#' Deletion of old tasks
#'
#' Deletes tasks that ended some time ago, with their results. Tasks that others still depend on are
#' kept. It also deletes objects that nothing uses any more, and files of this queue in the offload
#' path that belong to no object and are older than an hour: what a process left that ended while it
#' stored a value.
#'
#' A chain of retries is deleted as a whole; its newest task decides, and only that is listed. Large
#' queues are worked through in slices. Ctrl-C ends that; what was deleted before stays deleted.
#'
#' @param older_than A number of seconds: tasks that ended longer ago are deleted, by the clock of
#'   the server.
#' @param status A character vector: delete only tasks with one of these statuses. `NULL` is all
#'   statuses of tasks that have ended.
#' @param dry_run Whether only to find what would be deleted.
#' @inheritParams rrq_destroy
#' @return A data frame of what was or would be deleted, invisibly, with the columns `type`
#'   (`"task"` or `"file"`), `id` (or the name of the file), `status`, `ended` (for a file, when it
#'   was written) and `bytes` (of a task without its objects). A message gives the numbers, and says
#'   if this session has no access to the offload path.
#' @section Errors: `rrq_error_argument`.
#' @seealso [rrq_task_delete()] deletes given tasks; with `ttl` of [rrq_task_options()] or
#'   [rrq_configure()], tasks are deleted by themselves. [rrq_memory()] shows what is stored.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(sqrt(1), controller = r)
#' rrq_task_cancel(id, controller = r)
#' rrq_prune(3600, controller = r)
#' rrq_prune(0, status = "CANCELLED", dry_run = TRUE, controller = r)
#' rrq_prune(0, controller = r)
#' rrq_task_exists(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_prune <- function(older_than, status = NULL, dry_run = FALSE, controller = NULL) {
  check_number(older_than)
  check_flag(dry_run)
  check_ended(status)
  handle <- queue_handle(controller)
  found <- rust_call(rs_task_prune(handle, as.numeric(older_than), as.character(status), dry_run))
  is_file <- seq_along(found$id) > length(found$status)
  pruned <- data.frame(
    type = ifelse(is_file, "file", "task"), id = found$id,
    status = c(found$status, rep(NA_character_, sum(is_file))),
    ended = .POSIXct(found$time), bytes = found$bytes
  )
  report_pruned(pruned, dry_run, found$problem)
  invisible(pruned)
}

ended_statuses <- c("COMPLETE", "ERROR", "CANCELLED", "DIED", "TIMEOUT", "IMPOSSIBLE")

check_ended <- function(status, call = caller_env()) {
  if (is.null(status)) {
    return(invisible())
  }
  if (!is.character(status) || length(status) == 0 || !all(status %in% ended_statuses)) {
    must <- paste("NULL, or some of", toString(dQuote(ended_statuses, FALSE)))
    abort_argument("status", must, status, call)
  }
}

report_pruned <- function(pruned, dry_run, problem) {
  count <- function(type) {
    bytes <- pruned$bytes[pruned$type == type]
    if (length(bytes) > 0) {
      sprintf("%s (%s)", count_of(length(bytes), type, paste0(type, "s")), format_size(sum(bytes)))
    }
  }
  what <- paste(c(count("task"), count("file")), collapse = " and ")
  if (!nzchar(what)) what <- "nothing"
  inform_plainly(c(
    i = sprintf("%s %s.", if (dry_run) "Would delete" else "Deleted", what),
    i = if (!is.null(problem)) sprintf("Files were not looked for: %s.", problem)
  ))
}
