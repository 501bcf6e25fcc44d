# mirai, with and without its dispatcher.

mirai_system <- function(dispatcher) {
  name <- if (dispatcher) "mirai" else "mirai, no dispatcher"
  list(
    name = name,
    package = "mirai",
    start = function(workers) {
      mirai::daemons(workers, dispatcher = dispatcher)
      wait_until(function() mirai::status()$connections >= workers)
    },
    stop = function(pool) mirai::daemons(0),
    latency = function(pool, x) mirai::mirai(identity(x), x = x)[],
    call = function(pool, fn, arg) mirai::mirai(fn(arg), fn = fn, arg = arg)[],
    bulk = stats::setNames(list(mirai_bulk), name),
    map = function(pool, x) mirai::mirai_map(x, identity)[],
    shared = mirai_shared
  )
}

mirai_bulk <- function(pool, x) {
  phases(
    submit = tasks <- mirai::mirai_map(x, identity),
    run = mirai::call_mirai(tasks),
    collect = tasks[]
  )
}

mirai_shared <- function(pool, x, shared) {
  sent <- mirai::everywhere(assign("shared", shared, globalenv()), shared = shared)
  mirai::call_mirai(sent)
  mirai::mirai_map(x, read_global)[]
}
