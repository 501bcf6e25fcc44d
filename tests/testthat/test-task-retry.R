test_that("a task that failed is queued again under a new id", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("no"), queue = "a", label = "x", tags = "t", controller = r)
  rrq_worker_config_save("a", rrq_worker_config(queue = "a"), controller = r)
  worker <- local_worker(r, name_config = "a")
  run_worker(worker)
  again <- rrq_task_retry(id, controller = r)
  expect_equal(rrq_task_status(id, follow = FALSE, controller = r), "MOVED")
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
  info <- rrq_task_info(again, controller = r)
  expect_equal(info[c("queue", "label", "tags")], list(queue = "a", label = "x", tags = "t"))
  expect_equal(info$moved, list(up = id, down = NULL))
  expect_equal(rrq_task_info(id, controller = r)$moved, list(up = NULL, down = again))
  run_worker(worker)
  expect_equal(rrq_task_status(c(id, again), controller = r), c("ERROR", "ERROR"))
})

test_that("queries for a retried task follow to the newest task of its chain", {
  r <- local_queue()
  path <- withr::local_tempfile()
  id <- rrq_task_create_expr(if (file.exists(path)) 2 else stop("no"), controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  again <- rrq_task_retry(id, controller = r)
  file.create(path)
  expect_equal(rrq_task_position(id, controller = r), 1)
  expect_equal(rrq_task_preceeding(id, controller = r), character())
  run_worker(worker)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(id, controller = r), 2)
  expect_equal(rrq_task_results(c(id, again), controller = r), list(2, 2))
  expect_s3_class(rrq_task_result(id, follow = FALSE, controller = r), "rrq_task_error")
  expect_equal(rrq_task_data(id, controller = r), rrq_task_data(again, controller = r))
  times <- rrq_task_times(id, follow = FALSE, controller = r)
  expect_gte(times[, "moved"], times[, "complete"])
  expect_equal(
    unname(rrq_task_times(id, controller = r)),
    unname(rrq_task_times(again, controller = r))
  )
})

test_that("an old id stands for the newest task when it is retried", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("no"), controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  second <- rrq_task_retry(id, controller = r)
  run_worker(worker)
  third <- rrq_task_retry(id, controller = r)
  moved <- function(id) rrq_task_info(id, controller = r)$moved
  expect_equal(moved(third), list(up = c(id, second), down = NULL))
  expect_equal(moved(second), list(up = id, down = third))
  expect_equal(moved(id), list(up = NULL, down = c(second, third)))
})

test_that("tasks that cannot be retried are rejected, and nothing changes", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(stop, c("a", "b"), controller = r)
  expect_error(rrq_task_retry(ids, controller = r), class = "rrq_error_task_state")
  run_worker(local_worker(r))
  waiting <- rrq_task_create_expr(sqrt(1), controller = r)
  error <- expect_error(rrq_task_retry(c(ids, waiting), controller = r),
    class = "rrq_error_task_state"
  )
  expect_equal(error$ids, waiting)
  expect_error(rrq_task_retry(ids[c(1, 1)], controller = r), class = "rrq_error_task_repeated")
  expect_error(rrq_task_retry(c(ids, "x"), controller = r), class = "rrq_error_task_missing")
  expect_equal(rrq_task_status(ids, controller = r), c("ERROR", "ERROR"))
  expect_equal(rrq_task_retry(character(), controller = r), character())
})

test_that("dependants of a retried task depend on the newest task of its chain", {
  r <- local_queue()
  path <- withr::local_tempfile()
  a <- rrq_task_create_expr(if (file.exists(path)) 2 else stop("no"), controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  rrq_task_retry(a, controller = r)
  b <- rrq_task_create_expr(x + 1, depends_on = c(x = a), controller = r)
  expect_equal(rrq_task_status(b, controller = r), "DEFERRED")
  file.create(path)
  run_worker(worker)
  expect_equal(rrq_task_result(b, controller = r), 3)
})

test_that("deleting a task deletes its chain", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("no"), retry = rrq_retry(2), label = "x", controller = r)
  run_worker(local_worker(r))
  again <- rrq_task_retry(id, controller = r)
  rrq_task_delete(again, controller = r)
  expect_equal(rrq_task_status(c(id, again), controller = r), c("MISSING", "MISSING"))
  left <- vapply(c("t", "b", "r", "at", "lab", "mv", "mu"), function(key) {
    r$con$EXISTS(paste0(r$keys$prefix, key))
  }, 1)
  expect_equal(sum(left), 0)
})

test_that("a policy retries a task automatically, and all attempts are recorded", {
  r <- local_queue()
  path <- withr::local_tempfile()
  id <- rrq_task_create_expr(
    {
      cat("x\n", file = path, append = TRUE)
      if (length(readLines(path)) < 3) stop("not yet")
      "done"
    },
    retry = rrq_retry(5), controller = r
  )
  worker <- local_worker(r)
  run_worker(worker)
  expect_equal(rrq_task_result(id, controller = r), "done")
  info <- rrq_task_info(id, controller = r)
  expect_equal(info$attempt, 3)
  expect_equal(vapply(info$attempts, `[[`, "", "status"), c("ERROR", "ERROR", "COMPLETE"))
  expect_equal(conditionMessage(info$attempts[[1]]$error), "not yet")
  expect_equal(info$attempts[[2]]$worker, worker$id)
  expect_equal(info$retry, rrq_retry(5))
})

