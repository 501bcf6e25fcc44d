# future on socket workers, and future.apply for maps. A multisession plan would run code in the
# session itself if it has one worker. There is no `shared`: one future per element would send the
# value each time, and a chunk of elements is not a task.

future_system <- function() {
  list(
    name = "future",
    package = "future",
    start = function(workers) {
      pool <- parallel::makePSOCKcluster(workers)
      future::plan(future::cluster, workers = pool)
      for (i in seq_len(workers)) future::value(future::future(1, seed = NULL))
      pool
    },
    stop = function(pool) {
      future::plan(future::sequential)
      parallel::stopCluster(pool)
    },
    latency = function(pool, x) {
      future::value(future::future(identity(x), globals = list(x = x), seed = NULL))
    },
    call = function(pool, fn, arg) {
      future::value(future::future(fn(arg), globals = list(fn = fn, arg = arg), seed = NULL))
    },
    map = if (requireNamespace("future.apply", quietly = TRUE)) future_map
  )
}

future_map <- function(pool, x) future.apply::future_lapply(x, identity)
