test_that("a qualified function is sent by name", {
  expect_equal(
    capture_function(quote(stats::lm), environment()),
    list(name = "lm", namespace = "stats", internal = FALSE)
  )
  expect_equal(
    capture_function(quote(stats:::Pillai), environment()),
    list(name = "Pillai", namespace = "stats", internal = TRUE)
  )
})

test_that("a qualified function that does not exist is an error", {
  absent <- c("rrqnopackage::f", "stats::rrq_nothing", "stats:::rrq_nothing", "datasets::cars")
  for (expr in lapply(absent, str2lang)) {
    expect_error(capture_function(expr, environment()), class = "rrq_error_argument")
  }
  expect_error(
    capture_function(quote(stats::Pillai), environment()),
    "stats:::Pillai", fixed = TRUE, class = "rrq_error_argument"
  )
})

test_that("a package's function is recognised by its symbol", {
  expect_equal(capture_function(quote(sum), environment())$namespace, "base")
  expect_equal(capture_function(quote(sapply), environment())$namespace, "base")
  expect_equal(
    capture_function(quote(lm), environment()),
    list(name = "lm", namespace = "stats", internal = FALSE)
  )
})

test_that("a package's internal function is recognised from inside the package", {
  res <- capture_function(quote(Pillai), asNamespace("stats"))
  expect_equal(res, list(name = "Pillai", namespace = "stats", internal = TRUE))
})

test_that("a function that masks a package's is sent by value", {
  lm <- function(x) x
  expect_equal(capture_function(quote(lm), environment())$value(3), 3)
})

test_that("an anonymous function is sent by value with its environment", {
  k <- 2
  fn <- capture_function(quote(function(x, ...) x[1, ] * k), environment())$value
  expect_identical(environment(fn), environment())
  expect_equal(fn(matrix(1:4, 2)), c(2, 6))
})

test_that("a function is sent without source, with everything else", {
  text <- "function(a, b = function() {1}) {\n  # why\n  a\n}"
  fn <- structure(eval(parse(text = text, keep.source = TRUE)), class = "memo", extra = 1)
  res <- capture_function(quote(fn), environment())$value
  expect_equal(attributes(res), list(class = "memo", extra = 1))
  expect_equal(formals(res), formals(eval(parse(text = text, keep.source = FALSE))))
  expect_null(attributes(body(res)))
  empty <- function() NULL
  expect_null(capture_function(quote(empty), environment())$value())
})

test_that("a call that makes a function is evaluated", {
  factory <- function(k) function(x) x + k
  expect_equal(capture_function(quote(factory(2)), environment())$value(1), 3)
})

test_that("what is not a function is an error with a hint", {
  number <- 1
  expect_error(capture_function("mean", environment()), "pkg::name", class = "rrq_error_argument")
  expect_error(capture_function(quote(number), environment()), class = "rrq_error_argument")
  expect_error(
    capture_function(quote(sqrt(2)), environment()),
    "rrq_task_create_expr", class = "rrq_error_argument"
  )
  expect_error(
    capture_function(quote(quote(f)), environment()),
    "Remove the", class = "rrq_error_argument"
  )
})

test_that("an unknown or missing function is an error", {
  expect_error(capture_function(quote(rrq_fn), environment()), class = "rrq_error_variable")
  expect_error(capture_function(rlang::missing_arg(), environment()), class = "rrq_error_argument")
  create <- function(fn) capture_function(quote(fn), environment())
  expect_error(create(), class = "rrq_error_variable")
})

test_that("a function of a package is sent by its own name, whatever it is called here", {
  capture <- function(fn) capture_function(quote(fn), environment())
  for (i in 1:2) {
    expect_identical(capture(identity), function_reference("identity", "base"))
    expect_identical(capture(stats::sd), function_reference("sd", "stats"))
    expect_identical(capture(sum), function_reference("sum", "base"))
  }
  own <- function(x) x
  expect_named(capture(own), "value")
  changed <- stats::sd
  body(changed) <- quote(1)
  expect_named(capture(changed), "value")
})

test_that("many functions in turn are not mistaken for each other", {
  capture <- function(fn) capture_function(quote(fn), environment())
  for (name in rep(getNamespaceExports("tools"), 2)) {
    fn <- getExportedValue("tools", name)
    if (is.function(fn)) {
      sent <- capture(fn)
      expect_true(rlang::is_reference(get(sent$name, asNamespace(sent$namespace)), fn))
    }
  }
})

test_that("it is remembered that the closures a package makes are not among its functions", {
  the$homeless <- NULL
  withr::defer(the$homeless <- NULL)
  for (i in 1:2) {
    made <- stats::splinefun(1:3, c(i, 2, 3))
    expect_identical(capture_function(quote(made), environment())$value(1), i + 0)
  }
  expect_length(the$homeless, 1)
  # It concerns no other code.
  mine <- stats::median
  expect_equal(capture_function(quote(mine), environment())$name, "median")
})
