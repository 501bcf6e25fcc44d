# What functions that are sent by value take along from the global environment, which is not sent.
#
# 1. function_syntax() (task-syntax.R): the names a function uses, read once per function.
# 2. visit_value(): one walk through a value and all that is sent with it, in search of code; and
#    from there through what the names in the code stand for.
# 3. visit_methods() (task-methods.R): the S3 methods for the generics and classes that were met.
#
# The environments between a function and the global one are sent with it. They are visited for the
# functions in them only.

# The function, with the values and packages that it needs on the worker: `globals` and `packages`;
# and which arguments, and whether elements, hold functions, whose environment is set there, too.
capture_along <- function(fn, args, globals, envir, elements = NULL, call = caller_env()) {
  if (!isTRUE(globals)) check_globals(globals, call)
  if (isTRUE(globals) && brings_nothing(fn, args, elements)) {
    return(fn)
  }
  found <- new_search(isTRUE(globals))
  fn$args_code <- visit_items(args, found)
  if (!is.null(elements) && visit_value(elements, found)) fn$elements_code <- TRUE
  if (is.null(fn$value)) {
    found$called <- fn$name
  } else if (is.null(attributes(fn$value))) {
    visit_function(fn$value, found)
  } else {
    visit_value(fn$value, found)
  }
  if (isTRUE(globals)) {
    fn <- c(fn, collected_globals(found, call))
  } else {
    values <- declared_variables(globals, envir, call)
    if (length(values) > 0) fn$globals <- values
    code <- vapply(values, visit_value, NA, found)
    if (any(code)) fn$code <- names(values)[code]
    fn$methods <- methods_in(values)
  }
  c(fn, needed_there(found))
}

# Whether a function of a package is called with plain values, which no S3 method can concern.
brings_nothing <- function(fn, args, elements) {
  is.null(fn$value) && is_plain_list(args) &&
    (is_large_data(elements) || is_plain_list(elements)) &&
    length(current_scene()$methods$name) == 0
}

# The same for the variables of an expression, the rows of a bulk, and the constants of an
# expression that was built. Functions are among the variables only if the user declared them, but
# lists may hold some. On the worker these see what came `along`, and the variables.
describe_variables <- function(variables, globals, data = NULL, expr = NULL, call = caller_env()) {
  constants <- all_constants(expr)
  if (is_plain_list(variables) && is_plain_list(data) && is_plain_list(constants)) {
    return(NULL)
  }
  found <- new_search(isTRUE(globals))
  about <- list()
  if (length(visit_items(data, found)) > 0) about$data_code <- TRUE
  if (length(visit_items(constants, found)) > 0) about$expr_code <- found$literals <- TRUE
  code <- vapply(variables, visit_value, NA, found)
  if (any(code)) about$code <- names(variables)[code]
  if (isTRUE(globals)) {
    about$along <- collected_globals(found, call)
  } else {
    about$methods <- methods_in(variables)
  }
  about <- c(about, needed_there(found))
  if (length(about) > 0) about
}

is_formula <- function(x) is.call(x) && inherits(x, "formula")

# Environments with more objects hold data rather than functions.
widest <- 200

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

# Their values -------------------------------------------------------------------------------

# What a search has found: `values` and, by name, the `packages` of functions that the worker finds
# in them; which values hold `code`; and `inner`, the names of code that is used from the
# environments between the functions and the global one, which may refer to the latter, too. Unless
# values are `wanted`, only the last.
new_search <- function(wanted = TRUE) {
  found <- new_walk()
  found$wanted <- wanted
  # Of very many values only the first are searched.
  found$left <- 20000
  found
}

collected_globals <- function(found, call) {
  visit_methods(found)
  if (is.null(found$values) && is.null(found$packages)) {
    return(NULL)
  }
  along <- list(packages = found$packages, code = found$code, methods = found$methods)
  values <- found$values
  if (!is.null(values)) {
    is_code <- vapply(values, is.function, NA)
    check_globals_size(values[!is_code], call)
    values[is_code] <- lapply(values[is_code], strip_function_source)
    along$globals <- values
    along$packages <- along$packages[!names(along$packages) %in% names(values)]
  }
  along[lengths(along) > 0]
}

needed_there <- function(found) {
  about <- NULL
  about$inner <- found$inner
  about$literals <- found$literals
  packages <- if (!is.null(found$classes)) class_namespaces(found$classes)
  if (length(packages) > 0) about$class_packages <- packages
  if ("rrq_shared" %in% found$classes) about$shares <- TRUE
  about
}

# Whether a value is or holds code that refers to an environment.
visit_value <- function(x, found) {
  if (is.object(x)) note_class(x, found)
  if (!is_compound(x) || found$left <= 0 || found$level > deepest) {
    return(FALSE)
  }
  found$left <- found$left - 1
  # Environments that refer to each other may form a long chain.
  found$level <- found$level + 1
  on.exit(found$level <- found$level - 1)
  is_code <- switch(typeof(x),
    closure = visit_function(x, found),
    environment = visit_environment(x, found),
    language = if (is_formula(x)) visit_formula(x, found) else visit_call(x, found),
    list = visit_list(x, found),
    expression = , pairlist = length(visit_items(x, found)) > 0,
    FALSE
  )
  length(visit_items(kept_attributes(x), found)) > 0 || is_code
}

is_compound <- function(x) is.recursive(x) || is.object(x)

