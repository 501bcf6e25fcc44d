# Ask until it is true; fails, saying what was never true, when time is up.
wait_until <- function(expr, timeout = 10) {
  expr <- substitute(expr)
  env <- parent.frame()
  deadline <- proc.time()[["elapsed"]] + timeout
  while (!isTRUE(eval(expr, env))) {
    if (proc.time()[["elapsed"]] > deadline) {
      rlang::abort(sprintf("Not true after %g s: %s", timeout, rlang::as_label(expr)))
    }
    Sys.sleep(0.01)
  }
  invisible(TRUE)
}
