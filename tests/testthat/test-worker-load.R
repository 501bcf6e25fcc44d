# A worker's log with one event per argument: c(time, command, message).
made_up_log <- function(...) {
  part <- function(i) vapply(list(...), `[[`, "", i)
  list(time = as.numeric(part(1)), command = part(2), message = part(3))
}

load_now <- function(log, running, now) load_of(load_periods(log, running, now), now)

test_that("a load is the part of the time spent on tasks", {
  log <- made_up_log(
    c(1000, "ALIVE", ""), c(1010, "TASK_START", "a"), c(1040, "TASK_COMPLETE", "a"),
    c(1050, "TASK_START", "b"), c(1060, "TASK_ERROR", "b")
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 40 / 100)
  expect_equal(load_now(log, NA, 1100)[["minutes_1"]], 10 / 60)
  expect_equal(load_now(made_up_log(c(1000, "ALIVE", "")), NA, 1010)[[1]], 0)
})

test_that("the tasks of a batch count once, from the start of the batch to its end", {
  log <- made_up_log(
    c(1000, "ALIVE", ""),
    c(1010, "TASK_START", "b"), c(1010, "TASK_START", "a"), c(1010, "TASK_START", "c"),
    c(1020, "TASK_COMPLETE", "a"), c(1030, "TASK_ERROR", "c"), c(1030, "TASK_COMPLETE", "b"),
    c(1030, "TASK_START", "e"), c(1030, "TASK_START", "d"),
    c(1040, "TASK_COMPLETE", "e"), c(1040, "TASK_COMPLETE", "d")
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 30 / 100)
})

test_that("the end of a load is however a task ends", {
  for (end in c("COMPLETE", "ERROR", "CANCELLED", "TIMEOUT", "RETRY", "DIED")) {
    log <- made_up_log(
      c(1000, "ALIVE", ""), c(1010, "TASK_START", "a"), c(1020, paste0("TASK_", end), "a"),
      c(1020, "LOST", "")
    )
    expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 10 / 100, info = end)
  }
})

test_that("each attempt of a task that is tried again counts", {
  log <- made_up_log(
    c(1000, "ALIVE", ""), c(1010, "TASK_START", "a"), c(1020, "TASK_RETRY", "a"),
    c(1040, "TASK_START", "a"), c(1045, "TASK_COMPLETE", "a")
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 15 / 100)
})

test_that("the running task counts up to now, with its batch", {
  log <- made_up_log(
    c(1000, "ALIVE", ""), c(1010, "TASK_START", "a"), c(1010, "TASK_START", "b"),
    c(1020, "TASK_COMPLETE", "a")
  )
  expect_equal(load_now(log, "b", 1100)[["minutes_5"]], 90 / 100)
  # It ended after the worker was asked which task it runs.
  expect_equal(load_now(log, "a", 1100)[["minutes_5"]], 10 / 100)
})

test_that("tasks of a batch that were handed back do not count", {
  log <- made_up_log(
    c(1000, "ALIVE", ""), c(1010, "TASK_START", "a"), c(1010, "TASK_START", "b"),
    c(1020, "TASK_COMPLETE", "a"), c(1050, "TASK_START", "b"), c(1060, "TASK_COMPLETE", "b")
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 20 / 100)
})

test_that("a log that was cut begins in the middle of a task", {
  log <- made_up_log(
    c(1000, "MESSAGE", "PING"), c(1010, "TASK_COMPLETE", "a"), c(1050, "MESSAGE", "PING")
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 10 / 100)
})

test_that("a worker that never pauses is used fully, and not more", {
  time <- rep(1000 + seq(0, 90, by = 10), each = 4)
  command <- rep(c("TASK_START", "TASK_START", "TASK_COMPLETE", "TASK_COMPLETE"), 10)
  log <- list(
    time = time + c(0, 0, 10, 10), command = command,
    message = paste0(c("b", "a"), rep(1:10, each = 4))
  )
  expect_equal(load_now(log, NA, 1100)[["minutes_5"]], 1)
  expect_equal(load_now(log, NA, 1100)[["minutes_1"]], 1)
})

