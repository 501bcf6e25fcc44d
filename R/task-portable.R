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
# is. The walk is bounded: what is hidden deeper arrives dead, as it would without this.
find_nonportable <- function(parts, limit = 20000) {
  walk <- new_walk()
  walk$left <- limit
  for (i in seq_along(parts)) {
    problem <- inspect_value(parts[[i]], walk)
    if (!is.null(problem)) {
      return(utils::modifyList(list(label = names(parts)[[i]]), problem))
    }
  }
}

# `model$handle`, or: `$handle` of argument 2.
place_text <- function(problem) {
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
  walk$left <- walk$left - 1
  is_bare <- is.symbol(x) || (is.atomic(x) && is.null(attributes(x)))
  if (is_bare || walk$left < 0 || walk$level > 60) {
    return(NULL)
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
harmless_attributes <- c(
  "names", "class", "dim", "dimnames", "row.names", "levels", "tsp", "srcref", "srcfile",
  "wholeSrcref", ".internal.selfref"
)

inspect_attributes <- function(x, walk) {
  kept <- attributes(x)
  kept <- kept[!names(kept) %in% harmless_attributes]
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
  while (is.null(problem) && !is_lasting_environment(envir)) {
    here <- syntax$all[syntax$all %in% ls(envir, all.names = TRUE, sorted = FALSE)]
    here <- here[!here %in% local]
    problem <- inspect_variables(objects_of(here, envir), walk)
    local <- c(local, here)
    envir <- parent.env(envir)
  }
  problem
}

inspect_variables <- function(values, walk) {
  for (name in names(values)) {
    problem <- inspect_value(values[[name]], walk)
    if (!is.null(problem)) {
      return(utils::modifyList(list(label = sprintf("`%s`", name)), problem))
    }
  }
}
