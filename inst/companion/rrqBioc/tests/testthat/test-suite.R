# The unit tests of BiocParallel itself, with the parameter of this package in place of SnowParam.
# Not those of other parameters.

test_that("BiocParallel's own tests pass", {
  skip_on_cran()
  skip_if_not_installed("RUnit")
  test_server()
  counts <- run_unit_tests()
  expect_gt(counts$passed, 50)
  expect_identical(counts$failed, character())
})
