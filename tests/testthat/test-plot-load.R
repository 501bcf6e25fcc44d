test_that("the curve of a load has how many workers were there, and how many worked", {
  curve <- load_curve(attr(example_load(), "periods"), 0, 100, n = 10)
  expect_equal(curve$used, c(1, 1, 0, 0, 0, 1, 0, 0, 0, 1))
  expect_equal(curve$available, rep(1:2, each = 5))
  expect_equal(curve$from, seq(-100, -10, by = 10))
  means <- mean(example_load(), time = Inf)
  curve <- load_curve(attr(example_load(), "periods"), 0, 100, n = 7)
  expect_equal(c(mean(curve$used), mean(curve$available)), unname(means[, 1]))
})

test_that("a load is drawn, also one without workers", {
  load <- example_load()
  expect_identical(draw(plot(load)), load)
  expect_no_error(draw(plot(load, time = 1)))
  for (time in list(0, 1e-9, NA, "1", c(1, 5))) {
    expect_error(draw(plot(load, time = time)), "`time`", class = "rrq_error_argument")
  }
  expect_no_error(draw(plot(load, time = 1 / 60)))
  r <- local_queue()
  expect_no_error(draw(plot(rrq_worker_load(controller = r))))
})
