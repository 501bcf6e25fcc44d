# What is captured where an expression is written: the expression without source references, and
# the values of its variables.
#
# 1. capture_names(): the names it uses, from syntax alone.
# 2. find_variables(): their values, along the user's frames.
# 3. needed_names(): whether a name without a value is an error, or a column.

# `given` names get their values on the worker, from tasks this one depends on.
capture_expr <- function(expr, envir, call = caller_env(), given = character(), globals = TRUE) {
  capture_bulk(expr, given, envir, call, globals)
}

capture_bulk <- function(expr, data_names, envir, call = caller_env(), globals = TRUE) {
  check_globals(globals, call)
  code <- read_code(expr, envir, call)
  variables <- if (isTRUE(globals)) {
    find_variables(code$expr, code$names, data_names, envir, call)
  } else {
    declared_variables(globals, envir, call)
  }
  list(expr = code$expr, variables = variables[!names(variables) %in% data_names])
}

# The expression to send and the names it uses. Code that runs again and again hands over the same
# object; what a symbol stands for may change.
read_code <- function(expr, envir, call) {
  last <- if (!rlang::is_missing(expr)) the$code
  # Code that was built may hold values: 0 and -0 are different ones.
  if (!is.null(last) && identical(last$written, expr, num.eq = FALSE, single.NA = FALSE)) {
    return(last)
  }
  resolved <- resolve_expr(expr, envir, call)
  code <- list(written = expr, expr = resolved, names = capture_names(resolved))
  if (is.call(expr)) the$code <- code
  code
}

inject_expr <- function(expr, envir, call = caller_env()) {
  tryCatch(
    eval(as.call(list(rlang::expr, expr)), envir),
    error = function(cnd) {
      abort_capture("Can't inject a value with {.code !!}.", call = call, parent = cnd)
    }
  )
}

# The expression ---------------------------------------------------------------------------

quoting_heads <- c(
  "quote", "bquote", "substitute", "expression", "base::quote", "base::bquote",
  "rlang::expr", "rlang::quo"
)

resolve_expr <- function(expr, envir, call) {
  if (rlang::is_missing(expr)) {
    abort_capture("{.arg expr} is missing: pass a call or a {.code {{ }}} block.", call = call)
  }
  name <- if (is.symbol(expr)) as.character(expr)
  if (!is.null(name)) {
    hint <- "If it exists only on the worker, use {.code get(\"{names[[1]]}\")}."
    expr <- variable_value(name, envir, call, hint)
  }
  if (!is.call(expr) || is_function_syntax(expr) || inherits(expr, "formula")) {
    abort_not_call(expr, name, call)
  }
  head <- head_text(expr)
  if (head %in% quoting_heads) {
    abort_capture(
      c(
        "{.arg expr} is already quoted for you: remove the {.code {head}()}.",
        i = "To queue a call you have stored, pass the variable that holds it."
      ),
      call = call
    )
  }
  strip_source(expr)
}

is_function_syntax <- function(expr) {
  is_namespaced(expr) || identical(expr[[1]], quote(`function`))
}

head_text <- function(expr) {
  head <- expr[[1]]
  if (is_namespaced(head)) deparse(head) else head_name(expr)
}

abort_not_call <- function(x, name, call) {
  what <- if (is.null(name)) "{.arg expr}" else "{.var {name}}"
  kind <- if (is.call(x) && is_function_syntax(x)) "a function" else friendly_type(x)
  hint <- if (is.function(x) || kind == "a function") {
    "Did you mean {.fn rrq_task_create_call}? To call the function, add {.code ()}."
  } else if (is.character(x) && is.null(name)) {
    "Did you mean to write it without the quotation marks?"
  } else {
    "Write a call such as {.code sqrt(2)}, a {.code {{ }}} block, or a variable that holds a call."
  }
  abort_capture(c(paste(what, "must be a call, not {kind}."), i = hint), call = call)
}

# Source references hold the whole text of the user's file: they would be sent with every task.
# utils::removeSource() is not used because it strips the class of data frames put in by `!!`.
strip_source <- function(expr) {
  if (!is.call(expr)) {
    return(expr)
  }
  for (name in c("srcref", "srcfile", "wholeSrcref")) {
    attr(expr, name) <- NULL
  }
  if (identical(expr[[1]], quote(`function`))) {
    expr[2] <- list(strip_formals(expr[[2]]))
    # The element of the reference stays, as NULL: code that walks calls expects four of them.
    expr[4] <- list(NULL)
  }
  for (i in which(vapply(as.list(expr), is.call, NA))) {
    expr[[i]] <- strip_source(expr[[i]])
  }
  expr
}

strip_formals <- function(params) {
  as.pairlist(lapply(params, strip_source))
}

# Values -----------------------------------------------------------------------------------

# Every R process has these attached, so their objects need not be sent.
default_packages <- c(
  "base", "methods", "datasets", "utils", "grDevices", "graphics", "stats"
)

