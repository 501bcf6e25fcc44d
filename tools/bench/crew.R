# crew with local workers.

crew_system <- function() {
  list(
    name = "crew",
    package = "crew",
    start = function(workers) {
      pool <- crew::crew_controller_local(workers = workers, seconds_idle = 600)
      pool$start()
      pool$launch(n = workers)
      wait_until(function() crew_connections(pool) >= workers)
      pool
    },
    stop = function(pool) pool$terminate(),
    latency = function(pool, x) crew_call(pool, identity, x),
    call = crew_call,
    bulk = list(crew = crew_bulk)
  )
}

# crew's workers are mirai daemons in the controller's own profile.
crew_connections <- function(pool) {
  mirai::status(.compute = pool$client$profile)$connections
}

# wait() may return a moment before pop() finds the task.
crew_call <- function(pool, fn, arg) {
  pool$push(fn(arg), data = list(fn = fn, arg = arg))
  deadline <- now_s() + 60
  repeat {
    pool$wait(mode = "one")
    task <- pool$pop()
    if (!is.null(task)) {
      return(task$result[[1]])
    }
    if (now_s() > deadline) stop("crew: the task did not return")
  }
}

# Results arrive in the order in which tasks ended, so each carries its position.
crew_bulk <- function(pool, x) {
  done <- phases(
    submit = pool$walk(
      list(place = place, value = identity(x)),
      iterate = list(x = x, place = seq_along(x))
    ),
    run = pool$wait(mode = "all"),
    collect = crew_collect(pool, length(x))
  )
  places <- vapply(done$values, function(result) result$place, 1L)
  done$values <- lapply(done$values[order(places)], function(result) result$value)
  done
}

crew_collect <- function(pool, n) {
  results <- list()
  deadline <- now_s() + 60
  while (length(results) < n && now_s() < deadline) {
    results <- c(results, pool$collect()$result)
  }
  results
}
