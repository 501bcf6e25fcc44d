# The names that a function uses and the constants in its code, by the rules of task-names.R.

# Identical code is the same object: closures made from one `function` expression share it. It is
# kept with what was found, so that its address is not used again.
function_syntax <- function(fn) {
  params <- formals(fn)
  body <- body(fn)
  code_syntax(params, body, function() {
    names <- walk_function_names(params, body)
    parts <- c(strip_formals(params), list(strip_source(body)))
    c(names, constants_in(params, body), bare = as.function(parts, envir = baseenv()))
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

# The `strings` and other objects, such as functions, that are in code.
constants_in <- function(params, body) {
  constants <- c(all_constants(params), all_constants(body))
  is_text <- vapply(constants, is.character, NA)
  list(strings = unlist(constants[is_text]), literals = constants[!is_text])
}

all_constants <- function(code) {
  if (is.object(code)) {
    list(code)
  } else if (is.call(code) || is.pairlist(code) || is.expression(code)) {
    parts <- as.list(code)
    parts <- parts[!vapply(parts, is.symbol, NA)]
    unlist(lapply(parts, all_constants), recursive = FALSE, use.names = FALSE)
  } else if (is.character(code) || is.recursive(code)) {
    list(code)
  }
}
