# mirai, with and without its dispatcher process.

mirai_system <- function(dispatcher) {
  name <- if (dispatcher) "mirai" else "mirai, no dispatcher"
  list(
    name = name,
    start = function(workers) {
      mirai::daemons(workers, dispatcher = dispatcher)
      wait_until(function() mirai::status()$connections >= workers)
    },
    stop = function(pool) mirai::daemons(0),
    latency = function(pool, x) mirai::mirai(identity(x), x = x)[],
    bulk = stats::setNames(list(mirai_bulk), name)
  )
}

mirai_bulk <- function(pool, x) {
  phases(
    submit = tasks <- mirai::mirai_map(x, identity),
    run = mirai::call_mirai(tasks),
    collect = tasks[]
  )
}
