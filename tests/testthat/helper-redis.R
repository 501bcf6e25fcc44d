# A private server for the whole run, with a queue of its own for each test.

shared <- new.env()
shared$n_queues <- 0

test_server <- function() {
  testthat::skip_if_not(can_run_examples(), "there is no redis-server")
  if (is.null(shared$server)) {
    shared$server <- rrq_server()
    withr::defer(shared$server$stop(), testthat::teardown_env())
  }
  shared$server
}

# A controller of a new queue, which is not the default controller.
local_queue <- function(..., env = parent.frame()) {
  server <- test_server()
  shared$n_queues <- shared$n_queues + 1
  controller <- rrq_controller(paste0("test-", shared$n_queues), server$url, ...)
  withr::defer(rrq_destroy(controller = controller), env)
  controller
}

# The same, with values above 1000 bytes in the directory `path`, which need not exist yet.
local_offload_queue <- function(path, env = parent.frame()) {
  shared$n_queues <- shared$n_queues + 1
  id <- paste0("test-", shared$n_queues)
  rrq_configure(id, test_server()$url, store_max_size = 1000, offload_path = path)
  r <- rrq_controller(id, test_server()$url)
  withr::defer(rrq_destroy(controller = r), env)
  r
}

# A worker in this process.
local_worker <- function(controller, ..., env = parent.frame()) {
  withr::local_envvar(RRQ_URL = controller$url)
  worker <- rrq_worker$new(controller$queue_id, ...)
  withr::defer(worker$shutdown(), env)
  worker
}

# Let a worker of this process do all there is to do, and keep what it prints out of the way.
run_worker <- function(worker) {
  invisible(utils::capture.output(worker$loop(immediate = TRUE)))
}

# Workers in processes of their own; returns their manager.
local_spawned <- function(controller, n = 1, ..., env = parent.frame()) {
  manager <- rrq_worker_spawn(n, ..., progress = FALSE, controller = controller)
  withr::defer(manager$stop(), env)
  manager
}

# Send a message to a worker of this process, let it answer and return the answer.
ask_worker <- function(worker, controller, command, args = NULL) {
  id <- rrq_message_send(command, args, worker$id, controller)
  run_worker(worker)
  rrq_message_get_response(id, worker$id, named = FALSE, controller = controller)[[1]]
}

# A file for workers to source; returns its path.
local_source <- function(code, env = parent.frame()) {
  withr::local_tempfile(lines = code, fileext = ".R", .local_envir = env)
}

# A connection to a database of its own, emptied at the end.
local_redis <- function(env = parent.frame()) {
  con <- rrq_redis(sub("/0$", "/7", test_server()$tcp_url))
  withr::defer(con$FLUSHDB(), env)
  con
}

# For another process: the controller itself does not have the password.
server_url <- function(controller) controller$con$config()$url
