#' Parallel lapply() and mapply()
#'
#' `rrq_lapply()` and `rrq_mapply()` are [lapply()] and [mapply()] with the work done by the queue's
#' workers. Slow elements are sent one per task; quick elements are batched, many per task, to
#' spread the overhead.
#'
#' Without `chunk_size`, the elements are first shared out among the workers, one task each. After a
#' tenth of a second, a task ends with the element that it is working on and hands the others back.
#' How many it has done determines how many of the elements that are left go into a task: as many as
#' take about a tenth of a second, but always few enough to keep all workers busy. No task gets
#' elements of more than 5 MB, apart from single ones.
#'
#' The call ends when all elements are done or the first one fails, and then deletes its tasks.
#' After an error, a time-out or Ctrl-C, the remaining tasks are cancelled first, unless
#' `cancel = FALSE`: then they continue, and all tasks stay in the queue. A message reports how many
#' running tasks could not be stopped within 10 seconds; these are deleted once they have ended.
#'
#' Warnings are signalled again in this session at the end. One that several elements have in common
#' is signalled once, with their number: "Warning in 37 of 1000 elements: ...".
#'
#' @param X A vector or list.
#' @param FUN A function, as `fn` of [rrq_task_create_call()], its name as a string, or a formula
#'   such as `~ .x + 1`. The global variables and functions that it uses are sent with it.
#' @param ... For `rrq_lapply()`, further arguments of `FUN`, the same for all elements. For
#'   `rrq_mapply()`, the vectors or lists to iterate over in parallel; shorter ones are recycled,
#'   and names become argument names of `FUN`.
#' @param MoreArgs A list of further arguments of `FUN`, the same for all elements.
#' @param SIMPLIFY,USE.NAMES As in [mapply()]: whether to simplify the values to a vector or matrix
#'   if possible, and whether to take names from the first of `...`, or from its values if it is a
#'   character vector.
#' @param chunk_size Number of elements per task; `NULL` chooses it as described below.
#' @param seed Seed of the random numbers, as `seed` of [rrq_task_create_call()]. Each element gets
#'   its own stream, so that the values do not depend on the number of workers or on `chunk_size`.
#' @param timeout Seconds to wait for all elements together; `NULL` is the controller's setting, by
#'   default no limit.
#' @param cancel Whether to cancel the remaining tasks after an error, a time-out or Ctrl-C.
#' @param relay Whether to repeat here what the tasks printed and the messages they signalled, as
#'   each task ends. This sets the option `capture` of [rrq_task_options()].
#' @param warnings Whether to signal the warnings again; `NULL` is the option `rrq.warnings`, by
#'   default `TRUE`.
#' @param options Options made by [rrq_task_options()], or `NULL`. The arguments `queue` and `seed`
#'   override those in `options`. Options apply to each task, that is, to a chunk of elements:
#'   `timeout_task_run`, for example, limits the time of a chunk. `depends_on`, `on_failure`,
#'   `delay`, `at` and `ttl` are not supported.
#' @inheritParams rrq_task_create_expr
#' @inheritParams rrq_task_wait
#' @return `rrq_lapply()`: a list of the same length as `X`, with its names. `rrq_mapply()`: the
#'   same as [mapply()].
#' @section Errors:
#' - `rrq_task_error`, with the classes of the original error: an element failed. The message begins
#'   with the number of the element, which is also in `$element`, and the element's name if it has
#'   one; it ends with the task and the worker. If the worker was lost or the task ran too long, the
#'   message may name a range of elements, those of the task.
#' - `rrq_error_timeout`: not all elements were done within `timeout`.
#' - `rrq_error_argument`: an argument is invalid, or an option is not supported.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' squares <- rrq_lapply(1:1000, function(x) x^2, controller = r)
#' rrq_lapply(c(a = 1, b = 2), round, digits = 1, controller = r)
#' rrq_mapply(function(x, y) x + y, 1:3, c(a = 10, b = 20, c = 30), controller = r)
#' rrq_mapply(rep, times = 1:3, x = 3:1, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_lapply <- function(X, FUN, ..., # nolint: object_name_linter. The names of lapply().
                       chunk_size = NULL, queue = NULL, seed = NULL, timeout = NULL,
                       progress = NULL, cancel = TRUE, relay = FALSE, warnings = NULL,
                       options = NULL, globals = TRUE, controller = NULL) {
  frame <- rlang::current_env()
  fn <- capture_function(substitute(FUN), parent.frame(), frame, "FUN")
  options <- lapply_options(options, explicit_options(frame, c("queue", "seed")), frame)
  check_elements(X, "X")
  how <- mget(job_settings, frame)
  check_job(how)
  args <- list(...)
  apply_to_elements(X, fn, args, globals, parent.frame(), options, how, frame)
}

