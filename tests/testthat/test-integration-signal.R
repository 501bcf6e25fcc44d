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
    rrq_task_cancel(start_sleeper(r), controller = r)
  }
  expect_true(manager$is_alive())
})

test_that("a worker that was started with SIGINT ignored can be interrupted", {
  skip_on_os("windows")
  r <- local_queue()
  ignoring <- c("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
  process <- local_script(r, c("--name=w", r$queue_id), ignoring)
  create <- function(..., separate_process = FALSE) {
    rrq_task_create_expr(Sys.sleep(600), ..., separate_process = separate_process, controller = r)
  }
  ids <- c(create(timeout_task_run = 0.2), create(timeout_task_run = 0.2, separate_process = TRUE))
  rrq_task_wait(ids, timeout = 60, controller = r)
  expect_equal(rrq_task_status(ids, controller = r), c("TIMEOUT", "TIMEOUT"))
  log <- rrq_worker_log_tail("w", Inf, r)
  expect_false("RESTART" %in% log$command)
  id <- start_sleeper(r)
  send_signal(process, tools::SIGTERM)
  expect_equal(session_status(process), 0)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})
