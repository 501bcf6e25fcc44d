test_that("workers finish what they were asked before, then exit", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  expect_equal(rrq_worker_stop(controller = r), "w")
  run_worker(worker)
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  expect_equal(rrq_worker_len(r), 0)
})

test_that("only the workers named are stopped", {
  r <- local_queue()
  workers <- list(local_worker(r, worker_id = "w_1"), local_worker(r, worker_id = "w_2"))
  rrq_worker_stop("w_2", controller = r)
  lapply(workers, run_worker)
  expect_equal(rrq_worker_list(r), "w_1")
})

test_that("stopping can wait until the workers have exited", {
  r <- local_queue()
  manager <- local_spawned(r, 2)
  stopped <- withVisible(rrq_worker_stop(timeout = time_limit(), controller = r))
  expect_equal(stopped, list(value = manager$id, visible = FALSE))
  expect_equal(rrq_worker_len(r), 0)
})

test_that("workers that do not stop in time are named", {
  r <- local_queue()
  local_worker(r, worker_id = "w_1")
  err <- expect_error(
    rrq_worker_stop(timeout = 0.2, controller = r),
    "w_1", class = "rrq_error_timeout"
  )
  expect_equal(err$ids, "w_1")
})

test_that("without workers there is nothing to stop", {
  r <- local_queue()
  expect_equal(rrq_worker_stop(timeout = time_limit(), controller = r), character())
  local_worker(r, worker_id = "w")
  expect_equal(rrq_worker_stop(character(), controller = r), character())
  expect_equal(rrq_worker_status("w", r), c(w = "IDLE"))
})

test_that("unknown and exited workers are errors that list them", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w_1")
  local_worker(r, worker_id = "w_2")$shutdown()
  for (type in c("message", "kill_local")) {
    err <- expect_error(
      rrq_worker_stop(c("w_1", "w_2", "w_3"), type, controller = r),
      class = "rrq_error_worker_missing"
    )
    expect_equal(err$ids, c("w_2", "w_3"))
  }
  run_worker(worker)
  expect_equal(rrq_worker_list(r), "w_1")
})

test_that("a local worker is killed in the middle of a task, which dies", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.3 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  manager <- local_spawned(r, name_config = "quick")
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  rrq_worker_stop(type = "kill_local", timeout = time_limit(), controller = r)
  expect_equal(rrq_worker_status(manager$id, r), rlang::set_names("LOST", manager$id))
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  expect_false(unname(manager$is_alive()))
})

test_that("workers on other machines are not killed from here, nor any other with them", {
  r <- local_queue()
  manager <- local_spawned(r, worker_id_base = "here")
  worker <- local_worker(r, worker_id = "there")
  info <- rrq_worker_info("there", r)$there
  info$hostname <- "elsewhere"
  rust_call(rs_worker_set_info(queue_handle(r), "there", info))
  err <- expect_error(
    rrq_worker_stop(type = "kill_local", controller = r),
    "there", class = "rrq_error_not_local"
  )
  expect_equal(err$ids, "there")
  expect_true(unname(manager$is_alive()))
})

test_that("a worker in this session does not kill it", {
  r <- local_queue()
  local_worker(r, worker_id = "w")
  for (type in c("kill", "kill_local")) {
    expect_error(
      rrq_worker_stop("w", type = type, controller = r),
      "this R session", class = "rrq_error_not_local"
    )
  }
})

test_that("a worker is killed from anywhere, idle or deep in C, and its task dies at once", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  id <- task_in_c(r)
  wait_begun(id, r)
  expect_equal(rrq_worker_stop(type = "kill", timeout = time_limit(), controller = r), manager$id)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  expect_equal(rrq_worker_status(manager$id, r), c(w_1 = "EXITED", w_2 = "EXITED"))
  log <- rrq_worker_log_tail("w_1", 2, r)
  expect_equal(log$command, c("REMOTE", "STOP"))
  expect_equal(log$message, c("kill", "killed"))
  wait_until(!any(manager$is_alive()))
  expect_length(r$con$KEYS(paste0(r$keys$prefix, "w:w_1:ctl")), 0)
})

test_that("workers that are not killed go on", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  rrq_worker_stop("w_1", type = "kill", timeout = time_limit(), controller = r)
  wait_until(!manager$is_alive("w_1"))
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_worker_list(r), "w_2")
})

test_that("arguments are checked", {
  r <- local_queue()
  expect_error(rrq_worker_stop(1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_stop(type = "shoot", controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_stop(timeout = -1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_stop(time_poll = "a", controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_stop(progress = 1, controller = r), class = "rrq_error_argument")
})
