# future on a multisession plan, and future.apply for maps.

future_system <- function() {
  list(
    name = "future",
    package = "future",
    start = function(workers) {
      future::plan(future::multisession, workers = workers)
      for (i in seq_len(workers)) future::value(future::future(1, seed = NULL))
    },
    stop = function(pool) future::plan(future::sequential),
    latency = function(pool, x) {
      future::value(future::future(identity(x), globals = list(x = x), seed = NULL))
    },
    call = function(pool, fn, arg) {
      future::value(future::future(fn(arg), globals = list(fn = fn, arg = arg), seed = NULL))
    },
    map = if (requireNamespace("future.apply", quietly = TRUE)) future_map,
    shared = if (requireNamespace("future.apply", quietly = TRUE)) future_shared
  )
}

future_map <- function(pool, x) future.apply::future_lapply(x, identity)

# In chunks, one per worker: a future per element would send the shared value each time.
future_shared <- function(pool, x, shared) {
  future.apply::future_lapply(
    x, read_global,
    future.globals = list(shared = shared)
  )
}
