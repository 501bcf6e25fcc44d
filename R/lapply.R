#' Apply a function to each element, on workers
#'
#' As [lapply()], with the work done by the queue's workers. Elements travel alone while each takes
#' long; where they are quick, many travel in one task, so that what a task costs is shared.
#'
#' Without `chunk_size`, a first element for each worker runs as a task of its own. How long these
#' took decides how many of the others go together: as many as take about a tenth of a second, but
#' always enough tasks for all workers.
#'
#' The tasks are deleted at the end. After an error, a time out or Ctrl-C those that are left are
#' cancelled first.
#'
#' @param X A vector or list.
#' @param FUN A function, as `fn` of [rrq_task_create_call()].
#' @param ... Further arguments of `FUN`, the same for all elements.
#' @param chunk_size How many elements a task takes; `NULL` chooses.
#' @param timeout Seconds to wait at most for all; `NULL` is the controller's setting, by default no
#'   limit.
#' @inheritParams rrq_task_create_expr
#' @inheritParams rrq_task_wait
#' @return A list of the same length as `X`, with its names.
#' @section Errors: the error of the first element that failed, with its classes; of class
#'   `rrq_task_error`. `rrq_error_timeout` when time is up.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' squares <- rrq_lapply(1:1000, function(x) x^2, controller = r)
#' rrq_lapply(c(a = 1, b = 2), round, digits = 1, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_lapply <- function(X, FUN, ..., # nolint: object_name_linter. The names of lapply().
                       chunk_size = NULL, queue = NULL, timeout = NULL, progress = NULL,
                       controller = NULL) {
  fn <- capture_function(substitute(FUN), parent.frame(), rlang::current_env())
  options <- task_options(list(queue = queue))
  if (!is.vector(X) && !is.list(X) && !is.factor(X)) {
    abort_argument("X", "a list or a vector", X, rlang::current_env())
  }
  if (!is.null(chunk_size)) check_count(chunk_size)
  check_number(timeout, null = TRUE)
  check_flag(progress, null = TRUE)
  controller <- get_controller(controller)
  if (length(X) == 0) {
    return(lapply(X, identity))
  }
  job <- new_job(controller, fn, list(...), options, timeout)
  on.exit(end_job(job))
  values <- run_job(job, as.list(X), chunk_size, show_progress(progress))
  stats::setNames(values, names(X))
}

# What the waves of one rrq_lapply() have in common, and the tasks they have made.
new_job <- function(controller, fn, args, options, timeout) {
  rlang::env(
    controller = controller,
    queue = queue_of(controller, caller_env(2)),
    template = list(fn = fn, args = args, names = NULL, chunked = TRUE),
    options = options,
    deadline = now() + (timeout %||% controller$settings$timeout_task_wait),
    ids = character()
  )
}

run_job <- function(job, elements, chunk_size, progress, call = caller_env()) {
  n_pilots <- 0
  values <- list()
  if (is.null(chunk_size)) {
    n_workers <- max(1, sum(rust_call(rs_worker_states(job$queue), call)$active))
    n_pilots <- min(length(elements), n_workers)
    pilots <- run_wave(job, elements[seq_len(n_pilots)], 1, progress, call)
    chunk_size <- choose_chunk_size(job, pilots$ids, length(elements) - n_pilots, n_workers)
    values <- pilots$values
  }
  rest <- elements[seq_along(elements) > n_pilots]
  c(values, if (length(rest)) run_wave(job, rest, chunk_size, progress, call)$values)
}

run_wave <- function(job, elements, chunk_size, progress, call) {
  chunks <- unname(split(unname(elements), (seq_along(elements) - 1) %/% chunk_size))
  ids <- submit(job$queue, "bulk_call", chunks, list(job$template), job$options, call)
  job$ids <- c(job$ids, ids)
  limit <- max(0, job$deadline - now())
  wait_for_tasks(job$queue, ids, limit, 1, progress, call = call)
  results <- fetch_results(ids, job$controller, call = call)
  failed <- Position(function(result) inherits(result, "rrq_task_error"), results)
  if (!is.na(failed)) {
    rlang::cnd_signal(results[[failed]])
  }
  list(ids = ids, values = unlist(results, recursive = FALSE, use.names = FALSE))
}

chunk_s <- 0.1
tasks_per_worker <- 4

# At least one element, and so many tasks that no worker waits long for another at the end.
choose_chunk_size <- function(job, ids, n, n_workers) {
  times <- rust_call(rs_task_times(job$queue, ids))$times
  fit <- chunk_s / max(mean(times$end - times$start), 1e-6)
  max(1, floor(min(fit, n / (tasks_per_worker * n_workers))))
}

end_job <- function(job) {
  if (length(job$ids) == 0) {
    return(invisible())
  }
  while (length(left <- unfinished(job)) && !cancel_all(left, job$controller)) {
    # One of them has ended in between: the others are asked for again.
  }
  rrq_task_delete(job$ids, check = FALSE, controller = job$controller)
  invisible()
}

unfinished <- function(job) {
  status <- rust_call(rs_task_status(job$queue, job$ids, FALSE))
  job$ids[status %in% c("PENDING", "RUNNING", "DEFERRED")]
}

cancel_all <- function(ids, controller) {
  tryCatch(
    is.character(rrq_task_cancel(ids, controller = controller)),
    rrq_error_task_state = function(e) FALSE
  )
}
