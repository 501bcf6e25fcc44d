test_that("a worker that starts anew takes its fork server along, and leaves no zombie", {
  skip_on_os("windows")
  r <- local_queue()
  rrq_worker_config_save("few", rrq_worker_config(max_tasks = 2), controller = r)
  local_spawned(r, name_config = "few")
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  ids <- rrq_task_create_bulk_call(sqrt, 1:6, separate_process = TRUE, controller = r)
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_results(ids, controller = r), as.list(sqrt(1:6)))
  # Started again in the same process; in between it is not among the workers.
  wait_until(identical(unname(lapply(rrq_worker_info(controller = r), `[[`, "pid")), list(pid)))
  wait_until(length(descendants(pid)) <= 1)
})

test_that("a captured task that is ended hard keeps its log, and the worker its own", {
  skip_on_os("windows")
  r <- local_queue()
  config <- rrq_worker_config(timeout_process_die = 0.2)
  rrq_worker_config_save("hard", config, controller = r)
  manager <- local_spawned(r, name_config = "hard")
  id <- rrq_task_create_expr(
    {
      cat("so far\n")
      repeat tryCatch(Sys.sleep(60), interrupt = function(i) NULL)
    },
    capture = TRUE, controller = r
  )
  wait_until(identical(rrq_task_log(id, controller = r), "so far"))
  rrq_task_cancel(id, controller = r)
  expect_equal(rrq_task_status(id, controller = r), "CANCELLED")
  expect_equal(rrq_task_log(id, controller = r), "so far")
  id <- rrq_task_create_expr(1 + 1, controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  wait_until(any(grepl(paste("TASK_COMPLETE", id), manager$logs()[[1]])))
  expect_match(manager$logs()[[1]], "RESTART task", all = FALSE)
})

test_that("an isolated task that is cancelled costs the worker nothing", {
  skip_on_os("windows")
  r <- local_queue()
  config <- rrq_worker_config(timeout_process_die = 0.2)
  rrq_worker_config_save("hard", config, controller = r)
  local_spawned(r, name_config = "hard")
  id <- isolated(function() repeat system("trap '' TERM; sleep 60"), r)
  process_of(id, r)
  rrq_task_cancel(id, controller = r)
  expect_equal(rrq_task_status(id, controller = r), "CANCELLED")
  expect_false("RESTART" %in% rrq_worker_log_tail(n = Inf, controller = r)$command)
})
