test_that("of a killed worker at most what it held is lost", {
  r <- local_queue()
  manager <- local_fast(r, 2)
  fn <- function(x) {
    Sys.sleep(0.0005)
    x^2
  }
  ids <- rrq_task_create_bulk_call(fn, 1:3000, controller = r)
  wait_until(rrq_task_overview(controller = r)$COMPLETE > 300)
  kill_unseen(r, manager$id[[1]])
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  status <- rrq_task_status(ids, controller = r)
  results <- rrq_task_results(ids, controller = r)
  died <- status == "DIED"
  expect_setequal(unique(status[!died]), "COMPLETE")
  expect_lte(sum(died), n_held)
  expect_equal(unlist(results[!died]), ((1:3000)^2)[!died])
  expect_equal(rrq_worker_status(manager$id, r)[[1]], "LOST")
  counts <- rrq_task_overview(controller = r)
  expect_equal(counts[c("RUNNING", "PENDING")], list(RUNNING = 0, PENDING = 0))
  expect_equal(counts$COMPLETE + counts$DIED, 3000)
})

test_that("what died names the worker that held it", {
  r <- local_queue()
  manager <- local_fast(r, 2)
  ids <- rrq_task_create_bulk_call(Sys.sleep, rep(60, 2), controller = r)
  wait_until(all(rrq_task_status(ids, controller = r) == "RUNNING"))
  held <- rrq_worker_task_id(controller = r)
  kill_unseen(r, manager$id[[1]])
  rrq_task_wait(held[[1]], timeout = time_limit(), controller = r)
  expect_equal(rrq_task_status(held, controller = r), c("DIED", "RUNNING"))
  expect_equal(rrq_task_info(held[[1]], r)$worker, manager$id[[1]])
  expect_match(conditionMessage(rrq_task_result(held[[1]], controller = r)), manager$id[[1]])
  expect_match(rrq_worker_log_tail(manager$id[[1]], 1, r)$command, "LOST")
  manager$kill()
})

test_that("with no other worker alive, waiting itself settles what was held", {
  r <- local_queue()
  manager <- local_fast(r)
  ids <- rrq_task_create_bulk_call(Sys.sleep, c(60, 0), controller = r)
  wait_until(rrq_task_status(ids[[1]], controller = r) == "RUNNING")
  kill_unseen(r, manager$id)
  expect_false(rrq_task_wait(ids[[1]], timeout = time_limit(), controller = r))
  expect_equal(rrq_task_status(ids, controller = r), c("DIED", "PENDING"))
  expect_equal(rrq_worker_len(r), 0)
})

test_that("a worker that takes over runs what the lost one had not begun", {
  r <- local_queue()
  manager <- local_fast(r)
  ids <- rrq_task_create_bulk_call(function(x) Sys.sleep(x), c(60, rep(0, 20)), controller = r)
  wait_until(rrq_task_status(ids[[1]], controller = r) == "RUNNING")
  kill_unseen(r, manager$id)
  local_fast(r)
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_status(ids, controller = r), c("DIED", rep("COMPLETE", 20)))
})

test_that("a worker that was stopped for a while and taken for lost does no harm", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_fast(r)
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  # A worker that has just become idle takes one task with the request that wakes it.
  Sys.sleep(0.3)
  tools::pskill(pid, tools::SIGSTOP)
  withr::defer(tools::pskill(pid, tools::SIGKILL))
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  wait_until(length(suppressMessages(rrq_worker_detect_exited(r))) == 1)
  tools::pskill(pid, tools::SIGCONT)
  local_fast(r)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("all workers may be killed, and new ones finish the work", {
  r <- local_queue()
  manager <- local_fast(r, 2)
  ids <- rrq_task_create_bulk_call(function(x) Sys.sleep(0.001), 1:1000, controller = r)
  wait_until(rrq_task_overview(controller = r)$COMPLETE > 100)
  kill_unseen(r, manager$id)
  local_fast(r, 2)
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  counts <- rrq_task_overview(controller = r)
  expect_lte(counts$DIED, 2 * n_held)
  expect_equal(counts$COMPLETE + counts$DIED, 1000)
})

test_that("several lost workers, idle and busy, are settled and reported in one call", {
  r <- local_queue()
  manager <- local_fast(r, 3)
  ids <- rrq_task_create_bulk_call(Sys.sleep, c(60, 60), controller = r)
  wait_until(all(rrq_task_status(ids, controller = r) == "RUNNING"))
  beats <- sprintf("%sw:%s:hb", r$keys$prefix, manager$id)
  wait_until(r$con$EXISTS(beats) == 3)
  kill_unseen(r, manager$id)
  wait_until(r$con$EXISTS(beats) == 0) # so their leases have lapsed, too
  messages <- testthat::capture_messages(lost <- rrq_worker_detect_exited(r))
  expect_setequal(lost, manager$id)
  expect_length(messages, 1)
  expect_match(messages, "Lost 3 workers:.*Orphaning 2 tasks:")
  expect_equal(rrq_task_status(ids, controller = r), c("DIED", "DIED"))
  expect_silent(expect_length(rrq_worker_detect_exited(r), 0))
})

test_that("a worker that computes in C for longer than its lease stays alive", {
  r <- local_queue()
  manager <- local_fast(r)
  id <- task_in_c(r, "short")
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r)) # sweeps once a second
  times <- rrq_task_times(id, controller = r)
  expect_gt(times[, "complete"] - times[, "start"], 0.9)
  expect_false("LOST" %in% rrq_worker_log_tail(manager$id, Inf, r)$command)
})

test_that("a worker cut off for some seconds while it runs a task delivers the result", {
  r <- local_queue()
  local_spawned(r)
  go <- withr::local_tempfile()
  id <- rrq_task_create_call(function(go) {
    while (!file.exists(go)) Sys.sleep(0.01)
    "delivered"
  }, list(go), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  cut <- function() try(r$con$CLIENT_KILL("TYPE", "normal", "SKIPME", "yes"), silent = TRUE)
  start <- proc.time()[["elapsed"]]
  wait_until({
    cut()
    if (proc.time()[["elapsed"]] - start > 1) file.create(go)
    proc.time()[["elapsed"]] - start > 2
  })
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(id, controller = r), "delivered")
  expect_equal(rrq_task_info(id, r)$worker, rrq_worker_list(r))
})

test_that("a worker suspended beyond its lease is lost, then comes back under its name", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_fast(r)
  id <- rrq_task_create_expr(Sys.sleep(2), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  tools::pskill(pid, tools::SIGSTOP)
  withr::defer(tools::pskill(pid, tools::SIGCONT))
  wait_until(length(suppressMessages(rrq_worker_detect_exited(r))) == 1)
  expect_equal(rrq_worker_status(manager$id, r)[[1]], "LOST")
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  tools::pskill(pid, tools::SIGCONT)
  wait_until(rrq_worker_status(manager$id, r) == "IDLE")
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  next_id <- rrq_task_create_expr(Sys.getpid(), controller = r)
  expect_true(rrq_task_wait(next_id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(next_id, controller = r), pid)
})
