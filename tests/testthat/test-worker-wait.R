test_that("waiting ends when all are alive", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w", timeout = 0)
  out <- withVisible(rrq_worker_wait(manager$id, time_limit(), time_poll = 0.05, controller = r))
  expect_equal(out, list(value = c("w_1", "w_2"), visible = FALSE))
  expect_equal(unname(rrq_worker_status(controller = r)), c("IDLE", "IDLE"))
  expect_equal(rrq_worker_wait("w_2", timeout = 0, controller = r), "w_2")
})

test_that("those that are not alive in time are named", {
  r <- local_queue()
  local_worker(r, worker_id = "w_1")
  err <- expect_error(
    rrq_worker_wait(c("w_1", "w_2"), timeout = 0.1, time_poll = 0.05, controller = r),
    "w_2", class = "rrq_error_timeout"
  )
  expect_equal(err$ids, "w_2")
})

test_that("those whose jobs have ended are named, with their logs", {
  r <- local_queue()
  local_worker(r, worker_id = "w_1")
  n_asked <- 0
  is_dead <- function() {
    n_asked <<- n_asked + 1
    c(FALSE, FALSE, n_asked > 2)
  }
  fetch_logs <- function(ids) list(c("first line of log", paste("last of", ids)))
  err <- expect_error(
    rrq_worker_wait(paste0("w_", 1:3), 20, 0.01, is_dead, fetch_logs, controller = r),
    "last of w_3", class = "rrq_error_worker_start"
  )
  expect_equal(err$ids, "w_3")
  expect_equal(n_asked, 3)
})

test_that("the jobs that have ended can be named, in any order", {
  r <- local_queue()
  local_worker(r, worker_id = "w_1")
  is_dead <- function() c(w_2 = TRUE, w_1 = TRUE, w_3 = FALSE)
  err <- expect_error(
    rrq_worker_wait(paste0("w_", 1:3), 20, 0.01, is_dead, controller = r),
    class = "rrq_error_worker_start"
  )
  # One that is alive does not matter any more.
  expect_equal(err$ids, "w_2")
})

test_that("those that have exited are named, with what they logged", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) stop("no such data"), controller = r)
  utils::capture.output(
    expect_error(local_worker(r, worker_id = "w_1"), class = "rrq_error_envir")
  )
  err <- expect_error(
    rrq_worker_wait(c("w_1", "w_2"), timeout = time_limit(), controller = r), "no such data",
    class = "rrq_error_worker_start"
  )
  expect_equal(err$ids, "w_1")
  rrq_worker_delete_exited("w_1", controller = r)
  expect_error(rrq_worker_wait("w_1", 0, controller = r), class = "rrq_error_timeout")
})

test_that("a worker killed while it starts is noticed", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.2 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  rrq_worker_envir_set(function(envir) Sys.sleep(60), controller = r)
  manager <- local_spawned(r, timeout = 0, name_config = "quick")
  wait_until("STARTING" %in% rust_call(rs_worker_states(queue_handle(r)))$state)
  kill_unseen(r, manager$id)
  expect_error(
    rrq_worker_wait(manager$id, time_limit(), controller = r), class = "rrq_error_worker_start"
  )
})

test_that("waiting can be interrupted", {
  r <- local_queue()
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    cat("ready\n")
    tryCatch(rrq_worker_wait("nobody", controller = r), interrupt = function(e) cat("left\n"))
  })
  wait_until("ready" %in% session_out(session))
  send_signal(session, tools::SIGINT)
  session_status(session)
  expect_equal(session_out(session), c("ready", "left"))
})

test_that("nobody is waited for at once", {
  r <- local_queue()
  expect_equal(rrq_worker_wait(character(), controller = r), character())
})

test_that("what waiting is told is checked", {
  r <- local_queue()
  wait <- function(ids, timeout = time_limit(), ...) {
    rrq_worker_wait(ids, timeout, ..., controller = r)
  }
  expect_error(wait(1), "`worker_ids`", class = "rrq_error_argument")
  expect_error(wait("w", -1), "`timeout`", class = "rrq_error_argument")
  expect_error(wait("w", time_poll = NA), "`time_poll`", class = "rrq_error_argument")
  expect_error(wait("w", is_dead = TRUE), "`is_dead`", class = "rrq_error_argument")
  expect_error(wait("w", fetch_logs = "x"), "`fetch_logs`", class = "rrq_error_argument")
  expect_error(wait("w", progress = NA), "`progress`", class = "rrq_error_argument")
  for (dead in list(NULL, NA, c(TRUE, TRUE), "w", c(v = TRUE))) {
    expect_error(wait("w", is_dead = function() dead), "`is_dead`", class = "rrq_error_argument")
  }
  for (logs in list(NULL, "text", list(), list(1))) {
    expect_error(
      wait("w", is_dead = function() TRUE, fetch_logs = function(ids) logs), "`fetch_logs`",
      class = "rrq_error_argument"
    )
  }
})

test_that("the line of the progress comes before the error that ends it", {
  session <- local_session({
    server <- rrq_server()
    r <- rrq_controller("failing", server)
    rrq_worker_envir_set(function(envir) stop("no environment"), controller = r)
    rrq_worker_spawn(1, progress = TRUE, controller = r)
  })
  expect_gt(session_status(session), 0)
  lines <- cli::ansi_strip(session_err(session))
  at <- grep("Waiting for 1 worker", lines)
  expect_gt(length(at), 0)
  expect_lt(max(at), grep("^Error", lines)[[1]])
})