is_plain_list <- function(x) {
  for (item in x) if (is_compound(item)) return(FALSE)
  TRUE
}

visit_list <- function(x, found) !is_large_data(x) && length(visit_items(unclass(x), found)) > 0

# Large lists are looked through by the engine first.
is_large_data <- function(x) length(x) > 20 && rust_call(rs_is_data(x))

# Returns where code is, or NULL. Elements that are not there, as of alist(x = ), are none.
visit_items <- function(items, found) {
  at <- NULL
  for (i in seq_along(items)) {
    if (is.recursive(items[[i]]) || is.object(items[[i]])) {
      if (visit_value(items[[i]], found)) at <- c(at, i)
    }
  }
  at
}

# Slots of S4 objects are attributes.
kept_attributes <- function(x) {
  kept <- attributes(x)
  if (!is.null(kept)) kept[!names(kept) %in% plain_attributes]
}

plain_attributes <- c(
  "names", "class", "dim", "dimnames", "row.names", "levels", "tsp", "srcref", "srcfile",
  "wholeSrcref", ".internal.selfref", ".Environment"
)

note_class <- function(x, found) {
  classes <- oldClass(x)
  if (!all(classes %in% found$classes)) found$classes <- c(found$classes, classes)
  package <- attr(classes, "package")
  if (!is.null(package)) found$classes <- union(found$classes, paste0(package, "::"))
}

visit_function <- function(fn, found) {
  if (is.primitive(fn)) {
    return(FALSE)
  }
  if (isS4(fn)) visit_table(fn, found)
  visit_code(function_syntax(fn), environment(fn), found)
  TRUE
}

# The methods of an S4 generic.
visit_table <- function(fn, found) {
  table <- environment(fn)$.MTable
  if (is.environment(table)) {
    note_inner(c(".MTable", ".AllMTable"), found)
    visit_items(as.list(table), found)
  }
}

visit_call <- function(x, found) {
  is_code <- length(visit_items(all_constants(x), found)) > 0
  if (is_code) found$literals <- TRUE
  is_code
}

as_code <- function(expr) as.function(list(expr), envir = baseenv())

visit_formula <- function(formula, found) {
  syntax <- code_syntax(NULL, formula, function() {
    syntax_names(NULL, all.vars(formula), setdiff(all.names(formula), all.vars(formula)))
  })
  visit_code(syntax, attr(formula, ".Environment"), found)
  TRUE
}

visit_code <- function(syntax, envir, found) {
  if (!is.environment(envir) || is_seen(paste0(syntax$key, rlang::obj_address(envir)), found)) {
    return()
  }
  if (!is_seen(syntax$key, found)) {
    if (length(visit_items(syntax$literals, found)) > 0) found$literals <- TRUE
    if (found$wanted) note_words(syntax, found)
  }
  local <- NULL
  while (!is_lasting_environment(envir) && !is_home(envir)) {
    local <- c(local, visit_frame(syntax, envir, local, found))
    envir <- parent.env(envir)
  }
  # Closures made from one expression need the same.
  if (found$wanted && !is_seen(outside_key(syntax, envir, local), found)) {
    visit_outside(syntax, envir, local, found)
  }
}

outside_key <- function(syntax, envir, local) {
  paste(c(syntax$key, "in", rlang::obj_address(envir), local), collapse = " ")
}

# An environment that is sent with the code; returns the names that are found there.
visit_frame <- function(syntax, envir, local, found) {
  objects <- names(envir)
  here <- syntax$all[syntax$all %in% objects]
  if (length(local) > 0) here <- here[!here %in% local]
  visit_bindings(values_of(here, envir), found)
  # Memoised functions find what they call in this way.
  if (any(reflecting %in% syntax$called) && length(objects) <= widest) {
    visit_bindings(values_of(setdiff(eager_names(envir), here), envir), found)
  }
  here
}

reflecting <- c("environment", "parent.env", "get", "get0", "mget")

visit_bindings <- function(values, found) {
  for (name in names(values)) {
    if (visit_value(values[[name]], found)) note_inner(name, found)
  }
}

note_inner <- function(names, found) {
  if (!all(names %in% found$inner)) found$inner <- union(found$inner, names)
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
  locate_names(syntax, found)
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
    if (is_new && is_used(name, values[[name]], syntax)) take_value(name, values[[name]], found)
  }
}

# The name of a column may be that of a connection, too.
is_used <- function(name, value, syntax) {
  (is.function(value) || name %in% syntax$variables) &&
    (name %in% syntax$certain || !holds_pointer(value))
}

take_value <- function(name, value, found) {
  found$values[name] <- list(value)
  if (visit_value(value, found)) found$code <- c(found$code, name)
}

# Objects of R6 and the like: their methods. Promises in environments are left alone.
visit_environment <- function(envir, found) {
  is_wide <- is_lasting_environment(envir) || length(envir) > widest
  if (is_wide || is_seen(rlang::obj_address(envir), found)) {
    return(TRUE)
  }
  visit_items(values_of(eager_names(envir), envir), found)
  if (inherits(envir, "R6ClassGenerator") && is.symbol(envir$inherit)) {
    visit_code(function_syntax(as_code(envir$inherit)), envir$parent_env, found)
  }
  TRUE
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
  if (!is.null(walk$seen[[key]])) {
    return(TRUE)
  }
  walk$seen[[key]] <- TRUE
  FALSE
}
