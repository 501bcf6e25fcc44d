test_that("a function of the global environment takes along what it uses, and what that uses", {
  local_global({
    gl_k <- 1
    gl_unused <- 2
    gl_inner <- function(x) x + gl_k
    gl_outer <- function(x, fn = gl_inner) fn(x)
    gl_f <- function(x) gl_outer(x)
  })
  found <- found_for(globalenv()$gl_f)
  expect_setequal(names(found$values), c("gl_outer", "gl_inner", "gl_k"))
  expect_null(found$packages)
  expect_null(attributes(found$values$gl_inner))
})

test_that("a value is the current one, although the function was seen before", {
  local_global({
    gl_k <- 1
    gl_f <- function() gl_k
  })
  expect_equal(found_for(globalenv()$gl_f)$values, list(gl_k = 1))
  local_global(gl_k <- 2)
  expect_equal(found_for(globalenv()$gl_f)$values, list(gl_k = 2))
  local_global(gl_f <- function() gl_k + gl_absent)
  expect_equal(found_for(globalenv()$gl_f)$values, list(gl_k = 2))
})

test_that("variables of a function, and functions that are not called, are told apart", {
  local_global({
    c <- 1:3
    gl_data <- 1:3
    gl_f <- function(i, gl_data) c(gl_data, sapply(i, gl_g))
    gl_g <- function() NULL
  })
  expect_named(found_for(globalenv()$gl_f)$values, "gl_g")
})

test_that("a function that calls itself is found", {
  local_global(gl_fib <- function(n) if (n < 2) n else gl_fib(n - 1) + gl_fib(n - 2))
  expect_named(found_for(globalenv()$gl_fib)$values, "gl_fib")
})

test_that("functions of local environments, lists, formulas and operators are followed", {
  local_global({
    gl_k <- 1
    gl_h <- function(x) x + gl_k
    gl_make <- function(n) function(x) gl_h(x) + n
    gl_list <- list(a = list(f = function(x) gl_h(x)))
    gl_formula <- y ~ gl_h(x)
  })
  g <- globalenv()
  for (code in list(g$gl_make(2), g$gl_list, g$gl_formula, Vectorize(g$gl_h))) {
    expect_true("gl_k" %in% names(found_for(code)$values))
  }
})

test_that("replacement functions and methods of called generics are found", {
  local_global({
    `gl_size<-` <- function(x, value) value
    gl_area <- function(s) UseMethod("gl_area")
    gl_area.circle <- function(s) pi # nolint: object_name_linter.
    gl_f <- function(x) {
      gl_size(x) <- 3
      gl_area(x)
    }
  })
  expect_setequal(
    names(found_for(globalenv()$gl_f)$values), c("gl_size<-", "gl_area", "gl_area.circle")
  )
})

test_that("methods of R6 objects and generators are followed", {
  local_global({
    gl_k <- 1
    gl_h <- function() gl_k
    gl_base <- R6::R6Class("base", public = list(get = function() gl_h()))
    gl_class <- R6::R6Class("class", inherit = gl_base)
  })
  expect_true("gl_k" %in% names(found_for(globalenv()$gl_class)$values))
  expect_true("gl_k" %in% names(found_for(globalenv()$gl_class$new())$values))
})

test_that("functions of packages that are attached are named, not sent", {
  withr::local_package("rlang")
  local_global({
    gl_f <- function(x) abort(mean(x))
    gl_g <- function(x) rlang::abort(x)
  })
  expect_equal(found_for(globalenv()$gl_f), list(packages = c(abort = "rlang")))
  expect_null(found_for(globalenv()$gl_g)$packages)
  local_global(abort <- function(x) x)
  expect_equal(names(found_for(globalenv()$gl_f)$values), "abort")
})

test_that("variables of attached data are found", {
  attach(list(gl_column = 1:3), name = "gl_data")
  withr::defer(detach("gl_data", character.only = TRUE))
  local_global(gl_f <- function() gl_column)
  expect_equal(found_for(globalenv()$gl_f)$values, list(gl_column = 1:3))
})

test_that("an argument that was not used yet is evaluated where its variables are", {
  local_global({
    gl_k <- 7
    gl_make <- function(k) function(x) x + k
    gl_f <- gl_make(gl_k)
  })
  found_for(globalenv()$gl_f)
  expect_false(rlang::env_binding_are_lazy(environment(globalenv()$gl_f), "k"))
})

test_that("a variable that cannot be read is left out", {
  local_global({
    makeActiveBinding("gl_broken", function() stop("no"), globalenv())
    gl_f <- function() gl_broken
  })
  expect_length(found_for(globalenv()$gl_f)$values, 0)
})

test_that("functions of packages take nothing along", {
  expect_length(found_for(stats::lm, sum, rrq_lapply)$values, 0)
})

test_that("more than the limit is refused, naming the variables", {
  withr::local_options(rrq.globals_max_size = 1000)
  local_global({
    gl_big <- 1:1000 + 0
    gl_f <- function() gl_big
  })
  err <- expect_error(
    capture_along(list(value = globalenv()$gl_f), list(), TRUE, globalenv()),
    class = "rrq_error_size"
  )
  expect_match(conditionMessage(err), "gl_big")
  expect_match(conditionMessage(err), "rrq.globals_max_size")
})

test_that("`globals` of a call is as that of an expression", {
  local_global({
    gl_k <- 1
    gl_h <- function() gl_k
    gl_f <- function() gl_h()
  })
  fn <- list(value = globalenv()$gl_f)
  along <- function(globals) capture_along(fn, list(), globals, globalenv())
  expect_setequal(names(along(TRUE)$globals), c("gl_h", "gl_k"))
  expect_equal(along(FALSE), fn)
  expect_named(along("gl_k")$globals, "gl_k")
  expect_equal(along(list(a = 1))$globals, list(a = 1))
  expect_error(along("gl_absent"), class = "rrq_error_variable")
  expect_error(along(1), class = "rrq_error_argument")
})
