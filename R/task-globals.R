# What functions that are sent by value take along from the global environment, which is not sent.
#
# 1. function_syntax(): the names a function uses. It is read once per function and kept.
# 2. collect_globals(): their current values, and those that these need in turn.
#
# The environments between a function and the global one are sent with it. They are visited for the
# functions in them only.

# The function, with the values and packages that it needs on the worker: `globals` and `packages`;
# and whether arguments or elements hold functions, whose environment is set there, too.
capture_along <- function(fn, args, globals, envir, elements = NULL, call = caller_env()) {
  if (!isTRUE(globals)) check_globals(globals, call)
  if (any(vapply(args, holds_code, NA))) fn$args_code <- TRUE
  if (is.list(elements) && any(vapply(elements, holds_code, NA, 1))) fn$elements_code <- TRUE
  code <- c(fn["value"], if (isTRUE(fn$args_code)) args, if (isTRUE(fn$elements_code)) elements)
  along <- collect_globals(code[!vapply(code, is.null, NA)], isTRUE(globals), call)
  values <- if (isTRUE(globals)) along$values else declared_variables(globals, envir, call)
  if (length(values) > 0) {
    fn$globals <- values
    fn$code <- names(values)[vapply(values, holds_code, NA)]
  }
  fn$packages <- along$packages
  fn$inner <- along$inner
  fn
}

holds_code <- function(x, depth = 3) {
  if (is.function(x) || is.environment(x) || is_formula(x)) {
    return(TRUE)
  }
  depth > 1 && is_short_list(x) && any(vapply(unclass(x), holds_code_if_there, NA, depth - 1))
}

# Formal arguments without a default are elements that are not there.
holds_code_if_there <- function(x, depth) !rlang::is_missing(x) && holds_code(x, depth)

is_formula <- function(x) is.call(x) && inherits(x, "formula")

is_short_list <- function(x) is.list(x) && !is.data.frame(x) && length(x) <= widest

# Longer lists, and environments with more objects, hold data rather than functions.
widest <- 200

# The variables of an expression that the user declared and that hold functions. On the worker these
# see each other, and what else the task has.
names_of_code <- function(variables, globals) {
  if (!isTRUE(globals)) {
    code <- vapply(variables, holds_code, NA)
    if (any(code)) names(variables)[code]
  }
}

# More than this is hardly meant: what a function uses is found, not declared.
globals_max_size <- 500e6

check_globals_size <- function(values, call) {
  sizes <- vapply(values, function(x) as.numeric(utils::object.size(x)), 0)
  limit <- getOption("rrq.globals_max_size", globals_max_size)
  if (sum(sizes) <= limit) {
    return(invisible(values))
  }
  biggest <- utils::head(sort(sizes, decreasing = TRUE), 3)
  each <- vapply(biggest, format_size, "")
  abort_capture(
    c(
      "The global variables that the function uses take up {format_size(sum(sizes))}.",
      i = "The largest: {.var {names(biggest)}} ({each}).",
      i = "Let the worker read them from a file, choose what to send with {.arg globals}, or raise
        the limit of {format_size(limit)} with {.code options(rrq.globals_max_size = )}."
    ),
    "size", call
  )
}

# The names of a function --------------------------------------------------------------------

# Identical code is the same object: closures made from one `function` expression share it. It is
# kept with what was found, so that its address is not used again.
function_syntax <- function(fn) {
  params <- formals(fn)
  body <- body(fn)
  code_syntax(params, body, function() {
    names <- walk_function_names(params, body)
    parts <- c(strip_formals(params), list(strip_source(body)))
    c(names, bare = as.function(parts, envir = baseenv()))
  })
}

max_functions <- 500

code_syntax <- function(params, body, read) {
  key <- paste0(rlang::obj_address(params), rlang::obj_address(body))
  syntax <- the$functions[[key]]
  if (is.null(syntax)) {
    if (length(the$functions) >= max_functions) the$functions <- new.env(parent = emptyenv())
    syntax <- list2env(c(read(), list(key = key, code = list(params, body))), parent = emptyenv())
    assign(key, syntax, the$functions)
  }
  syntax
}

# Code made by hand may not have the form that is expected of it.
walk_function_names <- function(params, body) {
  root <- tryCatch(
    walk_root(as.call(list(quote(`function`), params, body)), finds_functions = TRUE),
    error = function(e) list(optional = all.vars(body), called = all.names(body))
  )
  syntax_names(root$required, root$optional, root$called)
}