#' @rdname rrq_lapply
#' @export
rrq_mapply <- function(FUN, ..., MoreArgs = NULL, # nolint: object_name_linter. Those of mapply().
                       SIMPLIFY = TRUE, USE.NAMES = TRUE, # nolint: object_name_linter.
                       chunk_size = NULL, queue = NULL, seed = NULL, timeout = NULL,
                       progress = NULL, cancel = TRUE, relay = FALSE, warnings = NULL,
                       options = NULL, globals = TRUE, controller = NULL) {
  frame <- rlang::current_env()
  fn <- capture_function(substitute(FUN), parent.frame(), frame, "FUN")
  options <- lapply_options(options, explicit_options(frame, c("queue", "seed")), frame)
  vectors <- list(...)
  args <- check_args(MoreArgs, null = TRUE, arg = "MoreArgs")
  check_flag(USE.NAMES)
  if (!identical(SIMPLIFY, "array")) check_flag(SIMPLIFY)
  how <- mget(job_settings, frame)
  check_job(how)
  n <- check_vectors(vectors)
  how$names <- if (n > 0) {
    names(vectors[[1]]) %||% if (is.character(vectors[[1]])) vectors[[1]]
  }
  values <- apply_to_vectors(vectors, n, fn, args, globals, parent.frame(), options, how, frame)
  if (length(vectors) == 0) values else as_mapply(values, vectors[[1]], SIMPLIFY, USE.NAMES)
}

# What users say about a job, apart from the options of its tasks.
job_settings <- c(
  "chunk_size", "timeout", "progress", "cancel", "relay", "warnings", "controller"
)

# The values of the function for each element, with the names of `x`. `how` holds the job's settings
# and `names`, for messages.
apply_to_elements <- function(x, fn, args, globals, envir, options, how, call) {
  if (length(x) == 0) {
    get_controller(how$controller, call)
    return(lapply(x, identity))
  }
  elements <- as_elements(x)
  fn <- capture_along(fn, args, globals, envir, elements, call)
  pieces <- function(at) elements[at]
  size <- function() element_size(elements)
  how$names <- names(x)
  values <- apply_chunks("lapply", length(elements), pieces, size, fn, args, options, how, call)
  stats::setNames(values, names(x))
}

# The same for several vectors in parallel, of which shorter ones are recycled to length `n`. The
# values have no names.
apply_to_vectors <- function(vectors, n, fn, args, globals, envir, options, how, call) {
  if (n == 0) {
    get_controller(how$controller, call)
    return(list())
  }
  elements <- lapply(vectors, as_elements)
  code <- unlist(Filter(is.list, elements), recursive = FALSE, use.names = FALSE)
  fn <- capture_along(fn, args, globals, envir, code, call)
  pieces <- function(at) lapply(elements, function(x) x[(at - 1) %% length(x) + 1])
  size <- function() sum(vapply(elements, element_size, 0))
  apply_chunks("mapply", n, pieces, size, fn, args, options, how, call)
}

