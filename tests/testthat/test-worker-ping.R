test_that("idle and busy workers answer at once", {
  r <- local_queue()
  local_spawned(r, 2, worker_id_base = "w")
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until("BUSY" %in% rrq_worker_status(controller = r))
  wait_until(isTRUE(max(rrq_worker_ping(timeout = 5, controller = r)$task_age, na.rm = TRUE) > 0.1))
  ping <- rrq_worker_ping(timeout = 5, controller = r)
  expect_named(ping, ping_columns)
  expect_equal(ping$worker_id, c("w_1", "w_2"))
  busy <- unname(rrq_worker_status(controller = r)) == "BUSY"
  expect_equal(ping$busy, busy)
  expect_equal(ping$task_id, ifelse(busy, id, NA))
  expect_equal(is.na(ping$task_age), !busy)
  expect_true(all(ping$round_trip > 0 & ping$round_trip < 5))
  expect_true(all(ping$uptime > 0.1))
  rrq_task_cancel(id, controller = r)
})

test_that("a worker answers while it computes in C", {
  r <- local_queue()
  local_spawned(r)
  id <- task_in_c(r, "short")
  # A task is RUNNING once it is claimed, a moment before the worker begins it.
  wait_until(identical(rrq_worker_ping(timeout = 2, controller = r)$task_id, id))
  expect_equal(rrq_task_status(id, controller = r), "RUNNING")
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
})

test_that("a paused worker answers, and one that builds its environment", {
  r <- local_queue()
  local_spawned(r, worker_id_base = "paused")
  rrq_message_send_and_wait("PAUSE", controller = r)
  release <- withr::local_tempfile()
  rrq_worker_envir_set(function(envir) while (!file.exists(release)) Sys.sleep(0.01),
    notify = FALSE, controller = r
  )
  starting <- local_spawned(r, timeout = 0, worker_id_base = "starting")
  wait_until(rrq_worker_status("starting_1", r) == "STARTING")
  ping <- rrq_worker_ping(c("paused_1", "starting_1"), timeout = 5, controller = r)
  expect_equal(ping$busy, c(FALSE, FALSE))
  expect_equal(rrq_worker_ping(timeout = 5, controller = r)$worker_id, "paused_1")
  file.create(release)
})

test_that("a worker in this process answers while R waits for it", {
  r <- local_queue()
  local_worker(r, worker_id = "w")
  ping <- rrq_worker_ping(timeout = 5, controller = r)
  expect_false(ping$busy)
  skip_if_not(file.exists("/proc/self/statm"))
  pages <- as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1]][[2]])
  expect_equal(ping$rss, pages * 4096, tolerance = 0.5)
})

test_that("a worker that does not answer in time has a row of NA, and so has one that left", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  local_worker(r, worker_id = "gone")$shutdown()
  pid <- rrq_worker_info("w_1", r)$w_1$pid
  tools::pskill(pid, tools::SIGSTOP)
  withr::defer(tools::pskill(pid, tools::SIGCONT))
  wait_until(is.na(rrq_worker_ping("w_1", timeout = 0.5, controller = r)$round_trip))
  ping <- rrq_worker_ping(c("w_2", "gone", "w_1"), timeout = 0.5, controller = r)
  expect_equal(ping$worker_id, c("w_2", "gone", "w_1"))
  expect_equal(is.na(ping$round_trip), c(FALSE, TRUE, TRUE))
  expect_true(all(is.na(ping[2:3, -1])))
})

test_that("pings leave nothing that does not expire", {
  r <- local_queue()
  local_spawned(r, worker_id_base = "w")
  keys <- function() sort(unlist(r$con$KEYS(paste0(r$keys$prefix, "*"))))
  before <- keys()
  for (i in 1:5) rrq_worker_ping(timeout = 5, controller = r)
  new <- setdiff(keys(), before)
  expect_true(all(vapply(new, function(key) r$con$PTTL(key) > 0, NA)))
  expect_match(new, ":ev:")
})

test_that("without workers the data frame has no rows", {
  r <- local_queue()
  ping <- rrq_worker_ping(controller = r)
  expect_named(ping, ping_columns)
  expect_equal(nrow(ping), 0)
  types <- c("character", "double", "logical", "character", "double", "double", "double")
  expect_equal(unname(vapply(ping, typeof, "")), types)
})

test_that("arguments are checked", {
  r <- local_queue()
  expect_error(rrq_worker_ping(1, controller = r), "`worker_ids`", class = "rrq_error_argument")
  expect_error(rrq_worker_ping(timeout = -1, controller = r), class = "rrq_error_argument")
  err <- expect_error(rrq_worker_ping("a", controller = r), class = "rrq_error_worker_missing")
  expect_equal(err$ids, "a")
})
