# The backend of foreach: `%dopar%` on the workers of a queue. The iterations are the elements of a
# job, as those of rrq_lapply() are, and are sent in the same chunks (lapply-waves.R).

#' Parallel foreach loops
#'
#' After `registerDoRrq()`, loops of the package foreach with `%dopar%` run on the workers of a
#' queue. So does what uses such loops, for example caret. Other code need not change.
#'
#' @section Options of a loop:
#' `.options.rrq = list()` of [foreach::foreach()] takes `chunk_size`, `timeout`, `progress`,
#' `relay` and `warnings`, as [rrq_lapply()] does, and the options of [rrq_task_options()], which
#' apply to each chunk of iterations: `queue`, `seed`, `retry`, `timeout_task_run` and so on. With
#' `seed`, each iteration has its own stream of random numbers, whatever the chunks are; loops with
#' `%dorng%` of the package doRNG give the same numbers as with any other backend.
#'
#' Where there is no chunk size, `preschedule` of `.options.snow` and `.options.multicore` has its
#' usual meaning: `TRUE` sends one chunk per worker, `FALSE` one iteration per task.
#'
#' @section What differs from other backends:
#' * The loop may use any variable that is visible where it is written, as it may with `%do%`: also
#'   those of enclosing functions, global ones, and functions of packages that are attached in this
#'   session. Those in `.noexport` are not sent. `.export` is needed only for names that do not
#'   occur in the code, as in `get("x")`.
#' * Each iteration begins with fresh variables. None finds what an earlier one has assigned.
#' * With `.errorhandling = "stop"`, the loop ends as soon as it is known which failing iteration
#'   comes first, and cancels the rest.
#' * Warnings of iterations are signalled again in this session, at the end of the loop.
#' * If a worker is lost, each iteration of the chunk that it was running counts as failed. Chunks
#'   are run again if the loop may do that: `.options.rrq = list(retry = rrq_retry(on = "lost"))`.
#' * A `%dopar%` inside an iteration runs sequentially, unless the iteration registers a backend.
#'
#' After an error or Ctrl-C, the remaining tasks are cancelled, and nothing of the loop stays in the
#' queue.
#'
#' @param controller An [rrq_controller()]. `NULL` is the default one at the time of each loop.
#' @param queue The name of the queue for the iterations; `NULL` is `"default"`.
#' @param chunk_size How many iterations go into a task; `NULL` chooses it as [rrq_lapply()] does.
#' @return `NULL`, invisibly. [foreach::getDoParWorkers()] then returns the number of workers that
#'   are alive.
#' @section Errors: `rrq_error_foreach_missing` if the package foreach is not installed;
#'   `rrq_error_no_controller`. Of a loop: a `simpleError` as from other backends, `task 3 failed -
#'   "..."`; `rrq_error_argument` for unknown options; `rrq_error_variable` if a variable in
#'   `.export` cannot be found; and the errors of [rrq_lapply()].
#' @export
#' @examplesIf rrq:::can_run_examples() && requireNamespace("foreach", quietly = TRUE)
#' library(foreach)
#' rrq_start(2)
#' registerDoRrq()
#' foreach(i = 1:4, .combine = c) %dopar% i^2
#' foreach(i = 1:3, .errorhandling = "pass") %dopar% if (i == 2) stop("no") else i
#' foreach(i = 1:2, .options.rrq = list(seed = 1)) %dopar% runif(1)
#' registerDoSEQ()
#' rrq_stop()
registerDoRrq <- function(controller = NULL, queue = NULL, # nolint: object_name_linter.
                          chunk_size = NULL) {
  if (!requireNamespace("foreach", quietly = TRUE)) {
    abort("foreach_missing", "`registerDoRrq()` needs the package foreach.")
  }
  get_controller(controller)
  check_name(queue, null = TRUE)
  if (!is.null(chunk_size)) check_count(chunk_size)
  data <- list(controller = controller, queue = queue, chunk_size = chunk_size)
  foreach::setDoPar(do_rrq, data, foreach_info)
  invisible()
}

foreach_info <- function(data, item) {
  switch(item,
    workers = max(1, n_active(queue_handle(data$controller))),
    name = "doRrq",
    version = as.character(utils::packageVersion("rrq"))
  )
}

n_active <- function(handle, call = caller_env()) {
  sum(rust_call(rs_worker_states(handle), call)$active)
}