find_variables <- function(expr, names, given, envir, call) {
  if (length(given) > 0) names <- lapply(names, setdiff, given)
  check_no_dots(names$required, call)
  frames <- find_frames(c(names$required, names$optional), envir)
  sent <- vapply(names(frames), function(x) is_sent(frames[[x]], x %in% names$required), NA)
  values <- read_variables(frames[sent], call)
  unknown <- setdiff(names$required, c(names(values), names(frames)[!sent]))
  if (length(unknown) > 0) {
    unknown <- intersect(unknown, needed_names(expr, values, envir))
  }
  if (length(unknown) > 0) {
    hint <- "If it is a column, or exists only on the worker, list what to send in {.arg globals}."
    abort_unknown(unknown, envir, call, hint)
  }
  values <- values[!vapply(values, is.function, NA)]
  perhaps <- names(values)[!names(values) %in% names$required]
  if (length(perhaps) > 0) {
    # The name of a column may be that of a connection, too.
    dead <- perhaps[vapply(values[perhaps], holds_pointer, NA)]
    values <- values[!names(values) %in% dead]
  }
  values
}

# The names in a formula or beside a data frame are mostly columns: a package's object of that name
# is there by coincidence.
is_sent <- function(frame, required) {
  package <- frame_package(frame)
  if (required) !package %in% default_packages else !nzchar(package)
}

check_globals <- function(globals, call) {
  if (is.list(globals) && !is.data.frame(globals)) {
    globals <- check_value_names(rlang::names2(globals), call)
  }
  is_names <- is.character(globals) && !anyNA(globals) && all(nzchar(globals))
  if (!is_names && !isTRUE(globals) && !isFALSE(globals)) {
    abort_argument("globals", "TRUE, FALSE, variable names or a named list", globals, call)
  }
  if (is_names) check_no_dots(globals, call)
}

check_value_names <- function(names, call) {
  if (anyDuplicated(names) || !all(nzchar(names))) {
    abort_argument("globals", "a list with a unique name for each value", call = call)
  }
  names
}

# What the user declared is sent even if it is a function or belongs to a package.
declared_variables <- function(globals, envir, call) {
  if (isFALSE(globals)) {
    globals <- list()
  } else if (is.character(globals)) {
    names <- unique(globals)
    globals <- read_variables(find_frames(names, envir), call)
    unknown <- setdiff(names, names(globals))
    if (length(unknown) > 0) {
      hint <- "If it exists only on the worker, leave it out of {.arg globals}."
      abort_unknown(unknown, envir, call, hint)
    }
  }
  globals <- lapply(globals, function(x) if (is.function(x)) strip_function_source(x) else x)
  rlang::set_names(globals, rlang::names2(globals))
}

# The frames of those names that have a value.
find_frames <- function(names, envir) {
  frames <- rlang::set_names(lapply(names, find_frame, envir), names)
  frames[!vapply(frames, is.null, NA)]
}

find_frame <- function(name, envir) {
  while (!identical(envir, emptyenv())) {
    if (exists(name, envir = envir, inherits = FALSE)) {
      return(envir)
    }
    envir <- parent.env(envir)
  }
  NULL
}

# An argument that was not given has no value, and is left out.
read_variables <- function(frames, call) {
  values <- rlang::set_names(list())
  name <- NULL
  tryCatch(
    for (name in names(frames)) {
      # `[[` and not get(), which fails for such an argument.
      values[name] <- list(frames[[name]][[name]])
    },
    error = function(cnd) {
      abort_capture("Can't get the value of {.var {name}}.", "variable", call, parent = cnd)
    }
  )
  values[!vapply(values, rlang::is_missing, NA)]
}

variable_value <- function(name, envir, call, hint) {
  check_no_dots(name, call)
  values <- read_variables(find_frames(name, envir), call)
  if (length(values) == 0) {
    abort_unknown(name, envir, call, hint)
  }
  values[[1]]
}

frame_package <- function(envir) {
  if (identical(envir, baseenv()) || identical(envir, .BaseNamespaceEnv)) {
    "base"
  } else if (isNamespace(envir)) {
    getNamespaceName(envir)[[1]]
  } else {
    label <- attr(envir, "name", exact = TRUE)
    if (!is.null(label) && grepl("^(package|imports):", label)) sub("^[a-z]+:", "", label) else ""
  }
}

check_no_dots <- function(names, call) {
  dots <- names[is_dots(names)]
  if (length(dots) > 0) {
    abort_capture(
      c(
        "{.code {dots}} can't be sent with a task.",
        i = "Name the values, for example {.code args <- list(...)} before the task."
      ),
      "variable",
      call
    )
  }
}

is_dots <- function(names) {
  dots <- startsWith(names, "..")
  if (any(dots)) dots[dots] <- grepl("^[.][.]([.]|[0-9]+)$", names[dots])
  dots
}

abort_unknown <- function(names, envir, call, hint) {
  places <- if (identical(envir, globalenv())) {
    "the global environment and the attached packages"
  } else {
    "the environment where the task is written, its parents and the attached packages"
  }
  abort_capture(
    c("Can't find {.var {names}}, which the task needs.", i = "Looked in {places}.", i = hint),
    "variable",
    call
  )
}

abort_capture <- function(message, what = "argument", call, ..., .envir = parent.frame()) {
  class <- unique(c(paste0("rrq_error_", what), "rrq_error_argument", "rrq_error"))
  cli::cli_abort(message, ..., class = class, call = call, .envir = .envir)
}

friendly_type <- function(x) {
  cli::format_inline("{.obj_type_friendly {x}}")
}