# In `data` only a value is of use; in `called` only a function. `certain` names are variables or
# functions; the others may be columns.
syntax_names <- function(required, optional, called) {
  variables <- setdiff(as.character(c(required, optional)), "")
  variables <- variables[!is_dots(variables)]
  called <- unique(as.character(called))
  list(
    all = union(variables, called), variables = variables, called = called,
    certain = union(intersect(as.character(required), variables), called)
  )
}

# Where the names are found that are not local, which stays the same for a while: `here`, in the
# global environment; behind it, by name, the `packages` beside R's own, and the environments of
# `data` that were attached.
locate_names <- function(syntax) {
  objects <- ls(globalenv(), all.names = TRUE, sorted = FALSE)
  if (!identical(syntax$objects, objects)) {
    syntax$here <- c(intersect(syntax$all, objects), methods_among(objects, syntax$called))
    syntax$objects <- objects
  }
  path <- search()
  # What else is attached may change under the same name.
  is_fixed <- startsWith(path, "package:") | path == ".GlobalEnv" | is_tool(path)
  if (!identical(syntax$search, path) || !all(is_fixed)) {
    frames <- find_frames(syntax$certain, parent.env(globalenv()))
    labels <- vapply(frames, frame_package, "")
    syntax$packages <- labels[nzchar(labels) & !labels %in% default_packages]
    syntax$data <- frames[!nzchar(labels) & !is_tool(vapply(frames, environmentName, ""))]
    syntax$search <- path
  }
}

# What R and its front ends put on the search path.
is_tool <- function(label) {
  label == "Autoloads" | grepl("^(tools|org|devtools)[:_]", label)
}

# Their values -------------------------------------------------------------------------------

# `values` and, by name, the `packages` of functions that the worker finds in them; and `inner`, the
# names of code that is used from the environments between the functions and the global one, which
# may refer to the latter, too. If not `wanted`, only these.
collect_globals <- function(code, wanted = TRUE, call = caller_env()) {
  if (length(code) == 0 || (length(code) == 1 && is_self_contained(code[[1]]))) {
    return(list())
  }
  found <- new_walk()
  found$values <- list()
  found$packages <- character()
  found$inner <- character()
  found$wanted <- wanted
  for (x in code) visit_value(x, found)
  found$packages <- found$packages[!names(found$packages) %in% names(found$values)]
  if (length(found$values) > 0) {
    is_code <- vapply(found$values, is.function, NA)
    check_globals_size(found$values[!is_code], call)
    found$values[is_code] <- lapply(found$values[is_code], strip_function_source)
  }
  along <- list(values = found$values)
  if (length(found$packages) > 0) along$packages <- found$packages
  if (length(found$inner) > 0) along$inner <- found$inner
  along
}

# Most functions, at little cost.
is_self_contained <- function(fn) {
  if (!is.function(fn) || is.primitive(fn) || !identical(environment(fn), globalenv())) {
    return(FALSE)
  }
  syntax <- function_syntax(fn)
  locate_names(syntax)
  length(syntax$here) + length(syntax$packages) + length(syntax$data) == 0
}

visit_value <- function(x, found, depth = 3) {
  # Environments that refer to each other may form a long chain.
  if (found$level > deepest) {
    return()
  }
  found$level <- found$level + 1
  on.exit(found$level <- found$level - 1)
  if (is.function(x)) {
    visit_function(x, found)
  } else if (is.environment(x)) {
    visit_environment(x, found)
  } else if (is_formula(x)) {
    visit_formula(x, found)
  } else if (depth > 0 && is_short_list(x)) {
    items <- unclass(x)
    for (i in seq_along(items)) {
      if (!rlang::is_missing(items[[i]])) visit_value(items[[i]], found, depth - 1)
    }
  }
}

visit_function <- function(fn, found) {
  if (!is.primitive(fn)) {
    visit_code(function_syntax(fn), environment(fn), found)
  }
}

as_code <- function(expr) as.function(list(expr), envir = baseenv())

visit_formula <- function(formula, found) {
  syntax <- code_syntax(NULL, formula, function() {
    syntax_names(NULL, all.vars(formula), setdiff(all.names(formula), all.vars(formula)))
  })
  visit_code(syntax, attr(formula, ".Environment"), found)
}

