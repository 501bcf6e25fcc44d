# Evaluate code in the global environment, and remove at the end what it makes there.
local_global <- function(code, env = parent.frame()) {
  code <- rlang::enexpr(code)
  before <- ls(globalenv(), all.names = TRUE)
  value <- eval(code, globalenv())
  new <- setdiff(ls(globalenv(), all.names = TRUE), c(before, ".Random.seed"))
  withr::defer(rm(list = new, envir = globalenv()), env)
  invisible(value)
}

# What is collected for a function or other value.
found_for <- function(...) {
  collect_globals(list(...))
}