# What `%dopar%` calls with the loop, its code and the environment in which it is written.
do_rrq <- function(obj, expr, envir, data) {
  call <- parent.frame()
  controller <- get_controller(data$controller, call)
  how <- foreach_options(obj$options, data, controller, call)
  it <- iterators::iter(obj)
  elements <- as.list(it)
  if (length(elements) == 0) {
    return(foreach::getResult(it))
  }
  # Of nested loops, each level has its own way to combine and to handle errors.
  is_plain <- identical(class(obj), "foreach")
  stops <- is_plain && identical(obj$errorHandling, "stop")
  at_end <- !is_plain || obj$combineInfo$in.order
  template <- foreach_template(obj, expr, envir, elements, !stops, call)
  template$streams <- how$streams
  job <- new_job(controller, template, how$options, how$timeout, TRUE, how$relay, call)
  job$signals <- collect_signals(how$warnings, length(elements), "iteration")
  gather <- if (stops) gather_to_first_error(length(elements), expr) else gather_all
  job$on_end <- if (at_end) gather else feed_accumulator(it, gather)
  values <- run_iterations(job, elements, how, call)
  if (is_plain && at_end && collects_only(obj)) {
    return(collected(obj, values))
  }
  if (at_end) accumulate(it, values, seq_along(values))
  result_of_loop(obj, it, expr)
}

result_of_loop <- function(obj, it, expr) {
  error <- foreach::getErrorValue(it)
  if (identical(obj$errorHandling, "stop") && !is.null(error)) {
    stop_foreach(foreach::getErrorIndex(it), conditionMessage(error), expr)
  }
  foreach::getResult(it)
}

run_iterations <- function(job, elements, how, call) {
  on.exit(end_job(job))
  on.exit(signal_collected(job$signals), add = TRUE)
  pieces <- function(at) elements[at]
  size <- function() element_size(elements)
  n <- length(elements)
  run_job(job, n, pieces, size, how$chunk_size(n), show_progress(how$progress), call)
}

stop_foreach <- function(at, message, expr) {
  stop(simpleError(sprintf("task %.0f failed - \"%s\"", at, message), call = expr))
}

# The options of a loop --------------------------------------------------------------------------

foreach_options <- function(options, data, controller, call) {
  given <- options$rrq %||% list()
  if (!is.list(given) || !all(nzchar(rlang::names2(given)))) {
    abort_argument(".options.rrq", "a named list", given, call)
  }
  own <- names(given) %in% c("chunk_size", "timeout", "progress", "relay", "warnings")
  task <- unclass(given)[!own]
  usable <- option_names[vapply(option_table, function(option) option$in_lapply, NA)]
  unknown <- setdiff(names(task), usable)
  if (length(unknown) > 0) {
    message <- sprintf("`.options.rrq` has no option `%s`.", unknown[[1]])
    abort("argument", message, argument = ".options.rrq", call = call)
  }
  if (is.null(task$queue)) task$queue <- data$queue
  relay <- given$relay %||% FALSE
  settings <- given[c("chunk_size", "timeout", "progress", "warnings")]
  check_job(c(settings, list(cancel = TRUE, relay = relay)), call)
  options_sent <- convert_options(task, 1, call)
  list(
    options = options_sent, streams = if (!is.null(options_sent$seed)) TRUE,
    timeout = given$timeout, progress = given$progress,
    relay = relay, warnings = given$warnings,
    chunk_size = function(n) {
      given$chunk_size %||% prescheduled(options, n, controller, call) %||% data$chunk_size
    }
  )
}

prescheduled <- function(options, n, controller, call) {
  wanted <- options$snow$preschedule %||% options$multicore$preschedule
  if (rlang::is_bool(wanted)) {
    if (wanted) ceiling(n / max(1, n_active(queue_handle(controller, call), call))) else 1
  }
}

# What is sent -----------------------------------------------------------------------------------

foreach_template <- function(obj, expr, envir, elements, catches, call) {
  frame <- foreach_frame(obj, expr, envir, call)
  code <- as.function(c(iteration_arguments(obj), list(expr)), frame)
  args <- list(code = code, packages = obj$packages, catches = catches)
  fn <- function_reference("run_iteration", "rrq")
  fn <- capture_along(fn, args, TRUE, envir, elements, call)
  fn$globals <- fn$globals[!names(fn$globals) %in% obj$noexport]
  fn$code <- intersect(fn$code, names(fn$globals))
  fn$packages <- fn$packages[!names(fn$packages) %in% obj$noexport]
  fn <- fn[lengths(fn) > 0]
  # The generator of a worker stays as it was.
  args$restores <- if (".doRNG.stream" %in% obj$argnames) TRUE
  list(fn = fn, args = args, names = NULL, chunk = "lapply", packs = TRUE)
}

# These names are not variables that must be sent.
iteration_arguments <- function(obj) {
  names <- unique(obj$argnames[nzchar(obj$argnames)])
  stats::setNames(rep(list(rlang::missing_arg()), length(names)), names)
}

