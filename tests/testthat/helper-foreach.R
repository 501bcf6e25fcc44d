# The functions of foreach, as if it were attached.
if (requireNamespace("foreach", quietly = TRUE)) {
  foreach <- foreach::foreach
  `%dopar%` <- foreach::`%dopar%`
  `%:%` <- foreach::`%:%`
}

# For one test, `%dopar%` runs on `n` workers of a new queue, which is returned.
local_foreach <- function(n = 1, ..., env = parent.frame()) {
  skip_if_not_installed("foreach")
  r <- local_queue(env = env)
  local_spawned(r, n, env = env)
  registerDoRrq(r, ...)
  withr::defer(foreach::registerDoSEQ(), env)
  r
}
