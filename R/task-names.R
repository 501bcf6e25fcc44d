# Which names an expression needs, from its syntax alone: no environment is looked at here.

# `required` names must have a value; `optional` ones may be columns, or be made by the task.
capture_names <- function(expr) {
  scope <- new_scope()
  walk(expr, scope)
  close_scope(scope)
  found <- scope$found
  optional <- setdiff(found$optional, found$required)
  list(required = found$required, optional = optional[!is_dots(optional)])
}

walk <- function(expr, scope) {
  if (is.symbol(expr)) {
    use_name(as.character(expr), scope)
  } else if (is.call(expr)) {
    unquoted <- unquoted_arg(expr, scope)
    if (is.null(unquoted)) {
      walker <- walkers[[head_name(expr)]] %||% walk_call
      walker(expr, scope)
    } else {
      walk(unquoted, scope$outside)
    }
  }
  invisible()
}

walk_all <- function(exprs, scope) {
  for (expr in exprs) {
    walk(expr, scope)
  }
}

# A name in call position is looked up among functions, which are never sent.
walk_call <- function(expr, scope) {
  head <- expr[[1]]
  if (is.call(head)) {
    walk(head, scope)
  }
  args <- call_args(expr)
  columns <- is_column_arg(args)
  for (i in seq_along(args)) {
    if (columns[[i]]) walk_soft(args[i], scope) else walk(args[[i]], scope)
  }
}

# Model functions look these up in `data`, like the variables of their formula.
is_column_arg <- function(args) {
  has_formula <- any(vapply(args, is_formula_call, NA))
  has_formula & rlang::names2(args) %in% c("weights", "subset", "offset")
}

is_formula_call <- function(expr) {
  is.call(expr) && identical(expr[[1]], quote(`~`))
}

# `x[1, ]` and `switch(x, a = , b = 1)` have empty arguments, which cannot be passed on.
call_args <- function(expr) {
  drop_empty(as.list(expr)[-1])
}

drop_empty <- function(args) {
  args[!vapply(args, rlang::is_missing, NA)]
}

# "" for a head that is itself computed, such as `obj$method`.
head_name <- function(expr) {
  head <- expr[[1]]
  if (is_namespaced(head)) {
    head <- head[[3]]
  }
  if (is.symbol(head) || is.character(head)) as.character(head) else ""
}

head_text <- function(expr) {
  head <- expr[[1]]
  if (is.call(head) && identical(head[[1]], quote(`::`))) {
    paste0(head[[2]], "::", head[[3]])
  } else {
    head_name(expr)
  }
}

arg_index <- function(args, names, position = 1) {
  given <- rlang::names2(args)
  named <- which(given %in% names)
  unnamed <- which(given == "")
  c(named, unnamed[unnamed >= position])[1]
}

# Assignment -------------------------------------------------------------------------------

walk_assign <- function(expr, scope) {
  walk_all(call_args(expr)[-1], scope)
  walk_target(expr[[2]], scope)
  bind_names(target_name(expr[[2]]), scope)
}

walk_super_assign <- function(expr, scope) {
  walk_all(call_args(expr)[-1], scope)
  walk_target(expr[[2]], scope)
  bind_outer(target_name(expr[[2]]), scope)
}

# `x[i] <- 1` and `names(x) <- i` read `x` before they replace it.
walk_target <- function(target, scope) {
  if (!is.call(target)) {
    return(invisible())
  }
  inner <- target[[2]]
  if (is.call(inner)) walk_target(inner, scope) else walk(inner, scope)
  if (!head_name(target) %in% c("$", "@")) {
    walk_all(call_args(target)[-1], scope)
  }
}

target_name <- function(target) {
  while (is.call(target)) {
    target <- target[[2]]
  }
  if (is.symbol(target) || is.character(target)) as.character(target) else character()
}

