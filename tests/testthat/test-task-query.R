test_that("a task is pending, then complete", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
})

test_that("statuses can be named, and are MISSING for unknown ids", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  status <- rrq_task_status(c("unknown", id), named = TRUE, controller = r)
  expect_equal(status, rlang::set_names(c("MISSING", "PENDING"), c("unknown", id)))
})

test_that("no ids give no statuses", {
  r <- local_queue()
  expect_equal(rrq_task_status(character(), controller = r), character())
  expect_equal(rrq_task_exists(NULL, controller = r), logical())
  expect_equal(dim(rrq_task_times(character(), controller = r)), c(0, 4))
  expect_equal(sum(unlist(rrq_task_overview(character(), controller = r))), 0)
})

test_that("known tasks exist, and are listed", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_task_exists(c(ids[[1]], "unknown"), controller = r), c(TRUE, FALSE))
  expect_equal(rrq_task_exists(ids[[2]], TRUE, r), rlang::set_names(TRUE, ids[[2]]))
  expect_setequal(rrq_task_list(controller = r), ids)
})

test_that("the overview counts all tasks by status", {
  r <- local_queue()
  rrq_task_create_bulk_call(sqrt, list(1, 4, "a"), controller = r)
  run_worker(local_worker(r))
  rrq_task_create_expr(sqrt(4), controller = r)
  counts <- rrq_task_overview(controller = r)
  expect_type(counts, "list")
  expect_length(counts, 10)
  expect_equal(counts[counts > 0], list(PENDING = 1, COMPLETE = 2, ERROR = 1))
})

test_that("an overview of given tasks counts only those", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_task_overview(ids[1:2], r)$PENDING, 2)
  expect_named(rrq_task_overview(ids, r), names(rrq_task_overview(controller = r)))
  expect_equal(rrq_task_overview(c(ids, "unknown"), r)$MISSING, 1)
})

test_that("the data of an expression are the expression and its variables", {
  r <- local_queue()
  x <- 4
  big <- seq(0, 1, length.out = 1e5)
  id <- rrq_task_create_expr(sum(big, x), controller = r)
  data <- rrq_task_data(id, r)
  expect_equal(data[c("type", "expr")], list(type = "expr", expr = quote(sum(big, x))))
  expect_mapequal(data$variables, list(x = 4, big = big))
})

test_that("the data of a call are the function and its arguments in order", {
  r <- local_queue()
  big <- seq(0, 1, length.out = 1e5)
  id <- rrq_task_create_call(stats::quantile, list(big, probs = 0.5), controller = r)
  data <- rrq_task_data(id, r)
  expect_equal(data$type, "call")
  expect_equal(data$fn, list(name = "quantile", namespace = "stats", internal = FALSE))
  expect_equal(data$args, list(big, probs = 0.5))
})

test_that("each task of a bulk has its own data", {
  r <- local_queue()
  k <- 2
  grid <- data.frame(n = 1:2, sd = c(0.5, 1))
  ids <- rrq_task_create_bulk_expr(rnorm(n, k, sd), grid, controller = r)
  expect_equal(
    rrq_task_data(ids[[2]], r),
    list(type = "expr", expr = quote(rnorm(n, k, sd)), variables = list(k = 2, n = 2L, sd = 1))
  )
  ids <- rrq_task_create_bulk_call(stats::rnorm, grid, list(mean = 3), controller = r)
  expect_equal(rrq_task_data(ids[[1]], r)$args, list(n = 1L, sd = 0.5, mean = 3))
  ids <- rrq_task_create_bulk_call(stats::rnorm, 5:6, list(mean = 3), controller = r)
  expect_equal(rrq_task_data(ids[[2]], r)$args, list(6L, mean = 3))
})

test_that("the details of a waiting task include its options", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), queue = "a", timeout_task_run = 60, controller = r)
  info <- rrq_task_info(id, r)
  expect_equal(
    info[c("id", "status", "queue", "separate_process", "timeout", "attempt")],
    list(
      id = id, status = "PENDING", queue = "a", separate_process = FALSE, timeout = 60,
      attempt = 0L
    )
  )
  expect_named(info, ignore.order = TRUE, c(
    "id", "status", "queue", "separate_process", "timeout", "worker", "pid", "depends", "moved",
    "attempt", "attempts", "label", "tags", "retry", "ttl", "seed", "warnings"
  ))
  expect_null(info$worker)
})

