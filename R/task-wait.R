#' Waiting for tasks
#'
#' `rrq_task_wait()` blocks until all tasks have ended, successfully or not; `rrq_task_wait_any()`
#' until at least one has. They return as soon as that is the case. Ctrl-C ends the wait, but not
#' the tasks.
#'
#' The progress bar shows how many tasks have ended, failed, are running and are waiting, how many
#' end per second, and the estimated time left. It also shows the progress of the first few running
#' tasks that report it as a number from 0 to 1, or as text such as `"3 / 10"` (see
#' [rrq_task_progress()]); these fractions count as done. The bar is drawn on the error stream.
#' After the wait, one line in its place says what came out, such as "498 of 500 done, 2 failed".
#'
#' If no task ends for about two seconds and none is running, a message says what the wait is for: a
#' queue that no worker listens to, a paused queue, paused workers, the time at which the first of
#' the tasks starts, or no workers at all and how the last one left. It is repeated only when the
#' reason changes.
#'
#' What a task signals to the package progressr is signalled here at once, for its handlers, such as
#' [progressr::with_progress()]; also what it signalled before the wait, which handlers ignore if
#' they have seen it. For that, a wait costs a few milliseconds more while progressr is loaded. The
#' same applies to all functions that wait for tasks, such as [rrq_lapply()] and [rrq_call()].
#'
#' While it waits, the session checks the workers it spawned, see [rrq_worker_spawn()].
#'
#' @param task_id,task_ids A character vector of task ids, at least one.
#' @param timeout The longest time to wait, in seconds; `NULL` is the controller's setting, by
#'   default no limit.
#' @param time_poll Seconds between updates of the progress bar. It does not delay the return.
#' @param progress Whether to show a progress bar. `NULL` is the option `rrq.progress`; if that is
#'   not set, a bar is shown in interactive sessions, but neither in knitr nor on a CI service
#'   (where the environment variable `CI` is `true`).
#' @param error Whether to throw an error if any task failed, once all tasks have ended.
#' @param relay Whether to repeat here what each task printed and the messages it signalled, as soon
#'   as it has ended; for tasks created with `capture = TRUE` or in separate processes. Output goes
#'   to the standard output, messages are signalled as messages. Of a task, the first and last 64 KB
#'   are kept and at most 50 messages as such.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_task_result
#' @return `rrq_task_wait()`: `TRUE` if all tasks are `COMPLETE`, otherwise `FALSE`. A task that is
#'   deleted during the wait counts as failed. `rrq_task_wait_any()`: the ids of all tasks that have
#'   ended so far, in the order in which they ended.
#' @section Errors: `rrq_error_timeout` after `timeout` seconds; `rrq_error_argument` if no ids are
#'   given; `rrq_error_task_missing` for unknown ids. With `error = TRUE`, `rrq_task_error_group`,
#'   as in [rrq_task_results()].
#' @seealso [rrq_task_collect()] to handle each result as its task ends.
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
                          error = FALSE, relay = FALSE, controller = NULL) {
  task_id <- check_some_ids(task_id)
  check_number(timeout, null = TRUE)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  check_flag(follow, null = TRUE)
  check_flag(error)
  check_flag(relay)
  controller <- get_controller(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  follow <- follows(follow, controller)
  failed <- wait_for_tasks(
    queue_handle(controller), task_id, limit, time_poll, show_progress(progress), follow, relay
  )
  if (error && length(failed) > 0) {
    left <- fetch_left(failed, controller, follow)
    throw_failures(left, rlang::current_env(), length(unique(task_id)))
  }
  length(failed) == 0
}

#' @rdname rrq_task_wait
#' @export
rrq_task_wait_any <- function(task_ids, timeout = NULL, progress = NULL, follow = NULL,
                              relay = FALSE, controller = NULL) {
  task_ids <- check_some_ids(task_ids)
  check_number(timeout, null = TRUE)
  check_flag(progress, null = TRUE)
  check_flag(follow, null = TRUE)
  check_flag(relay)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  follow <- follows(follow, controller)
  local_deadline(handle, limit)
  wait <- start_wait(handle, task_ids, limit, follow)
  on.exit(end_wait(wait), add = TRUE)
  if (show_progress(progress)) wait$bar <- task_bar(handle, task_ids)
  ended <- with_bar(wait$bar, await(wait, any = TRUE)$ids)
  if (relay) relay_output(wait, ended, follow)
  if (length(ended) == 1) {
    return(ended)
  }
  newest <- if (follow) newest_of(handle, ended) else ended
  # Tasks deleted in the meantime have no row.
  found <- rust_call(rs_task_table(handle, newest, list()))
  ended[order(found$times$end[match(newest, found$id)])]
}

check_some_ids <- function(ids, arg = rlang::caller_arg(ids), call = caller_env()) {
  # Most waits are for one task.
  if (is_one_id(ids)) {
    return(ids)
  }
  check_ids(ids, arg = arg, call = call)
  if (length(ids) == 0) {
    abort_argument(arg, "at least one id", call = call)
  }
  unique(ids)
}

show_progress <- function(progress) {
  progress %||% getOption("rrq.progress") %||%
    (may_be_interactive() && rlang::is_interactive() && !is_knitting() && !is_ci())
}

# All that is_interactive() would find out of most sessions, in a tenth of the time.
may_be_interactive <- function() interactive() || !is.null(getOption("rlang_interactive"))

is_knitting <- function() {
  isTRUE(getOption("knitr.in.progress"))
}

is_ci <- function() {
  tolower(Sys.getenv("CI")) %in% c("true", "1")
}

brief_s <- 0.1

# Waits for all; returns the ids of the failed ones.
wait_for_tasks <- function(handle, ids, limit, time_poll, progress, follow = FALSE, relay = FALSE,
                           call = caller_env()) {
  begin <- now()
  local_deadline(handle, limit)
  waiter <- NULL
  if (!relay && !progress && !relays_progress()) {
    # Most waits are over before there is anything to check.
    pause <- min(limit, brief_s)
    waiter <- rust_call(rs_wait_briefly(handle, ids, follow, pause), call)
    if (is.character(waiter)) {
      return(if (length(waiter) > 1) ids[ids %in% waiter] else waiter)
    }
  }
  wait <- start_wait(handle, ids, limit, follow, call, waiter, begin)
  on.exit(end_wait(wait), add = TRUE)
  if (progress) wait$bar <- task_bar(handle, ids, max(time_poll, 0.1))
  with_bar(wait$bar, await_all(wait, ids, follow, relay, call))
}

await_all <- function(wait, ids, follow, relay, call) {
  failed <- character()
  while (wait$n_open > 0) {
    ended <- await(wait, any = relay, call)
    failed <- c(failed, ended$ids[ended$status != "COMPLETE"])
    if (relay) relay_output(wait, ended$ids, follow, call)
  }
  ids[ids %in% failed]
}

# A wait that continues from one await() to the next. `goes_on` says whether tasks continue after a
# time-out.
start_wait <- function(handle, ids, limit, follow = FALSE, call = caller_env(), waiter = NULL,
                       begin = now()) {
  # Not rlang::env(), which would double the cost of a wait for one task.
  list2env(parent = emptyenv(), list(
    handle = handle,
    waiter = waiter %||% rust_call(rs_wait_start(handle, ids, follow), call),
    id = if (length(ids) == 1) ids,
    n_open = length(ids),
    limit = limit,
    deadline = begin + limit,
    late = FALSE,
    goes_on = TRUE,
    stall = new_stall(),
    bar = NULL,
    progress = watch_progress(handle, ids, follow, call)
  ))
}

end_wait <- function(wait) {
  rust_call(rs_wait_end(wait$handle, wait$waiter))
  if (!is.null(wait$progress)) rust_call(rs_watch_close(wait$progress, wait$handle))
}

# Blocks until tasks have ended: with `any` the first of them, else as many as end within one
# slice, which is short if there is a bar or a worker to supervise. Returns their ids and statuses.
await <- function(wait, any, call = caller_env()) {
  restart_stall(wait$stall)
  repeat {
    # Only in the next turn: tasks that have ended by now are returned even with a limit of 0.
    if (wait$late) {
      abort_timeout(wait, call)
    }
    left <- wait$deadline - now()
    wait$late <- left <= 0
    supervise()
    longest <- if (is.null(wait$bar)) Inf else bar_pause(wait$bar)
    pause <- max(0, min(left, longest, supervise_pause(), stall_pause(wait$stall)))
    if (!is.null(wait$progress)) pause <- relay_progress(wait$progress, pause, call)
    ended <- rust_call(rs_wait_next(wait$handle, wait$waiter, pause, any), call)
    wait$n_open <- ended$open
    if (ended$open == 0 && !is.null(wait$progress)) relay_last_progress(wait$progress, call)
    if (!is.null(wait$bar)) update_bar(wait$bar, ended)
    if (ended$open == 0 || length(ended$ids) > 0) {
      return(ended)
    }
    report_stall(wait, call)
  }
}

now <- function() {
  proc.time()[["elapsed"]]
}

abort_timeout <- function(wait, call) {
  n <- wait$n_open
  # Nothing runs if the wait has just said why.
  goes_on <- c("The task continues.", "The tasks continue.", "The task waits.", "The tasks wait.")
  hint <- paste(
    goes_on[[1 + (n != 1) + 2 * !is.null(wait$stall$said)]],
    "Wait again, or check with `rrq_task_status()`."
  )
  # Its id is known if the wait was for this task alone.
  count <- sprintf("%g task%s", n, if (n == 1) "" else "s")
  what <- if (is.null(wait$id)) count else paste("Task", wait$id)
  has <- if (n == 1) "has" else "have"
  message <- c(
    sprintf("%s %s not ended after %g s.", what, has, wait$limit),
    i = if (wait$goes_on) hint else sprintf(
      "%s cancelled. Allow more time with `timeout`.", if (n == 1) "It was" else "They were"
    )
  )
  abort("timeout", message, open = n, call = call)
}
