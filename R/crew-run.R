# Runs the task of a crew controller, on a worker. `shared` and `own` are lists of global variables,
# `...` are the data. What happens in the code of the task is in the value; only an interrupt and
# the loss of the worker leave this function otherwise.
run_crew_task <- function(command, settings, shared, own, ...) {
  data <- stats::setNames(list(...), settings$names)
  before <- list(globals = names(globalenv()), packages = search(), options = options())
  on.exit(reset_worker(before, settings$reset))
  if (is.null(settings$seed) && is.null(settings$algorithm)) {
    return(run_crew_command(command, settings, shared, own, data))
  }
  with_own_random({
    if (!is.null(settings$algorithm)) RNGkind(settings$algorithm)
    if (!is.null(settings$seed)) set.seed(settings$seed)
    run_crew_command(command, settings, shared, own, data)
  })
}

run_crew_command <- function(command, settings, shared, own, data) {
  seen <- new.env(parent = emptyenv())
  begin <- now()
  result <- tryCatch(
    withCallingHandlers(
      {
        for (package in settings$packages) {
          library(package, lib.loc = settings$library, character.only = TRUE)
        }
        for (variables in c(shared, list(own))) list2env(variables, globalenv())
        eval(command, list2env(data, parent = globalenv()))
      },
      error = function(e) keep_crew_error(e, seen),
      warning = function(w) {
        keep_crew_warning(w, seen)
        invokeRestart("muffleWarning")
      }
    ),
    error = function(e) NA
  )
  failed <- !is.null(seen$error)
  list(
    result = result, status = if (failed) "error" else "success",
    error = seen$error %||% NA_character_, code = if (failed) -1L else 0L,
    trace = seen$trace %||% NA_character_, warnings = seen$warnings %||% NA_character_,
    seconds = now() - begin
  )
}

# Lines for the worker's log, and the calls of the task.
keep_crew_error <- function(condition, seen) {
  text <- crew_message(condition)
  cat("Error: ", text, "\n", sep = "", file = stderr())
  calls <- sys.calls()
  first <- max(0, which(vapply(calls, function(call) identical(call[[1]], quote(eval)), NA)))
  # The last three are the handler and what called it.
  calls <- calls[seq_len(max(0, length(calls) - 3))]
  lines <- vapply(utils::tail(calls, -first), function(call) deparse(call, nlines = 1)[[1]], "")
  seen$trace <- paste(lines, collapse = "\n")
  seen$error <- text
}

keep_crew_warning <- function(condition, seen) {
  text <- crew_message(condition)
  cat("Warning: ", text, "\n", sep = "", file = stderr())
  seen$warnings <- substr(paste(c(seen$warnings, text), collapse = ". "), 1, longest_crew_message)
}

longest_crew_message <- 2048

crew_message <- function(condition) {
  text <- substr(conditionMessage(condition), 1, longest_crew_message)
  if (nzchar(text)) text else "."
}

reset_worker <- function(before, reset) {
  if (reset$globals) rm(list = setdiff(names(globalenv()), before$globals), envir = globalenv())
  if (reset$packages) {
    for (package in setdiff(search(), before$packages)) {
      try(detach(package, character.only = TRUE), silent = TRUE)
    }
  }
  if (reset$options) options(before$options)
  if (reset$memory) gc(verbose = FALSE)
}
