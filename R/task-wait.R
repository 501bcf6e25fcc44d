#' Wait for tasks
#'
#' `rrq_task_wait()` blocks until all tasks have ended, well or badly; `rrq_task_wait_any()` until
#' at least one has. They return as soon as that is so. Ctrl-C ends the wait and leaves the tasks
#' alone.
#'
#' The progress bar tells how many tasks have ended and how many of them failed, how many run and
#' wait, how many end per second and how long the rest may take. Of running tasks that tell their
#' progress as a number from 0 to 1 or as a text such as `"3 / 10"` (see [rrq_task_progress()]), it
#' shows the first few, and counts the fractions as done. It is drawn on the error stream, and is
#' gone when the wait is over.
#'
#' @param task_id,task_ids Ids of tasks, at least one.
#' @param timeout Seconds to wait at most; `NULL` is the controller's setting, by default no limit.
#' @param time_poll Seconds between two updates of the progress bar. It does not delay the return.
#' @param progress Whether to show a progress bar; `NULL` is the option `rrq.progress`, then whether
#'   the session is interactive, and neither knits a document nor runs on a CI service (where the
#'   environment variable `CI` is `true`).
#' @param error Whether tasks that ended otherwise than well are an error, once all have ended.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_task_result
#' @return `rrq_task_wait()`: `TRUE` if all tasks are `COMPLETE`, else `FALSE`. A task that is
#'   deleted meanwhile has ended, and not well.
#'   `rrq_task_wait_any()`: the ids of all tasks that have ended so far, the one that ended first
#'   first.
#' @section Errors: `rrq_error_timeout` when time is up; `rrq_error_argument` without ids;
#'   `rrq_error_task_missing` for unknown ones. With `error = TRUE` `rrq_task_error_group`, as
#'   [rrq_task_results()].
#' @seealso [rrq_task_collect()] for handling each result as its task ends.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:10, controller = r)
#' first <- rrq_task_wait_any(ids, controller = r)
#' rrq_task_result(first[[1]], controller = r)
#' rrq_task_wait(ids, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_wait <- function(task_id, timeout = NULL, time_poll = 1, progress = NULL, follow = NULL,
                          error = FALSE, controller = NULL) {
  task_id <- check_some_ids(task_id)
  check_number(timeout, null = TRUE)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  check_flag(follow, null = TRUE)
  check_flag(error)
  controller <- get_controller(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  follow <- follows(follow, controller)
  failed <- wait_for_tasks(
    queue_of(controller), task_id, limit, time_poll, show_progress(progress), follow
  )
  if (error && length(failed) > 0) {
    throw_failures(fetch_left(failed, controller, follow), rlang::current_env())
  }
  length(failed) == 0
}

#' @rdname rrq_task_wait
#' @export
rrq_task_wait_any <- function(task_ids, timeout = NULL, progress = NULL, follow = NULL,
                              controller = NULL) {
  task_ids <- check_some_ids(task_ids)
  check_number(timeout, null = TRUE)
  check_flag(progress, null = TRUE)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  queue <- queue_of(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  follow <- follows(follow, controller)
  wait <- start_wait(queue, task_ids, limit, follow)
  on.exit(end_wait(wait))
  if (show_progress(progress)) wait$bar <- task_bar(queue, task_ids)
  ended <- await(wait, any = TRUE)$ids
  if (length(ended) == 1) {
    return(ended)
  }
  newest <- if (follow) newest_of(queue, ended) else ended
  # Those deleted meanwhile have no row.
  found <- rust_call(rs_task_table(queue, newest, list()))
  ended[order(found$times$end[match(newest, found$id)])]
}

check_some_ids <- function(ids, arg = rlang::caller_arg(ids), call = caller_env()) {
  check_ids(ids, arg = arg, call = call)
  if (length(ids) == 0) {
    abort_argument(arg, "at least one id", call = call)
  }
  unique(ids)
}

show_progress <- function(progress) {
  looked_at <- rlang::is_interactive() && !is_knitting() && !is_ci()
  progress %||% getOption("rrq.progress") %||% looked_at
}

is_knitting <- function() {
  isTRUE(getOption("knitr.in.progress"))
}

is_ci <- function() {
  tolower(Sys.getenv("CI")) %in% c("true", "1")
}

# Waits for all; returns the ids of those that ended otherwise than well.
wait_for_tasks <- function(queue, ids, limit, time_poll, progress, follow = FALSE,
                           call = caller_env()) {
  wait <- start_wait(queue, ids, limit, follow, call)
  on.exit(end_wait(wait))
  if (progress) wait$bar <- task_bar(queue, ids, max(time_poll, 0.1))
  failed <- character()
  while (wait$n_open > 0) {
    ended <- await(wait, any = FALSE, call)
    failed <- c(failed, ended$ids[ended$status != "COMPLETE"])
  }
  ids[ids %in% failed]
}

# A wait that goes on from one await() to the next. `heard` is when something last ended, `goes_on`
# whether what has not ended when time is up is left alone.
start_wait <- function(queue, ids, limit, follow = FALSE, call = caller_env()) {
  # Not rlang::env(): a wait for one task should not cost twice as much.
  list2env(parent = emptyenv(), list(
    queue = queue,
    waiter = rust_call(rs_wait_start(queue, ids, follow), call),
    n_open = length(ids),
    limit = limit,
    deadline = now() + limit,
    late = FALSE,
    goes_on = TRUE,
    heard = now(),
    bar = NULL
  ))
}

end_wait <- function(wait) {
  rust_call(rs_wait_end(wait$queue, wait$waiter))
}

# Blocks until tasks have ended: with `any` the first of them, else as many as do within one step,
# which the bar makes short. Returns their ids and statuses.
await <- function(wait, any, call = caller_env()) {
  repeat {
    # Only once too late: what has ended by now is always told, also with no time at all.
    if (wait$late) {
      abort_timeout(wait, call)
    }
    left <- wait$deadline - now()
    wait$late <- left <= 0
    supervise()
    longest <- if (is.null(wait$bar)) no_worker_s else bar_pause(wait$bar)
    pause <- max(0, min(left, longest, supervise_pause()))
    ended <- rust_call(rs_wait_next(wait$queue, wait$waiter, pause, any), call)
    wait$n_open <- ended$open
    if (!is.null(wait$bar)) update_bar(wait$bar, ended)
    if (ended$open == 0 || length(ended$ids) > 0) {
      wait$heard <- now()
      return(ended)
    }
    wait$heard <- say_if_nobody_works(wait$queue, wait$heard)
  }
}

# After this many seconds without a task ended, see whether there is a worker at all.
no_worker_s <- 5

# A wait without workers would last for ever, and look like work. Returns when something was last
# heard; once it has spoken, it is silent until a task ends.
say_if_nobody_works <- function(queue, heard) {
  if (now() - heard < no_worker_s) {
    return(heard)
  }
  if (!any(rust_call(rs_worker_states(queue))$active)) {
    cli::cli_inform(c(
      "!" = "Waiting for tasks, but no worker is alive.",
      i = "Start some with {.fn rrq_worker_spawn}, or press Ctrl-C to stop waiting."
    ))
    return(Inf)
  }
  now()
}

now <- function() {
  proc.time()[["elapsed"]]
}

abort_timeout <- function(wait, call) {
  n <- wait$n_open
  hint <- paste(
    if (n == 1) "It goes on" else "They go on",
    "meanwhile. Wait again, or look at `rrq_task_status()`."
  )
  message <- c(
    sprintf("%g task%s not ended after %g s.", n, if (n == 1) " has" else "s have", wait$limit),
    i = if (wait$goes_on) hint
  )
  abort("timeout", message, open = n, call = call)
}