walk_assign_function <- function(expr, scope) {
  args <- call_args(expr)
  index <- arg_index(args, "x")
  name <- if (!is.na(index)) args[[index]]
  walk_call(expr, scope)
  if (!is.character(name)) {
    return(invisible())
  }
  if (length(args) == 2) bind_names(name, scope) else bind_perhaps(name, scope)
}

# After load() and the like any name may exist.
walk_unknown <- function(expr, scope) {
  walk_call(expr, scope)
  scope$root$open <- TRUE
}

walk_data <- function(expr, scope) {
  walk_quoted(expr, scope)
  scope$root$open <- TRUE
}

# Control flow -----------------------------------------------------------------------------

walk_for <- function(expr, scope) {
  walk(expr[[3]], scope)
  bind_names(as.character(expr[[2]]), scope)
  walk(expr[[4]], scope)
}

walk_branches <- function(expr, scope) {
  args <- call_args(expr)
  walk_all(args[1], scope)
  before <- after <- scope$bound
  for (branch in args[-1]) {
    scope$bound <- before
    walk(branch, scope)
    after <- union(after, scope$bound)
  }
  scope$bound <- after
}

walk_local <- function(expr, scope) {
  inner <- new_scope(scope)
  walk_call(expr, inner)
  close_scope(inner)
}

# Defaults come after the body: they are evaluated late, and may refer to its variables.
walk_function <- function(expr, scope) {
  params <- as.list(expr[[2]])
  inner <- new_scope(scope, delayed = TRUE)
  bind_names(names(params), inner)
  walk(expr[[3]], inner)
  walk_all(drop_empty(params), inner)
  close_scope(inner)
}

# Names that are not variables -------------------------------------------------------------

walk_nothing <- function(expr, scope) {
  invisible()
}

walk_element <- function(expr, scope) {
  if (identical(expr[[2]], quote(.env))) {
    use_name(as.character(expr[[3]]), scope$outside)
  } else {
    walk(expr[[2]], scope)
  }
}

walk_library <- function(expr, scope) {
  args <- call_args(expr)
  if ("character.only" %in% names(args)) {
    walk_all(args, scope)
  }
}

walk_dots <- function(expr, scope) {
  use_name("...", scope)
  walk_call(expr, scope)
}

# `obj := value`: the left side is a name, or makes one.
walk_column_assign <- function(expr, scope) {
  walk(expr[[3]], scope)
}

# sapply(x, f): like a name in call position, `f` may exist on the worker only.
walk_functional <- function(expr, scope) {
  args <- call_args(expr)
  index <- arg_index(args, c("FUN", "f", "what"), functionals[[head_name(expr)]])
  is_name <- !is.na(index) && is.symbol(args[[index]])
  walk_all(if (is_name) args[-index] else args, scope)
  if (is_name) {
    walk_soft(args[index], scope)
  }
}

# Quoted code and data masks ---------------------------------------------------------------

walk_soft <- function(exprs, scope, unquote = NULL) {
  inner <- new_scope(scope, soft = TRUE, unquote = unquote)
  walk_all(exprs, inner)
  close_scope(inner)
}

walk_quoted <- function(expr, scope) {
  walk_soft(call_args(expr), scope)
}

# What follows the code, such as the list given to substitute(), is evaluated.
walk_quoted_first <- function(expr, scope) {
  args <- call_args(expr)
  walk_soft(args[1], scope, unquote = if (head_name(expr) == "bquote") c(".", ".."))
  walk_all(args[-1], scope)
}

walk_tidy_quoted <- function(expr, scope) {
  walk_soft(call_args(expr), scope, unquote = "!")
}

walk_masked <- function(expr, scope) {
  args <- call_args(expr)
  data <- arg_index(args, c("data", "x", "_data", ".data"))
  if (is.na(data)) {
    return(walk_tidy_quoted(expr, scope))
  }
  walk(args[[data]], scope)
  walk_soft(args[-data], scope, unquote = "!")
}

