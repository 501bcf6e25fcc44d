# A queue with a worker of its own; the functions of map.R, which use it.
local_map <- function(env = parent.frame()) {
  testthat::skip_on_os("windows")
  r <- local_queue(env = env)
  local_spawned(r, env = env)
  old <- rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_set(old), env)
  r
}

test_that("functions, lambdas and formulas are mapped, and names are kept", {
  local_map()
  expect_identical(rrq_map(c(a = 1, b = 4), sqrt), list(a = 1, b = 2))
  expect_identical(rrq_map(1:2, \(x) x + 1L), list(2L, 3L))
  expect_identical(rrq_map(1:2, ~ .x * 2L), list(2L, 4L))
  expect_identical(rrq_map(list(1:3, 4:6), `[`, 2), list(2L, 5L))
  expect_identical(rrq_map2(c(a = 1, b = 2), 3:4, ~ .x + .y), list(a = 4, b = 6))
  expect_identical(rrq_map2(1:2, 10, `+`), list(11, 12))
  expect_identical(
    rrq_pmap(list(x = c(p = 1, q = 2), y = 3:4), \(y, x) x - y), list(p = -2, q = -2)
  )
  expect_identical(rrq_pmap(list(1:2, 3:4, 5), ~ ..1 + ..2 + ..3), list(9, 11))
  k <- 10
  expect_identical(rrq_map_dbl(1:2, \(x) x * k), c(10, 20))
})

test_that("the other endings return vectors and data frames", {
  local_map()
  x <- c(a = 1, b = 2)
  expect_identical(rrq_map_dbl(x, \(x) x > 1), c(a = 0, b = 1))
  expect_identical(rrq_map_int(x, identity), c(a = 1L, b = 2L))
  expect_identical(rrq_map_lgl(x, \(x) x > 1), c(a = FALSE, b = TRUE))
  expect_identical(rrq_map_chr(x, \(x) if (x > 1) "big" else NA), c(a = NA, b = "big"))
  expect_identical(rrq_map2_chr(1:2, c("a", "b"), paste0), c("1a", "2b"))
  expect_identical(rrq_pmap_dbl(expand.grid(n = c(1, 4), s = 2), \(n, s) s * n), c(2, 8))
  skip_if_not_installed("vctrs")
  frame <- rrq_map_dfr(x, \(x) if (x > 1) data.frame(x = x, y = 3) else data.frame(x = x))
  expect_identical(frame, data.frame(x = c(1, 2), y = c(NA, 3)))
  expect_identical(
    rrq_map_dfr(x, \(x) data.frame(x = x), .id = "name"),
    data.frame(name = c("a", "b"), x = c(1, 2))
  )
})

test_that("empty input gives empty output", {
  r <- local_queue()
  expect_identical(rrq_map(NULL, sqrt, .controller = r), list())
  expect_identical(rrq_map_dbl(numeric(), sqrt, .controller = r), numeric())
  expect_identical(rrq_map2_chr(character(), "a", paste, .controller = r), character())
  expect_identical(rrq_pmap_int(list(), sum, .controller = r), integer())
  skip_if_not_installed("vctrs")
  expect_identical(rrq_map_dfr(list(), identity, .controller = r), data.frame())
})

test_that("the values are those of purrr", {
  skip_if_not_installed("purrr")
  local_map()
  check <- function(name, ...) {
    expect_identical(
      get(paste0("rrq_", name))(...), getExportedValue("purrr", name)(...), info = name
    )
  }
  days <- as.Date("2024-01-01") + c(0, 31)
  check("map", c("a", "b"), toupper)
  check("map", days, format, "%d")
  check("map_chr", factor(c("u", "v")), as.character)
  check("map", mtcars[1:2], range)
  check("map", list(a = NULL, b = 1), is.null)
  check("map", list(a = 1, 2), \(x) if (x > 1) NULL else x)
  check("map_int", list(1, 2L, NA), identity)
  check("map2", c(a = 1), 1:3, `+`)
  check("map2", 1:2, c(a = 1, b = 2), `+`)
  check("map2_dbl", c(a = 1, b = 2), 3, ~ .x / .y, .progress = FALSE)
  check("pmap", list(a = 1:2, b = 3:4), list)
  check("pmap_chr", mtcars[1:3, 1:2], \(mpg, cyl) paste(mpg, cyl))
})

test_that("an error names the element", {
  local_map()
  expect_error(
    rrq_map(c(a = 1, b = -1), \(x) if (x < 0) stop("negative") else x),
    "^element 2 \\(b\\): negative", class = "rrq_task_error"
  )
  expect_error(
    rrq_pmap(list(c(u = 1, v = 2)), \(x) if (x > 1) stop("large")), "^element 2 \\(v\\): large"
  )
  error <- expect_error(rrq_map_dbl(c(a = 1, b = 2), \(x) seq_len(x)), class = "rrq_error_map_type")
  expect_identical(error$element, 2L)
  expect_identical(as.character(conditionCall(error)[[1]]), "rrq_map_dbl")
  errors <- conditions_of(
    rrq_map_dbl(c(a = 1, b = 2), function(x) seq_len(x)),
    rrq_map_int(1:2, function(x) x / 2),
    rrq_map_chr(1:2, identity),
    rrq_map_lgl(1:2, function(x) NULL),
    rrq_map_dbl(1:2, function(x) Sys.Date())
  )
  expect_snapshot(writeLines(errors))
})

test_that("what is not a function, and wrong lengths, are errors at once", {
  r <- local_queue()
  rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_clear())
  errors <- conditions_of(
    rrq_map(list(list(a = 1)), "a"),
    rrq_map(list(1:2), 2),
    rrq_map(1:2, nothing_of_that_name),
    rrq_map(sqrt, 1:2),
    rrq_map(1:2),
    rrq_map2(1:2, 1:3, `+`),
    rrq_pmap(1:2, sqrt),
    rrq_pmap(list(1:2, 1:3), `+`),
    rrq_map(1:2, sqrt, .progress = NA),
    rrq_map(1:2, sqrt, .timeout = "a"),
    rrq_map(1:2, sqrt, .chunk_size = 0),
    rrq_map(1:2, sqrt, .options = list(seed = 1)),
    rrq_map_dfr(1:2, sqrt, .id = 1)
  )
  expect_snapshot(writeLines(errors))
})

test_that("settings reach the job", {
  r <- local_map()
  options <- rrq_task_options(seed = 1)
  draws <- rrq_map_dbl(1:4, \(x) stats::runif(1), .options = options)
  again <- rrq_map_dbl(1:4, \(x) stats::runif(1), .options = options, .chunk_size = 1)
  expect_identical(again, draws)
  expect_error(rrq_map(1, \(x) Sys.sleep(60), .timeout = 0.1), class = "rrq_error_timeout")
  expect_length(rrq_task_list(controller = r), 0)
  said <- messages_of(rrq_map(1:2, sqrt, .progress = "roots"))
  expect_match(utils::tail(said, 1), "2 of 2 done")
})