# An environment with the variables that the code uses of those around the loop. Its parent is where
# the rest is: the global environment, from which capture_along() collects, or a namespace.
foreach_frame <- function(obj, expr, envir, call) {
  frame <- frame_with_dots(envir)
  package <- utils::packageName(envir)
  parent.env(frame) <- if (is.null(package)) globalenv() else asNamespace(package)
  from <- envir
  while (!is_lasting_environment(from)) {
    known <- c(obj$noexport, obj$argnames, names(frame))
    foreach::getexports(expr, frame, from, bad = known)
    from <- parent.env(from)
  }
  for (name in setdiff(obj$export, names(frame))) {
    if (!exists(name, envir)) {
      abort("variable", sprintf("Unable to find variable \"%s\" of `.export`.", name), call = call)
    }
    value <- get(name, envir)
    from <- if (is.function(value)) environment(value)
    if (identical(from, globalenv()) || identical(from, envir)) environment(value) <- frame
    assign(name, value, frame)
  }
  frame
}

# The `...` of the function that has the loop.
frame_with_dots <- function(envir) {
  dots <- tryCatch(eval(quote(list(...)), envir), error = function(e) list())
  make <- function(...) {
    list(...)
    environment()
  }
  do.call(make, dots, quote = TRUE)
}

# On the worker ----------------------------------------------------------------------------------

# One iteration, whose variables are in `args`. With `catches`, an error is its value.
run_iteration <- function(args, code, packages, catches, restores = FALSE) {
  attach_packages(packages)
  frame <- list2env(args[nzchar(names(args))], parent = environment(code))
  call <- body(code)
  # An error that names this call does not show it (without_worker_call()).
  run <- function() eval(call, frame)
  if (restores) run <- function() with_own_random(eval(call, frame))
  if (catches) tryCatch(run(), error = without_worker_call) else run()
}

attach_packages <- function(packages) {
  for (package in packages) {
    if (!paste0("package:", package) %in% search()) {
      suppressPackageStartupMessages(library(package, character.only = TRUE))
    }
  }
  # foreach warns where nothing is registered.
  if (isNamespaceLoaded("foreach") && !foreach::getDoParRegistered()) foreach::registerDoSEQ()
}

# What comes back --------------------------------------------------------------------------------

# These functions are called when the task of the iterations in `span` has ended, and return its
# values, of the first of them at least.

# foreach combines the values at once; only their number is kept.
feed_accumulator <- function(it, gather) {
  function(result, status, span) {
    values <- gather(result, status, span)
    accumulate(it, values, span[[1]] - 1 + seq_along(values))
    logical(length(values))
  }
}

# As in foreach's own loops, an error of the combining function is printed.
accumulate <- function(it, values, tags) {
  tryCatch(foreach::makeAccum(it)(values, tags), error = function(e) {
    cat("error calling combine function:\n")
    print(e)
  })
}

# Whether a loop has no function to combine values. foreach would add them to a list one by one.
collects_only <- function(obj) {
  default <- get0("defcombine", asNamespace("foreach"), inherits = FALSE)
  !obj$verbose && identical(obj$combineInfo$fun, default)
}

collected <- function(obj, values) {
  if (identical(obj$errorHandling, "remove")) {
    values <- values[!vapply(values, inherits, NA, "error")]
  }
  final <- obj$combineInfo$final
  if (is.null(final)) values else final(values)
}

# Iterations that failed are values already. Others are lost with their task.
gather_all <- function(result, status, span) {
  if (status == "COMPLETE") {
    return(unpack_values(result))
  }
  if (inherits(result, "packageNotFoundError")) throw_task_error(result)
  rep(list(result), span[[2]] - span[[1]] + 1)
}

# The first iteration that fails ends the loop. Tasks end in any order: it is known to be the first
# once all before it have ended.
gather_to_first_error <- function(n, expr) {
  is_done <- logical(n)
  failed <- Inf
  message <- NULL
  function(result, status, span) {
    values <- if (status == "COMPLETE") unpack_values(result)
    n_done <- length(values)
    if (status != "COMPLETE") {
      n_done <- (result$element %||% 1) - 1
      values <- vector("list", span[[2]] - span[[1]] + 1)
      if (span[[1]] + n_done < failed) {
        failed <<- span[[1]] + n_done
        message <<- iteration_message(result, span)
      }
    }
    is_done[span[[1]] - 1 + seq_len(n_done)] <<- TRUE
    if (is.finite(failed) && all(is_done[seq_len(failed - 1)])) {
      stop_foreach(failed, message, expr)
    }
    values
  }
}

iteration_message <- function(error, span) {
  text <- error_text(error)
  if (is.null(error$element) && span[[1]] < span[[2]]) {
    text <- sprintf("%s (tasks %.0f to %.0f)", text, span[[1]], span[[2]])
  }
  text
}
