#' Try tasks again
#'
#' `rrq_task_retry()` queues tasks that have ended once more, each under a new id. `rrq_retry()`
#' makes a policy by which workers try a task again by themselves, under the same id; it is given as
#' `retry` to the functions that queue tasks.
#'
#' @section Retries by hand: The old task becomes `MOVED`. Questions about its id are answered for
#' the newest task of its chain, unless `follow = FALSE`. The new one has the queue, time limit,
#' seed, label, tags and rules of the old one, and goes to the end of its queue. What was
#' `IMPOSSIBLE` because the old task failed stays so.
#'
#' @section Retries by policy:
#' After an attempt that ended in one of the ways of `on`, the task is `PENDING` again, and comes
#' back to its queue after `delay * backoff^(n - 1)` seconds, `n` being the attempts so far, give or
#' take a quarter, so that what failed together does not come back together, but never after more
#' than `max_delay`. The clock is the server's. Only the last attempt ends the task, so that waits
#' go on meanwhile, and tasks that depend on it wait. [rrq_task_info()] tells about all attempts. A
#' task that was cancelled is not tried again.
#'
#' @param task_ids Ids of tasks that have ended; one that was retried before stands for the newest
#'   of its chain.
#' @param max_attempts How many attempts there are, the first one included.
#' @param delay Seconds between the first attempt and the second.
#' @param backoff By how much that grows with each further attempt; 1 keeps it as it is.
#' @param on What is tried again: R errors (`"error"`), loss of the worker or the process
#'   (`"lost"`), running longer than `timeout_task_run` (`"timeout"`).
#' @param classes Only errors that inherit from one of these classes are tried again; `NULL` is all.
#' @param max_delay The most seconds between two attempts.
#' @inheritParams rrq_destroy
#' @return `rrq_task_retry()` returns the new ids. `rrq_retry()` returns a policy of class
#'   `rrq_retry`.
#' @section Errors: `rrq_error_task_state` for tasks that have not ended or are `IMPOSSIBLE`,
#'   `rrq_error_task_repeated` for ids of the same chain, `rrq_error_task_missing` for unknown ids;
#'   each lists them, and nothing is changed then.
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
  queue <- queue_of(controller)
  rust_call(rs_task_retry(queue, task_ids))
}

#' @rdname rrq_task_retry
#' @export
rrq_retry <- function(max_attempts = 3, delay = 0, backoff = 2,
                      on = c("error", "lost", "timeout"), classes = NULL, max_delay = 3600) {
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
  new_retry(list(
    max_attempts = as.numeric(max_attempts), delay = as.numeric(delay),
    backoff = as.numeric(backoff), max_delay = as.numeric(max_delay), on = unique(on),
    classes = classes
  ))
}

new_retry <- function(policy) {
  structure(policy, class = "rrq_retry")
}

#' @export
print.rrq_retry <- function(x, ...) {
  growth <- if (x$backoff > 1) sprintf(", growing by %g up to %g s", x$backoff, x$max_delay) else ""
  attempts <- sprintf("%g attempt%s", x$max_attempts, if (x$max_attempts == 1) "" else "s")
  cat(sprintf("<rrq_retry> at most %s, on %s\n", attempts, toString(x$on)))
  cat(sprintf("  delay: %g s%s\n", x$delay, if (x$delay > 0) growth else ""))
  if (length(x$classes)) cat("  only errors of class:", toString(x$classes), "\n")
  invisible(x)
}
