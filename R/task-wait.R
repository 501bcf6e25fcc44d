#' Wait for tasks
#'
#' Blocks until all tasks have ended, well or badly. It returns as soon as the last one ends.
#' Ctrl-C ends the wait and leaves the tasks alone.
#'
#' @param task_id Ids of tasks, at least one.
#' @param timeout Seconds to wait at most; `NULL` is the controller's setting, by default no limit.
#' @param time_poll Seconds between two updates of the progress bar. It does not delay the return.
#' @param progress Whether to show a progress bar; `NULL` is the option `rrq.progress`, then whether
#'   the session is interactive.
#' @inheritParams rrq_task_status
#' @inheritParams rrq_task_result
#' @return `TRUE` if all tasks are `COMPLETE`, else `FALSE`.
#' @section Errors: `rrq_error_timeout` when time is up; `rrq_error_argument` without ids;
#'   `rrq_error_task_missing` for unknown ones.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:10, controller = r)
#' rrq_task_wait(ids, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_wait <- function(task_id, timeout = NULL, time_poll = 1, progress = NULL, follow = NULL,
                          controller = NULL) {
  task_id <- check_ids(task_id)
  if (length(task_id) == 0) {
    abort_argument("task_id", "at least one id", call = rlang::current_env())
  }
  check_number(timeout, null = TRUE)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  limit <- timeout %||% controller$settings$timeout_task_wait
  follow <- follows(follow, controller)
  wait_for_tasks(
    queue_of(controller), unique(task_id), limit, time_poll, show_progress(progress), follow
  )
}

show_progress <- function(progress) {
  progress %||% getOption("rrq.progress") %||% interactive()
}

wait_for_tasks <- function(queue, ids, limit, time_poll, progress, follow = FALSE,
                           call = caller_env()) {
  waiter <- rust_call(rs_wait_start(queue, ids, follow), call)
  on.exit(rust_call(rs_wait_end(queue, waiter)))
  bar <- if (progress) task_bar(length(ids), environment())
  step <- if (progress) max(time_poll, 0.1) else no_worker_s
  deadline <- now() + limit
  last <- now()
  complete <- TRUE
  repeat {
    pause <- max(0, min(step, deadline - now()))
    ended <- rust_call(rs_wait_next(queue, waiter, pause, FALSE), call)
    complete <- complete && all(ended$status == "COMPLETE")
    if (progress) bar(ended$status, ended$open)
    if (ended$open == 0) {
      return(complete)
    }
    if (now() >= deadline) {
      abort_timeout(limit, ended$open, call)
    }
    last <- say_if_nobody_works(queue, last, length(ended$status) > 0)
  }
}

# After this many seconds without a task ended, see whether there is a worker at all.
no_worker_s <- 5

# A wait without workers would last for ever, and look like work. Returns when something was last
# heard; once it has spoken, it is silent for good.
say_if_nobody_works <- function(queue, last, heard) {
  if (heard) {
    return(now())
  }
  if (now() - last < no_worker_s) {
    return(last)
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

abort_timeout <- function(limit, open, call) {
  message <- c(
    sprintf("%g task%s not ended after %g s.", open, if (open == 1) " has" else "s have", limit),
    i = "They go on; wait again, or look at `rrq_task_status()`."
  )
  abort("timeout", message, open = open, call = call)
}

# A bar on the error stream, with the number of tasks that ended otherwise than well.
task_bar <- function(total, env) {
  failed <- 0
  bar <- cli::cli_progress_bar(
    format = paste(
      "{cli::pb_bar} {cli::pb_current}/{cli::pb_total} tasks | {cli::pb_extra$failed}",
      "{cli::pb_rate} | {cli::pb_eta_str}"
    ),
    total = total, extra = list(failed = ""), clear = FALSE, .envir = env
  )
  function(status, open) {
    failed <<- failed + sum(status != "COMPLETE")
    text <- if (failed > 0) sprintf("%d failed | ", failed) else ""
    cli::cli_progress_update(
      set = total - open, extra = list(failed = text), force = TRUE, id = bar, .envir = env
    )
  }
}
