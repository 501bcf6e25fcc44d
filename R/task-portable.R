# What cannot travel: connections and external pointers, which stand for something in this process.
# The engine notices external pointers while it serialises (src/rust/bridge/src/serialize.rs). Only
# then the value is walked, to name the variable and to let those pass that nobody would miss:
# variables that a function brings but does not use, and objects that make their pointer again.

# `collected` are the names of values that the user did not pass: the task was found to use them.
check_portable <- function(parts, collected, call) {
  action <- nonportable_action()
  if (!action %in% nonportable_actions) {
    choices <- paste0("\"", nonportable_actions, "\"", collapse = ", ")
    abort("argument", sprintf("Option `rrq.nonportable` must be one of %s.", choices), call = call)
  }
  problem <- if (action != "ignore") find_nonportable(parts)
  if (is.null(problem)) {
    return(invisible())
  }
  where <- place_text(problem)
  what <- problem$what
  hints <- c(
    i = "Create it in the task, or in the worker environment, see {.fn rrq_worker_envir_set}.",
    i = if (problem$label %in% collected) {
      "If the task does not need it, choose what is sent with {.arg globals}."
    }
  )
  if (action == "warn") {
    cli::cli_warn(
      c("{where} arrives unusable: it is {what}, which exists only in this R process.", hints),
      class = c("rrq_warning_nonportable", "rrq_warning")
    )
  } else {
    anyway <- "To send it anyway: {.code options(rrq.nonportable = \"warn\")}."
    message <- "Can't send {where}: it is {what}, which exists only in this R process."
    abort_capture(c(message, hints, i = anyway), "nonportable", call)
  }
}

nonportable_actions <- c("error", "warn", "ignore")

nonportable_action <- function() getOption("rrq.nonportable", "error")

# On a worker: the outcome that stands.
refuse_nonportable <- function(run, outcome) {
  action <- nonportable_action()
  # What a future may return is for future to decide, see its option future.globals.onReference.
  if (inherits(outcome[[2]], "FutureResult")) action <- "ignore"
  problem <- if (outcome[[1]] == "COMPLETE" && action != "ignore") {
    find_nonportable(list(value = outcome[[2]]))
  }
  if (is.null(problem)) {
    return(outcome)
  }
  problem$label <- "the value of the task"
  message <- sprintf(
    "%s is %s, which exists only in the worker's process; return the data instead",
    place_text(problem), problem$what
  )
  if (action == "warn") {
    run$signals <- add_warning(run$signals, simpleWarning(message), NULL)
    return(list("COMPLETE", outcome[[2]], extra_of(run), FALSE))
  }
  error <- structure(
    class = c("rrq_error_nonportable", "rrq_error", "error", "condition"),
    list(message = message, call = NULL)
  )
  list("ERROR", task_error(run, error, "ERROR", NULL), extra_of(run), FALSE)
}

# The walk ---------------------------------------------------------------------------------

# The first problem in a named list of values: the `label` of the value, the `path` in it, `what` it
# is. After `limit` values the engine is asked of each whether to go on; after as many again that it
# did not rule out, or far down, the problem is `somewhere` in the value.
find_nonportable <- function(parts, limit = 20000) {
  walk <- new_walk()
  walk$left <- limit
  walk$limit <- limit
  for (i in seq_along(parts)) {
    problem <- inspect_value(parts[[i]], walk)
    if (!is.null(problem)) {
      return(utils::modifyList(list(label = names(parts)[[i]]), problem))
    }
  }
}

# Whether the engine meets an external pointer, also among variables that a function does not use.
holds_pointer <- function(x) {
  is_compound(x) && !is.data.frame(x) && rust_call(rs_holds_pointer(x))
}

# `model$handle`, or: `$handle` of argument 2.
place_text <- function(problem) {
  if (isTRUE(problem$somewhere)) {
    return(paste("a value somewhere in", problem$label))
  }
  path <- problem$path
  if (nchar(path) > 60) path <- paste0(substr(path, 1, 60), "...")
  if (path == "") {
    problem$label
  } else if (startsWith(problem$label, "`") && endsWith(problem$label, "`")) {
    paste0(substr(problem$label, 1, nchar(problem$label) - 1), path, "`")
  } else {
    sprintf("`%s` of %s", path, problem$label)
  }
}

# An environment in a list or attribute, such as that of a formula, is mostly the frame of the
# function that made the object: without a class it is not searched, unless `frames`.
inspect_value <- function(x, walk, frames = TRUE) {
  is_bare <- is.symbol(x) || (is.atomic(x) && is.null(attributes(x)))
  if (is_bare || is_ruled_out(x, walk)) {
    return(NULL)
  }
  walk$left <- walk$left - 1
  if (walk$left <= -walk$limit || walk$level > 60) {
    return(list(path = "", what = "an external pointer", somewhere = TRUE))
  }
  walk$level <- walk$level + 1
  on.exit(walk$level <- walk$level - 1)
  what <- nonportable_kind(x)
  if (!is.null(what)) {
    list(path = "", what = what)
  } else if (!inherits(x, travelling_classes)) {
    inspect_content(x, walk, frames) %||% inspect_attributes(x, walk)
  }
}

is_ruled_out <- function(x, walk) {
  (walk$left <= 0 || walk$level > 60) && !rust_call(rs_holds_pointer(x))
}