apply_chunks <- function(chunk, n, pieces, size, fn, args, options, how, call) {
  template <- list(fn = fn, args = args, names = NULL, chunk = chunk, packs = how$cancel)
  template$streams <- if (!is.null(options$seed)) TRUE
  job <- new_job(how$controller, template, options, how$timeout, how$cancel, how$relay, call)
  job$names <- how$names
  job$signals <- collect_signals(how$warnings, n, "element")
  on.exit(end_job(job))
  on.exit(signal_collected(job$signals), add = TRUE)
  run_job(job, n, pieces, size, how$chunk_size, show_progress(how$progress), call)
}

check_elements <- function(x, arg, call = caller_env()) {
  # NULL is an empty list. Since R 4.4 it is not atomic.
  if (!is.null(x) && !is.atomic(x) && !is.list(x) && !is.expression(x)) {
    abort_argument(arg, "a list or a vector", x, call)
  }
}

# Returns the length of the longest vector.
check_vectors <- function(vectors, call = caller_env()) {
  names <- names(vectors) %||% rep("", length(vectors))
  for (i in seq_along(vectors)) {
    check_elements(vectors[[i]], if (nzchar(names[[i]])) names[[i]] else paste0("..", i), call)
  }
  n <- lengths(vectors, use.names = FALSE)
  if (any(n == 0) && any(n > 0)) {
    abort_argument("...", "vectors that are all empty or all non-empty", call = call)
  }
  longest <- max(0, n)
  if (longest > 0 && any(longest %% n != 0)) {
    rlang::warn("The longest vector in `...` is not a multiple of the length of the others.")
  }
  longest
}

check_job <- function(how, call = caller_env()) {
  if (!is.null(how$chunk_size)) check_count(how$chunk_size, arg = "chunk_size", call = call)
  check_number(how$timeout, null = TRUE, arg = "timeout", call = call)
  for (name in c("progress", "cancel", "relay", "warnings")) {
    check_flag(how[[name]], null = name %in% c("progress", "warnings"), arg = name, call = call)
  }
}

# Tasks get pieces cut out with `[`, for which a class could have a method of its own.
as_elements <- function(x) {
  unname(if (is.object(x) || is.expression(x)) as.list(x) else as.vector(x))
}

as_mapply <- function(values, first, simplify, use_names) {
  if (use_names && (!is.null(names(first)) || is.character(first))) {
    names(values) <- names(first) %||% first
  }
  if (isFALSE(simplify)) values else simplify2array(values, higher = identical(simplify, "array"))
}

# The state that the waves of one job share, and the ids of their tasks.
new_job <- function(controller, template, options, timeout, cancel, relay, call = caller_env()) {
  controller <- get_controller(controller, call)
  if (relay) options$capture <- TRUE
  limit <- timeout %||% controller$settings$timeout_task_wait
  list2env(parent = emptyenv(), list(
    controller = controller, handle = queue_handle(controller, call), template = template,
    options = options, limit = limit, deadline = now() + limit, cancel = cancel, relay = relay,
    ids = character(), values = list(), starts = numeric(), n_done = 0, complete = FALSE
  ))
}

# How long to wait for running tasks before leaving their end to the workers.
stop_s <- 10

# Runs when the job ends, even with an error. The user must see that error, so this never throws.
end_job <- function(job, limit = stop_s) {
  n <- length(job$ids)
  if (n == 0) {
    return(invisible())
  }
  if (!job$complete && !job$cancel) {
    cli::cli_inform(c(i = "{n} task{?s} stay{?s/} in the queue."))
    return(invisible())
  }
  tryCatch(delete_tasks(job, limit), rrq_error = function(e) {
    reason <- conditionMessage(e)
    cli::cli_inform(c("!" = "{n} task{?s} could not be deleted.", i = "{reason}"))
  })
  invisible()
}

delete_tasks <- function(job, limit) {
  if (job$complete) {
    rust_call(rs_task_delete(job$handle, job$ids, FALSE))
    return(invisible())
  }
  running <- length(rust_call(rs_task_discard(job$handle, job$ids, limit)))
  if (running > 0) {
    cli::cli_inform(c(
      "!" = "{running} task{?s} could not be stopped within {limit} s.",
      i = "{cli::qty(running)}{?It/They} will be deleted when {?it has/they have} ended."
    ))
  }
}
