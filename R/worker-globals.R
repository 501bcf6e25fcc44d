# What functions that were sent see on a worker in place of the global environment of their session:
# the values that came along, and behind them the worker's environment.

globals_home <- function(fn, envir) {
  if (is.null(fn$globals) && is.null(fn$packages)) {
    return(envir)
  }
  home <- new.env(parent = envir)
  if (!is.null(fn$globals)) list2env(fn$globals, home)
  if (length(fn$code) > 0) list2env(lapply(fn$globals[fn$code], rehome, home, fn$inner), home)
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
# value was unserialised, for this task alone; but the engine keeps values without state of their
# own, such as formulas of the global environment (is_stateless()). There, a home of an earlier task
# stands where the global environment was. It is replaced like that one: walking on from it would
# lead to the worker's environment, and give that a parent whose own parent it is.
#
# This runs for each task that has a closure, so only what can matter is visited: of the
# environments that enclose functions, the `inner` names that the session found to be used.
rehome <- function(x, home, inner = NULL) {
  rehome_value(x, list(home = home, inner = inner, walk = new_walk()))
}

rehome_value <- function(x, to, depth = 4) {
  if (is.function(x) && !is.primitive(x) && !isS4(x)) {
    rehome_function(x, to)
  } else if (is_formula(x)) {
    rehome_formula(x, to)
  } else if (is.environment(x)) {
    rehome_object(x, to)
  } else if (depth > 0 && is_short_list(x)) {
    rehome_list(x, to, depth - 1)
  } else {
    x
  }
}

rehome_function <- function(fn, to) {
  if (stands_for_global(environment(fn))) {
    environment(fn) <- mark_home(to$home)
  } else {
    rehome_chain(environment(fn), to)
  }
  fn
}

rehome_formula <- function(formula, to) {
  envir <- attr(formula, ".Environment")
  if (stands_for_global(envir)) {
    attr(formula, ".Environment") <- mark_home(to$home)
  } else {
    rehome_chain(envir, to)
  }
  formula
}

rehome_list <- function(x, to, depth) {
  items <- unclass(x)
  at <- which(vapply(items, holds_code_if_there, NA, depth))
  if (length(at) == 0) {
    return(x)
  }
  items[at] <- lapply(items[at], rehome_value, to, depth)
  attributes(items) <- attributes(x)
  items
}

# An environment that is a value, such as an R6 object: all its functions are used.
rehome_object <- function(envir, to) {
  if (!is_outside(envir) && !is_seen(paste("object", rlang::obj_address(envir)), to$walk)) {
    if (length(envir) <= widest) rehome_bindings(eager_names(envir), envir, to)
    rehome_chain(envir, to)
  }
  envir
}

# Environments that refer to each other may form a long chain.
deepest <- 40

# The environments that enclose a function.
rehome_chain <- function(envir, to) {
  while (!is_outside(envir)) {
    if (!is.null(to$inner)) {
      if (is_seen(paste("frame", rlang::obj_address(envir)), to$walk)) {
        return()
      }
      here <- to$inner[to$inner %in% ls(envir, all.names = TRUE, sorted = FALSE)]
      if (length(here) > 0) rehome_bindings(intersect(here, eager_names(envir)), envir, to)
    }
    parent <- parent.env(envir)
    if (stands_for_global(parent)) {
      parent.env(envir) <- mark_home(to$home)
      return()
    }
    envir <- parent
  }
}

is_outside <- function(envir) {
  !is.environment(envir) || is_lasting_environment(envir) || is_home(envir)
}

rehome_bindings <- function(names, envir, to) {
  walk <- to$walk
  if (walk$level <= deepest) {
    walk$level <- walk$level + 1
    on.exit(walk$level <- walk$level - 1)
    for (name in names) rehome_binding(name, as.environment(envir), to)
  }
}

rehome_binding <- function(name, envir, to) {
  value <- envir[[name]]
  if (name == "parent_env" && inherits(envir, "R6ClassGenerator") && stands_for_global(value)) {
    assign(name, mark_home(to$home), envir)
  } else if (holds_code(value)) {
    value <- rehome_value(value, to)
    if (!bindingIsLocked(name, envir)) assign(name, value, envir)
  }
}

# Variables of an expression that hold functions: these see the others. They do so in a copy of the
# task's frame, because what stands for the global environment is not sent with results.
rehome_variables <- function(names, frame) {
  home <- list2env(as.list(frame, all.names = TRUE), parent = parent.env(frame))
  rehome_bindings(names, frame, list(home = home, inner = NULL, walk = new_walk()))
  list2env(mget(names, envir = frame), home)
}

stands_for_global <- function(envir) identical(envir, globalenv()) || is_home(envir)

# The engine writes the mark in place of the environment (src/rust/bridge/src/serialize.rs), and
# reads the global environment. So what a task returns refers to that of the session, as what was
# sent did.
mark_home <- function(home) {
  if (!is_home(home)) attr(home, "rrq_home") <- "global environment"
  home
}

is_home <- function(envir) !is.null(attr(envir, "rrq_home"))
