test_that("a string is a single non-empty string", {
  right <- list("a", "\u00e9", " ")
  wrong <- list("", NA_character_, c("a", "b"), character(), 1, TRUE, NULL, list("a"), factor("a"))
  expect_checks(check_string, right, wrong)
})

test_that("a flag is TRUE or FALSE", {
  wrong <- list(NA, 1, 0L, "TRUE", NULL, logical(), c(TRUE, FALSE), list(TRUE))
  expect_checks(check_flag, list(TRUE, FALSE), wrong)
})

test_that("a number is not negative unless allowed", {
  wrong <- list(-1, -Inf, NA, NA_real_, NaN, "1", NULL, 1:2, numeric(), TRUE, 1i, list(1))
  expect_checks(check_number, list(0, 0.5, 1L, Inf), wrong)
  expect_checks(function(x) check_number(x, min = -1), list(-1, 0), list(-2, NA_real_))
})

test_that("a number can be limited to finite ones", {
  check <- function(x) check_number(x, infinite = FALSE)
  expect_checks(check, list(0, 1e9), list(Inf, -1, NA_real_))
  expect_error(check(Inf), "finite", class = "rrq_error_argument")
})

test_that("a factor or a date is not a number", {
  expect_checks(check_number, list(), list(factor(1), "2"))
  expect_checks(check_count, list(), list(factor(1)))
})

test_that("a count is a whole number of at least 1 by default", {
  wrong <- list(0, -1, 1.5, NA, NA_integer_, Inf, "1", NULL, 1:2, integer(), TRUE)
  expect_checks(check_count, list(1, 1L, 1e6), wrong)
  expect_checks(function(x) check_count(x, min = 0), list(0, 0L), list(-1, 0.5))
  expect_checks(function(x) check_count(x, infinite = TRUE), list(Inf, 3), list(-Inf, NA_real_))
})

test_that("ids are strings without NA", {
  wrong <- list(1, NA, NA_character_, c("a", NA), list("a"))
  expect_checks(check_ids, list("a", c("a", "b")), wrong)
})

test_that("no ids become a character vector of length 0", {
  for (x in list(NULL, character())) {
    expect_identical(check_ids(x), character())
  }
  for (x in list(list(), numeric(), logical())) {
    expect_error(check_ids(x), class = "rrq_error_argument")
  }
})

test_that("an id is a single string", {
  expect_checks(check_id, list("a"), list(1, NA, NA_character_, NULL, character(), c("a", "b")))
})

test_that("names are one or more non-empty strings", {
  wrong <- list("", c("a", ""), c("a", NA), NULL, character(), 1, TRUE, list("a"))
  expect_checks(check_names, list("a", c("a", "b")), wrong)
})

test_that("a choice is one of the choices, by default the first", {
  check <- function(x) check_choice(x, c("a", "b"))
  expect_checks(check, list("a", "b"), list("c", "", NA_character_, NULL, c("b", "a"), 1))
  expect_identical(check(c("a", "b")), "a")
  expect_error(check("c"), "\"a\", \"b\", not \"c\"", class = "rrq_error_argument")
})

test_that("a function check accepts only functions", {
  expect_checks(check_function, list(sum, mean), list("sum", NULL, quote(sum), 1))
})

test_that("a queue id has neither braces nor white space", {
  right <- list("a", "a:b", "a.b-c_d", "\u00e9", "*")
  wrong <- list("{a}", "a}", "a b", "a\n", "a\t", "a\u0001")
  expect_checks(check_queue_id, right, wrong)
  expect_checks(check_queue_id, list(), list("", NA_character_, NULL, 1, c("a", "b")))
})

test_that("NULL is accepted if it means the default", {
  checks <- list(
    check_string, check_flag, check_number, check_ids, check_names, check_function
  )
  for (check in checks) {
    expect_null(check(NULL, null = TRUE))
    expect_error(check(quote(a), null = TRUE), class = "rrq_error_argument")
  }
})

test_that("the error names the argument and the called function", {
  user_function <- function(speed) check_number(speed)
  err <- expect_error(user_function("fast"), class = "rrq_error_argument")
  expect_equal(err$argument, "speed")
  expect_equal(err$call, quote(user_function("fast")))
  expect_s3_class(err, "rrq_error")
})

test_that("an invalid value is described briefly", {
  expect_equal(describe(NULL), "NULL")
  expect_equal(describe(NA_character_), "NA")
  expect_equal(describe("a"), "\"a\"")
  expect_equal(describe(1:3), "<integer> of length 3")
  expect_equal(describe(mtcars), "<data.frame> of length 11")
  expect_equal(describe(factor("a")), "<factor> of length 1")
  expect_length(describe(strrep("a", 1e4)), 1)
})

test_that("the messages of the checks are stable", {
  errors <- conditions_of(
    rrq_controller("a b"),
    rrq_controller("a", timeout_task_wait = -1),
    rrq_task_create_expr(f(1), queue = c("a", "b")),
    rrq_task_wait("a", progress = "yes"),
    rrq_worker_spawn(0)
  )
  expect_snapshot(writeLines(errors))
})

test_that("an id in another encoding is rejected", {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  for (id in c("\xff", latin1)) {
    expect_error(check_id(id), "UTF-8", class = "rrq_error_argument")
  }
})

test_that("a missing argument is reported for the function the user called", {
  expect_error(rrq_controller(), "`queue_id` is missing", class = "rrq_error_argument")
  expect_error(rrq_task_wait(), "`task_id` is missing", class = "rrq_error_argument")
  expect_error(rrq_task_result(), "`task_id` is missing", class = "rrq_error_argument")
  error <- tryCatch(rrq_task_create_bulk_call(sqrt), rrq_error_argument = identity)
  expect_match(conditionMessage(error), "`data` is missing", fixed = TRUE)
  expect_identical(conditionCall(error), quote(rrq_task_create_bulk_call(sqrt)))
})
