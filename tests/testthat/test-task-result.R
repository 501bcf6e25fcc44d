test_that("a result can be any value", {
  r <- local_queue()
  values <- list(1, NULL, list(), list(NULL), "a", mtcars, structure(list(), class = "own"))
  ids <- rrq_task_create_bulk_call(identity, values, controller = r)
  run_worker(local_worker(r))
  results <- lapply(ids, rrq_task_result, controller = r)
  expect_identical(results, values)
  expect_identical(rrq_task_results(ids, controller = r), values)
})

test_that("the value of an invisible or empty task is NULL", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_expr(invisible(NULL), controller = r),
    rrq_task_create_expr({}, controller = r), # nolint: brace_linter.
    rrq_task_create_expr(if (FALSE) 1, controller = r)
  )
  expect_equal(run_results(ids, r), list(NULL, NULL, NULL))
  expect_null(rrq_task_result(ids[[1]], controller = r))
})

test_that("a condition that is a task's value is not an error", {
  r <- local_queue()
  id <- rrq_task_create_expr(simpleError("only a value"), controller = r)
  result <- run_result(id, r)
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
  expect_false(inherits(result, "rrq_task_error"))
  expect_equal(conditionMessage(rrq_task_result(id, error = TRUE, controller = r)), "only a value")
})

test_that("an error that is the value of a successful task is not thrown", {
  r <- local_queue()
  bad <- rrq_task_create_expr(stop("no"), controller = r)
  id <- rrq_task_create_call(identity, list(), controller = r,
    depends_on = c(x = bad), on_failure = "run"
  )
  run_worker(local_worker(r))
  expect_s3_class(rrq_task_result(id, error = TRUE, controller = r), "rrq_task_error")
  expect_s3_class(rrq_task_results(id, error = TRUE, controller = r)[[1]], "rrq_task_error")
  expect_error(rrq_task_result(bad, error = TRUE, controller = r), "no", class = "rrq_task_error")
})

test_that("results of any size are fetched", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(n) as.raw(rep_len(0:255, n)), controller = r,
    c(1, 100, 128, 129, 200, 1e5, 8e6)
  )
  results <- run_results(ids, r)
  expect_equal(lengths(results), c(1, 100, 128, 129, 200, 1e5, 8e6))
  expect_identical(results[[7]], as.raw(rep_len(0:255, 8e6)))
})

test_that("results can be named by id, and are in the order of the ids", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:3, controller = r)
  run_worker(local_worker(r))
  asked <- ids[c(3, 1, 3)]
  results <- rrq_task_results(asked, named = TRUE, controller = r)
  expect_equal(results, stats::setNames(list(3L, 1L, 3L), asked))
})

test_that("no ids give no results", {
  r <- local_queue()
  expect_equal(rrq_task_results(character(), controller = r), list())
  expect_equal(rrq_task_results(NULL, error = TRUE, controller = r), list())
  expect_equal(
    rrq_task_results(character(), named = TRUE, controller = r),
    stats::setNames(list(), character())
  )
})

test_that("results are kept after they were fetched", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 2)
  expect_equal(rrq_task_result(id, controller = r), 2)
  expect_equal(rrq_task_result(id, controller = rrq_controller(r$queue_id, r$con)), 2)
})

test_that("an unfinished task has no result", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:2, controller = r)
  err <- expect_error(
    rrq_task_result(ids[[1]], controller = r),
    "PENDING", class = "rrq_error_task_unfinished"
  )
  expect_equal(err$ids, ids[[1]])
  expect_equal(err$call[[1]], quote(rrq_task_result))
  expect_match(conditionMessage(err), "rrq_task_wait()", fixed = TRUE)
  err <- expect_error(rrq_task_results(ids, controller = r), class = "rrq_error_task_unfinished")
  expect_equal(err$ids, ids)
  expect_equal(err$status, c("PENDING", "PENDING"))
})

test_that("unknown tasks are named", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_error(rrq_task_result("a", controller = r), "a", class = "rrq_error_task_missing")
  err <- expect_error(
    rrq_task_results(c("a", id, "b"), controller = r),
    class = "rrq_error_task_missing"
  )
  expect_equal(err$ids, c("a", "b"))
})

test_that("arguments are checked", {
  r <- local_queue()
  expect_error(rrq_task_result(1, controller = r), "`task_id`", class = "rrq_error_argument")
  expect_error(rrq_task_result(c("a", "b"), controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_result("a", error = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_result("a", follow = "no", controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_results(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_task_results("a", named = 1, controller = r), class = "rrq_error_argument")
})

test_that("results of a thousand tasks are fetched in one round trip", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:1000, controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  # It would renew its lease.
  worker$shutdown()
  before <- n_commands(r)
  results <- rrq_task_results(ids, controller = r)
  expect_lt(n_commands(r) - before, 10)
  expect_identical(results, as.list(1:1000))
})
