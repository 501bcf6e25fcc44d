# capture_expr -----------------------------------------------------------------------------

test_that("variables are sent with their values", {
  x <- 1
  y <- NULL
  res <- capture_expr(quote(f(x, y)), environment())
  expect_equal(res$expr, quote(f(x, y)))
  expect_equal(res$variables, list(x = 1, y = NULL))
})

test_that("variables are found in the frames around", {
  outer <- 1
  f <- function(inner) {
    shadow <- 2
    capture_expr(quote(g(outer, inner, shadow)), environment())
  }
  shadow <- 3
  expect_equal(f(4)$variables, list(outer = 1, inner = 4, shadow = 2))
})

test_that("nothing to send is an empty named list", {
  expect_equal(capture_expr(quote(f(1)), environment())$variables, rlang::set_names(list()))
})

test_that("functions are not sent", {
  x <- 1:3
  double <- function(i) 2 * i
  res <- capture_expr(quote(sapply(x, double)), environment())
  expect_equal(res$variables, list(x = 1:3))
  expect_equal(capture_expr(quote(f(mean, double, `+`)), environment())$variables,
               rlang::set_names(list()))
})

test_that("what every R process has is not sent unless it was redefined", {
  sent <- function(envir) names(capture_expr(quote(f(pi, mtcars, .Machine)), envir)$variables)
  expect_equal(sent(environment()), character())
  pi <- 3
  expect_equal(sent(environment()), "pi")
})

test_that("values of other attached packages and of attached data are sent", {
  attached <- list(rrq_test_value = 1, rrq_test_column = 2)
  withr::local_environment(rlang::as_environment(attached), name = "package:notdefault")
  res <- capture_expr(quote(f(rrq_test_value ~ rrq_test_column, rrq_test_value)), globalenv())
  expect_equal(res$variables, list(rrq_test_value = 1))
})

test_that("a variable in the global environment is sent", {
  withr::defer(rm("rrq_test_global", envir = globalenv()))
  assign("rrq_test_global", 5, envir = globalenv())
  res <- capture_expr(quote(f(rrq_test_global)), new.env(parent = globalenv()))
  expect_equal(res$variables, list(rrq_test_global = 5))
})

test_that("the variables of a formula are sent when they exist", {
  y <- c(1, 2, 4)
  x <- 1:3
  res <- capture_expr(quote(lm(y ~ x + rrq_test_absent)), environment())
  expect_equal(res$variables, list(y = y, x = x))
})

test_that("a column that shares its name with a package's object sends nothing", {
  dat <- data.frame(letters = 1, mean = 2)
  res <- capture_expr(quote(subset(dat, letters == mean)), environment())
  expect_equal(names(res$variables), "dat")
})

test_that("promises and active bindings are sent by value", {
  f <- function(lazy) {
    makeActiveBinding("active", function() 7, environment())
    capture_expr(quote(g(lazy, active)), environment())
  }
  expect_equal(f(1 + 2)$variables, list(lazy = 3, active = 7))
})

test_that("a promise that fails says which variable it was", {
  f <- function(lazy) capture_expr(quote(g(lazy)), environment())
  err <- expect_error(f(stop("no value")), class = "rrq_error_variable")
  expect_match(conditionMessage(err), "lazy")
  expect_equal(conditionMessage(err$parent), "no value")
})

test_that("an argument that was not given is an unknown variable", {
  f <- function(absent) capture_expr(quote(g(absent)), environment())
  expect_error(f(), class = "rrq_error_variable")
  g <- function(absent) capture_expr(quote(lm(absent ~ 1)), environment())
  expect_equal(length(g()$variables), 0)
})

test_that("all variables that cannot be found are named", {
  err <- expect_error(
    capture_expr(quote(f(rrq_a, rrq_b)), environment()),
    class = "rrq_error_variable"
  )
  classes <- c("rrq_error_variable", "rrq_error_argument", "rrq_error")
  expect_equal(class(err)[1:3], classes)
  expect_match(conditionMessage(err), "rrq_a.*rrq_b")
})

