test_that("BiocParallel's own unit tests pass with this parameter in place of SnowParam", {
  skip_on_cran()
  skip_if_not_installed("RUnit")
  results <- run_unit_tests()
  # Those need a package that Debian's BiocParallel does without.
  optional <- if (requireNamespace("BatchJobs", quietly = TRUE)) "^$" else "BatchJobs"
  failed <- grep(optional, results$failed, value = TRUE, invert = TRUE)
  expect_identical(failed, character())
  expect_gt(results$n, 50)
})
