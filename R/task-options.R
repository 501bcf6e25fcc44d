# Checks the task options that a user gave, and converts them to what the engine is sent.

#' Task options
#'
#' Collects task options for reuse: pass the result as `options` to the functions that queue tasks.
#' Arguments of such a function override those in `options`.
#'
#' @eval document_options()
#' @return An object of class `rrq_task_options` with the options that were given. It prints them.
#' @section Errors: `rrq_error_argument`, naming the option.
#' @seealso [rrq_task_create_expr()], [rrq_task_create_bulk_call()] and [rrq_lapply()] take
#'   `options`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' nightly <- rrq_task_options(timeout_task_run = 60, retry = rrq_retry(3), tags = "nightly")
#' nightly
#' a <- rrq_task_create_expr(sqrt(4), options = nightly, controller = r)
#' b <- rrq_task_create_expr(sqrt(9), timeout_task_run = 5, options = nightly, controller = r)
#' rrq_task_info(b, controller = r)$timeout
#' rrq_task_list(tag = "nightly", controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_options <- with_options(function() {
  frame <- rlang::current_env()
  given <- explicit_options(frame, option_names)
  check_options(given, call = frame)
  structure(given, class = "rrq_task_options")
})

#' @export
print.rrq_task_options <- function(x, ...) {
  cat(if (length(x) == 0) "<rrq_task_options> none\n" else "<rrq_task_options>\n")
  for (name in names(x)) {
    value <- x[[name]]
    text <- if (inherits(value, "rrq_retry")) summarise_retry(value) else toString(format(value))
    cat(sprintf("  %s: %s\n", name, text))
  }
  invisible(x)
}

# The options that were given to the function with this frame.
explicit_options <- function(frame, names) {
  is_given <- function(name) !eval(call("missing", as.name(name)), frame)
  mget(Filter(is_given, names), envir = frame)
}

# What the engine is sent for every task.
plain_options <- list(queue = default_queue)

# What the engine is sent for `n` tasks: from the arguments of the function with this frame, among
# them `options`.
engine_options <- function(frame, n = 1) {
  given <- mget(option_names, envir = frame)
  if (is.null(frame$options)) {
    # A task without options should not cost a dozen checks.
    if (identical(given, option_defaults)) {
      return(plain_options)
    }
  } else {
    given <- merge_options(frame$options, explicit_options(frame, option_names), call = frame)
  }
  convert_options(given, n, call = frame)
}

# The same for `rrq_lapply()`, which has only a few of the options as arguments: those that were
# given are `own`.
lapply_options <- function(options, own, call, arg = "options") {
  given <- merge_options(options, own, call, arg)
  usable <- vapply(option_table[names(given)], function(option) option$in_lapply, NA)
  if (!all(usable)) {
    names <- toString(sprintf("`%s`", names(given)[!usable]))
    message <- sprintf("`%s` must not contain %s: they are not supported here.", arg, names)
    abort("argument", message, argument = arg, call = call)
  }
  convert_options(given, 1, call)
}

merge_options <- function(options, explicit, call, arg = "options") {
  if (!is.null(options) && !inherits(options, "rrq_task_options")) {
    abort_argument(arg, "made by `rrq_task_options()`, or NULL", options, call)
  }
  given <- unclass(options) %||% list()
  given[names(explicit)] <- explicit
  given
}

convert_options <- function(given, n, call) {
  check_options(given, call)
  sent <- plain_options
  for (name in changed_options(given)) {
    sent[[name]] <- option_table[[name]]$convert(given[[name]], n, call)
  }
  sent
}

check_options <- function(given, call) {
  for (name in changed_options(given)) {
    option_table[[name]]$check(given[[name]], arg = name, call = call)
  }
  if (!is.null(given$at) && !is.null(given$delay)) {
    abort("argument", "Use either `delay` or `at`, not both.", argument = "at", call = call)
  }
}

changed_options <- function(given) {
  Filter(function(name) !identical(given[[name]], option_defaults[[name]]), names(given))
}

check_timeout <- function(x, arg, call) {
  check_number(x, null = TRUE, arg = arg, call = call)
  if (x == 0) {
    abort_argument(arg, "more than 0 seconds, or NULL for no limit", call = call)
  }
}

check_time <- function(x, arg, call) {
  if (!inherits(x, "POSIXct") || length(x) != 1 || !is.finite(x)) {
    abort_argument(arg, "one POSIXct time", x, call)
  }
}

check_label <- function(label, n, call) {
  if (length(label) > 1 && length(label) != n) {
    must <- if (n == 1) "one name" else sprintf("one name, or %d names (one per task)", n)
    abort_argument("label", must, label, call)
  }
  label
}

check_depends <- function(depends_on, arg, call) {
  check_ids(depends_on, arg = arg, call = call)
  names <- rlang::names2(depends_on)
  given <- names[nzchar(names)]
  if (anyDuplicated(given) || any(make.names(given) != given | is_dots(given))) {
    message <- sprintf("The names of `%s` must be unique and syntactic.", arg)
    abort("argument", message, argument = arg, call = call)
  }
}

# A task that is listed both with and without a name is waited for once.
as_parents <- function(depends_on) {
  names <- rlang::names2(depends_on)
  parents <- stats::setNames(as.character(depends_on), names)
  parents[nzchar(names) | !(parents %in% parents[nzchar(names)] | duplicated(parents))]
}

# The values of dependencies must not have names that the code already uses.
check_given <- function(options, names, what, call = caller_env()) {
  if (is.null(options$depends_on)) {
    return(invisible())
  }
  twice <- intersect(names(options$depends_on), names[nzchar(names)])
  if (length(twice) > 0) {
    name <- twice[[1]]
    message <- sprintf("`depends_on` must not use the name `%s`: %s has it already.", name, what)
    abort("argument", message, argument = "depends_on", call = call)
  }
}
