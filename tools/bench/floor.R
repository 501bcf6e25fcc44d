# Lower bounds for any task: round trips to the server and serialisation, from R,
# and the smallest requests of a queue.

measure_floor <- function(settings) {
  server <- rrq::rrq_server()
  on.exit(server$stop())
  batches <- settings$floor_batches
  rbind(
    round_trip_rows(rrq::rrq_redis(server$url), batches),
    serialise_rows(batches),
    request_rows(rrq::rrq_controller("floor", con = server$url), batches)
  )
}

round_trip_rows <- function(con, batches) {
  script <- "return redis.call('HSET', KEYS[1], 'field', ARGV[1])"
  sha <- con$SCRIPT_LOAD(script)
  rbind(
    floor_row("PING", batches, con$PING()),
    floor_row("HSET", batches, con$HSET("hash", "field", "value")),
    floor_row("EVALSHA of one HSET", batches, con$EVALSHA(sha, "1", "hash", "value"))
  )
}

serialise_rows <- function(batches) {
  scalar <- serialize(1, NULL, xdr = FALSE)
  values <- stats::runif(1e6)
  large <- serialize(values, NULL, xdr = FALSE)
  rbind(
    floor_row("serialize a scalar", batches, serialize(1, NULL, xdr = FALSE)),
    floor_row("unserialize a scalar", batches, unserialize(scalar)),
    floor_row("serialize 8 MB", batches, serialize(values, NULL, xdr = FALSE), calls = 1L),
    floor_row("unserialize 8 MB", batches, unserialize(large), calls = 1L)
  )
}

# Without workers: only the work of the session and the server.
request_rows <- function(queue, batches) {
  id <- rrq::rrq_task_create_call(identity, list(1), controller = queue)
  rbind(
    floor_row(
      "submit one call", batches,
      rrq::rrq_task_create_call(identity, list(1), controller = queue)
    ),
    floor_row(
      "submit one expression", batches,
      rrq::rrq_task_create_expr(identity(1), controller = queue)
    ),
    floor_row("status of one task", batches, rrq::rrq_task_status(id, controller = queue))
  )
}

# One call is too short to time, so each value is the mean of a batch.
floor_row <- function(measure, batches, expr, calls = 100L) {
  run <- eval(call("function", NULL, substitute(expr)), parent.frame())
  for (i in seq_len(calls)) run()
  us <- vapply(seq_len(batches), function(batch) {
    start <- now_s()
    for (i in seq_len(calls)) run()
    (now_s() - start) / calls * 1e6
  }, 0)
  row("floor", measure, "us", us)
}
