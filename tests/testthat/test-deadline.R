# A queue whose server does not respond until the end of the test.
local_frozen <- function(env = parent.frame()) {
  skip_on_os("windows")
  server <- rrq_server()
  withr::defer(server$stop(), env)
  r <- rrq_controller("jobs", server$url)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  tools::pskill(server$pid, tools::SIGSTOP)
  withr::defer(tools::pskill(server$pid, tools::SIGCONT), env)
  list(r = r, id = id, server = server)
}

test_that("functions with a time limit keep it although the server does not respond", {
  frozen <- local_frozen()
  r <- frozen$r
  elapsed <- system.time({
    expect_error(rrq_task_wait(frozen$id, 0.5, controller = r), class = "rrq_error_timeout")
    expect_error(rrq_task_wait_any(frozen$id, 0.5, controller = r), class = "rrq_error_timeout")
    collect <- function() rrq_task_collect(frozen$id, timeout = 0.5, controller = r)
    expect_error(collect(), class = "rrq_error_timeout")
    call <- function() rrq_call(sqrt, list(1), timeout = 0.5, controller = r)
    expect_error(call(), class = "rrq_error_timeout")
    expect_error(rrq_worker_ping("w", timeout = 0.5, controller = r), class = "rrq_error_timeout")
  })[["elapsed"]]
  expect_lt(elapsed, 25)
})

test_that("the limit of one call is not that of the next", {
  frozen <- local_frozen()
  expect_error(rrq_task_wait(frozen$id, 0.1, controller = frozen$r), class = "rrq_error_timeout")
  tools::pskill(frozen$server$pid, tools::SIGCONT)
  expect_equal(rrq_task_status(frozen$id, controller = frozen$r), "PENDING")
  expect_equal(rust_call(rs_queue_deadline(frozen$r$pointer, Inf)), Inf)
})

test_that("a call that waits for a frozen server can be interrupted", {
  skip_on_os("windows")
  frozen <- local_frozen()
  session <- Sys.getpid()
  child <- processx::process$new("sh", c("-c", sprintf("sleep 1; kill -INT %d", session)))
  begun <- proc.time()[["elapsed"]]
  seen <- tryCatch(
    rrq_task_create_expr(sqrt(2), controller = frozen$r),
    interrupt = function(e) "interrupted",
    error = function(e) conditionMessage(e)
  )
  expect_equal(seen, "interrupted")
  expect_lt(proc.time()[["elapsed"]] - begun, 15)
  child$wait()
})
