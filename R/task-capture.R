# What a task needs from where it was written.
#
# 1. capture_expr(), capture_bulk(), capture_function(): what is sent with a task.
# 2. find_variables(): from names to values, along the user's frames.
# 3. capture_names(): from syntax to names, without looking at any value.

# `given` names get their values on the worker, from tasks this one depends on.
capture_expr <- function(expr, envir, call = caller_env(), given = character()) {
  capture_bulk(expr, given, envir, call)
}

capture_bulk <- function(expr, data_names, envir, call = caller_env()) {
  expr <- resolve_expr(expr, envir, call)
  names <- lapply(capture_names(expr), setdiff, data_names)
  list(expr = expr, variables = find_variables(names, envir, call))
}

inject_expr <- function(expr, envir, call = caller_env()) {
  tryCatch(
    eval(as.call(list(rlang::expr, expr)), envir),
    error = function(cnd) {
      abort_capture("Can't inject a value with {.code !!}.", call = call, parent = cnd)
    }
  )
}

capture_function <- function(fn_expr, envir, call = caller_env(), arg = "fn") {
  if (rlang::is_missing(fn_expr)) {
    abort_capture("{.arg {arg}} is missing: give a function.", call = call)
  }
  if (is_namespaced(fn_expr)) {
    return(function_by_name(fn_expr, call))
  }
  fn <- eval_function(fn_expr, envir, call)
  if (!is.function(fn)) {
    abort_not_function(fn, fn_expr, arg, call)
  }
  namespace <- if (is.symbol(fn_expr)) home_namespace(fn, as.character(fn_expr)) else ""
  if (nzchar(namespace)) {
    return(function_reference(as.character(fn_expr), namespace))
  }
  list(value = strip_function_source(fn))
}

warn_large <- function(variables, limit = 10e6) {
  sizes <- vapply(variables, function(x) as.numeric(utils::object.size(x)), 0)
  if (sum(sizes) <= limit) {
    return(invisible(variables))
  }
  biggest <- utils::head(sort(sizes, decreasing = TRUE), 3)
  each <- vapply(biggest, format_size, "")
  total <- format_size(sum(sizes))
  cli::cli_warn(
    c(
      "The variables sent with this task take {total}.",
      i = "The biggest: {.var {names(biggest)}} ({each}).",
      i = "Send only the part that is needed, or let the worker read it from a file."
    ),
    class = c("rrq_warning_large", "rrq_warning")
  )
  invisible(variables)
}

format_size <- function(bytes) {
  format(structure(bytes, class = "object_size"), units = "auto", standard = "SI")
}

# The expression ---------------------------------------------------------------------------

quoting_heads <- c(
  "quote", "bquote", "substitute", "expression", "base::quote", "base::bquote",
  "rlang::expr", "rlang::quo"
)

resolve_expr <- function(expr, envir, call) {
  if (rlang::is_missing(expr)) {
    abort_capture("{.arg expr} is missing: give a call or a {.code {{ }}} block.", call = call)
  }
  if (is.symbol(expr)) {
    expr <- bound_call(as.character(expr), envir, call)
  }
  if (!is.call(expr) || is_function_syntax(expr)) {
    abort_not_call(expr, "{.arg expr}", call)
  }
  head <- head_text(expr)
  if (head %in% quoting_heads) {
    abort_capture(
      c(
        "{.arg expr} is already quoted for you: remove the {.code {head}()}.",
        i = "To queue a call you have stored, pass the variable that holds it."
      ),
      call = call
    )
  }
  strip_source(expr)
}

bound_call <- function(name, envir, call) {
  check_no_dots(name, call)
  frame <- find_frame(name, envir)
  if (is.null(frame)) {
    abort_unknown(name, envir, call)
  }
  value <- read_variable(name, frame, call)
  if (rlang::is_missing(value)) {
    abort_unknown(name, envir, call)
  }
  if (!is.call(value) || inherits(value, "formula")) {
    abort_not_call(value, "{.var {name}}", call, name)
  }
  value
}

is_function_syntax <- function(expr) {
  is_namespaced(expr) || identical(expr[[1]], quote(`function`))
}

is_namespaced <- function(expr) {
  is.call(expr) && head_text(expr) %in% c("::", ":::")
}