test_that("the details of a failed task have the error of its last attempt, also once retried", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("never"), retry = rrq_retry(2), controller = r)
  run_worker(local_worker(r))
  errors <- function() lapply(rrq_task_info(id, controller = r)$attempts, `[[`, "error")
  expect_equal(vapply(errors(), conditionMessage, ""), c("never", "never"))
  expect_s3_class(errors()[[2]], "rrq_task_error")
  rrq_task_retry(id, controller = r)
  expect_equal(vapply(errors(), conditionMessage, ""), c("never", "never"))
})

test_that("a policy stops after its last attempt", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("never"), retry = rrq_retry(2), controller = r)
  child <- rrq_task_create_expr(sqrt(1), depends_on = id, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(c(id, child), controller = r), c("ERROR", "IMPOSSIBLE"))
  expect_equal(rrq_task_info(id, controller = r)$attempt, 2)
})

test_that("a policy can be limited to classes of errors", {
  r <- local_queue()
  policy <- rrq_retry(3, classes = c("other", "own"))
  own <- rrq_task_create_expr(rlang::abort("x", class = "own"), retry = policy, controller = r)
  plain <- rrq_task_create_expr(stop("x"), retry = policy, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_info(own, controller = r)$attempt, 3)
  expect_equal(rrq_task_info(plain, controller = r)$attempt, 1)
  expect_equal(rrq_task_info(own, controller = r)$retry$classes, c("other", "own"))
})

test_that("a delay keeps a task out of its queue between attempts", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("no"), retry = rrq_retry(2, delay = 60), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
  expect_equal(rrq_queue_length(controller = r), 0)
  rrq_task_cancel(id, controller = r)
  expect_equal(rrq_task_status(id, controller = r), "CANCELLED")
})

test_that("a task lost with its worker is retried if the policy includes losses", {
  r <- local_queue()
  manager <- local_fast(r)
  lost <- rrq_task_create_expr(Sys.sleep(60), retry = rrq_retry(2, on = "lost"), controller = r)
  wait_until(rrq_task_status(lost, controller = r) == "RUNNING")
  kill_unseen(r, manager$id)
  wait_until({
    suppressMessages(rrq_worker_detect_exited(controller = r))
    rrq_task_status(lost, controller = r) == "PENDING"
  })
  expect_equal(rrq_task_info(lost, controller = r)$attempts[[1]]$status, "DIED")
})

test_that("a task that timed out is retried if the policy includes time-outs", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_expr(Sys.sleep(60), timeout_task_run = 0.1,
      retry = rrq_retry(2, on = "timeout"), controller = r
    ),
    rrq_task_create_expr(Sys.sleep(60), timeout_task_run = 0.1,
      retry = rrq_retry(2, on = "error"), controller = r
    )
  )
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(ids, controller = r), c("TIMEOUT", "TIMEOUT"))
  attempts <- vapply(ids, function(id) rrq_task_info(id, controller = r)$attempt, 1L)
  expect_equal(unname(attempts), c(2, 1))
})

test_that("invalid policies are rejected", {
  expect_error(rrq_retry(0), "`max_attempts`", class = "rrq_error_argument")
  expect_error(rrq_retry(3, delay = -1), "`delay`", class = "rrq_error_argument")
  expect_error(rrq_retry(3, backoff = 0.5), "`backoff`", class = "rrq_error_argument")
  expect_error(rrq_retry(3, on = "death"), "`on`", class = "rrq_error_argument")
  expect_error(rrq_retry(3, classes = NA), "`classes`", class = "rrq_error_argument")
  r <- local_queue()
  expect_error(rrq_task_create_expr(sqrt(1), retry = 3, controller = r), "`retry`",
    class = "rrq_error_argument"
  )
  expect_snapshot(print(rrq_retry(3, 0.5, classes = "own")))
})

test_that("a retried task that is not followed keeps its earlier result", {
  r <- local_queue(follow = FALSE)
  ids <- c(
    rrq_task_create_expr(1 + 1, controller = r),
    rrq_task_create_expr(stop("no"), controller = r)
  )
  run_worker(local_worker(r))
  rrq_task_retry(ids, controller = r)
  expect_equal(rrq_task_result(ids[[1]], error = TRUE, controller = r), 2)
  expect_equal(rrq_task_collect(ids[[1]], error = TRUE, controller = r), list(2))
  expect_error(rrq_task_results(ids, error = TRUE, controller = r), "1/2 tasks failed")
  expect_error(rrq_task_wait(ids, error = TRUE, controller = r), class = "rrq_task_error_group")
  expect_false(rrq_task_wait(ids[[1]], error = TRUE, controller = r))
})