test_that("the details of a finished task include its worker and warnings", {
  r <- local_queue()
  id <- rrq_task_create_expr(as.integer("a"), controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  info <- rrq_task_info(id, r)
  expect_equal(info$worker, worker$id)
  expect_equal(info$attempt, 1L)
  expect_null(info$timeout)
  expect_s3_class(info$warnings[[1]], "warning")
})

test_that("times are recorded when a task is submitted, starts and ends", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  times <- rrq_task_times(id, controller = r)
  expect_equal(dimnames(times), list(id, c("submit", "start", "complete", "moved")))
  expect_equal(unname(is.na(times[1, ])), c(FALSE, TRUE, TRUE, TRUE))
  run_worker(local_worker(r))
  times <- rrq_task_times(id, controller = r)
  expect_false(is.unsorted(times[1, 1:3]))
  expect_lt(abs(times[[1, "complete"]] - as.numeric(Sys.time())), 60)
})

test_that("unknown tasks raise an error that lists them", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  for (ask in list(rrq_task_info, rrq_task_data, rrq_task_progress)) {
    err <- expect_error(ask("unknown", r), class = "rrq_error_task_missing")
    expect_equal(err$ids, "unknown")
  }
  err <- expect_error(
    rrq_task_times(c("a", id, "b"), controller = r),
    class = "rrq_error_task_missing"
  )
  expect_equal(err$ids, c("a", "b"))
})

test_that("a task reports its progress", {
  r <- local_queue()
  id <- rrq_task_create_expr(rrq::rrq_task_progress_update(list(done = 3)), controller = r)
  expect_null(rrq_task_progress(id, r))
  run_worker(local_worker(r))
  expect_equal(rrq_task_progress(id, r), list(done = 3))
})

test_that("progress of several tasks is a list named by id, from one round trip", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(controller = r, data = 1:3, fn = function(i) {
    if (i != 2) rrq::rrq_task_progress_update(i / 4)
  })
  worker <- local_worker(r)
  run_worker(worker)
  # It would renew its lease.
  worker$shutdown()
  before <- n_commands(r)
  values <- rrq_task_progress(ids, r)
  expect_lt(n_commands(r) - before, 6)
  expect_equal(values, stats::setNames(list(0.25, NULL, 0.75), ids))
  expect_equal(rrq_task_progress(character(), r), stats::setNames(list(), character()))
  err <- expect_error(rrq_task_progress(c(ids, "b"), r), class = "rrq_error_task_missing")
  expect_equal(err$ids, "b")
})

test_that("a condition of class progress reports all its fields, a plain value comes as it is", {
  r <- local_queue()
  worker <- local_worker(r)
  progress_of <- function(condition) {
    id <- rrq_task_create_call(signalCondition, list(condition), controller = r)
    run_worker(worker)
    rrq_task_progress(id, r)
  }
  class <- c("progress", "condition")
  fields <- list(message = "half way", step = 3:4)
  expect_identical(progress_of(structure(fields, class = class)), fields)
  simple <- simpleCondition("half way")
  class(simple) <- class
  expect_identical(progress_of(simple), list(message = "half way"))
  id <- rrq_task_create_expr(rrq::rrq_task_progress_update("plain"), controller = r)
  run_worker(worker)
  expect_identical(rrq_task_progress(id, r), "plain")
})

test_that("outside a task no progress can be reported", {
  expect_null(rrq_task_progress_update("half way"))
  expect_error(rrq_task_progress_update("half way", error = TRUE), class = "rrq_error_no_task")
  expect_error(rrq_task_progress_update("half way", error = NA), class = "rrq_error_argument")
})

test_that("arguments are checked before any request", {
  r <- local_queue()
  expect_error(rrq_task_status(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_task_status("a", named = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_status("a", follow = 1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_exists(NA_character_, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_overview(1, r), class = "rrq_error_argument")
  expect_error(rrq_task_info(c("a", "b"), r), "`task_id`", class = "rrq_error_argument")
  expect_error(rrq_task_data(NULL, r), "`task_id`", class = "rrq_error_argument")
  expect_error(rrq_task_times(TRUE, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_progress(1, r), "`task_ids`", class = "rrq_error_argument")
})
