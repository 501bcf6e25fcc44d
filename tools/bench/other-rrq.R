# Another package of the same name and interface, from the library given by
# --peers-lib, on its own server. It cannot be loaded into the same process as this
# package.

other_rrq_system <- function() {
  list(
    name = "other rrq",
    package = "rrq",
    start = function(workers) {
      server <- start_open_server()
      queue <- rrq::rrq_controller("bench")
      list(
        server = server, queue = queue,
        workers = rrq::rrq_worker_spawn(workers, controller = queue)
      )
    },
    stop = function(pool) {
      rrq::rrq_worker_stop(timeout = 10, controller = pool$queue)
      pool$server$kill()
    },
    latency = function(pool, x) rrq_call(pool, identity, x),
    call = rrq_call,
    bulk = list(`other rrq` = rrq_bulk)
  )
}

# Listens on a loopback port that is announced in environment variables, which
# every package supports. If the port is taken, the server exits at once.
start_open_server <- function() {
  program <- Sys.getenv("RRQ_REDIS_SERVER", "redis-server")
  for (port in sample(20000:60000, 10)) {
    server <- processx::process$new(program, c(
      "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"
    ), cleanup = TRUE)
    wait_until(function() is_open(port) || !server$is_alive())
    if (server$is_alive()) {
      Sys.setenv(
        REDIS_URL = sprintf("redis://127.0.0.1:%d", port),
        REDIS_HOST = "127.0.0.1", REDIS_PORT = port
      )
      return(server)
    }
  }
  stop("no free port for a Redis server")
}

is_open <- function(port) {
  tryCatch(
    {
      close(suppressWarnings(socketConnection(port = port, open = "r+b", timeout = 1)))
      TRUE
    },
    error = function(e) FALSE
  )
}
