skip_with_backends <- function() {
  skip_if_not_installed("future")
  skip_if(has_backends(), "future has backends since 1.40")
}

test_that("futures on a queue of the user's go on when the plan ends", {
  skip_with_backends()
  r <- local_queue()
  local_plan(controller = r)
  f <- future::future(3)
  future::plan("sequential")
  run_worker(local_worker(r))
  expect_equal(future::value(f), 3)
})

test_that("another plan ends the workers of the one before", {
  skip_with_backends()
  local_plan(workers = 1)
  pool <- the$future_pools[[1]]
  local_plan(workers = 2)
  expect_null(pool$watch)
  expect_length(the$future_pools, 1)
})

test_that("the arguments of a plan that was tweaked several times are found", {
  skip_with_backends()
  r <- local_queue()
  plan <- future::tweak(future::tweak(rrq_future, controller = r, workers = 3), workers = 2)
  spec <- plan_spec(plan)
  expect_equal(spec$workers, 2)
  expect_equal(spec$controller$queue_id, r$queue_id)
  expect_null(spec$queue)
  expect_equal(plan_spec(rrq_future), list(workers = NULL, controller = NULL, queue = NULL))
})
