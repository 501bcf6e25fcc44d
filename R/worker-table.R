#' Worker table
#'
#' Summarises workers in a data frame.
#'
#' @param worker_ids A character vector of worker ids; `NULL` (the default) is all workers,
#'   including those that have exited.
#' @inheritParams rrq_destroy
#' @return A data frame with one row per worker, in natural order or in that of `worker_ids`.
#'   Columns: `worker`, `status` as of [rrq_worker_status()], `task` (the id of the task it runs),
#'   `config`, `queue` (the queues it listens to, in order of priority, separated by commas),
#'   `hostname`, `pid`, `last_event` (`POSIXct`, by the server's clock) and `last_command`, what the
#'   last line of its log says (see [rrq_worker_log_tail()]). What is not known is `NA`.
#' @section Errors: `rrq_error_worker_missing` lists the unknown ids.
#' @seealso [rrq_task_table()]
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' rrq_worker_table(controller = r)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_table <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  states <- worker_states(handle)
  check_workers(worker_ids, states$id)
  worker_ids <- worker_ids %||% states$id
  at <- match(worker_ids, states$id)
  infos <- rust_call(rs_worker_info(handle, worker_ids))
  call <- rlang::current_env()
  logs <- lapply(worker_ids, function(id) rust_call(rs_worker_log(handle, id, 1), call))
  data.frame(
    worker = worker_ids,
    status = states$state[at],
    task = as.character(states$task[at]),
    config = one_of_each(infos, "config", ""),
    queue = one_of_each(infos, "queue", ""),
    hostname = one_of_each(infos, "hostname", ""),
    pid = one_of_each(infos, "pid", 0L),
    last_event = .POSIXct(one_of_each(logs, "time", 0)),
    last_command = one_of_each(logs, "command", "")
  )
}

# That field of each list as a vector like `of`.
one_of_each <- function(lists, name, of) {
  vapply(lists, function(list) {
    value <- list[[name]]
    if (length(value) > 1) value <- paste(value, collapse = ",")
    if (length(value) == 0) of[NA] else value
  }, of)
}
