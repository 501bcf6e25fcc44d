# Whatever `run()` does, the session's generator must be as it was, also where it was never used.
expect_generator_kept <- function(run) {
  withr::local_seed(7)
  before <- .Random.seed
  run()
  testthat::expect_identical(get0(".Random.seed", globalenv(), inherits = FALSE), before)
  rm(list = ".Random.seed", envir = globalenv())
  run()
  testthat::expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
}
