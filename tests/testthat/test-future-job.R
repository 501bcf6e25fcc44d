test_that("a lost worker is an interrupt of its future, and is replaced", {
  local_plan(workers = 1)
  f <- future::future(tools::pskill(Sys.getpid(), tools::SIGKILL))
  suppressMessages(error <- tryCatch(future::value(f), error = identity))
  expect_s3_class(error, c("FutureInterruptError", "FutureError"))
  expect_match(conditionMessage(error), "was lost")
  expect_equal(f$state, "interrupted")
  expect_equal(future::value(future::future(2)), 2)
})

test_that("a future whose task was cancelled or deleted says so", {
  local_plan(workers = 1)
  begun <- withr::local_tempfile()
  f <- future::future({
    file.create(begun)
    Sys.sleep(60)
  })
  wait_until(file.exists(begun))
  rrq_task_cancel(f$rrq_job$id, controller = plan_controller())
  expect_error(future::value(f), "cancelled", class = "FutureInterruptError")
  r <- local_queue()
  local_plan(controller = r)
  f <- future::future(1)
  rrq_task_delete(f$rrq_job$id, controller = r)
  expect_error(future::value(f), "deleted", class = "FutureInterruptError")
})

test_that("a task that never reaches future's code is an error of the future", {
  local_plan(workers = 1)
  f <- future::future(1)
  future::value(f)
  for (status in c("ERROR", "COMPLETE", "IMPOSSIBLE")) {
    expect_s3_class(future_failure(f, status, simpleError("broken.")), "FutureError")
    expect_false(inherits(future_failure(f, status, 1), "FutureInterruptError"))
  }
})

test_that("futures that nobody keeps are deleted", {
  local_plan(workers = 1)
  r <- plan_controller()
  f <- future::future(1)
  wait_until(future::resolved(f))
  rm(f)
  gc()
  expect_equal(future::value(future::future(2)), 2)
  expect_equal(queue_sizes(r)[["tasks"]], 0)
  expect_length(the$future_pools[[1]]$jobs, 0)
})

test_that("when a plan ends, futures that have ended keep their values", {
  local_plan(workers = 1)
  begun <- withr::local_tempfile()
  done <- future::future(5)
  wait_until(future::resolved(done))
  running <- future::future({
    file.create(begun)
    Sys.sleep(60)
  })
  waiting <- future::future(6)
  wait_until(file.exists(begun))
  end_plan()
  expect_equal(future::value(done), 5)
  expect_error(future::value(running), class = "FutureInterruptError")
  expect_error(future::value(waiting), class = "FutureInterruptError")
  expect_true(future::resolved(waiting))
})

test_that("a future belongs to the session that made it", {
  local_plan(workers = 1)
  f <- future::future(Sys.sleep(0.1))
  f$owner <- "another"
  expect_error(future::resolved(f), class = "FutureError")
  expect_error(future::value(f), class = "FutureError")
})

test_that("immediate conditions arrive while the future runs", {
  local_plan(workers = 1)
  seen <- withr::local_tempfile()
  f <- future::future({
    signalCondition(immediately("one", "progression"))
    while (!file.exists(seen)) Sys.sleep(0.01)
    signalCondition(immediately("two"))
    message("three")
    4
  })
  said <- character()
  withCallingHandlers(
    expect_message(expect_equal(future::value(f), 4), "three"),
    immediateCondition = function(condition) {
      said <<- c(said, conditionMessage(condition))
      file.create(seen)
    }
  )
  expect_equal(said, c("one", "two"))
  # Once only.
  expect_equal(signalled(future::value(f)), "three")
})

test_that("messages and warnings can be immediate, and are muffled there", {
  local_plan(workers = 1)
  seen <- withr::local_tempfile()
  f <- future::future({
    message(immediately("a message\n", "message"))
    warning(immediately("a warning", "warning"))
    while (!file.exists(seen)) Sys.sleep(0.01)
    1
  })
  said <- signalled(wait_until({
    future::resolved(f)
    length(f$rrq_job$events) == 0 && rrq_task_status(f$rrq_job$id,
      controller = plan_controller()
    ) == "RUNNING" && length(rrq_task_events(f$rrq_job$id, plan_controller())) == 2
  }))
  file.create(seen)
  said <- c(said, signalled(expect_equal(future::value(f), 1)))
  expect_setequal(said, c("a message", "a warning"))
})
