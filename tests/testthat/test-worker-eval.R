# Run a task as the worker does; its outcome.
outcome_of <- function(run, payload, kind = "expr", template = NULL, timeout = 0) {
  with_task_handlers(run, take_outcome(
    run, run_call(run, kind, payload, template, NULL, NULL, timeout, NULL, FALSE)
  ))
}

local_run <- function() {
  run <- new_run()
  run$envir <- globalenv()
  run
}

interrupt <- function() {
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
}

test_that("an error in on.exit() does not hide the one before it", {
  r <- local_queue()
  fn <- function(x) {
    on.exit(stop("second"))
    if (x == 1) stop("first")
  }
  ids <- rrq_task_create_bulk_call(fn, 1:2, controller = r)
  # A worker in this process would show the second error to testthat's own handlers.
  local_spawned(r)
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  results <- rrq_task_results(ids, controller = r)
  expect_equal(vapply(results, conditionMessage, ""), c("first", "second"))
})

test_that("an interrupt while arguments are bound is not judged by the limit of the task before", {
  run <- local_run()
  run$deadline <- 0
  outcome <- outcome_of(run, interrupt(), timeout = 60)
  expect_equal(outcome[[1]], "DIED")
  expect_true(outcome[[4]])
})

test_that("a bulk whose preparation failed does not run another bulk's function", {
  run <- local_run()
  good <- list(fn = list(name = "sqrt", namespace = "base"), args = list())
  bad <- list(fn = list(name = "log", namespace = NULL), args = list())
  bulk <- function(template) outcome_of(run, 4, "bulk_call", template)
  expect_equal(bulk(good), list("COMPLETE", 2))
  for (i in 1:2) {
    expect_equal(bulk(bad)[[1]], "ERROR")
  }
  expect_equal(bulk(good), list("COMPLETE", 2))
})

test_that("a function that the worker lacks is the error of the task, not of an element", {
  run <- new_run()
  run$envir <- new.env(parent = globalenv())
  fn <- list(name = "absent", namespace = "stats", internal = FALSE)
  template <- list(fn = fn, args = list(), chunk = "lapply")
  outcome <- with_task_handlers(run,
    run_call(run, "bulk_call", list(1), template, NULL, NULL, 0, NULL, FALSE)
  )
  expect_match(conditionMessage(outcome[[2]]), "absent")
  expect_null(outcome[[2]]$element)
})
