# S3 methods that came with a task. R looks for methods where the generic is called, and from a
# package that leads to the global environment, never to the task's own. So they are bound there
# while the task runs, in place of what has the same name; the next task, of another session maybe,
# finds what was there before.

bind_methods <- function(run, names, from) {
  if (is.null(names)) {
    return()
  }
  release_methods(run)
  run$methods <- names
  run$hidden <- values_of(intersect(names, names(globalenv())), globalenv())
  list2env(mget(names, envir = from, inherits = TRUE), globalenv())
}

release_methods <- function(run) {
  if (!is.null(run$methods)) {
    suppressWarnings(rm(list = run$methods, envir = globalenv()))
    list2env(run$hidden, globalenv())
    run$methods <- NULL
  }
}

# Values of a class arrive without the package that has its methods. One that is not installed is
# not missed until then.
load_namespaces <- function(packages) {
  for (package in packages) {
    if (!isNamespaceLoaded(package) && !package %in% the$absent) {
      is_there <- suppressMessages(suppressWarnings(requireNamespace(package, quietly = TRUE)))
      if (!is_there) the$absent <- c(the$absent, package)
    }
  }
}
