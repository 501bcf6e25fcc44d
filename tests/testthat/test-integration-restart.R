# A worker with a configuration of its own.
local_configured <- function(controller, ..., n = 1, env = parent.frame()) {
  rrq_worker_config_save("own", rrq_worker_config(...), controller = controller)
  local_spawned(controller, n, name_config = "own", worker_id_base = "w", env = env)
}

worker_pid <- function(controller, id = "w_1") {
  rrq_worker_info(id, controller)[[1]]$pid
}

log_of <- function(controller, command, id = "w_1") {
  log <- rrq_worker_log_tail(id, Inf, controller)
  log$message[log$command == command]
}

test_that("a task in C that runs too long ends hard, and its worker starts anew", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_configured(r, timeout_process_die = 0.3)
  pid <- worker_pid(r)
  id <- task_in_c(r, timeout_task_run = 0.2)
  expect_false(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_status(id, controller = r), "TIMEOUT")
  result <- rrq_task_result(id, controller = r)
  expect_s3_class(result, "rrq_task_error")
  expect_equal(result$status, "TIMEOUT")
  expect_match(log_of(r, "RESTART"), id)
  next_id <- rrq_task_create_expr(Sys.getpid(), controller = r)
  expect_true(rrq_task_wait(next_id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(next_id, controller = r), pid)
  expect_equal(unname(manager$is_alive()), TRUE)
  expect_match(manager$logs()[[1]], "^RESTART task", all = FALSE)
})

test_that("a cancelled task that ignores interrupts is CANCELLED, others of its worker wait", {
  skip_on_os("windows")
  r <- local_queue()
  local_configured(r, timeout_process_die = 0.3)
  begun <- withr::local_tempfile()
  persist <- function(begun) {
    sleep <- function() {
      file.create(begun)
      Sys.sleep(60)
    }
    repeat tryCatch(sleep(), interrupt = identity)
  }
  id <- rrq_task_create_call(persist, list(begun), controller = r)
  others <- rrq_task_create_bulk_call(sqrt, 1:20, controller = r)
  wait_until(file.exists(begun))
  expect_equal(rrq_task_cancel(id, timeout_wait = time_limit(), controller = r), "CANCELLED")
  expect_true(rrq_task_wait(others, timeout = time_limit(), controller = r))
  times <- rrq_task_times(id, controller = r)
  expect_gte(times[, "complete"] - times[, "start"], 0.3)
})

test_that("a replaced worker has its folder, environment, libraries and log", {
  skip_on_os("windows")
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$k <- 7, controller = r)
  withr::local_envvar(RRQ_TEST_VARIABLE = "as it was")
  manager <- local_configured(r, max_tasks = 1)
  id <- rrq_task_create_expr({
    setwd(tempdir())
    Sys.setenv(RRQ_TEST_VARIABLE = "changed")
    leak <- file(tempfile(), "w")
    assign("left_behind", 1, globalenv())
    tempdir()
  }, controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  after <- rrq_task_create_expr({
    files <- if (dir.exists("/proc/self/fd")) Sys.readlink(dir("/proc/self/fd", full.names = TRUE))
    list(
      getwd(), Sys.getenv("RRQ_TEST_VARIABLE"), get("k"), .libPaths(),
      exists("left_behind"), grep("Rtmp.*/file", files, value = TRUE)
    )
  }, controller = r)
  expect_true(rrq_task_wait(after, timeout = time_limit(), controller = r))
  expect_equal(
    rrq_task_result(after, controller = r)[1:5],
    list(getwd(), "as it was", 7, .libPaths(), FALSE)
  )
  expect_length(rrq_task_result(after, controller = r)[[6]], 0)
  expect_false(dir.exists(rrq_task_result(id, controller = r)))
})

test_that("a worker starts anew after so many tasks, never more, and loses none", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_configured(r, max_tasks = 30, reset = FALSE)
  pid <- worker_pid(r)
  ids <- rrq_task_create_bulk_call(function(x) {
    n <- get0("n_run", globalenv(), ifnotfound = 0) + 1
    assign("n_run", n, globalenv())
    n
  }, 1:100, controller = r)
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  expect_equal(unlist(rrq_task_results(ids, controller = r)), rep_len(1:30, 100))
  expect_match(log_of(r, "RESTART"), "30 tasks")
  expect_length(log_of(r, "RESTART"), 3)
  expect_equal(worker_pid(r), pid)
  manager$stop()
  expect_equal(rrq_worker_status("w_1", r), c(w_1 = "EXITED"))
})

