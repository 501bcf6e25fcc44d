# This package, on a private server.

rrq_system <- function() {
  list(
    name = "rrq",
    start = function(workers) {
      server <- rrq::rrq_server()
      queue <- rrq::rrq_controller("bench", con = server$url)
      list(
        server = server, queue = queue,
        workers = rrq::rrq_worker_spawn(workers, controller = queue)
      )
    },
    stop = function(pool) {
      rrq::rrq_destroy(timeout_worker_stop = 10, controller = pool$queue)
      pool$server$stop()
    },
    latency = rrq_latency,
    bulk = list(rrq = rrq_bulk, "rrq_lapply, chunks" = rrq_chunks)
  )
}

rrq_latency <- function(pool, x) {
  id <- rrq::rrq_task_create_call(identity, list(x), controller = pool$queue)
  rrq::rrq_task_wait(id, controller = pool$queue)
  rrq::rrq_task_result(id, controller = pool$queue)
}

rrq_chunks <- function(pool, x) {
  phases(all = rrq::rrq_lapply(x, identity, controller = pool$queue))
}

rrq_bulk <- function(pool, x) {
  phases(
    submit = ids <- rrq::rrq_task_create_bulk_call(identity, x, controller = pool$queue),
    run = rrq::rrq_task_wait(ids, controller = pool$queue),
    collect = rrq::rrq_task_results(ids, controller = pool$queue)
  )
}
