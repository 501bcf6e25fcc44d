# What functions that were sent see on a worker in place of the global environment of their session:
# the values that came along, and behind them the worker's environment.

globals_home <- function(fn, envir) {
  if (is.null(fn$globals) && is.null(fn$packages)) {
    return(envir)
  }
  home <- new.env(parent = envir)
  list2env(lapply(fn$globals, rehome, home), home)
  for (name in names(fn$packages)) bind_exported(name, fn$packages[[name]], home)
  home
}

# The package is loaded for its methods as well; whether it is there matters once the name is used.
bind_exported <- function(name, package, home) {
  requireNamespace(package, quietly = TRUE)
  delayedAssign(name, getExportedValue(package, name), assign.env = home)
}

# The same value, with `home` in place of the global environment: in functions, formulas, lists of
# them and the environments they come with. The latter are changed in place. Most were made when the
# value was unserialised, for this task alone; but the engine keeps formulas, and the models that
# hold them (is_stateless()). There, a home of an earlier task stands where the global environment
# was. It is replaced like that one: walking on from it would lead to the worker's environment, and
# give that a parent whose own parent it is.
rehome <- function(x, home, seen = new.env(parent = emptyenv()), depth = 4) {
  if (is.function(x) && !is.primitive(x) && !isS4(x)) {
    rehome_function(x, home, seen)
  } else if (is_formula(x)) {
    rehome_formula(x, home, seen)
  } else if (is.environment(x)) {
    rehome_chain(x, home, seen)
    x
  } else if (depth > 0 && is_short_list(x)) {
    rehome_list(x, home, seen, depth - 1)
  } else {
    x
  }
}

rehome_function <- function(fn, home, seen) {
  if (stands_for_global(environment(fn))) {
    environment(fn) <- mark_home(home)
  } else {
    rehome_chain(environment(fn), home, seen)
  }
  fn
}

rehome_formula <- function(formula, home, seen) {
  envir <- attr(formula, ".Environment")
  if (stands_for_global(envir)) {
    attr(formula, ".Environment") <- mark_home(home)
  } else {
    rehome_chain(envir, home, seen)
  }
  formula
}

rehome_list <- function(x, home, seen, depth) {
  items <- unclass(x)
  at <- which(vapply(items, holds_code, NA, depth))
  if (length(at) == 0) {
    return(x)
  }
  items[at] <- lapply(items[at], rehome, home, seen, depth)
  attributes(items) <- attributes(x)
  items
}

rehome_chain <- function(envir, home, seen) {
  while (is.environment(envir) && !is_lasting_environment(envir) && !is_home(envir)) {
    key <- rlang::obj_address(envir)
    if (exists(key, envir = seen, inherits = FALSE)) {
      return()
    }
    assign(key, TRUE, seen)
    if (length(envir) <= widest) rehome_bindings(eager_names(envir), envir, home, seen)
    parent <- parent.env(envir)
    if (stands_for_global(parent)) parent.env(envir) <- mark_home(home)
    envir <- parent
  }
}

rehome_bindings <- function(names, envir, home = envir, seen = new.env(parent = emptyenv())) {
  envir <- as.environment(envir)
  is_generator <- inherits(envir, "R6ClassGenerator")
  for (name in names) {
    value <- envir[[name]]
    if (is_generator && name == "parent_env" && stands_for_global(value)) {
      assign(name, mark_home(home), envir)
    } else if (holds_code(value)) {
      value <- rehome(value, home, seen)
      if (!bindingIsLocked(name, envir)) assign(name, value, envir)
    }
  }
}

stands_for_global <- function(envir) identical(envir, globalenv()) || is_home(envir)

# The mark is an environment, so it is recognised in this process only. A home that comes back in a
# function that a task returned holds what that function needs, and is an environment like others.
mark_home <- function(home) {
  if (!is_home(home)) attr(home, "rrq_home") <- the$home_mark
  home
}

is_home <- function(envir) identical(attr(envir, "rrq_home"), the$home_mark)
