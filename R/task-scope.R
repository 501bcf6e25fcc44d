# What is known of the names while an expression is walked: which are bound, which were asked for.

# `delayed`: a function, whose body runs after it was met. `soft`: nothing in it is required.
# `outside` is where unquoted parts of quoted code are evaluated.
new_scope <- function(parent = NULL, soft = FALSE, unquote = NULL, delayed = FALSE) {
  scope <- rlang::env(
    parent = parent, soft = soft || isTRUE(parent$soft), delayed = delayed,
    unquote = unquote %||% parent$unquote,
    bound = character(), direct = character(), nested = character()
  )
  scope$outside <- if (!scope$soft) scope else if (parent$soft) parent$outside else parent
  scope$root <- parent$root %||% scope
  scope$found <- parent$found %||% rlang::env(required = character(), optional = character())
  if (is.null(parent)) {
    scope$perhaps <- character()
    scope$open <- FALSE
  }
  scope
}

# A function may use what is assigned after it was written, before it is called: such names
# (`nested`) are settled once the scope around it is complete.
close_scope <- function(scope) {
  parent <- scope$parent
  settled <- scope$nested %in% scope$bound
  note_optional(scope$nested[settled], scope)
  nested <- scope$nested[!settled]
  if (scope$soft) {
    note_optional(c(scope$direct, nested), scope)
  } else if (is.null(parent)) {
    scope$found$required <- unique(c(scope$direct, nested))
  } else if (scope$delayed) {
    parent$nested <- c(parent$nested, scope$direct, nested)
  } else {
    parent$direct <- c(parent$direct, scope$direct)
    parent$nested <- c(parent$nested, nested)
  }
}

use_name <- function(name, scope) {
  if (!nzchar(name) || is_bound(name, scope)) {
    return(invisible())
  }
  if (scope$root$open || name %in% scope$root$perhaps) {
    note_optional(name, scope)
  } else {
    scope$direct <- c(scope$direct, name)
  }
}

is_bound <- function(name, scope) {
  if (is_dots(name)) {
    name <- "..."
  }
  while (!is.null(scope)) {
    if (name %in% scope$bound) {
      return(TRUE)
    }
    scope <- scope$parent
  }
  FALSE
}

note_optional <- function(names, scope) {
  scope$found$optional <- union(scope$found$optional, names)
}

bind_names <- function(names, scope) {
  scope$bound <- union(scope$bound, names)
}

# `<<-` in a function takes effect only if it is called.
bind_outer <- function(name, scope) {
  if (is.null(scope$parent)) {
    bind_names(name, scope)
  } else if (!all(is_bound(name, scope$parent))) {
    bind_perhaps(name, scope)
  }
}

# Optional at once: with the user's own variable there, the assignment stays inside the task.
bind_perhaps <- function(name, scope) {
  note_optional(name, scope)
  scope$root$perhaps <- union(scope$root$perhaps, name)
}
