# Undoes what a task has changed in the worker's process, so that the next task, of another session
# maybe, does not depend on it. src/state.c finds out whether there is anything to undo, which takes
# a few microseconds, and is told what is right (rs_worker_mark_state()).
#
# A package that is loaded may set options and environment variables on which it relies from then
# on. So what is new after a task that has loaded one stays; what was there before is restored.

# Before an error is reported, which loads packages, too.
note_packages <- function(run) run$loaded <- loadedNamespaces()

# The state that tasks begin with.
process_state <- function() {
  list(
    options = options(), variables = Sys.getenv(),
    # It may have been deleted.
    directory = tryCatch(getwd(), error = function(e) NULL),
    globals = names(globalenv()), packages = loadedNamespaces()
  )
}

keep_state <- function(run) {
  run$state <- process_state()
  run$loaded <- NULL
  run$ends_sinks <- TRUE
  run$n_sinks <- sink.number()
  run$output <- output_number()
  rust_call(rs_worker_mark_state())
}

# The number of the connection to which output goes.
output_number <- function() .subset2(stdout(), 1L)

# Output that a task has left diverted would stay so, that of the worker, too.
end_sinks <- function(run) {
  while (sink.number() > run$n_sinks) sink()
}

# What cannot be restored stays as it is: that must not cost the outcome of the task.
restore_state <- function(run) {
  before <- run$state
  now <- process_state()
  loaded <- run$loaded %||% now$packages
  keeps_new <- !all(loaded %in% before$packages)
  if (!identical(now$directory, before$directory) && !is.null(before$directory)) {
    try(setwd(before$directory), silent = TRUE)
  }
  restore_each(now$options, before$options, keeps_new, options)
  restore_each(as.list(now$variables), as.list(before$variables), keeps_new, set_variables)
  remove_globals(setdiff(now$globals, before$globals))
  keep_state(run)
}

restore_each <- function(now, before, keeps_new, set) {
  is_same <- function(name) identical(now[[name]], before[[name]])
  restored <- Filter(Negate(is_same), names(before))
  values <- before[restored]
  if (!keeps_new) {
    new <- setdiff(names(now), names(before))
    values <- c(values, stats::setNames(vector("list", length(new)), new))
  }
  for (name in names(values)) try(set(values[name]), silent = TRUE)
}

set_variables <- function(values) {
  if (is.null(values[[1]])) Sys.unsetenv(names(values)) else do.call(Sys.setenv, values)
}

# The state of the random numbers continues, and definitions of S4 classes are registered elsewhere,
# too.
remove_globals <- function(new) {
  stays <- new == ".Random.seed" | startsWith(new, ".__")
  rm(list = new[!stays], envir = globalenv())
}
