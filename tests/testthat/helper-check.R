# Each value of `wrong` must be refused by `check`, and the value returned for those of `right`.
expect_checks <- function(check, right, wrong) {
  for (x in right) {
    expect_identical(check(x), x)
  }
  for (x in wrong) {
    expect_error(check(x), "`x` must be", class = "rrq_error_argument", info = describe(x))
  }
}

# What the boundary hands over when the engine fails.
engine_error <- function(class, message, ids = character()) {
  value <- list(class = class, message = message, ids = ids)
  structure(list(value = value), class = "extendr_error")
}