unquoted_arg <- function(expr, scope) {
  if (!head_name(expr) %in% scope$unquote || length(expr) != 2) {
    return(NULL)
  }
  if (head_name(expr) != "!") {
    return(expr[[2]])
  }
  # `!!x` and `!!!x` are nested negations.
  inner <- expr[[2]]
  if (!is.call(inner) || head_name(inner) != "!") {
    return(NULL)
  }
  while (is.call(inner) && head_name(inner) == "!") {
    inner <- inner[[2]]
  }
  inner
}

# Pipes ------------------------------------------------------------------------------------

# magrittr: `.` is the left side, and also the first argument unless it is one already.
walk_pipe <- function(expr, scope) {
  if (!identical(expr[[2]], quote(.))) {
    walk(expr[[2]], scope)
  }
  right <- expr[[3]]
  if (is.symbol(right)) {
    return(invisible())
  }
  inner <- new_scope(scope)
  bind_names(".", inner)
  walk(pipe_into(right), inner)
  close_scope(inner)
}

pipe_into <- function(right) {
  is_plain <- is.call(right) && !head_name(right) %in% c("{", "(", "function", "::", ":::", "$")
  has_dot <- any(vapply(as.list(right), identical, NA, quote(.)))
  if (is_plain && !has_dot) as.call(append(as.list(right), quote(.), 1)) else right
}

walk_pipe_assign <- function(expr, scope) {
  walk_pipe(expr, scope)
  bind_names(target_name(expr[[2]]), scope)
}

walk_pipe_expose <- function(expr, scope) {
  walk(expr[[2]], scope)
  walk_soft(list(expr[[3]]), scope)
}

# Scopes -----------------------------------------------------------------------------------

# Tables -----------------------------------------------------------------------------------

# Position of the function among the arguments.
functionals <- list(
  lapply = 2, sapply = 2, vapply = 2, mclapply = 2, Map = 1, Filter = 1, Reduce = 1, Find = 1,
  Position = 1, mapply = 1, do.call = 1, match.fun = 1, apply = 3, tapply = 3, outer = 3
)

masked_functions <- c(
  "with", "within", "subset", "transform",
  "filter", "mutate", "transmute", "summarise", "summarize", "group_by", "arrange", "select",
  "rename", "count", "distinct", "pull", "slice_min", "slice_max", "pivot_longer", "pivot_wider",
  "unnest", "nest"
)

walkers <- c(
  list(
    "<-" = walk_assign, "=" = walk_assign, "<<-" = walk_super_assign,
    assign = walk_assign_function, delayedAssign = walk_assign_function,
    ":=" = walk_column_assign,
    "for" = walk_for, "if" = walk_branches, switch = walk_branches,
    "function" = walk_function, local = walk_local,
    "$" = walk_element, "@" = walk_element, "::" = walk_nothing, ":::" = walk_nothing,
    rm = walk_nothing, library = walk_library, require = walk_library, data = walk_data,
    load = walk_unknown, source = walk_unknown, sys.source = walk_unknown,
    attach = walk_unknown, list2env = walk_unknown,
    "...length" = walk_dots, "...elt" = walk_dots, "...names" = walk_dots,
    "~" = walk_quoted, expression = walk_quoted, alist = walk_quoted,
    quote = walk_quoted_first, substitute = walk_quoted_first, bquote = walk_quoted_first,
    expr = walk_tidy_quoted, exprs = walk_tidy_quoted,
    quo = walk_tidy_quoted, quos = walk_tidy_quoted, aes = walk_tidy_quoted,
    vars = walk_tidy_quoted,
    "%>%" = walk_pipe, "%T>%" = walk_pipe, "%!>%" = walk_pipe, "%<>%" = walk_pipe_assign,
    "%$%" = walk_pipe_expose
  ),
  rlang::rep_named(names(functionals), list(walk_functional)),
  rlang::rep_named(masked_functions, list(walk_masked))
)
