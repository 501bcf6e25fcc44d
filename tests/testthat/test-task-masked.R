# Names of the variables that are sent with an expression, or an error.
sent <- function(expr, envir = parent.frame()) {
  names(capture_expr(expr, envir)$variables)
}

expect_unknown <- function(expr, name, envir = parent.frame()) {
  err <- expect_error(capture_expr(expr, envir), class = "rrq_error_variable")
  expect_match(conditionMessage(err), sprintf("Can't find `%s`,", name), fixed = TRUE)
}

test_that("an index may be a column of a data frame", {
  dat <- mtcars
  k <- 2
  expect_equal(sent(quote(dat[cyl == 4, .N])), "dat")
  expect_equal(sent(quote(dat[, new := mpg * k][, .(m = mean(new)), by = gear])), c("dat", "k"))
})

test_that("an index may be a column of what is not known here", {
  expect_equal(sent(quote(rrq_make()[cyl == 4])), character())
  expect_equal(sent(quote({
    d <- rrq_make("file")
    d[cyl == 4]
  })), character())
})

test_that("an index of a vector is a variable, and so is what is indexed", {
  v <- 1:3
  expect_unknown(quote(v[rrq_a]), "rrq_a")
  expect_unknown(quote(names(v)[rrq_a]), "rrq_a")
  expect_unknown(quote(rrq_a[cyl == 4, .N]), "rrq_a")
})

test_that("a name beside a data frame may be a column", {
  dat <- mtcars
  for (expr in alist(rrq_verb(dat, z > 1), rrq_verb(dat$cyl, z), dat |> rrq_a(b) |> rrq_c(d))) {
    expect_equal(sent(expr), "dat")
  }
  expect_unknown(quote(rrq_verb(z > 1)), "z")
})

test_that("what acts as a data frame counts as one", {
  table <- structure(list(), class = "rrq_remote")
  registerS3method("dim", "rrq_remote", function(x) c(NA, 2L))
  expect_equal(sent(quote(rrq_verb(table, z > 1))), "table")
  table <- matrix(1:4, 2)
  expect_unknown(quote(rrq_verb(table, z > 1)), "z")
})

test_that("functions of R's own packages are known not to look for columns", {
  dat <- mtcars
  expect_unknown(quote(rbind(dat, rrq_a)), "rrq_a")
  expect_unknown(quote(nrow(dat) + rrq_a), "rrq_a")
  expect_unknown(quote(head(dat, rrq_a)), "rrq_a")
})

test_that("a function that quotes its arguments is recognised by its definition", {
  verb <- function(.data, cond) eval(substitute(cond), .data)
  plain <- function(.data, cond) verb(.data, cond)
  expect_equal(sent(quote(verb(rrq_make(), z > 1))), character())
  expect_unknown(quote(plain(rrq_make(), z > 1)), "z")
  expect_unknown(quote(verb(rrq_a, z > 1)), "rrq_a")
})

test_that("quotation is found behind `...` and in methods", {
  verb <- function(x, ...) UseMethod("verb")
  verb.data.frame <- function(x, ...) prepare(x, ...) # nolint: object_name_linter.
  prepare <- function(x, ...) rlang::enquos(...)
  expect_equal(sent(quote(verb(rrq_make(), z > 1))), character())
  prepare <- function(x, ...) list(...)
  expect_unknown(quote(verb(rrq_make(), z > 1)), "z")
})

test_that("a name that is also used elsewhere is needed", {
  dat <- mtcars
  expect_unknown(quote(rrq_verb(dat, z > 1) + sqrt(z)), "z")
  expect_equal(sent(quote(rrq_verb(dat, z > 1) + length(y ~ z))), "dat")
})

test_that("what only shares its name with a column does not matter", {
  dat <- mtcars
  expect_equal(sent(quote({
    a <- rrq_verb(dat, z > 1)
    z <- 2
    a$z + z + sapply(1:3, function(z) z)
  })), "dat")
})

test_that("what is unquoted beside a data frame is needed", {
  dat <- mtcars
  expect_unknown(quote(rrq_verb(dat, z > !!rrq_a)), "rrq_a")
})

test_that("a default of a function's parameter is needed", {
  expect_unknown(quote(sapply(1:3, function(i, k = rrq_a) i)), "rrq_a")
})

test_that("model arguments may be columns beside a formula", {
  d <- mtcars
  expect_equal(sent(quote(lm(mpg ~ cyl, d, weights = w, subset = s > 1))), "d")
  expect_equal(sent(quote({
    d <- rrq_make()
    lm(mpg ~ cyl, d, weights = w)
  })), character())
  expect_unknown(quote(lm(mpg ~ cyl, d, weights = w, model = m)), "m")
  expect_unknown(quote(lm(mpg ~ cyl, rrq_a, weights = w)), "rrq_a")
  expect_unknown(quote(rrq_f(d$x, weights = 1) + f(weights = w)), "w")
})

test_that("a function given by name may exist on the worker only", {
  x <- 1:3
  k <- 2
  fs <- list(mean)
  each <- function(.x, .f) .f(.x)
  expect_equal(sent(quote(sapply(x, rrq_fn, k))), c("x", "k"))
  expect_equal(sent(quote(lapply(FUN = rrq_fn, X = x))), "x")
  expect_equal(sent(quote(sapply(x, fs[[1]]))), c("x", "fs"))
  for (expr in alist(Map(rrq_fn, x), each(x, rrq_fn), parallel::mclapply(x, rrq_fn))) {
    expect_equal(sent(expr), "x")
  }
  expect_unknown(quote(sapply(x, rrq_fn, rrq_a)), "rrq_a")
  expect_unknown(quote(sapply(x, rrq_a[[1]])), "rrq_a")
})

test_that("the dot of a pipe is the first argument", {
  verb <- function(.data, cond) eval(substitute(cond), .data)
  expect_equal(sent(quote(rrq_make() %>% verb(z > 1))), character())
  expect_unknown(quote(rrq_a %>% verb(z > 1)), "rrq_a")
})

test_that("objects of a package that the task attaches are found there", {
  expect_equal(sent(quote({
    library(cli)
    f(symbol$tick)
  })), character())
  expect_unknown(str2lang("{
    library(rrqnopackage)
    f(symbol$tick)
  }"), "symbol")
})

# The packages may not be here, and are not declared: their code stands in strings.

test_that("data.table's way to index works on a worker", {
  skip_if_not_installed("data.table")
  r <- local_queue()
  dt <- asNamespace("data.table")$as.data.table(mtcars)
  k <- 2
  code <- str2lang("dt[cyl == 4, .(n = .N, m = mean(mpg) * k), by = gear][order(gear), n]")
  expect_equal(run_result(rrq_task_create_expr(code, controller = r), r), c(1L, 8L, 2L))
})

test_that("dplyr's verbs work on a worker", {
  skip_if_not_installed("dplyr")
  r <- local_queue()
  k <- 4
  code <- str2lang("{
    d <- datasets::mtcars
    d <- dplyr::filter(d, cyl == !!k, .data$gear > 3)
    dplyr::pull(dplyr::summarise(dplyr::group_by(d, gear), n = dplyr::n()), n)
  }")
  expect_equal(run_result(rrq_task_create_expr(code, controller = r), r), c(8L, 2L))
})