test_that("a worker starts anew when it occupies too much memory", {
  skip_on_os(c("windows", "mac"))
  r <- local_queue()
  local_configured(r, max_memory = 400 * 2^20)
  small <- rrq_task_create_expr(sqrt(4), controller = r)
  rrq_task_wait(small, timeout = time_limit(), controller = r)
  expect_length(log_of(r, "RESTART"), 0)
  leak <- rrq_task_create_expr(assign("leak", numeric(5e7) + 1, globalenv())[[1]], controller = r)
  rrq_task_wait(leak, timeout = time_limit(), controller = r)
  wait_until(length(log_of(r, "RESTART")) == 1)
  expect_match(log_of(r, "RESTART"), "uses [0-9]+ bytes of memory")
  wait_until("IDLE" == rrq_worker_status("w_1", r))
  wait_until(rrq_worker_ping(timeout = 5, controller = r)$rss < 400 * 2^20)
})

test_that("a worker in somebody's own session exits instead, and says why", {
  r <- local_queue()
  rrq_worker_config_save("two", rrq_worker_config(max_tasks = 2), controller = r)
  worker <- local_worker(r, "two", "w_1")
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  utils::capture.output(reason <- worker$loop(immediate = TRUE))
  expect_match(reason, "2 tasks")
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "COMPLETE", "PENDING"))
  expect_equal(rrq_worker_status("w_1", r), c(w_1 = "EXITED"))
  expect_match(log_of(r, "STOP"), "2 tasks")
})

test_that("a worker in somebody's own session is never ended, only its log tells", {
  r <- local_queue()
  die <- rrq_worker_config(timeout_process_die = 0.1)
  rrq_worker_config_save("die", die, controller = r)
  session <- local_session({
    w <- rrq_worker$new(!!r$queue_id, "die", "w_1")
    w$loop(immediate = TRUE)
    w$loop(immediate = TRUE)
    cat("still here\n")
    w$shutdown()
  }, c(RRQ_URL = server_url(r)))
  id <- task_in_c(r, "short", timeout_task_run = 0.2)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r)) # it completed all the same
  expect_equal(session_status(session), 0)
  expect_match(session_out(session), "still here", all = FALSE)
  expect_match(log_of(r, "TIMEOUT"), "not ended")
  expect_length(log_of(r, "TIMEOUT"), 1)
})

test_that("stopping reaches a worker that is starting anew", {
  skip_on_os("windows")
  r <- local_queue()
  release <- withr::local_tempfile()
  manager <- local_configured(r, max_tasks = 1)
  rrq_worker_envir_set(function(envir) while (!file.exists(release)) Sys.sleep(0.01),
    notify = FALSE, controller = r
  )
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  wait_until(rrq_worker_status("w_1", r) == "STARTING")
  rrq_worker_stop(controller = r)
  file.create(release)
  wait_until(rrq_worker_status("w_1", r) == "EXITED")
  wait_until(!manager$is_alive())
  expect_equal(log_of(r, "STOP"), "OK")
})

test_that("a process that replaces another one receives signals, as others do", {
  skip_if_not(file.exists("/proc/self/status"), "there is no /proc")
  r <- local_queue()
  local_configured(r, timeout_process_die = 0.3)
  expect_false(rrq_task_wait(task_in_c(r, timeout_task_run = 0.2), timeout = 20, controller = r))
  probe <- blocks_sigpipe
  environment(probe) <- globalenv()
  id <- rrq_task_create_call(probe, list(), controller = r)
  expect_true(rrq_task_wait(id, timeout = 30, controller = r))
  expect_false(rrq_task_result(id, controller = r))
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  blocked <- blocked_signals(pid)[as.character(pid), ]
  expect_false(any(blocked[c(tools::SIGINT, tools::SIGTERM, tools::SIGCHLD)]))
})
