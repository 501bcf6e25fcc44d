test_that("it gives what lapply() gives, with names", {
  r <- local_queue()
  local_spawned(r, 2)
  x <- list(a = 1, b = 4:6, c = NULL)
  f <- function(x) sum(x) + 1
  expect_equal(rrq_lapply(x, f, controller = r), lapply(x, f))
  expect_equal(rrq_lapply(1:1000, sqrt, controller = r), lapply(1:1000, sqrt))
  expect_equal(rrq_lapply(c(1.26, 2.34), round, digits = 1, controller = r), list(1.3, 2.3))
})

test_that("values that are lists or NULL keep their place", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 2) NULL else list(i, "x")
  expect_equal(rrq_lapply(1:5, f, chunk_size = 2, controller = r), lapply(1:5, f))
})

test_that("quick elements travel together and slow ones alone", {
  r <- local_queue()
  local_spawned(r)
  before <- n_started(r)
  rrq_lapply(1:2000, identity, controller = r)
  expect_lt(n_started(r) - before, 200)
  before <- n_started(r)
  rrq_lapply(1:6, function(i) Sys.sleep(0.15), controller = r)
  expect_equal(n_started(r) - before, 6)
})

test_that("nothing is left in the queue", {
  r <- local_queue()
  local_spawned(r)
  rrq_lapply(1:10, identity, controller = r)
  expect_length(rrq_task_list(controller = r), 0)
  expect_equal(r$con$EXISTS(paste0(r$keys$prefix, "o")), 0)
})

test_that("an error in an element is thrown, and what is left is cancelled", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 2) rlang::abort("not two", class = "own_error") else Sys.sleep(0.01)
  expect_error(rrq_lapply(1:50, f, chunk_size = 1, controller = r), class = "own_error")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("a wait that takes too long cancels what is left", {
  r <- local_queue()
  local_spawned(r)
  slow <- function(i) Sys.sleep(5)
  expect_error(
    rrq_lapply(1:3, slow, timeout = 0.3, controller = r),
    class = "rrq_error_timeout"
  )
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("no elements need no workers, and bad arguments are refused", {
  r <- local_queue()
  expect_equal(rrq_lapply(list(), sqrt, controller = r), list())
  expect_error(rrq_lapply(sqrt, sqrt, controller = r), class = "rrq_error_argument")
  expect_error(rrq_lapply(1:3, "sqrt", controller = r), class = "rrq_error_argument")
  expect_error(rrq_lapply(1:3, sqrt, chunk_size = 0, controller = r), class = "rrq_error_argument")
})
