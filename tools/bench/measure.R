# Measures of every system: start-up time, latency, throughput.

measure_system <- function(system, settings) {
  pools <- lapply(settings$workers, function(n) measure_pool(system, n, settings))
  starts <- lapply(settings$start_workers, function(n) measure_start(system, n))
  do.call(rbind, c(pools, starts))
}

measure_pool <- function(system, workers, settings) {
  start <- now_s()
  pool <- system$start(workers)
  started <- row(system$name, "start", "s", now_s() - start, workers = workers)
  on.exit(system$stop(pool))
  warm_up(system, pool)
  rbind(
    started,
    measure_latency(system, pool, workers, settings$latencies),
    measure_throughput(system, pool, workers, settings)
  )
}

measure_start <- function(system, workers) {
  start <- now_s()
  pool <- system$start(workers)
  on.exit(system$stop(pool))
  row(system$name, "start", "s", now_s() - start, workers = workers)
}

# Triggers byte-compilation of the measured code, here and on the workers.
warm_up <- function(system, pool) {
  for (bulk in system$bulk) bulk(pool, seq_len(100L))
  for (i in seq_len(20L)) system$latency(pool, i)
}

measure_latency <- function(system, pool, workers, repetitions) {
  ms <- vapply(seq_len(repetitions), function(i) {
    start <- now_s()
    value <- system$latency(pool, i)
    ms <- (now_s() - start) * 1e3
    check_values(value, i, system$name)
    ms
  }, 0)
  row(system$name, "latency", "ms", ms, workers = workers, n = 1L)
}

measure_throughput <- function(system, pool, workers, settings) {
  rows <- lapply(names(system$bulk), function(label) {
    Map(function(n, repetitions) {
      seconds <- lapply(seq_len(repetitions), function(i) {
        run_bulk(system$bulk[[label]], pool, n, label)
      })
      throughput_rows(label, workers, n, do.call(cbind, seconds))
    }, settings$sizes, settings$repetitions)
  })
  do.call(rbind, unlist(rows, recursive = FALSE))
}

run_bulk <- function(bulk, pool, n, label) {
  x <- sample.int(1e6L, n)
  gc(FALSE)
  done <- bulk(pool, x)
  check_values(done$values, x, label)
  done$seconds
}

# `seconds`: a row per phase, a column per repetition. A system with a single
# phase gets no rows for the parts.
throughput_rows <- function(label, workers, n, seconds) {
  unit <- if (grepl("chunk", label)) "elements/s" else "tasks/s"
  total <- row(label, "throughput", unit, n / colSums(seconds), workers = workers, n = n)
  phases <- rownames(seconds)
  parts <- lapply(if (length(phases) > 1) phases, function(phase) {
    row(label, phase, "us/task", seconds[phase, ] / n * 1e6, workers = workers, n = n)
  })
  do.call(rbind, c(list(total), parts))
}

check_values <- function(values, x, label) {
  if (!identical(as.list(values), as.list(x))) {
    stop(sprintf("%s: wrong results for %d tasks", label, length(x)))
  }
}

# --- shared helpers ----------------------------------------------------------

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

# One row of a round: the median over repetitions, and p95 for at least 20 of them.
row <- function(system, measure, unit, values, workers = NA_integer_, n = NA_integer_) {
  enough <- length(values) >= 20
  data.frame(
    system = system, measure = measure, workers = workers, n = n, unit = unit,
    value = stats::median(values),
    p95 = if (enough) stats::quantile(values, 0.95, names = FALSE) else NA_real_
  )
}

wait_until <- function(condition, timeout_s = 30) {
  deadline <- now_s() + timeout_s
  while (!condition()) {
    if (now_s() > deadline) stop("workers did not start in time")
    Sys.sleep(0.01)
  }
}
