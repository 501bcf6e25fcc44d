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

# Each expression with the class and the text of its error, warning or message, for snapshots:
# how testthat writes conditions depends on its version and on that of rlang.
conditions_of <- function(..., env = parent.frame()) {
  force(env)
  expressions <- eval(substitute(alist(...)))
  conditions <- lapply(expressions, function(x) {
    tryCatch(eval(x, env), error = identity, warning = identity, message = identity)
  })
  classes <- vapply(conditions, function(condition) class(condition)[[1]], "")
  messages <- vapply(conditions, conditionMessage, "")
  paste0("> ", vapply(expressions, deparse1, ""), "\n", classes, ": ", messages)
}