visit_code <- function(syntax, envir, found) {
  if (!is.environment(envir) || is_seen(paste0(syntax$key, rlang::obj_address(envir)), found)) {
    return()
  }
  local <- NULL
  while (!is_lasting_environment(envir) && !is_home(envir)) {
    local <- c(local, visit_frame(syntax, envir, local, found))
    envir <- parent.env(envir)
  }
  if (found$wanted) visit_outside(syntax, envir, local, found)
}

# An environment that is sent with the code; returns the names that are found there.
visit_frame <- function(syntax, envir, local, found) {
  here <- syntax$all[syntax$all %in% ls(envir, all.names = TRUE, sorted = FALSE)]
  here <- here[!here %in% local]
  values <- values_of(here, envir)
  for (value in values) visit_value(value, found)
  found$inner <- union(found$inner, names(values)[vapply(values, holds_code, NA)])
  here
}

visit_outside <- function(syntax, envir, local, found) {
  if (identical(envir, globalenv())) {
    visit_globals(syntax, local, found)
  } else if (is_home(envir) && is_home(parent.env(envir))) {
    # In a task that creates tasks: what it was sent, in front of the worker's environment.
    visit_each(syntax$all[syntax$all %in% names(envir)], envir, syntax, local, found)
  }
}

# Without those that cannot be read: they are the worker's to complain about, if it comes to that.
# Reading a value has a purpose: an argument that nobody has used yet is evaluated here, where its
# variables are.
values_of <- function(names, envir) {
  if (length(names) == 0) {
    return(list())
  }
  values <- tryCatch(mget(names, envir = envir), error = function(e) {
    if (length(names) > 1) unlist(lapply(names, values_of, envir), recursive = FALSE)
  })
  values[!vapply(values, rlang::is_missing, NA)]
}

visit_globals <- function(syntax, local, found) {
  locate_names(syntax)
  visit_each(syntax$here, globalenv(), syntax, local, found)
  for (name in names(syntax$data)) {
    visit_each(name, syntax$data[[name]], syntax, c(local, syntax$here), found)
  }
  packages <- syntax$packages
  if (length(packages) > 0) {
    packages <- packages[!names(packages) %in% c(local, syntax$here)]
    found$packages[names(packages)] <- packages
  }
}

visit_each <- function(names, envir, syntax, local, found) {
  names <- names[!names %in% local & !names %in% names(found$values)]
  values <- values_of(names, envir)
  for (name in names(values)) {
    # Another function may have needed it meanwhile.
    is_new <- !name %in% names(found$values)
    if (is_new && (is.function(values[[name]]) || name %in% syntax$variables)) {
      found$values[name] <- values[name]
      visit_value(values[[name]], found)
    }
  }
}

# Methods of S3 generics that are called: a call of `area()` needs `area.circle()`.
methods_among <- function(objects, called) {
  objects <- objects[grepl(".", objects, fixed = TRUE)]
  if (length(objects) == 0) {
    return(NULL)
  }
  groups <- c("Ops", "Math", "Summary")[c(any(called %in% operators), TRUE, TRUE)]
  generics <- c(called, groups)
  is_method <- sub("[.][^.]*$", "", objects) %in% generics |
    sub("[.].*", "", objects) %in% generics
  objects[is_method]
}

operators <- c(
  "+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "&", "|", "!"
)

# Objects of R6 and the like: their methods. Promises in environments are left alone.
visit_environment <- function(envir, found) {
  is_wide <- is_lasting_environment(envir) || length(envir) > widest
  if (is_wide || is_seen(rlang::obj_address(envir), found)) {
    return()
  }
  for (value in values_of(eager_names(envir), envir)) visit_value(value, found)
  if (inherits(envir, "R6ClassGenerator") && is.symbol(envir$inherit)) {
    visit_code(function_syntax(as_code(envir$inherit)), envir$parent_env, found)
  }
}

# The names in an environment that can be read without running code.
eager_names <- function(envir) {
  # Reference classes wrap theirs.
  envir <- as.environment(envir)
  names <- ls(envir, all.names = TRUE, sorted = FALSE)
  lazy <- rlang::env_binding_are_lazy(envir, names) | rlang::env_binding_are_active(envir, names)
  names[!lazy & !is_dots(names)]
}

# What a walk through values that may refer to each other remembers.
new_walk <- function() {
  list2env(list(seen = new.env(parent = emptyenv()), level = 0), parent = emptyenv())
}

is_seen <- function(key, walk) {
  if (exists(key, envir = walk$seen, inherits = FALSE)) {
    return(TRUE)
  }
  assign(key, TRUE, walk$seen)
  FALSE
}