inspect_content <- function(x, walk, frames) {
  if (is.function(x)) {
    inspect_function(x, walk)
  } else if (typeof(x) %in% c("list", "expression", "language", "pairlist")) {
    inspect_items(as.list(unclass(x)), walk)
  } else if (is.environment(x) && (frames || is.object(x))) {
    inspect_environment(x, walk)
  }
}

nonportable_kind <- function(x) {
  if (typeof(x) == "externalptr" && !is_null_pointer(x)) {
    "an external pointer"
  } else if (inherits(x, "connection") && typeof(attr(x, "conn_id")) == "externalptr") {
    "a connection"
  }
}

is_null_pointer <- function(x) {
  attributes(x) <- NULL
  identical(x, methods::new("externalptr"))
}

# Objects that make their pointer again from what they hold beside it, or do without: connections of
# a queue, graphs, models, what readr has read, responses of httr.
travelling_classes <- c(
  "rrq_controller", "rrq_redis", "igraph", "xgb.Booster", "lgb.Booster", "classRepresentation",
  "spec_tbl_df", "merMod", "response", "stanfit", "glmmTMB"
)

inspect_items <- function(items, walk, names = rlang::names2(items), frames = FALSE) {
  for (i in seq_along(items)) {
    problem <- if (!rlang::is_missing(items[[i]])) inspect_value(items[[i]], walk, frames)
    if (!is.null(problem)) {
      step <- if (nzchar(names[[i]])) paste0("$", names[[i]]) else sprintf("[[%d]]", i)
      return(below(step, problem))
    }
  }
}

# A variable of a function is named by itself.
below <- function(step, problem) {
  if (is.null(problem$label)) problem$path <- paste0(step, problem$path)
  problem
}

# A `data.table` and source references do without theirs.
inspect_attributes <- function(x, walk) {
  kept <- kept_attributes(x)
  for (name in names(kept)) {
    problem <- inspect_value(kept[[name]], walk, isS4(x))
    if (!is.null(problem)) {
      return(below(paste0("@", name), problem))
    }
  }
}

inspect_environment <- function(envir, walk) {
  # The maps of fastmap, as in memoised functions, are built again.
  harmless <- is_lasting_environment(envir) || inherits(envir, "srcfile") ||
    environmentName(topenv(envir)) == "fastmap"
  if (harmless || is_seen(rlang::obj_address(envir), walk)) {
    return(NULL)
  }
  inspect_items(objects_of(eager_names(envir), envir), walk, frames = TRUE)
}

# R6 generators hold the frame that they were made in.
objects_of <- function(names, envir) {
  if (inherits(envir, "R6ClassGenerator")) names <- names[names != "parent_env"]
  values_of(names, envir)
}

# Of the environments that it brings, only what it uses counts.
inspect_function <- function(fn, walk) {
  if (is.primitive(fn) || isS4(fn)) {
    return(NULL)
  }
  syntax <- function_syntax(fn)
  envir <- environment(fn)
  if (is_seen(paste0(syntax$key, rlang::obj_address(envir)), walk)) {
    return(NULL)
  }
  # As in functions made by Rcpp, whose code contains the address of a compiled function.
  if (!is.null(inspect_items(as.list(syntax$bare), walk))) {
    return(list(path = "", what = "a function with an external pointer in its code"))
  }
  if (environmentName(topenv(envir)) != "fastmap") inspect_scope(syntax, envir, walk)
}

inspect_scope <- function(syntax, envir, walk) {
  problem <- local <- NULL
  scope <- envir
  while (is.null(problem) && !is_lasting_environment(envir)) {
    # The other names may be columns.
    here <- syntax$certain[syntax$certain %in% names(envir)]
    here <- here[!here %in% local]
    problem <- inspect_variables(objects_of(here, envir), walk, syntax, scope)
    local <- c(local, here)
    envir <- parent.env(envir)
  }
  problem
}

inspect_variables <- function(values, walk, syntax, scope) {
  for (name in names(values)) {
    problem <- inspect_value(values[[name]], walk)
    if (is.null(problem)) next
    if (!is.null(problem$label) || is_needed(name, syntax, scope)) {
      return(utils::modifyList(list(label = sprintf("`%s`", name)), problem))
    }
  }
}

# Whether code needs a variable of this name, rather than a column: in `d[con > 1]`, or in a call of
# a function that quotes its arguments. `values` are those of an expression.
is_needed <- function(name, syntax, envir, values = list()) {
  code <- syntax$code
  root <- tryCatch(
    walk_root(
      as.call(list(quote(`function`), code[[1]], code[[2]])),
      list(values = values, envir = envir), TRUE
    ),
    error = function(e) list(required = name)
  )
  name %in% c(root$required, root$called)
}

# Of the values that a task was found to use, those that some of its code may use as a variable.
needed_parts <- function(parts, value) {
  collected <- collected_parts(value)
  code <- Filter(is.function, c(list(sent_with(value$fn, "value")), collected))
  if (!is.null(value$expr)) code <- c(code, as_code(value$expr))
  is_column <- vapply(names(parts), function(label) {
    name <- gsub("`", "", label)
    uses <- vapply(code, function(fn) name %in% function_syntax(fn)$all, NA)
    needs <- vapply(code[uses], function(fn) {
      is_needed(name, function_syntax(fn), environment(fn), value$variables)
    }, NA)
    label %in% names(collected) && any(uses) && !any(needs)
  }, NA)
  parts[!is_column]
}
