#' Call a function on a worker and wait for its value
#'
#' `rrq_call()` and `rrq_eval()` run a call or an expression on a worker and return its value, as if
#' it had been evaluated here. They are the quickest way to a single value: the task is queued,
#' waited for and deleted in one go. To do something else in the meantime, use
#' [rrq_task_create_call()] and [rrq_task_wait()]; for many elements, use [rrq_lapply()].
#'
#' After an error, a time-out or Ctrl-C the task is cancelled, too, if it has not ended, and nothing
#' of it stays in the queue. To keep a task that failed, for instance to look at its log or to retry
#' it, use [rrq_task_create_call()].
#'
#' @inheritParams rrq_task_create_expr
#' @inheritParams rrq_task_options
#' @inheritParams rrq_task_result
#' @param timeout Seconds to wait for the value; `NULL` is the controller's setting, by default no
#'   limit. The time limit of the task itself is `timeout_task_run`.
#' @return The value of the call or the expression.
#' @section Errors:
#' - `rrq_task_error`, with the classes of the original error: the task failed.
#' - `rrq_error_timeout`: the task had not ended after `timeout` seconds.
#' - Those of [rrq_task_create_call()]: it was not queued.
#' @seealso [rrq_task_create_call()], [rrq_lapply()]
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' rrq_call(stats::quantile, list(1:9, probs = 0.25), controller = r)
#' x <- 3
#' rrq_eval(sqrt(x), controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_call <- with_options(function(fn, args = NULL, options = NULL, globals = TRUE, timeout = NULL,
                                  warnings = NULL, controller = NULL) {
  frame <- rlang::current_env()
  options <- engine_options(frame)
  check_answer(timeout, warnings, frame)
  task <- call_task(substitute(fn), args, options, globals, parent.frame(), frame)
  answer(task, options, timeout, warnings, get_controller(controller), frame)
})

#' @rdname rrq_call
#' @export
rrq_eval <- with_options(function(expr, options = NULL, globals = TRUE, timeout = NULL,
                                  warnings = NULL, controller = NULL) {
  frame <- rlang::current_env()
  options <- engine_options(frame)
  check_answer(timeout, warnings, frame)
  task <- expr_task(substitute(expr), options, globals, parent.frame(), frame)
  answer(task, options, timeout, warnings, get_controller(controller), frame)
})

check_answer <- function(timeout, warnings, call) {
  check_number(timeout, null = TRUE, call = call)
  check_flag(warnings, null = TRUE, call = call)
}

answer <- function(task, options, timeout, warnings, controller, call) {
  begin <- now()
  limit <- timeout %||% controller$settings$timeout_task_wait
  handle <- queue_handle(controller, call)
  local_deadline(handle, limit)
  pause <- min(limit, brief_s)
  asked <- NULL
  # submit() needs the id alone, to delete the task if a warning is made an error.
  send <- function(handle, kind, payloads, shared, options, ask, call, failed) {
    asked <<- if (relays_progress()) {
      # A task that ended in that time would be deleted, with its progress.
      id <- send_tasks(handle, kind, payloads, shared, options, ask, call, failed)
      list(id = id, deleted = FALSE)
    } else {
      rust_call(rs_task_ask(handle, kind, payloads[[1]], shared, options, ask, pause), call, failed)
    }
    asked$id
  }
  id <- submit(handle, task$kind, list(task$payload), task$shared, options, call, send = send)
  if (!asked$deleted) on.exit(forget(handle, id), add = TRUE)
  outcome <- if (is.null(asked$outcome)) {
    await_answer(handle, id, limit, begin, controller, call)
  } else {
    complete_outcomes(id, asked$outcome, controller, TRUE, call)
  }
  signal_outcomes(id, outcome, warnings)
  if (outcome$status != "COMPLETE") throw_task_error(outcome$value[[1]])
  outcome$value[[1]]
}

await_answer <- function(handle, id, limit, begin, controller, call) {
  wait <- start_wait(handle, id, limit, TRUE, call, begin = begin)
  on.exit(end_wait(wait))
  wait$goes_on <- FALSE
  await_all(wait, id, TRUE, FALSE, call)
  fetch_outcomes(id, controller, TRUE, call)
}

# Runs when a call ends, even with an error that the user must see, so this never throws. A task
# that still runs is told to stop, and expires when it has.
forget <- function(handle, id) {
  local_deadline(handle, 5)
  tryCatch(rust_call(rs_task_discard(handle, id, 0)), rrq_error = function(e) {
    reason <- conditionMessage(e)
    cli::cli_inform(c("!" = "Task {id} could not be deleted.", i = "{reason}"))
  })
}
