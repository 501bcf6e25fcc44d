# What functions that were sent see on a worker in place of the global environment of their session:
# the values that came along, and behind them the worker's environment.

globals_home <- function(fn, envir) {
  if (is.null(fn$globals) && is.null(fn$packages)) {
    return(envir)
  }
  home <- new.env(parent = envir)
  if (!is.null(fn$globals)) list2env(fn$globals, home)
  if (length(fn$code) > 0) list2env(lapply(fn$globals[fn$code], rehome, home, fn), home)
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
# environments that enclose functions, the `inner` names that the session found to be used; the code
# of functions only if there are `literals` in some.
rehome <- function(x, home, about = NULL) {
  rehome_value(x, new_move(home, about))
}

rehome_args <- function(args, home, fn) {
  at <- fn$args_code
  if (length(at) > 0) args[at] <- lapply(args[at], rehome, home, fn)
  args
}

new_move <- function(home, about = NULL) {
  list(home = home, inner = about[["inner"]], literals = isTRUE(about$literals), walk = new_walk())
}

rehome_value <- function(x, to) {
  if (!is_compound(x) || to$walk$level > deepest) {
    return(x)
  }
  to$walk$level <- to$walk$level + 1
  on.exit(to$walk$level <- to$walk$level - 1)
  x <- switch(typeof(x),
    closure = rehome_function(x, to),
    environment = rehome_object(x, to),
    language = rehome_language(x, to),
    list = , expression = rehome_items(x, to),
    x
  )
  if (is.null(attributes(x))) x else rehome_attributes(x, to)
}

which_compound <- function(items) {
  which(vapply(items, is.recursive, NA) | vapply(items, is.object, NA))
}

# Unchanged, the object is the same one: lists are built again only where they hold functions.
rehome_items <- function(x, to) {
  if (is.list(x) && is_large_data(x)) {
    return(x)
  }
  items <- if (is.object(x)) unclass(x) else x
  is_changed <- FALSE
  for (i in which_compound(items)) {
    moved <- rehome_value(items[[i]], to)
    if (!identical(moved, items[[i]])) {
      items[[i]] <- moved
      is_changed <- TRUE
    }
  }
  if (is_changed) `attributes<-`(items, attributes(x)) else x
}

rehome_attributes <- function(x, to) {
  kept <- kept_attributes(x)
  for (i in which_compound(kept)) {
    moved <- rehome_value(kept[[i]], to)
    if (!identical(moved, kept[[i]])) attr(x, names(kept)[[i]]) <- moved
  }
  x
}

rehome_function <- function(fn, to) {
  if (stands_for_global(environment(fn))) {
    environment(fn) <- mark_home(to$home)
  } else {
    rehome_chain(environment(fn), to)
  }
  if (to$literals) rehome_code(fn, to) else fn
}

rehome_code <- function(fn, to) {
  parts <- list(as.list(formals(fn)), body(fn))
  moved <- list(rehome_call(parts[[1]], to), rehome_part(parts[[2]], to))
  if (identical(parts, moved)) {
    return(fn)
  }
  `attributes<-`(as.function(c(moved[[1]], moved[2]), environment(fn)), attributes(fn))
}

# The functions among the constants of a call.
rehome_call <- function(x, to) {
  parts <- as.list(x)
  for (i in which(vapply(parts, is.recursive, NA))) {
    moved <- rehome_part(parts[[i]], to)
    if (!identical(moved, parts[[i]])) x[[i]] <- moved
  }
  x
}

rehome_part <- function(x, to) {
  is_code <- (is.call(x) || is.pairlist(x)) && !is.object(x)
  if (is_code && !is.null(x)) rehome_call(x, to) else rehome_value(x, to)
}

rehome_language <- function(x, to) {
  if (!is_formula(x)) {
    return(if (to$literals) rehome_call(x, to) else x)
  }
  envir <- attr(x, ".Environment")
  if (stands_for_global(envir)) {
    attr(x, ".Environment") <- mark_home(to$home)
  } else {
    rehome_chain(envir, to)
  }
  x
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
    here <- if (length(to$inner) > 0) to$inner[to$inner %in% names(envir)]
    if (length(here) > 0) {
      if (is_seen(paste("frame", rlang::obj_address(envir)), to$walk)) {
        return()
      }
      rehome_bindings(intersect(here, eager_names(envir)), envir, to)
    }
    parent <- parent.env(envir)
    if (stands_for_global(parent)) {
      if (!identical(parent, to$home)) parent.env(envir) <- mark_home(to$home)
      return()
    }
    envir <- parent
  }
}

is_outside <- function(envir) {
  !is.environment(envir) || is_lasting_environment(envir) || is_home(envir)
}

rehome_bindings <- function(names, envir, to) {
  for (name in names) rehome_binding(name, as.environment(envir), to)
}

rehome_binding <- function(name, envir, to) {
  value <- envir[[name]]
  if (name == "parent_env" && inherits(envir, "R6ClassGenerator") && stands_for_global(value)) {
    assign(name, mark_home(to$home), envir)
    return()
  }
  moved <- rehome_value(value, to)
  is_changed <- !identical(moved, value)
  if (is_changed && !bindingIsLocked(name, envir)) assign(name, moved, envir)
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
