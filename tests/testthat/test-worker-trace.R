# A condition such as R's own, wherever the task is.
interrupt_at <- function(...) {
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
}

# The outcome of a task that is interrupted, as the engine sees it.
interrupted_run <- function(expr, timeout = 0) {
  run <- new_run()
  run$envir <- new.env(parent = globalenv())
  run$envir$interrupt_at <- interrupt_at
  calls <- evaluation_calls(run, list())
  task <- list(expr = expr, variables = list())
  arguments <- list(
    kind = "expr", payload = task, template = NULL, variables = NULL, parents = NULL,
    timeout = timeout, seed = NULL, logged = FALSE
  )
  list2env(arguments, calls$slot)
  with_task_handlers(run, tryCatch(eval(calls$run, calls$slot), error = function(e) {
    calls$slot$message <- conditionMessage(e)
    eval(calls$failed, calls$slot)
  }))
}

trace_calls <- function(outcome) {
  vapply(outcome[[2]]$trace$call, function(call) deparse(call)[[1]], "")
}

test_that("the trace of an interrupted task is in the user's frames", {
  outcome <- interrupted_run(quote({
    f <- function(x) interrupt_at(x)
    sapply(1, function(i) f(i))
  }))
  expect_equal(outcome[[1]], "DIED")
  calls <- trace_calls(outcome)
  expect_equal(calls[[1]], "sapply(1, function(i) f(i))")
  expect_equal(tail(calls, 2), c("f(i)", "interrupt_at(x)"))
  trace <- outcome[[2]]$trace
  expect_s3_class(trace, "rlang_trace")
  expect_equal(trace$parent[1:2], 0:1)
  expect_match(format(trace), "interrupt_at(x)", fixed = TRUE, all = FALSE)
})

test_that("values in the calls of an interrupted task are not sent", {
  outcome <- interrupted_run(quote({
    f <- function(x, ...) interrupt_at()
    do.call(f, list(mtcars[1, ], 1, NULL, list(2)))
  }))
  expect_true("`<fn>`(`<data.frame>`, 1, NULL, `<list>`)" %in% trace_calls(outcome))
})

test_that("an interrupt hides an error in on.exit(), and is forgotten then", {
  run <- quote({
    f <- function() {
      on.exit(stop("second"))
      interrupt_at()
    }
    f()
  })
  outcome <- interrupted_run(run)
  expect_equal(outcome[[1]], "DIED")
  expect_equal(tail(trace_calls(outcome), 1), "interrupt_at()")
})

test_that("the handler of interrupts uses nothing but R itself and two functions of this package", {
  used <- c(all.names(body(leave_interrupted)), all.names(body(leave)), all.names(body(now)))
  own <- c("leave", "now")
  for (name in setdiff(unique(used), c(own, "run", "outcome"))) {
    known <- exists(name, baseenv(), inherits = FALSE) ||
      name %in% c("late", "deadline", "parents", "calls", "active", "elapsed")
    expect_true(known, label = name)
  }
})

test_that("a task that ran too long shows where it was", {
  r <- local_queue()
  id <- rrq_task_create_expr(
    {
      nap <- function(s) Sys.sleep(s)
      nap(60)
    },
    timeout_task_run = 0.2, controller = r
  )
  result <- run_result(id, r)
  expect_equal(result$status, "TIMEOUT")
  expect_equal(vapply(result$trace$call, deparse, ""), c("nap(60)", "Sys.sleep(s)"))
})
