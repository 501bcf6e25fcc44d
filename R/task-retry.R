#' Task retries
#'
#' `rrq_task_retry()` queues finished tasks again, each under a new id. `rrq_retry()` makes a policy
#' by which workers retry a task automatically, under the same id; pass it as `retry` to the
#' functions that create tasks.
#'
#' @section Manual retries: The old task becomes `MOVED`. Queries for its id follow to the newest
#' task of its chain, unless `follow = FALSE`. The new task has the queue, time limit, seed, label,
#' tags, retry policy and time to live of the old one, and goes to the end of its queue. Tasks that
#' became `IMPOSSIBLE` because the old task failed stay `IMPOSSIBLE`.
#'
#' @section Tasks that take workers down:
#' By default, a task ends as `DIED` when its worker is lost: its process was killed or ran out of
#' memory, or its machine went away. To have all tasks of a queue run again in this case, set a
#' default policy before the queue is first used:
#'
#' ```r
#' rrq_configure("jobs", retry = rrq_retry(3, on = "lost"))
#' ```
#'
#' The task itself may be what ends its workers. So whatever `max_attempts`, it is not retried once
#' `max_lost` workers were lost while they ran it; its error then says so. [rrq_task_retry()] queues
#' it again all the same.
#'
#' @section Automatic retries:
#' After an attempt that failed in one of the ways in `on`, the task is `PENDING` again. It returns
#' to its queue after `delay * backoff^(n - 1)` seconds, where `n` is the number of attempts so far,
#' by the server's clock, with a jitter of up to 25 % in either direction and never more than
#' `max_delay` seconds. Only the last attempt ends the task: until then, waits continue and
#' dependants stay deferred. [rrq_task_info()] lists all attempts. A cancelled task is not retried.
#'
#' @param task_ids A character vector of ids of tasks that have ended; a task that was retried
#'   before stands for the newest task of its chain.
#' @param max_attempts The number of attempts, including the first.
#' @param delay Seconds between the first attempt and the second.
#' @param backoff The factor by which the delay grows with each further attempt; 1 keeps it
#'   constant.
#' @param on A character vector of the failures to retry: R errors (`"error"`), loss of the worker
#'   or the process (`"lost"`), running longer than `timeout_task_run` (`"timeout"`). The default
#'   is all three.
#' @param classes A character vector: retry only errors that inherit from one of these classes.
#'   `NULL` (the default) retries all errors.
#' @param max_delay The maximum delay between two attempts, in seconds.
#' @param max_lost A task is not retried once so many workers were lost while they ran it.
#' @inheritParams rrq_destroy
#' @return `rrq_task_retry()`: a character vector of the new ids. `rrq_retry()`: a policy of class
#'   `rrq_retry`.
#' @section Errors: `rrq_error_task_state` for tasks that have not ended or are `IMPOSSIBLE`,
#'   `rrq_error_task_repeated` for ids of the same chain, `rrq_error_task_missing` for unknown ids.
#'   Each lists the ids, and no task is changed.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(controller = r)
#' id <- rrq_task_create_expr(stop("no luck"), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_retry(id, controller = r)
#' rrq_task_status(id, follow = FALSE, controller = r)
#'
#' policy <- rrq_retry(5, delay = 0.1)
#' id <- rrq_task_create_expr(if (runif(1) < 0.5) stop("no luck"), retry = policy, controller = r)
#' rrq_task_wait(id, controller = r)
#' length(rrq_task_info(id, controller = r)$attempts)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_retry <- function(task_ids, controller = NULL) {
  task_ids <- check_ids(task_ids)
  handle <- queue_handle(controller)
  rust_call(rs_task_retry(handle, task_ids))
}

#' @rdname rrq_task_retry
#' @export
rrq_retry <- function(max_attempts = 3, delay = 0, backoff = 2,
                      on = c("error", "lost", "timeout"), classes = NULL, max_delay = 3600,
                      max_lost = 3) {
  check_count(max_attempts)
  check_number(delay, infinite = FALSE)
  check_number(backoff, min = 1, infinite = FALSE)
  causes <- c("error", "lost", "timeout")
  if (!is.character(on) || length(on) == 0 || !all(on %in% causes)) {
    must <- paste("one or more of", toString(dQuote(causes, FALSE)))
    abort_argument("on", must, on, rlang::current_env())
  }
  check_names(classes, null = TRUE)
  check_number(max_delay, infinite = FALSE)
  check_count(max_lost)
  new_retry(list(
    max_attempts = as.numeric(max_attempts), delay = as.numeric(delay),
    backoff = as.numeric(backoff), max_delay = as.numeric(max_delay), on = unique(on),
    classes = classes, max_lost = as.numeric(max_lost)
  ))
}

new_retry <- function(policy) {
  structure(policy, class = "rrq_retry")
}

#' @export
print.rrq_retry <- function(x, ...) {
  cat(sprintf("<rrq_retry> %s\n", summarise_retry(x)))
  growth <- if (x$backoff > 1) {
    sprintf(", growing by a factor of %g up to %g s", x$backoff, x$max_delay)
  }
  cat(sprintf("  delay: %g s%s\n", x$delay, if (x$delay > 0) growth %||% "" else ""))
  if (length(x$classes)) cat("  only errors of class:", toString(x$classes), "\n")
  invisible(x)
}

summarise_retry <- function(policy) {
  n <- policy$max_attempts
  sprintf("at most %g attempt%s, on %s", n, if (n == 1) "" else "s", toString(policy$on))
}
