# Stopping what has gone already, and starting workers where they cannot start.

test_that("workers that leave while they are told to stop are ignored", {
  r <- local_queue()
  local_worker(r, worker_id = "left")$shutdown("done")
  here <- local_worker(r, worker_id = "here")
  handle <- queue_handle(r)
  expect_equal(send_stop(handle, c("left", here$id)), here$id)
  expect_equal(send_stop(handle, "left"), character())
})

test_that("a queue whose server was killed can be stopped", {
  server <- rrq_server()
  withr::defer(rrq_default_controller_clear())
  r <- rrq_start(1, con = server)
  worker <- rrq_worker_info(rrq_worker_list())[[1]]$pid
  tools::pskill(server$pid, tools::SIGKILL)
  expect_message(rrq_stop(), "cannot be reached: its workers were ended")
  expect_false(process_is_alive(worker))
  expect_error(rrq_worker_len(), class = "rrq_error_no_controller")
})

test_that("to start workers of a queue that was destroyed says that it was", {
  r <- local_queue()
  rrq_destroy(controller = r)
  expect_error(rrq_worker_spawn(1, controller = r), class = "rrq_error_queue_missing")
})

test_that("workers that were stopped because they took too long are not said to be starting", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) Sys.sleep(60), controller = r)
  error <- expect_error(
    rrq_worker_spawn(1, timeout = 1, progress = FALSE, controller = r),
    class = "rrq_error_timeout"
  )
  expect_match(conditionMessage(error), "All were stopped")
})

test_that("tasks for which no worker listens are not said to go on", {
  r <- local_queue()
  id <- rrq_task_create_expr(1 + 1, controller = r)
  error <- expect_error(
    suppressMessages(rrq_task_wait(id, timeout = 3, controller = r)),
    class = "rrq_error_timeout"
  )
  expect_match(conditionMessage(error), "The task waits")
})
