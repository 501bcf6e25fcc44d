# Each step of the suite of package future.tests has a test here or in one of the files
# test-future-*.R.

test_that("futures have values and errors, now and lazily", {
  local_plan(workers = 2)
  expect_equal(future::value(future::future(6 * 7)), 42)
  expect_null(future::value(future::future(NULL)))
  expect_invisible(future::value(future::future(invisible(1))))
  expect_equal(future::value(future::futureCall(sum, list(1, 2))), 3)
  f <- future::future(stop("no such luck"))
  expect_error(future::value(f), "no such luck")
  # Also when it is asked again, and without being signalled.
  expect_error(future::value(f), "no such luck")
  expect_s3_class(future::value(f, signal = FALSE), "simpleError")
  custom <- future::future(rlang::abort("mine", "my_error"))
  expect_error(future::value(custom), class = "my_error")

  lazy <- future::future(2, lazy = TRUE)
  expect_equal(length(plan_controller()$con$KEYS("*future*:t:*")), 0)
  expect_equal(lazy$state, "created")
  wait_until(future::resolved(lazy))
  expect_equal(future::value(lazy), 2)
  expect_error(future::run(lazy), class = "FutureError")
})

test_that("future assignments work", {
  local_plan(workers = 2)
  `%<-%` <- future::`%<-%` # nolint
  x %<-% 1
  y %<-% {
    x + 1
  }
  wait_until(future::resolved(future::futureOf(y)))
  expect_equal(c(x, y), c(1, 2))
})

test_that("globals, packages and arguments come along", {
  local_plan(workers = 2)
  a <- 1
  twice <- function(x) 2 * x + a
  f <- future::future(twice(3))
  a <- 100
  twice <- NULL
  expect_equal(future::value(f), 7)
  expect_equal(future::value(future::future(b + 1, globals = list(b = 2))), 3)
  expect_error(future::value(future::future(b + 1, globals = FALSE)), "'b' not found")
  expect_equal(future::value(future::future(toTitleCase("abc"), packages = "tools")), "Abc")
  with_dots <- function(...) future::value(future::future(sum(...)))
  expect_equal(with_dots(1, 2), 3)
  code <- quote(stop("evaluated"))
  nothing <- NULL
  expect_equal(future::value(future::future(list(code, nothing))), list(code, NULL))
})

test_that("globals do not stay on the worker", {
  local_plan(workers = 1)
  kept <- 1
  expect_equal(future::value(future::future({
    other <<- 3
    kept
  })), 1)
  there <- future::value(future::future(exists("kept", inherits = TRUE), globals = FALSE))
  expect_false(there)
  expect_equal(future::value(future::future(getOption("width"))), getOption("width"))
})

test_that("random numbers depend on the seed alone", {
  draw <- function(seed) {
    future::value(lapply(1:3, function(i) future::future(stats::rnorm(2), seed = seed + i)))
  }
  expected <- draw(42)
  set.seed(1)
  one <- future::value(future::future(stats::rnorm(1), seed = TRUE))
  local_plan(workers = 2)
  expect_equal(draw(42), expected)
  set.seed(1)
  expect_equal(future::value(future::future(stats::rnorm(1), seed = TRUE)), one)
  expect_warning(future::value(future::future(stats::rnorm(1))), "UNRELIABLE VALUE")
  expect_silent(future::value(future::future(stats::rnorm(1), seed = NULL)))
})

test_that("a plan leaves the session's random numbers alone", {
  expect_generator_kept(function() {
    local_plan(workers = 1)
    expect_equal(future::value(future::future(1)), 1)
  })
})

