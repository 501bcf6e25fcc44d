test_that("values and random numbers are those of SerialParam", {
  param <- local_param(2, RNGseed = 42)
  serial <- SerialParam(RNGseed = 42)
  draw <- function(i, n) c(i, runif(n))
  expect_identical(
    bplapply(1:10, draw, n = 2, BPPARAM = param), bplapply(1:10, draw, n = 2, BPPARAM = serial)
  )
  expect_identical(
    bpmapply(function(x, y) x + y, 1:4, 4:1, BPPARAM = param), rep(5L, 4)
  )
})

test_that("the session's random numbers stay as they are", {
  set.seed(1)
  expected <- runif(1)
  set.seed(1)
  param <- local_param(2)
  bplapply(1:4, identity, BPPARAM = bpstart(param))
  expect_identical(runif(1), expected)
})

test_that("an iterator is asked for values until it has none", {
  param <- local_param(2)
  n <- 0
  iterator <- function() if (n < 7) n <<- n + 1
  expect_identical(
    bpiterate(iterator, function(x) x^2, REDUCE = `+`, BPPARAM = param), sum((1:7)^2)
  )
})

test_that("errors of elements are kept, and only those are done again", {
  param <- local_param(2, stop.on.error = FALSE)
  bpstart(param)
  x <- list(1, "2", 3)
  result <- bptry(bplapply(x, sqrt, BPPARAM = param))
  expect_identical(bpok(result), c(TRUE, FALSE, TRUE))
  expect_identical(bplapply(list(1, 4, 3), sqrt, BPREDO = result, BPPARAM = param)[[2]], 2)
})

test_that("a worker that is lost is an error of its elements, and is replaced", {
  param <- local_param(2, tasks = 4, stop.on.error = FALSE)
  bpstart(param)
  gate <- withr::local_tempfile()
  die <- function(i, gate) {
    if (i == 2 && !file.exists(gate)) {
      file.create(gate)
      tools::pskill(Sys.getpid(), 9)
    }
    i
  }
  suppressMessages(result <- bptry(bplapply(1:4, die, gate, BPPARAM = param)))
  expect_identical(bpok(result), c(TRUE, FALSE, TRUE, TRUE))
  expect_s3_class(result[[2]], "worker_comm_error")
  expect_identical(bplapply(1:4, die, gate, BPREDO = result, BPPARAM = param), as.list(1:4))
})

test_that("what tasks have in common is stored once, and read once by a worker", {
  r <- local_queue()
  param <- RrqParam(2, controller = r, tasks = 10)
  x <- runif(1e5)
  count <- function(i, x, id, url) length(rrq::rrq_controller(id, url)$store$list())
  seen <- bplapply(1:10, count, x, r$queue_id, r$url, BPPARAM = param)
  expect_identical(unlist(seen), rep(1L, 10))
})

test_that("an interrupted call leaves no tasks", {
  r <- local_queue()
  param <- RrqParam(2, controller = r)
  setTimeLimit(elapsed = 1, transient = TRUE)
  try(bplapply(1:2, function(i) Sys.sleep(60), BPPARAM = param), silent = TRUE)
  setTimeLimit()
  expect_length(rrq::rrq_task_list(controller = r), 0)
})
