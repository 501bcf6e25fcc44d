test_that("warnings of a task are signalled with its result, as they were", {
  r <- local_queue()
  own <- function() {
    warning(structure(
      class = c("own_warning", "warning", "condition"), list(message = "own", call = NULL, data = 7)
    ))
  }
  ids <- c(
    rrq_task_create_expr({
      log(-1)
      1
    }, controller = r),
    rrq_task_create_call(own, list(), controller = r)
  )
  run_worker(local_worker(r))
  w <- expect_warning(value <- rrq_task_result(ids[[1]], controller = r), "^NaNs produced$")
  expect_equal(value, 1)
  expect_equal(w$call, quote(log(-1)))
  expect_equal(w$task_id, ids[[1]])
  w <- expect_warning(rrq_task_result(ids[[2]], controller = r), class = "own_warning")
  expect_equal(w$data, 7)
})

test_that("a warning of many tasks is signalled once, with their number", {
  r <- local_queue()
  fn <- function(i) {
    if (i %% 2 == 0) warning("even")
    if (i == 3) warning("three")
    if (i == 4) for (j in 1:3) warning("often")
    i
  }
  ids <- rrq_task_create_bulk_call(fn, 1:10, controller = r)
  run_worker(local_worker(r))
  warnings <- capture_warnings(values <- rrq_task_results(ids, controller = r))
  expect_equal(values, as.list(1:10))
  expect_length(warnings, 3)
  expect_match(warnings, "Warning in 5 of 10 tasks: even", fixed = TRUE, all = FALSE)
  expect_match(warnings, ids[[2]], fixed = TRUE, all = FALSE)
  expect_match(warnings, "^three$", all = FALSE)
  expect_match(warnings, "^often \\(3 times\\)$", all = FALSE)
})

test_that("warnings can be switched off, by an argument or an option", {
  r <- local_queue()
  id <- rrq_task_create_expr(warning("careful"), controller = r)
  run_worker(local_worker(r))
  expect_no_warning(rrq_task_result(id, warnings = FALSE, controller = r))
  expect_no_warning(rrq_task_results(id, warnings = FALSE, controller = r))
  expect_no_warning(rrq_task_collect(id, warnings = FALSE, controller = r))
  withr::local_options(rrq.warnings = FALSE)
  expect_no_warning(rrq_task_result(id, controller = r))
  expect_warning(rrq_task_result(id, warnings = TRUE, controller = r), "careful")
  expect_error(rrq_task_result(id, warnings = 1, controller = r), class = "rrq_error_argument")
})

test_that("warnings before an error come with it, as value and thrown", {
  r <- local_queue()
  id <- rrq_task_create_expr({
    warning("careful")
    stop("no")
  }, controller = r)
  run_worker(local_worker(r))
  expect_warning(rrq_task_result(id, controller = r), "careful")
  expect_warning(
    expect_error(rrq_task_result(id, error = TRUE, controller = r), "no"), "careful"
  )
  expect_warning(
    expect_error(rrq_task_collect(id, error = TRUE, controller = r), "no"), "careful"
  )
})

test_that("collecting signals warnings at the end, an iterator with each task", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(i) warning("careful"), 1:3, controller = r)
  run_worker(local_worker(r))
  warnings <- capture_warnings(rrq_task_collect(ids, controller = r))
  expect_match(warnings, "3 of 3 tasks: careful")
  expect_length(warnings, 1)
  it <- rrq_task_iterator(ids, controller = r)
  for (i in 1:3) expect_warning(it$next_task(), "^careful$")
  expect_null(it$next_task())
  it <- rrq_task_iterator(ids, warnings = FALSE, controller = r)
  expect_no_warning(it$next_task())
})

test_that("a map counts elements, also within its tasks, and finds the first", {
  r <- local_queue()
  local_spawned(r, 2)
  fn <- function(i) {
    if (i %% 3 == 0) for (j in 1:2) warning("third")
    if (i == 7) warning("seven")
    i
  }
  warnings <- capture_warnings(
    values <- rrq_lapply(1:300, fn, chunk_size = 20, controller = r)
  )
  expect_equal(values, as.list(1:300))
  expect_match(warnings[[1]], "^Warning in 100 of 300 elements: third\n.*element 3,")
  expect_equal(warnings[[2]], "seven")
  warnings <- capture_warnings(
    rrq_mapply(function(x, y) if (y > 2) warning("y"), 1:4, 1:4, chunk_size = 2, controller = r)
  )
  expect_match(warnings, "Warning in 2 of 4 elements: y\n.*element 3")
  expect_no_warning(rrq_lapply(1:3, fn, warnings = FALSE, controller = r))
})

test_that("what is stored of warnings is bounded, and the rest is counted", {
  r <- local_queue()
  fn <- function() {
    for (i in 1:60) warning("number ", i)
    big <- structure(
      class = c("own_warning", "warning", "condition"),
      list(message = strrep("x", 1e6), call = NULL, data = numeric(1e6), env = globalenv())
    )
    warning(big)
  }
  large <- function() {
    do.call(warning, list(strrep("x", 1e6)))
    warning(structure(
      class = c("own_warning", "warning", "condition"), list(message = "data", data = numeric(1e5))
    ))
  }
  ids <- c(
    rrq_task_create_call(fn, list(), controller = r),
    rrq_task_create_call(large, list(), controller = r)
  )
  run_worker(local_worker(r))
  expect_length(rrq_task_info(ids[[1]], controller = r)$warnings, 50)
  warnings <- capture_warnings(rrq_task_result(ids[[1]], controller = r))
  expect_length(warnings, 51)
  expect_equal(warnings[[51]], "11 more warnings")
  stored <- rrq_task_info(ids[[2]], controller = r)$warnings
  expect_equal(nchar(vapply(stored, conditionMessage, "")), c(1000, 4))
  expect_s3_class(stored[[2]], "own_warning")
  expect_lt(r$con$HSTRLEN(paste0(r$keys$prefix, "x"), ids[[2]]), 1e4)
})

test_that("tasks without warnings store nothing more, and cost no further request", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:5, controller = r)
  run_worker(local_worker(r))
  expect_equal(r$con$EXISTS(paste0(r$keys$prefix, "x")), 0)
  before <- command_counts(r)[["hmget"]]
  rrq_task_results(ids, controller = r)
  # Headers and large results.
  expect_equal(command_counts(r)[["hmget"]] - before, 2)
})

test_that("warnings of isolated tasks are signalled, too", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() warning("careful"), r)
  run_worker(worker)
  expect_warning(rrq_task_result(id, controller = r), "careful")
})