test_that("output and conditions are repeated in order, or dropped", {
  local_plan(workers = 2)
  speak <- quote({
    cat("out\n")
    message("first")
    warning("second")
    cat("put\n")
    3
  })
  run <- function(...) future::future(speak, substitute = FALSE, ...)
  f <- run()
  heard <- hear(said <- signalled(expect_equal(future::value(f), 3)))
  expect_equal(heard$output, c("out", "put"))
  expect_equal(said, c("first", "second"))
  expect_silent(future::value(run(stdout = FALSE, conditions = NULL)))
  expect_equal(signalled(future::value(run(stdout = FALSE, conditions = "message"))), "first")
  no_messages <- structure("condition", exclude = "message")
  expect_equal(signalled(future::value(run(stdout = FALSE, conditions = no_messages))), "second")
  dropping <- run(stdout = structure(TRUE, drop = TRUE), conditions = structure("condition",
    drop = TRUE
  ))
  hear(said <- signalled(future::value(dropping)))
  expect_equal(said, c("first", "second"))
  expect_silent(future::value(dropping))
})

test_that("errors are signalled early if asked for", {
  local_plan(workers = 1)
  # Deprecated since future 1.40.
  suppressWarnings(f <- future::future(stop("early"), earlySignal = TRUE))
  ask <- function() while (!future::resolved(f)) Sys.sleep(0.01)
  expect_error(ask(), "early")
})

test_that("resolved() tells when a future ends", {
  local_plan(workers = 1)
  gate <- withr::local_tempfile()
  f <- future::future(while (!file.exists(gate)) Sys.sleep(0.01))
  expect_false(future::resolved(f))
  expect_equal(future::nbrOfFreeWorkers(), 0)
  waiting <- future::future(2)
  expect_equal(future::nbrOfFreeWorkers(), 0)
  file.create(gate)
  wait_until(future::resolved(f))
  expect_equal(future::value(waiting), 2)
  expect_equal(future::nbrOfFreeWorkers(), 1)
})

test_that("many futures are collected, and nothing stays in the queue", {
  local_plan(workers = 2)
  fs <- lapply(1:300, function(i) future::future(i, globals = list(i = i)))
  expect_equal(unlist(future::value(fs)), 1:300)
  expect_equal(unname(queue_sizes(plan_controller())), rep(0, 5))
})

test_that("a plan can be replaced and restored", {
  local_plan(workers = 1)
  expect_equal(future::value(future::future(1)), 1)
  old <- future::plan("sequential")
  expect_equal(future::value(future::future(Sys.getpid())), Sys.getpid())
  future::plan(old)
  expect_false(future::value(future::future(Sys.getpid())) == Sys.getpid())
  expect_equal(future::nbrOfWorkers(), 1)
})

test_that("futures of a nested plan have workers of their own, or run one after the other", {
  local_plan(workers = 1)
  nested <- quote({
    f <- future::future(Sys.getpid())
    c(future::nbrOfWorkers(), Sys.getpid(), future::value(f))
  })
  pids <- future::value(future::future(nested, substitute = FALSE))
  expect_equal(pids[c(1, 2)], pids[c(1, 3)])
  end_plan()
  local_plan(future::tweak(rrq_future, workers = 1), future::tweak(rrq_future, workers = 2))
  for (i in 1:2) {
    pids <- future::value(future::future(nested, substitute = FALSE))
    expect_equal(pids[[1]], 2)
    expect_length(unique(pids), 3)
  }
})

test_that("a nested plan on the same queue is refused", {
  r <- local_queue()
  local_spawned(r)
  on_queue <- future::tweak(rrq_future, controller = r)
  local_plan(on_queue, on_queue)
  f <- future::future(future::value(future::future(1)))
  expect_error(future::value(f), "own queue", class = "rrq_error_future_circle")
})

test_that("the plan is not called directly", {
  skip_if_not_installed("future")
  skip_if_not(has_backends(), "this version of future calls it")
  expect_error(rrq_future(1), "plan(rrq_future)", fixed = TRUE, class = "rrq_error_argument")
})

test_that("a plan prints without the server's password", {
  r <- local_queue()
  local_plan(controller = r)
  text <- paste(c(printed(future::plan()), printed(future::plan("list"))), collapse = "\n")
  expect_match(text, "rrq_future")
  expect_no_match(text, "redis")
})
