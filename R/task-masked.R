# Names without a value where the expression is written, which the functions that get them may look
# up elsewhere: columns of a data frame, and functions that only the worker has. All of this runs
# before an error only, so it may take its time.
#
# Whether a function quotes its arguments is read off its definition, as no list of such functions
# would be complete. Where in doubt a name counts as a column: if it is none, the task fails on the
# worker with R's own message.

# The names that `expr` cannot do without, given the values that were found: those that are required
# still when arguments that may be looked up elsewhere count as quoted.
needed_names <- function(expr, values, envir) {
  root <- walk_root(expr, list(values = values, envir = envir))
  packages <- installed_packages(root)
  Filter(function(name) is.null(attached_object(name, packages)), unique(root$required))
}

# Parameters for data frames and for functions, and those of model functions that are looked up
# beside the variables of the formula.
data_params <- c("data", ".data", "_data")
function_params <- c("FUN", "f", ".f", "fun", "what")
model_params <- c("weights", "subset", "offset")

is_masked <- function(expr, args, root) {
  at <- seq_along(args)
  if (identical(expr[[1]], quote(`[`)) && length(args) > 0) {
    # Of what it indexes, only values known not to be data frames are certain not to quote.
    return(at > 1 & is_data(args[[1]], root$known$values, unknown = TRUE))
  }
  fn <- called_function(expr, root)
  has_data <- any(vapply(args, is_data, NA, root$known$values))
  if (!is_default(fn) && (has_data || quotes_arguments(fn, head_name(expr)))) {
    return(!at %in% param_index(fn, args, data_params))
  }
  has_formula <- any(vapply(args, is_formula_call, NA))
  is_function <- vapply(args, is.symbol, NA) & at %in% param_index(fn, args, function_params)
  is_function | ((has_data || has_formula) & rlang::names2(args) %in% model_params)
}

is_formula_call <- function(expr) {
  is.call(expr) && identical(expr[[1]], quote(`~`))
}

# A data frame, what is made of one (`dt[i]`, `dt$x`, `dt |> f()`), or something that acts as one:
# a table of a database has dimensions, but is no matrix.
is_data <- function(expr, values, unknown = FALSE) {
  while (is.call(expr) && length(args <- call_args(expr)) > 0) expr <- args[[1]]
  name <- if (is.symbol(expr)) as.character(expr) else ""
  if (!name %in% names(values)) {
    return(unknown)
  }
  value <- values[[name]]
  # A table whose connection is gone cannot tell.
  dimensions <- tryCatch(length(dim(value)), error = function(e) 2L)
  !is.atomic(value) && dimensions == 2
}

# Functions ---------------------------------------------------------------------------------

# NULL if it is not here, or computed.
called_function <- function(expr, root) {
  name <- head_name(expr)
  if (is_namespaced(expr[[1]])) {
    package <- as.character(expr[[1]][[2]])
    fn <- if (requireNamespace(package, quietly = TRUE)) get0(name, asNamespace(package))
  } else if (nzchar(name)) {
    fn <- attached_object(name, installed_packages(root)) %||%
      get0(name, root$known$envir, mode = "function")
  }
  if (is.function(fn)) fn
}

# Packages that the task attaches itself.
installed_packages <- function(root) {
  Filter(function(package) requireNamespace(package, quietly = TRUE), unique(root$packages))
}

attached_object <- function(name, packages) {
  for (package in rev(packages)) {
    object <- namespace_object(name, package, internal = FALSE)
    if (!is.null(object)) {
      return(object)
    }
  }
}

# Functions of R's own packages quote in the ways that are listed in task-names.R.
is_default <- function(fn) {
  is.primitive(fn) ||
    (is.function(fn) && frame_package(topenv(environment(fn))) %in% default_packages)
}

quoting_functions <- c(
  "enquo", "enquos", "quos", "enexpr", "enexprs", "exprs", "ensym", "ensyms", "eval_tidy",
  "eval_select"
)

# Follows `...` through a few calls, and generics to their methods, but not into other packages.
quotes_arguments <- function(fn, name, depth = 5) {
  envir <- if (is.function(fn)) environment(fn)
  functions <- rlang::set_names(list(fn), name)
  seen <- name
  while (depth > 0 && !is.null(envir) && length(functions) > 0) {
    bodies <- lapply(functions, body)
    used <- lapply(bodies, all.names)
    if (any(vapply(used, is_quoting_code, NA))) {
      return(TRUE)
    }
    generics <- names(used)[vapply(used, function(names) "UseMethod" %in% names, NA)]
    objects <- if (length(generics) > 0) ls(envir)
    methods <- objects[sub("[.].*", "", objects) %in% generics]
    names <- c(methods, unlist(lapply(bodies, calls_with_dots)))
    names <- setdiff(as.character(names), c(seen, ""))
    functions <- Filter(is.function, mget(names, envir, "function", list(NULL)))
    seen <- c(seen, names)
    depth <- depth - 1
  }
  FALSE
}

calls_with_dots <- function(expr) {
  if (is.call(expr)) {
    has_dots <- any(vapply(as.list(expr), identical, NA, quote(...)))
    c(if (has_dots) head_name(expr), unlist(lapply(call_args(expr), calls_with_dots)))
  }
}

is_quoting_code <- function(names) {
  any(quoting_functions %in% names) ||
    (any(c("substitute", "match.call") %in% names) && any(c("eval", "evalq") %in% names))
}
