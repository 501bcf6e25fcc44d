# The names an expression uses, from its syntax alone: no environment is looked at here.
#
# Why not codetools or globals: both decide whether a name is local to a whole function, while a
# block is evaluated in order. `{ x <- x + 1 }`, `for (i in i) f(i)` and `x[1] <- 2` need a value
# from outside; `if (p) x <- 1 else f(x)` needs one in one branch only.
#
# Only base R, quotation as in rlang and the pipes of magrittr have rules here. What functions of
# other packages do with their arguments is found out in task-masked.R, for names without a value.

# `required` names must have a value; `optional` ones may be columns, or be assigned by the task.
capture_names <- function(expr) {
  root <- walk_root(expr)
  required <- as.character(unique(root$required))
  optional <- setdiff(as.character(root$optional), required)
  list(required = required, optional = optional[!is_dots(optional)])
}

# With the values that are `known` and where to find functions, a name that a function may look up
# elsewhere is optional, too (task-masked.R). That takes long, and is asked only before an error.
walk_root <- function(expr, known = NULL, finds_functions = FALSE) {
  root <- new_scope()
  root$known <- known
  root$finds_functions <- finds_functions
  walk(expr, root)
  close_scope(root)
  root
}

walk <- function(expr, scope) {
  if (is.symbol(expr)) {
    use_name(as.character(expr), scope)
  } else if (is.call(expr)) {
    unquoted <- if (!is.null(scope$unquote)) unquoted_arg(expr, scope$unquote)
    if (is.null(unquoted)) {
      if (scope$root$finds_functions) use_function(expr[[1]], scope)
      walker <- get(walkers[[head_name(expr)]] %||% "walk_call", mode = "function")
      walker(expr, scope)
    } else {
      walk(unquoted, unquoted_scope(scope))
    }
  }
}

walk_all <- function(exprs, scope) {
  for (expr in exprs) walk(expr, scope)
}

# A name in call position is looked up among functions, which are not sent with an expression.
walk_call <- function(expr, scope) {
  if (is.call(expr[[1]])) walk(expr[[1]], scope)
  args <- call_args(expr)
  if (is.null(scope$root$known)) {
    return(walk_all(args, scope))
  }
  masked <- is_masked(expr, args, scope$root)
  walk_all(args[!masked], scope)
  walk_inside(args[masked], scope, soft = TRUE, unquote = "!")
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
  if (is_namespaced(head)) head <- head[[3]]
  if (is.symbol(head) || is.character(head)) as.character(head) else ""
}

is_namespaced <- function(expr) {
  is.call(expr) && (identical(expr[[1]], quote(`::`)) || identical(expr[[1]], quote(`:::`)))
}

# Positions of the arguments that `fn` takes for these parameters of its.
param_index <- function(fn, args, params) {
  if (!is.function(fn)) {
    return(integer())
  }
  call <- as.call(c(quote(fn), rlang::set_names(as.list(seq_along(args)), names(args))))
  matched <- tryCatch(as.list(match.call(fn, call)), error = function(e) list())
  as.integer(matched[intersect(params, names(matched))])
}

# Scopes -----------------------------------------------------------------------------------

# In a `soft` scope no name is required. `outer` is the scope around the innermost function.
new_scope <- function(parent = NULL, is_function = FALSE, soft = FALSE, unquote = NULL) {
  scope <- new.env(parent = emptyenv())
  scope$parent <- parent
  scope$root <- parent$root %||% scope
  scope$outer <- if (is_function) parent else parent$outer
  scope$soft <- soft || isTRUE(parent$soft)
  scope$unquote <- unquote %||% parent$unquote
  if (is.null(parent)) scope$open <- FALSE
  scope
}

use_name <- function(name, scope) {
  root <- scope$root
  if (!nzchar(name) || is_bound(name, scope)) {
    return()
  }
  if (scope$soft || root$open || name %in% root$perhaps) {
    root$optional <- c(root$optional, name)
  } else if (is.null(scope$outer)) {
    root$required <- c(root$required, name)
  } else {
    scope$outer$waiting <- c(scope$outer$waiting, name)
  }
}

# The functions that are called, for what is sent along with a function.
use_function <- function(head, scope) {
  if (is.symbol(head) && !is_bound(as.character(head), scope)) {
    scope$root$called <- c(scope$root$called, as.character(head))
  }
}

