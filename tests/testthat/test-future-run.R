test_that("large globals are stored once for all futures", {
  r <- local_queue()
  local_plan(controller = r)
  x <- stats::runif(5e4)
  y <- as.list(1:1e4)
  fs <- lapply(1:3, function(i) future::future(c(sum(x), length(y), i)))
  expect_equal(queue_sizes(r)[["objects"]], 2)
  run_worker(local_worker(r))
  expect_equal(future::value(fs), lapply(1:3, function(i) c(sum(x), 1e4, i)))
  expect_equal(unname(queue_sizes(r)), rep(0, 5))
})

test_that("a large future does not warn, and what cannot be sent is for future to decide", {
  local_plan(workers = 1)
  bytes <- as.raw(rep(1, 11e6))
  make <- local({
    kept <- bytes
    function() length(kept)
  })
  expect_silent(f <- future::future(make()))
  expect_equal(future::value(f), 11e6)
  pointer <- null_pointer
  expect_silent(f <- future::future(list(pointer)))
  expect_type(future::value(f)[[1]], "externalptr")
  expect_null(getOption("rrq.nonportable"))
})

test_that("labels that rrq does not take are left out", {
  r <- local_queue()
  local_plan(controller = r)
  for (label in list("two\nlines", strrep("x", 5000), NULL)) {
    f <- future::future(1, label = label)
    expect_null(rrq_task_info(f$rrq_job$id, controller = r)$label)
  }
})

test_that("a global takes the place of a variable of the worker for the time of a future", {
  local_global(hidden <- "worker")
  expect_equal(run_legacy_future(list(expr = quote(hidden), seeded = FALSE), "hidden", 5), 5)
  expect_equal(get("hidden", globalenv()), "worker")
  code <- quote({
    new_there <- 1
    .Random.seed[[1]]
  })
  withr::with_seed(1, {
    kept <- .Random.seed
    run_legacy_future(list(expr = quote(set.seed(2)), seeded = TRUE), NULL)
    expect_identical(.Random.seed, kept)
    run_legacy_future(list(expr = code, seeded = FALSE), NULL)
  })
  expect_false(exists("new_there", globalenv()))
})

test_that("an immediate condition that is too large comes with the result", {
  local_plan(workers = 1)
  f <- future::future({
    condition <- immediately("large")
    condition$data <- stats::runif(2e5)
    signalCondition(condition)
    1
  }, seed = TRUE)
  expect_equal(signalled(expect_equal(future::value(f), 1)), "large")
})

test_that("of where globals come from only what is asked for is sent", {
  where <- list(a = globalenv(), b = environment(), c = emptyenv())
  globals <- structure(list(a = 1, b = 2, c = 3), where = where)
  expect_identical(bare_globals(globals), list(where = where[c("a", "c")]))
  expect_identical(bare_globals(list()), list(where = list()))
})