test_that("the mean of a load is how many workers were used, and how many there were", {
  logs <- list(
    made_up_log(
      c(1000, "HEARTBEAT", "k"), c(1010, "TASK_START", "a"), c(1040, "TASK_COMPLETE", "a"),
      c(1090, "TASK_START", "b")
    ),
    made_up_log(c(1080, "HEARTBEAT", "k"), c(1085, "TASK_START", "c"),
      c(1095, "TASK_COMPLETE", "c"), c(1098, "STOP", "OK")
    )
  )
  load <- new_load(c("w_1", "w_2"), logs, c("b", NA), 1100)
  expected <- cbind(
    "1" = c(used = (10 + 10) / 60, available = (60 + 18) / 60),
    "Inf" = c(used = (40 + 10) / 100, available = (100 + 18) / 100)
  )
  expect_equal(mean(load, time = c(1, Inf)), expected)
  # Nobody was there before the first of them.
  expect_equal(unname(mean(load)[, c("5", "15")]), unname(expected[, c("Inf", "Inf")]))
  expect_equal(colnames(mean(load)), c("1", "5", "15", "Inf"))
  expect_equal(dim(mean(load, time = numeric())), c(2L, 0L))
})

test_that("the mean of the load of no workers is 0, and some columns are a data frame", {
  load <- new_load(character(), list(), character(), 1100)
  expect_equal(mean(load, 1), matrix(0, 2, 1, dimnames = list(c("used", "available"), "1")))
  load <- new_load("w", list(made_up_log(c(1000, "ALIVE", ""))), NA, 1100)
  expect_equal(class(load[1:2]), "data.frame")
  expect_equal(load$worker_id, "w")
  for (time in list("1", 0, NA_real_, -1)) {
    expect_error(mean(load, time), "`time`", class = "rrq_error_argument")
  }
})

test_that("tasks that a worker ran in batches are its load", {
  r <- local_queue()
  worker <- local_worker(r)
  # Without the environment of this test, which would take longer than the work.
  parameters <- list(i = rlang::missing_arg())
  work <- rlang::new_function(parameters, quote(sum(sqrt(seq_len(1e4)))), globalenv())
  rrq_task_create_bulk_call(work, 1:300, controller = r)
  run_worker(worker)
  log <- rrq_worker_log_tail(n = Inf, controller = r)
  log$time <- as.numeric(log$time)
  starts <- rle(log$command == "TASK_START")
  expect_gt(max(starts$lengths[starts$values]), 1) # else it tests no batch
  load <- load_now(log, NA, max(log$time))[["minutes_15"]]
  expect_gt(load, 0)
  expect_lte(load, 1)
  expect_gt(rrq_worker_load(controller = r)$minutes_15, 0)
})

test_that("failed tasks and the running one count as load", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  id <- rrq_task_create_expr({
    Sys.sleep(0.2)
    stop("failed")
  }, controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until("BUSY" %in% rrq_worker_status(controller = r))
  wait_until(max(rrq_worker_load(controller = r)$minutes_1) > 0.3)
  load <- rrq_worker_load(controller = r)
  expect_s3_class(load, "worker_load")
  expect_named(load, c("worker_id", "minutes_1", "minutes_5", "minutes_15"))
  expect_gt(mean(load)[["used", "Inf"]], 0.3)
  expect_lte(mean(load)[["used", "Inf"]], mean(load)[["available", "Inf"]])
  rrq_worker_stop(rrq_worker_list(r), type = "kill_local", controller = r)
})

test_that("some workers of a load are a load, some columns are a data frame", {
  load <- structure(cbind(example_load(), minutes_1 = c(0.1, 0.2)),
    periods = attr(example_load(), "periods"), now = 100, class = class(example_load())
  )
  second <- load[2, ]
  expect_s3_class(second, "worker_load")
  expect_equal(mean(second, time = Inf)[, 1], c(used = 0.2, available = 1))
  expect_equal(mean(load[2:1, ]), mean(load))
  expect_equal(class(load["worker_id"]), "data.frame")
  expect_equal(class(load[c(1, NA), ]), "data.frame")
  expect_equal(load[1, "worker_id"], "a")
  expect_identical(draw(plot(second)), second)
})
