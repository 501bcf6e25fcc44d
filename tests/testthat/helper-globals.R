# Evaluate code in the global environment, and remove at the end what it makes there.
local_global <- function(code, env = parent.frame()) {
  code <- rlang::enexpr(code)
  before <- ls(globalenv(), all.names = TRUE)
  value <- eval(code, globalenv())
  new <- setdiff(ls(globalenv(), all.names = TRUE), c(before, ".Random.seed"))
  withr::defer(rm(list = new, envir = globalenv()), env)
  invisible(value)
}

# What is collected for functions or other values.
found_for <- function(...) {
  found <- new_search()
  visit_items(list(...), found)
  along <- as.list(collected_globals(found, rlang::current_env()))
  stats::setNames(along, sub("globals", "values", names(along)))
}
