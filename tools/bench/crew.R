# crew with local workers.

crew_system <- function() {
  list(
    name = "crew",
    start = function(workers) {
      pool <- crew::crew_controller_local(workers = workers, seconds_idle = 600)
      pool$start()
      pool$launch(n = workers)
      wait_until(function() crew_connections(pool) >= workers)
      pool
    },
    stop = function(pool) pool$terminate(),
    latency = crew_latency,
    bulk = list(crew = crew_bulk)
  )
}

# crew's workers are mirai daemons in the controller's own profile.
crew_connections <- function(pool) {
  mirai::status(.compute = pool$client$profile)$connections
}

crew_latency <- function(pool, x) {
  pool$push(identity(x), data = list(x = x))
  pool$wait(mode = "one")
  pool$pop()$result[[1]]
}

# Results arrive in the order in which tasks ended, so each carries its position.
crew_bulk <- function(pool, x) {
  done <- phases(
    submit = pool$walk(
      list(place = place, value = identity(x)),
      iterate = list(x = x, place = seq_along(x))
    ),
    run = pool$wait(mode = "all"),
    collect = pool$collect()$result
  )
  places <- vapply(done$values, function(result) result$place, 1L)
  done$values <- lapply(done$values[order(places)], function(result) result$value)
  done
}
