#' Results as tasks end
#'
#' `rrq_task_collect()` calls a function with each task's id and result as soon as the task ends,
#' while others run. `rrq_task_iterator()` returns the tasks one by one as they end, for your own
#' loop. Results of tasks that ended together are fetched together.
#'
#' Tasks that had already ended come first, in the order of `task_ids`; the others follow in the
#' order in which they end. An error in `fun`, or Ctrl-C, ends the collection, but not the tasks: to
#' get all results, collect again. `fun`, and the code of a loop, may itself queue, wait for and
#' collect tasks.
#'
#' @param task_ids A character vector of task ids. Duplicated ids are handled once.
#' @param fun A function of an id, a result and `...`; `NULL` returns the results. The result of a
#'   failed task is an `rrq_task_error`, as from [rrq_task_result()]. A task that was deleted or has
#'   expired in the meantime also yields one, with the `status` `"MISSING"`.
#' @param ... Further arguments of `fun`.
#' @param error Whether the first failure ends the collection and throws the task's error.
#' @param warnings Whether to signal the warnings of the tasks again, as in [rrq_task_result()]: an
#'   iterator does so for each task it returns, `rrq_task_collect()` for all tasks at the end.
#' @param timeout The longest time to wait in total, in seconds; `NULL` is the controller's setting,
#'   by default no limit. For an iterator, the default time limit of each `$next_task()`.
#' @inheritParams rrq_task_wait
#' @return `rrq_task_collect()` returns a list in the order of `task_ids` and with its names: the
#'   values of `fun`, invisibly, or without `fun` the results.
#'
#'   `rrq_task_iterator()` returns an object with two functions. `$next_task(timeout = NULL)` waits
#'   until another task has ended and returns a list of its `id`, `status` and `result`, or `NULL`
#'   after the last task. `$n_left()` returns the number of tasks not returned yet.
#' @section Errors: `rrq_error_timeout` after `timeout` seconds; `rrq_error_task_missing` for
#'   unknown ids. After a time-out, `$next_task()` may be called again.
#' @seealso [rrq_task_wait_any()] for just the ids of tasks that have ended, [rrq_task_results()]
#'   for results once all tasks have ended.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:4, controller = r)
#' rrq_task_collect(ids, function(id, result) cat(result, "\n"), controller = r)
#'
#' it <- rrq_task_iterator(ids, controller = r)
#' while (!is.null(task <- it$next_task())) {
#'   if (task$status == "COMPLETE") print(task$result)
#' }
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_collect <- function(task_ids, fun = NULL, ..., error = FALSE, timeout = NULL,
                             progress = NULL, relay = FALSE, warnings = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_function(fun, null = TRUE)
  check_flag(error)
  check_number(timeout, null = TRUE)
  check_flag(progress, null = TRUE)
  check_flag(relay)
  check_flag(warnings, null = TRUE)
  controller <- get_controller(controller)
  signals <- collect_signals(warnings, length(unique(task_ids)))
  on_end <- function(id, result, status, extra) {
    add_signals(signals, id, extra)
    if (error && status != "COMPLETE") throw_task_error(result)
    if (is.null(fun)) result else fun(id, result, ...)
  }
  limit <- timeout %||% controller$settings$timeout_task_wait
  local_deadline(queue_handle(controller), limit)
  source <- start_source(controller, unique(task_ids), limit)
  on.exit(end_source(source), add = TRUE)
  on.exit(signal_collected(signals), add = TRUE)
  source$relay <- relay
  if (source$n_left > 0 && show_progress(progress)) {
    source$wait$bar <- task_bar(source$wait$handle, source$ids)
  }
  values <- with_bar(source$wait$bar, collect(source, on_end))[match(task_ids, source$ids)]
  names(values) <- names(task_ids)
  if (is.null(fun)) values else invisible(values)
}

#' @rdname rrq_task_collect
#' @export
rrq_task_iterator <- function(task_ids, timeout = NULL, relay = FALSE, warnings = NULL,
                              controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_number(timeout, null = TRUE)
  check_flag(relay)
  check_flag(warnings, null = TRUE)
  controller <- get_controller(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  source <- start_source(controller, unique(task_ids), limit)
  source$relay <- relay
  batch <- list(ids = character())
  at <- 0
  next_task <- function(timeout = NULL) {
    check_number(timeout, null = TRUE)
    if (at == length(batch$ids)) {
      if (source$n_left == 0) {
        return(NULL)
      }
      local_deadline(queue_handle(controller), timeout %||% limit)
      restart_clock(source, timeout %||% limit)
      batch <<- next_batch(source, rlang::current_env())
      at <<- 0
      if (source$n_left == 0) end_source(source)
    }
    at <<- at + 1
    if (!is.null(batch$extra[[at]])) {
      signals <- collect_signals(warnings, 1)
      add_signals(signals, batch$ids[[at]], batch$extra[[at]])
      signal_collected(signals)
    }
    list(id = batch$ids[[at]], status = batch$status[[at]], result = batch$value[[at]])
  }
  n_left <- function() source$n_left + length(batch$ids) - at
  iterator <- rlang::new_environment(list(next_task = next_task, n_left = n_left))
  structure(iterator, class = "rrq_task_iterator")
}

#' @export
print.rrq_task_iterator <- function(x, ...) {
  n <- x$n_left()
  cat(sprintf("<rrq_task_iterator> %g task%s left\n", n, if (n == 1) "" else "s"))
  invisible(x)
}

# The results of a wait: ids of ended tasks still to be fetched, and how many tasks are left.
start_source <- function(controller, ids, limit, call = caller_env()) {
  handle <- queue_handle(controller, call)
  list2env(parent = emptyenv(), list(
    controller = controller, ids = ids, n_left = length(ids), ended = character(), relay = FALSE,
    wait = if (length(ids) > 0) start_wait(handle, ids, limit, follows(NULL, controller), call)
  ))
}

end_source <- function(source) {
  if (!is.null(source$wait)) end_wait(source$wait)
  source$wait <- NULL
}

restart_clock <- function(source, limit) {
  source$wait$limit <- limit
  source$wait$deadline <- now() + limit
  source$wait$late <- FALSE
}

# How many results are fetched at once: few round trips, but bounded memory.
batch_size <- 100

# The ids, statuses and values of some ended tasks; waits for the next one if there are none.
next_batch <- function(source, call = caller_env()) {
  if (length(source$ended) == 0) {
    source$ended <- await(source$wait, any = TRUE, call)$ids
  }
  some <- seq_len(min(batch_size, length(source$ended)))
  ids <- source$ended[some]
  follow <- follows(NULL, source$controller)
  outcomes <- fetch_left(ids, source$controller, follow, call)
  if (source$relay) relay_output(source$wait, ids, follow)
  source$ended <- source$ended[-some]
  source$n_left <- source$n_left - length(ids)
  list(ids = ids, status = outcomes$status, value = outcomes$value, extra = outcomes$extra)
}

# The values of `on_end` for all results, in the order of the ids.
collect <- function(source, on_end, call = caller_env()) {
  values <- vector("list", length(source$ids))
  ids <- character(length(values))
  n <- 0
  while (source$n_left > 0) {
    batch <- next_batch(source, call)
    for (i in seq_along(batch$ids)) {
      n <- n + 1
      ids[[n]] <- batch$ids[[i]]
      value <- on_end(batch$ids[[i]], batch$value[[i]], batch$status[[i]], batch$extra[[i]])
      if (!is.null(value)) values[[n]] <- value
    }
  }
  values[match(source$ids, ids)]
}
