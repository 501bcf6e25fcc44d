library(BiocParallel)

# A private server for the whole run.
test_server <- function() {
  skip_if_not(any(nzchar(Sys.which(c("redis-server", "valkey-server")))), "there is no server")
  if (is.null(shared$server)) {
    shared$server <- rrq::rrq_server()
    withr::defer(shared$server$stop(), testthat::teardown_env())
  }
  shared$server
}

shared <- new.env()

# A queue with a worker.
local_queue <- function(env = parent.frame()) {
  controller <- rrq::rrq_controller(basename(tempfile("test-")), test_server()$url)
  withr::defer(rrq::rrq_destroy(controller = controller), env)
  rrq::rrq_worker_spawn(1, progress = FALSE, controller = controller)
  controller
}

# A parameter with workers of its own.
local_param <- function(..., env = parent.frame()) {
  withr::local_envvar(RRQ_URL = test_server()$url, .local_envir = env)
  param <- RrqParam(...)
  withr::defer(suppressMessages(bpstop(param)), env)
  param
}

n_keys <- function() length(rrq::rrq_redis(test_server()$url)$KEYS("*"))