# `what` is one of our own cli templates, never the user's text.
abort_not_call <- function(x, what, call, name = NULL) {
  kind <- if (is.call(x) && is_function_syntax(x)) "a function" else friendly_type(x)
  hint <- if (is.function(x) || kind == "a function") {
    "Did you mean {.fn rrq_task_create_call}? To call the function, add {.code ()}."
  } else if (is.character(x) && is.null(name)) {
    "Did you mean to write it without the quotation marks?"
  } else {
    "Write a call such as {.code sqrt(2)}, a {.code {{ }}} block, or a variable that holds a call."
  }
  abort_capture(c(paste(what, "must be a call, not {kind}."), i = hint), call = call)
}

# Source references hold the whole text of the user's file: they would be sent with every task.
# utils::removeSource() is not used because it strips the class of data frames put in by `!!`.
strip_source <- function(expr) {
  if (!is.call(expr)) {
    return(expr)
  }
  for (name in c("srcref", "srcfile", "wholeSrcref")) {
    attr(expr, name) <- NULL
  }
  if (identical(expr[[1]], quote(`function`))) {
    expr[2] <- list(strip_formals(expr[[2]]))
    # The place of the reference stays: code that walks calls counts on it.
    expr[4] <- list(NULL)
  }
  for (i in which(vapply(as.list(expr), is.call, NA))) {
    expr[[i]] <- strip_source(expr[[i]])
  }
  expr
}

strip_formals <- function(params) {
  as.pairlist(lapply(params, strip_source))
}

# The function -----------------------------------------------------------------------------

function_by_name <- function(fn_expr, call) {
  namespace <- as.character(fn_expr[[2]])
  name <- as.character(fn_expr[[3]])
  internal <- identical(fn_expr[[1]], quote(`:::`))
  if (!requireNamespace(namespace, quietly = TRUE)) {
    abort_capture("Package {.pkg {namespace}} is not installed.", call = call)
  }
  if (!is.function(namespace_object(name, namespace, internal))) {
    hint <- if (is.function(namespace_object(name, namespace, TRUE))) {
      c(i = "It has one that is not exported: write {.code {namespace}:::{name}}.")
    }
    message <- "Package {.pkg {namespace}} has no function {.fn {name}}."
    abort_capture(c(message, hint), call = call)
  }
  list(name = name, namespace = namespace, internal = internal)
}

namespace_object <- function(name, namespace, internal) {
  ns <- asNamespace(namespace)
  if (internal) {
    get0(name, ns, inherits = FALSE)
  } else if (is_exported(name, ns)) {
    getExportedValue(ns, name)
  }
}

# Listing a namespace's exports to look for one takes most of a millisecond.
is_exported <- function(name, ns) {
  if (isBaseNamespace(ns)) {
    return(exists(name, envir = ns, inherits = FALSE))
  }
  exists(name, envir = getNamespaceInfo(ns, "exports"), inherits = FALSE) ||
    exists(name, envir = getNamespaceInfo(ns, "lazydata"), inherits = FALSE)
}

eval_function <- function(fn_expr, envir, call) {
  if (!is.symbol(fn_expr)) {
    return(eval(fn_expr, envir))
  }
  name <- as.character(fn_expr)
  check_no_dots(name, call)
  frame <- find_frame(name, envir)
  value <- if (!is.null(frame)) read_variable(name, frame, call)
  if (is.null(frame) || rlang::is_missing(value)) {
    abort_unknown(name, envir, call)
  }
  value
}

# "" unless `name` means this very function in the package that it comes from.
home_namespace <- function(fn, name) {
  ns <- if (is.primitive(fn)) baseenv() else topenv(environment(fn), emptyenv())
  package <- frame_package(ns)
  if (!nzchar(package) || !(identical(ns, baseenv()) || isNamespace(ns))) {
    return("")
  }
  if (identical(get0(name, ns, inherits = FALSE), fn)) package else ""
}

function_reference <- function(name, namespace) {
  internal <- !is_exported(name, asNamespace(namespace))
  list(name = name, namespace = namespace, internal = internal)
}