test_that("the error is that of the function the user called", {
  create <- function(expr) {
    capture_expr(substitute(expr), parent.frame(), rlang::current_env())
  }
  err <- expect_error(create(f(rrq_a)), class = "rrq_error_variable")
  expect_equal(err$call[[1]], quote(create))
})

test_that("dots cannot be sent", {
  f <- function(...) capture_expr(quote(g(...)), environment())
  expect_error(f(1), "can't be sent", class = "rrq_error_variable")
  expect_error(capture_expr(quote(...), environment()), class = "rrq_error_variable")
})

test_that("a symbol bound to a call stands for that call", {
  x <- 2
  stored <- quote(f(x))
  expect_equal(
    capture_expr(quote(stored), environment()),
    list(expr = quote(f(x)), variables = list(x = 2))
  )
  block <- quote({
    x
  })
  expect_equal(capture_expr(quote(block), environment())$expr[[1]], quote(`{`))
})

test_that("a symbol bound to anything else is an error", {
  number <- 1
  fun <- function() 1
  formula <- y ~ x
  for (name in c("number", "fun", "formula")) {
    err <- expect_error(capture_expr(as.name(name), environment()), class = "rrq_error_argument")
    expect_match(conditionMessage(err), name)
  }
  expect_error(capture_expr(quote(rrq_absent), environment()), class = "rrq_error_variable")
})

test_that("what is not a call is an error", {
  for (expr in list(1, "f(x)", NULL, TRUE, sum, quote(stats::sd), quote(function(x) x))) {
    expect_error(capture_expr(expr, environment()), "must be a call", class = "rrq_error_argument")
  }
})

test_that("a missing expression is an error", {
  create <- function(expr) {
    expr <- substitute(expr)
    capture_expr(expr, parent.frame())
  }
  expect_error(create(), "missing", class = "rrq_error_argument")
})

test_that("quote() is one too many", {
  for (expr in alist(quote(f(x)), bquote(f(x)), rlang::expr(f(x)))) {
    err <- expect_error(capture_expr(expr, environment()), class = "rrq_error_argument")
    expect_match(conditionMessage(err), "remove the")
  }
})

test_that("errors say what was probably meant", {
  withr::local_options(cli.unicode = FALSE)
  fun <- function(x) x
  errors <- conditions_of(
    capture_expr(quote(fun), environment()),
    capture_expr("sqrt({x})", environment()),
    capture_expr(quote(quote(f(x))), environment()),
    capture_expr(quote(f(rrq_a, rrq_b)), environment())
  )
  expect_snapshot(writeLines(errors))
})

test_that("source references are not sent", {
  text <- "{ x <- function(i, f = function() {1}) { i[1, ] }\n {2} }"
  expr <- parse(text = text, keep.source = TRUE)[[1]]
  res <- capture_expr(expr, environment())
  expect_false(any(grepl("srcref", utils::capture.output(str(res$expr)))))
  expect_lt(length(serialize(res$expr, NULL)), length(serialize(expr, NULL)) / 2)
  expect_equal(res$expr, parse(text = text, keep.source = FALSE)[[1]])
})

test_that("a function in an expression keeps the four parts that rlang counts on", {
  expr <- parse(text = "f(function(x) x)", keep.source = TRUE)[[1]]
  res <- capture_expr(expr, environment())
  expect_length(res$expr[[2]], 4)
  expect_null(res$expr[[2]][[4]])
})

# globals ----------------------------------------------------------------------------------

test_that("without `globals` nothing is sent, nor looked for", {
  x <- 1
  res <- capture_expr(quote(f(x, rrq_a)), environment(), globals = FALSE)
  expect_equal(res, list(expr = quote(f(x, rrq_a)), variables = rlang::set_names(list())))
})

