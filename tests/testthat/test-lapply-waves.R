test_that("elements are shared out evenly, in tasks of bounded size", {
  expect_equal(share_out(10, 4, Inf), new_spans(c(1, 7), c(6, 10), c(3, 2)))
  expect_equal(share_out(8, 4, Inf), new_spans(1, 8, 2))
  expect_equal(share_out(3, 4, Inf), new_spans(1, 3, 1))
  expect_equal(share_out(100, 4, 5), new_spans(1, 20, 5))
})

test_that("what is left goes into tasks as long as the first ones, for all workers", {
  left <- new_spans(c(11, 101), c(90, 180), c(10, 20))
  expect_equal(size_spans(left, 1, Inf)[, "size"], c(20, 20))
  expect_equal(size_spans(left, 10, Inf)[, "size"], c(4, 4))
  expect_equal(size_spans(left, 1, 3)[, "size"], c(3, 3))
  # Nothing of these was sent.
  expect_equal(size_spans(new_spans(5, 6, 0), 1, Inf), new_spans(5, 6, 1))
  none <- new_spans(7, 6, 3)
  expect_equal(size_spans(none, 2, Inf), none)
})

test_that("elements that are handed back keep their place, their streams and their names", {
  r <- local_queue()
  local_spawned(r, 2)
  f <- function(i) {
    if (i %% 8 == 3) Sys.sleep(0.15)
    if (i %% 3 == 0) list(i, runif(1)) else runif(1) + i
  }
  x <- stats::setNames(1:24, letters[1:24])
  before <- n_started(r)
  values <- rrq_lapply(x, f, seed = 1, controller = r)
  # More than the two that got a share each.
  expect_gt(n_started(r) - before, 2)
  expect_identical(values, rrq_lapply(x, f, seed = 1, chunk_size = 5, controller = r))
  g <- function(i, j) if (j == 2) f(i + 2) else f(i)
  both <- rrq_mapply(g, 1:24, 1:3, seed = 1, controller = r)
  expect_identical(both, rrq_mapply(g, 1:24, 1:3, seed = 1, chunk_size = 5, controller = r))
})

test_that("elements of many bytes go into several tasks, all of which are run", {
  r <- local_queue()
  local_spawned(r)
  x <- lapply(1:5, function(i) rep(as.numeric(i), 4e5))
  before <- n_started(r)
  expect_equal(rrq_lapply(x, sum, controller = r), lapply(x, sum))
  expect_equal(n_started(r) - before, 5)
  # A vector that is recycled comes with each element.
  before <- n_started(r)
  sums <- rrq_mapply(sum, 1:5, x[1], controller = r)
  expect_equal(sums, 1:5 + 4e5)
  expect_equal(n_started(r) - before, 5)
})

test_that("an element that fails or warns is named after others were handed back", {
  r <- local_queue()
  local_spawned(r, 2)
  slow <- function(i) {
    Sys.sleep(0.06)
    if (i == 9) stop("nine")
  }
  expect_error(rrq_lapply(1:12, slow, controller = r), "^element 9: nine")
  warn <- function(i) {
    if (i %% 6 == 2) Sys.sleep(0.15)
    if (i > 2) warning("too large")
  }
  expect_warning(rrq_lapply(1:30, warn, controller = r), "Warning in 28 of 30 elements: too large")
  expect_warning(rrq_lapply(1:30, warn, controller = r), "first in element 3,")
})