abort_not_function <- function(x, fn_expr, arg, call) {
  kind <- friendly_type(x)
  hint <- if (is.character(x)) {
    "Use {.code pkg::name} or the function itself, not its name."
  } else if (is.call(fn_expr) && head_text(fn_expr) %in% quoting_heads) {
    "Remove the {.code {head_text(fn_expr)}()}."
  } else if (is.call(fn_expr)) {
    "Did you mean {.fn rrq_task_create_expr}?"
  } else {
    "Give {.code pkg::name}, a function by its name, or {.code function(x) ...}."
  }
  abort_capture(c("{.arg {arg}} must be a function, not {kind}.", i = hint), call = call)
}

strip_function_source <- function(fn) {
  # An S4 generic cannot be rebuilt from its parts.
  if (is.primitive(fn) || isS4(fn)) {
    return(fn)
  }
  parts <- c(strip_formals(formals(fn)), list(strip_source(body(fn))))
  bare <- as.function(parts, envir = environment(fn))
  kept <- attributes(fn)
  attributes(bare) <- kept[setdiff(names(kept), "srcref")]
  bare
}

# Values -----------------------------------------------------------------------------------

# Every R process has these attached: what they hold need not be sent.
default_packages <- c(
  "base", "methods", "datasets", "utils", "grDevices", "graphics", "stats"
)

find_variables <- function(names, envir, call) {
  check_no_dots(names$required, call)
  wanted <- c(names$required, setdiff(names$optional, names$required))
  frames <- lapply(rlang::set_names(wanted), find_frame, envir)
  absent <- names(Filter(is.null, frames))
  sent <- vapply(wanted, function(x) is_sent(frames[[x]], x %in% names$required), NA)
  values <- lapply(rlang::set_names(wanted[sent]), function(x) {
    read_variable(x, frames[[x]], call)
  })
  empty <- vapply(values, rlang::is_missing, NA)
  unknown <- intersect(names$required, c(absent, names(values)[empty]))
  if (length(unknown) > 0) {
    abort_unknown(unknown, envir, call)
  }
  Filter(Negate(is.function), values[!empty])
}

# The names in a formula or beside a data frame are mostly columns: a package's object of the same
# name would be there by accident.
is_sent <- function(frame, required) {
  if (is.null(frame)) {
    return(FALSE)
  }
  package <- frame_package(frame)
  if (required) !package %in% default_packages else !nzchar(package)
}

find_frame <- function(name, envir) {
  while (!identical(envir, emptyenv())) {
    if (exists(name, envir = envir, inherits = FALSE)) {
      return(envir)
    }
    envir <- parent.env(envir)
  }
  NULL
}

# `[[` and not get(): an argument that was not given is then seen as such instead of failing.
read_variable <- function(name, frame, call) {
  tryCatch(
    frame[[name]],
    error = function(cnd) {
      abort_capture("Can't get the value of {.var {name}}.", "variable", call, parent = cnd)
    }
  )
}

frame_package <- function(envir) {
  if (identical(envir, baseenv()) || identical(envir, .BaseNamespaceEnv)) {
    "base"
  } else if (isNamespace(envir)) {
    getNamespaceName(envir)[[1]]
  } else {
    label <- attr(envir, "name", exact = TRUE) %||% ""
    if (grepl("^(package|imports):", label)) sub("^[a-z]+:", "", label) else ""
  }
}

check_no_dots <- function(names, call) {
  dots <- names[is_dots(names)]
  if (length(dots) > 0) {
    abort_capture(
      c(
        "{.code {dots}} can't be sent with a task.",
        i = "Name the values, for example {.code args <- list(...)} before the task."
      ),
      "variable",
      call
    )
  }
}

is_dots <- function(names) {
  grepl("^[.][.]([.]|[0-9]+)$", names)
}

abort_unknown <- function(names, envir, call) {
  places <- if (identical(envir, globalenv())) {
    "the global environment and the attached packages"
  } else {
    "the place the task was written, the environments around it and the attached packages"
  }
  abort_capture(
    c(
      "Can't find {.var {names}}, which the task needs.",
      i = "Looked in {places}.",
      i = "If only the worker has such a value, use {.code get(\"{names[[1]]}\")}."
    ),
    "variable",
    call
  )
}

abort_capture <- function(message, what = "argument", call, ..., .envir = parent.frame()) {
  class <- unique(c(paste0("rrq_error_", what), "rrq_error_argument", "rrq_error"))
  cli::cli_abort(message, ..., class = class, call = call, .envir = .envir)
}

friendly_type <- function(x) {
  cli::format_inline("{.obj_type_friendly {x}}")
}