test_that("names in `globals` are sent, whatever the expression uses", {
  x <- 1
  unused <- NULL
  helper <- function(i) i
  globals <- c("unused", "helper", "pi", "unused")
  res <- capture_expr(quote(f(x)), environment(), globals = globals)$variables
  expect_equal(res, list(unused = NULL, helper = helper, pi = pi))
})

test_that("a name in `globals` that cannot be found is an error", {
  absent <- function(x) capture_expr(quote(f(1)), environment(), globals = c("x", "rrq_a"))
  err <- expect_error(absent(), class = "rrq_error_variable")
  expect_match(conditionMessage(err), "x.*rrq_a")
})

test_that("values in `globals` are sent as they are", {
  values <- list(x = NULL, y = quote(a + b), f = mean)
  res <- capture_expr(quote(f(x, rrq_a)), environment(), globals = values)
  expect_equal(res$variables, values)
  none <- rlang::set_names(list())
  expect_equal(capture_expr(quote(f(x)), environment(), globals = list())$variables, none)
})

test_that("what the task gets otherwise wins over `globals`", {
  x <- 1
  y <- 2
  for (globals in list(c("x", "y"), list(x = 1, y = 2))) {
    res <- capture_bulk(quote(f(x, y)), "x", environment(), globals = globals)
    expect_equal(res$variables, list(y = 2))
  }
})

test_that("`globals` is checked", {
  wrong <- list(
    NULL, NA, 1, c(TRUE, FALSE), NA_character_, "", list(1), list(a = 1, a = 2), list(a = 1, 2),
    data.frame(a = 1), "...", list(`..1` = 1)
  )
  for (globals in wrong) {
    expect_error(
      capture_expr(quote(f(x)), environment(), globals = globals),
      class = "rrq_error_argument", info = describe(globals)
    )
  }
})

# capture_bulk and inject_expr -------------------------------------------------------------

test_that("columns win over the environment", {
  x <- 1
  y <- 2
  res <- capture_bulk(quote(f(x, y, z)), c("x", "z"), environment())
  expect_equal(res$variables, list(y = 2))
})

test_that("a variable that is neither column nor found is an error", {
  expect_error(
    capture_bulk(quote(f(x, rrq_b)), "x", environment()),
    "rrq_b", class = "rrq_error_variable"
  )
})

test_that("`!!` puts a value in", {
  x <- 3
  # Not inside expect_equal(), which would itself put the value in.
  expr <- inject_expr(quote(f(!!x, y, !!x + 1)), environment())
  expect_equal(expr, quote(f(3, y, 3 + 1)))
  expect_equal(inject_expr(quote(f(x, y)), environment()), quote(f(x, y)))
})

test_that("`!!` of a data frame arrives whole", {
  dat <- data.frame(a = 1:2)
  expr <- inject_expr(quote(nrow(!!dat)), environment())
  expect_identical(capture_expr(expr, environment())$expr[[2]], dat)
})

test_that("`!!` of an unknown name is a classed error", {
  expr <- quote(f(!!rrq_a))
  err <- expect_error(inject_expr(expr, environment()), class = "rrq_error_argument")
  expect_match(conditionMessage(err$parent), "rrq_a")
})

test_that("values in `globals` without a name are an error that asks for names", {
  expect_error(
    capture_expr(quote(f(x)), environment(), globals = list(x = 1, 2)), "a unique name",
    class = "rrq_error_argument"
  )
})

test_that("of two calls that differ in a value alone, each is sent with its own", {
  for (value in c(0, -0, NA, NaN)) {
    sent <- capture_expr(call("f", value), environment())$expr
    expect_true(identical(sent[[2]], value, num.eq = FALSE, single.NA = FALSE))
  }
})

test_that("of two functions that differ in a value alone, each is sent as it is", {
  for (value in c(0, -0)) {
    fn <- as.function(list(value), envir = globalenv())
    sent <- capture_function(quote(fn), environment())$value
    expect_identical(1 / sent(), 1 / value)
  }
})
