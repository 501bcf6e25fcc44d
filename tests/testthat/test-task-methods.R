methods_for <- function(...) sort(found_for(...)$methods)

test_that("methods are found by the class of a value, wherever it is", {
  g <- local_money()
  all <- c("as.character.gl_money", "format.gl_money", "Ops.gl_money")
  expect_setequal(methods_for(g$gl_price), all)
  expect_setequal(methods_for(list(1, list(a = g$gl_price))), all)
  local_global(gl_f <- function() gl_price)
  expect_setequal(methods_for(g$gl_f), all)
  expect_null(methods_for(1, "a", structure(1, class = "gl_other")))
})

test_that("methods are found by what code names: a generic, or a class", {
  local_global({
    gl_area <- function(x) UseMethod("gl_area")
    gl_area.square <- function(x) x$side^2 # nolint: object_name_linter.
    format.gl_coin <- function(x, ...) "coin" # nolint: object_name_linter.
  })
  found <- function(code) methods_for(as.function(list(code), envir = globalenv()))
  expect_equal(found(quote(sapply(x, gl_area))), "gl_area.square")
  expect_equal(methods_for(globalenv()$gl_area), "gl_area.square")
  expect_equal(found(quote(structure(1, class = "gl_coin"))), "format.gl_coin")
})

test_that("what methods use is sent with them", {
  local_global({
    gl_sign <- "$"
    gl_paste <- function(x) paste0(gl_sign, unclass(x))
    format.gl_coin <- function(x, ...) gl_paste(x) # nolint: object_name_linter.
  })
  values <- found_for(structure(1, class = "gl_coin"))$values
  expect_setequal(names(values), c("format.gl_coin", "gl_paste", "gl_sign"))
})

test_that("a function whose name has a dot is no method unless it begins with a generic", {
  local_global({
    gl_clean.data <- function(x) x # nolint: object_name_linter.
    gl_f <- function(x) x[["data"]]
  })
  expect_null(found_for(globalenv()$gl_f, structure(1, class = "data"))$methods)
})

test_that("names are split at each dot", {
  split <- split_names(c("a", ".a", "a.", "a.b", "as.a.b"))
  expect_equal(split$name, c("a.b", "as.a.b", "as.a.b"))
  expect_equal(split$generic, c("a", "as", "as.a"))
  expect_equal(split$class, c("b", "a.b", "b"))
  expect_length(split_names(NULL)$name, 0)
})

test_that("the package that has the methods of a class is known, and R's own classes need none", {
  skip_if_not_installed("tibble")
  expect_length(class_namespaces(c("factor", "data.frame", "lm", "Date", "gl_money")), 0)
  tibble <- asNamespace("tibble")$tibble(a = 1)
  expect_true("tibble" %in% class_namespaces(class(tibble)))
  task <- capture_along(list(value = function(x) x), list(list(tibble)), TRUE, globalenv())
  expect_true("tibble" %in% task$class_packages)
})

test_that("the seed is not taken for a method", {
  withr::local_seed(1)
  the$scene <- NULL
  expect_true(exists(".Random.seed", globalenv(), inherits = FALSE))
  expect_false(".Random.seed" %in% current_scene()$methods$name)
})