# A function may be called only after the names it uses are assigned around it, or before. So these
# names wait, outside the function's own scope, until a scope around it is complete: they become
# optional where that scope assigns them, and wait in the next one otherwise. Deciding when the
# function is met would require names that the block assigns later; treating them as the block's
# own would not send a variable that the function reads before.
close_scope <- function(scope) {
  assigned <- scope$waiting %in% scope$bound
  root <- scope$root
  root$optional <- c(root$optional, scope$waiting[assigned])
  rest <- scope$waiting[!assigned]
  if (is.null(scope$parent)) {
    root$required <- c(root$required, rest)
  } else {
    scope$parent$waiting <- c(scope$parent$waiting, rest)
  }
}

is_bound <- function(name, scope) {
  if (startsWith(name, "..") && is_dots(name)) name <- "..."
  while (!is.null(scope)) {
    if (name %in% scope$bound) {
      return(TRUE)
    }
    scope <- scope$parent
  }
  FALSE
}

bind_names <- function(names, scope) {
  scope$bound <- c(scope$bound, names)
}

# Optional also when nothing reads it: with the user's own variable in the task's frame, the
# assignment stays inside the task.
bind_perhaps <- function(name, scope) {
  scope$root$optional <- c(scope$root$optional, name)
  scope$root$perhaps <- c(scope$root$perhaps, name)
}

walk_inside <- function(exprs, scope, names = character(), ...) {
  inner <- new_scope(scope, ...)
  bind_names(names, inner)
  walk_all(exprs, inner)
  close_scope(inner)
}

# Assignment -------------------------------------------------------------------------------

# `x[i] <- 1` and `names(x) <- i` read `x` before they replace it.
walk_assign <- function(expr, scope) {
  walk(expr[[3]], scope)
  if (is.call(expr[[2]])) {
    walk(expr[[2]], scope)
    if (scope$root$finds_functions) use_replacements(expr[[2]], scope)
  }
  name <- target_name(expr[[2]])
  if (head_name(expr) != "<<-" || is.null(scope$parent)) {
    bind_names(name, scope)
  } else if (!all(is_bound(name, scope$parent))) {
    # In a function it takes effect only if that is called.
    bind_perhaps(name, scope)
  }
}

# `f(g(x)) <- 1` calls `f<-` and `g<-`.
use_replacements <- function(target, scope) {
  while (is.call(target)) {
    if (is.symbol(target[[1]])) use_function(as.name(paste0(target[[1]], "<-")), scope)
    target <- target[[2]]
  }
}

target_name <- function(target) {
  while (is.call(target)) target <- target[[2]]
  as.character(target)
}

# assign() and delayedAssign() in another environment may or may not be seen.
walk_assign_function <- function(expr, scope) {
  args <- call_args(expr)
  walk_call(expr, scope)
  name <- args[param_index(get(head_name(expr), baseenv()), args, "x")]
  if (length(name) == 1 && is.character(name[[1]])) {
    if (length(args) == 2) bind_names(name[[1]], scope) else bind_perhaps(name[[1]], scope)
  }
}

# After load() and the like any name may exist. The names given to data() are not variables.
walk_open <- function(expr, scope) {
  if (head_name(expr) != "data") walk_call(expr, scope)
  scope$root$open <- TRUE
}

# `obj := value`: the left side is a name, or makes one.
walk_column_assign <- function(expr, scope) {
  args <- call_args(expr)
  is_column <- seq_along(args) == 1 & vapply(args, is.symbol, NA) & !nzchar(rlang::names2(args))
  walk_all(args[!is_column], scope)
}

# Control flow -----------------------------------------------------------------------------

walk_for <- function(expr, scope) {
  walk(expr[[3]], scope)
  bind_names(as.character(expr[[2]]), scope)
  walk(expr[[4]], scope)
}

# No branch sees what another assigns; what follows sees all.
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
  walk_inside(call_args(expr), scope)
}

# Defaults come after the body: they are evaluated late, and may refer to its variables.
walk_function <- function(expr, scope) {
  params <- as.list(expr[[2]])
  walk_inside(c(list(expr[[3]]), drop_empty(params)), scope, names(params), is_function = TRUE)
}

# Names that are not variables -------------------------------------------------------------

walk_nothing <- function(expr, scope) NULL

