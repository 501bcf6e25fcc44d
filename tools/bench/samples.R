# Times, and the rows that measurements return.

# Has microsecond resolution, unlike proc.time().
now_s <- function() as.numeric(Sys.time())

# Times each expression; `values` is the value of the last one.
phases <- function(...) {
  expressions <- as.list(substitute(list(...)))[-1]
  frame <- parent.frame()
  seconds <- stats::setNames(numeric(length(expressions)), names(expressions))
  for (phase in names(expressions)) {
    start <- now_s()
    value <- eval(expressions[[phase]], frame)
    seconds[[phase]] <- now_s() - start
  }
  list(values = value, seconds = seconds)
}

time_of <- function(expr) {
  start <- now_s()
  force(expr)
  now_s() - start
}

# `once(i)` returns a sample. Repeats until there are `n` of them or the time is up, so that a
# slow system cannot stretch a run.
samples <- function(n, budget_s, once) {
  deadline <- now_s() + budget_s
  values <- numeric()
  while (length(values) < n && (length(values) == 0 || now_s() < deadline)) {
    values <- c(values, once(length(values) + 1L))
  }
  values
}

# A row of a round: the median over repetitions; the samples themselves are kept for the
# quantiles over all rounds and for --raw.
row <- function(system, measure, unit, values, workers = NA_integer_, n = NA_integer_,
                bytes = NA_real_) {
  data.frame(
    system = system, measure = measure, workers = workers, n = n, bytes = bytes, unit = unit,
    value = stats::median(values), samples = I(list(values))
  )
}

bind_rows <- function(rows) {
  do.call(rbind, Filter(Negate(is.null), rows))
}

check_values <- function(values, x, label) {
  if (!identical(as.list(values), as.list(x))) {
    stop(sprintf("%s: wrong results for %d tasks", label, length(x)))
  }
}

wait_until <- function(condition, timeout_s = 30) {
  deadline <- now_s() + timeout_s
  while (!condition()) {
    if (now_s() > deadline) stop("workers did not start in time")
    Sys.sleep(0.01)
  }
}
