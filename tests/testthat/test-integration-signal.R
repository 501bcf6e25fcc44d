test_that("no thread but the main one receives signals", {
  skip_if_not(dir.exists("/proc/self/task"), "this system does not show signal masks")
  r <- local_queue()
  manager <- local_spawned(r, 1)
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  blocked <- blocked_signals(pid)
  main <- rownames(blocked) == as.character(pid)
  expect_gt(sum(!main), 1)
  for (signal in c(tools::SIGINT, tools::SIGTERM, tools::SIGUSR1, tools::SIGCHLD, 13)) {
    expect_true(all(blocked[!main, signal]), info = signal)
  }
  expect_false(any(blocked[main, c(tools::SIGINT, tools::SIGTERM)]))
})

test_that("tasks that sleep are cancelled without harm to the worker", {
  r <- local_queue()
  manager <- local_spawned(r, 1)
  for (i in 1:10) {
    id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
    wait_until(rrq_task_status(id, controller = r) == "RUNNING")
    rrq_task_cancel(id, controller = r)
  }
  expect_true(manager$is_alive())
})