walk_element <- function(expr, scope) {
  if (identical(expr[[2]], quote(.env))) {
    use_name(as.character(expr[[3]]), unquoted_scope(scope))
  } else {
    walk(expr[[2]], scope)
  }
}

walk_library <- function(expr, scope) {
  args <- call_args(expr)
  if ("character.only" %in% names(args)) {
    walk_all(args, scope)
  } else if (length(args) > 0) {
    scope$root$packages <- c(scope$root$packages, as.character(args[[1]]))
  }
}

walk_dots <- function(expr, scope) {
  use_name("...", scope)
  walk_call(expr, scope)
}

# Quoted code ------------------------------------------------------------------------------

walk_quoting <- function(expr, scope) {
  name <- head_name(expr)
  args <- call_args(expr)
  quoted <- is_quoted(args, name)
  walk_all(args[!quoted], scope)
  walk_inside(args[quoted], scope, soft = TRUE, unquote = unquoting[[name]])
}

# What follows the code, such as the list given to substitute(), is evaluated; so are the data that
# the code is evaluated in.
is_quoted <- function(args, name) {
  at <- seq_along(args)
  switch(quoting[[name]],
    all = at > 0,
    first = at == 1,
    masked = !at %in% param_index(get(name, baseenv()), args, c("data", "x", "_data"))
  )
}

# What is evaluated inside quoted code: `.(x)` in bquote(); in the functions of rlang `!!x` and
# `!!!x`, which are nested negations.
unquoted_arg <- function(expr, unquote) {
  name <- head_name(expr)
  if (!name %in% unquote || length(expr) != 2) {
    return(NULL)
  }
  inner <- expr[[2]]
  if (name != "!") {
    inner
  } else if (is.call(inner) && identical(inner[[1]], quote(`!`))) {
    inner[[2]]
  }
}

unquoted_scope <- function(scope) {
  while (scope$soft && !is.null(scope$parent)) scope <- scope$parent
  scope
}

# Pipes of magrittr: `.` is the left side, and also the first argument unless it is one already.
walk_pipe <- function(expr, scope) {
  left <- expr[[2]]
  if (!identical(left, quote(.))) walk(left, scope)
  right <- if (!is.symbol(expr[[3]])) list(pipe_into(expr[[3]]))
  walk_inside(right, scope, ".", soft = head_name(expr) == "%$%")
  if (head_name(expr) == "%<>%") bind_names(target_name(left), scope)
}

pipe_into <- function(right) {
  is_plain <- is.call(right) && !head_name(right) %in% c("{", "(", "function", "$") &&
    !is_namespaced(right)
  has_dot <- any(vapply(as.list(right), identical, NA, quote(.)))
  if (is_plain && !has_dot) as.call(append(as.list(right), quote(.), 1)) else right
}

# Tables -----------------------------------------------------------------------------------

# Which arguments are quoted. Those of functions that evaluate code in their data are `masked`.
quoting <- c(
  "~" = "all", expression = "all", alist = "all",
  expr = "all", exprs = "all", quo = "all", quos = "all",
  quote = "first", substitute = "first", bquote = "first",
  with = "masked", within = "masked", subset = "masked", transform = "masked"
)

unquoting <- list(bquote = c(".", ".."), expr = "!", exprs = "!", quo = "!", quos = "!")

pipes <- c("%>%", "%T>%", "%!>%", "%<>%", "%$%")

# By name: debuggers and coverage tools replace functions in the namespace, and would miss copies.
walkers <- c(
  rlang::rep_named(names(quoting), "walk_quoting"),
  rlang::rep_named(c("<-", "=", "<<-"), "walk_assign"),
  rlang::rep_named(c("assign", "delayedAssign"), "walk_assign_function"),
  rlang::rep_named(c("if", "switch"), "walk_branches"),
  rlang::rep_named(c("::", ":::", "rm"), "walk_nothing"),
  rlang::rep_named(c("$", "@"), "walk_element"),
  rlang::rep_named(c("library", "require"), "walk_library"),
  rlang::rep_named(c("...length", "...elt", "...names"), "walk_dots"),
  rlang::rep_named(pipes, "walk_pipe"),
  rlang::rep_named(
    c("data", "load", "source", "sys.source", "attach", "list2env"), "walk_open"
  ),
  list(
    ":=" = "walk_column_assign", "for" = "walk_for", "function" = "walk_function",
    local = "walk_local"
  )
)
