# This package, on a private server.

# `address(server)` is the URL that the session and the workers use.
rrq_system <- function(name = "rrq", address = function(server) server$url) {
  list(
    name = name,
    start = function(workers) {
      server <- rrq::rrq_server()
      queue <- rrq::rrq_controller("bench", con = address(server))
      list(
        server = server, queue = queue,
        workers = rrq::rrq_worker_spawn(workers, progress = FALSE, controller = queue)
      )
    },
    stop = function(pool) {
      rrq::rrq_destroy(timeout_worker_stop = 10, controller = pool$queue)
      pool$server$stop()
    },
    latency = function(pool, x) rrq_call(pool, identity, x),
    call = rrq_call,
    # Others delete results as they are read.
    tidy = function(pool) {
      rrq::rrq_task_delete(rrq::rrq_task_list(controller = pool$queue), controller = pool$queue)
    },
    bulk = stats::setNames(list(rrq_bulk), name),
    map = function(pool, x) rrq::rrq_lapply(x, identity, controller = pool$queue),
    shared = rrq_shared,
    server_pid = function(pool) pool$server$pid,
    con = function(pool) rrq::rrq_redis(pool$server$url)
  )
}

tcp_address <- function(server) server$tcp_url

rrq_call <- function(pool, fn, arg) {
  id <- rrq::rrq_task_create_call(fn, list(arg), controller = pool$queue)
  rrq::rrq_task_wait(id, controller = pool$queue)
  rrq::rrq_task_result(id, controller = pool$queue)
}

rrq_bulk <- function(pool, x) {
  phases(
    submit = ids <- rrq::rrq_task_create_bulk_call(identity, x, controller = pool$queue),
    run = rrq::rrq_task_wait(ids, controller = pool$queue),
    collect = rrq::rrq_task_results(ids, controller = pool$queue)
  )
}

read_argument <- function(i, shared) shared[[i]]

rrq_shared <- function(pool, x, shared) {
  args <- list(shared = shared)
  ids <- rrq::rrq_task_create_bulk_call(read_argument, x, args = args, controller = pool$queue)
  rrq::rrq_task_wait(ids, controller = pool$queue)
  rrq::rrq_task_results(ids, controller = pool$queue)
}
