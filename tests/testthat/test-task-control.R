test_that("a cancelled task does not run, and its result says so", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(expect_invisible(rrq_task_cancel(ids[[2]], controller = r)), "CANCELLED")
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "CANCELLED", "COMPLETE"))
  result <- rrq_task_result(ids[[2]], controller = r)
  expect_s3_class(result, "rrq_task_error")
  expect_equal(result$status, "CANCELLED")
  expect_match(conditionMessage(result), "cancelled")
})

test_that("tasks that have ended are listed by the error and the others are kept", {
  r <- local_queue()
  ended <- rrq_task_create_expr(stop("no"), controller = r)
  run_worker(local_worker(r))
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  err <- expect_error(
    rrq_task_cancel(c(id, ended), controller = r),
    paste(ended, "is ERROR"),
    class = "rrq_error_task_state"
  )
  expect_equal(err$ids, ended)
  expect_equal(err$status, "ERROR")
  err <- expect_error(rrq_task_cancel(c(id, "a"), controller = r), class = "rrq_error_task_missing")
  expect_equal(err$ids, "a")
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("what has ended and what is unknown can be ignored", {
  r <- local_queue()
  ended <- rrq_task_create_expr(stop("no"), controller = r)
  run_worker(local_worker(r))
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  ids <- c(id, ended, "a", id)
  expected <- c("CANCELLED", "ERROR", "MISSING", "CANCELLED")
  for (i in 1:2) {
    expect_equal(rrq_task_cancel(ids, ended = "ignore", controller = r), expected)
  }
})

test_that("tasks are cancelled while workers end others of them", {
  r <- local_queue()
  local_spawned(r, 2)
  # Long enough that they cannot all end before they are cancelled, on a machine however busy.
  ids <- rrq_task_create_bulk_call(Sys.sleep, rep(0.01, 5000), controller = r)
  wait_until(any(rrq_task_status(ids, controller = r) == "COMPLETE"))
  status <- rrq_task_cancel(ids, ended = "ignore", controller = r)
  expect_setequal(status, c("CANCELLED", "COMPLETE"))
  expect_equal(rrq_task_status(ids, controller = r), status)
})

test_that("a task that is deleted while its end is waited for has ended", {
  r <- local_queue()
  gate <- withr::local_tempfile()
  id <- create_held(gate, r)
  handle <- queue_handle(r)
  expect_error(wait_for_end(handle, c(id, "a"), 0, FALSE), class = "rrq_error_task_missing")
  expect_null(wait_for_end(handle, "a", 0, TRUE))
  expect_error(wait_for_end(handle, c("a", id), 0, TRUE), class = "rrq_error_timeout")
})

test_that("what depends on a cancelled task is impossible", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  child <- rrq_task_create_expr(sqrt(1), depends_on = id, controller = r)
  rrq_task_cancel(id, controller = r)
  expect_equal(rrq_task_status(child, controller = r), "IMPOSSIBLE")
})

test_that("a running task is stopped and its worker goes on", {
  r <- local_queue()
  worker <- local_spawned(r)
  id <- start_sleeper(r)
  expect_equal(rrq_task_cancel(id, controller = r), "CANCELLED")
  expect_equal(rrq_task_result(id, controller = r)$status, "CANCELLED")
  id <- rrq_task_create_expr(sqrt(16), controller = r)
  expect_true(rrq_task_wait(id, timeout = time_limit(), progress = FALSE, controller = r))
  log <- rrq_worker_log_tail(worker$id, Inf, r)
  expect_true("TASK_CANCELLED" %in% log$command)
})

test_that("a busy loop is stopped, and many tasks at once", {
  r <- local_queue()
  local_spawned(r, 2)
  ids <- c(
    rrq_task_create_expr(repeat sqrt(1), controller = r),
    rrq_task_create_expr(Sys.sleep(60), controller = r),
    rrq_task_create_expr(sqrt(1), controller = r)
  )
  wait_until(sum(rrq_task_status(ids, controller = r) == "RUNNING") == 2)
  expect_equal(rrq_task_cancel(ids, controller = r), rep("CANCELLED", 3))
})

test_that("code that completes in spite of the interrupt has completed", {
  r <- local_queue()
  local_spawned(r)
  begun <- withr::local_tempfile()
  save <- function(begun) {
    sleep <- function() {
      file.create(begun)
      Sys.sleep(60)
    }
    tryCatch(sleep(), interrupt = function(e) "saved")
  }
  id <- rrq_task_create_call(save, list(begun), controller = r)
  wait_until(file.exists(begun))
  expect_equal(rrq_task_cancel(id, controller = r), "COMPLETE")
  expect_equal(rrq_task_result(id, controller = r), "saved")
})

test_that("waiting for the end of a running task has a limit, and can be left out", {
  r <- local_queue()
  local_spawned(r)
  begun <- withr::local_tempfile()
  go <- withr::local_tempfile()
  id <- rrq_task_create_call(function(begun, go) {
    while (!file.exists(go)) {
      tryCatch({
        file.create(begun)
        Sys.sleep(0.05)
      }, interrupt = identity)
    }
  }, list(begun, go), controller = r)
  wait_until(file.exists(begun))
  expect_equal(rrq_task_cancel(id, wait = FALSE, controller = r), "RUNNING")
  expect_error(
    rrq_task_cancel(id, timeout_wait = 0.3, controller = r),
    class = "rrq_error_timeout"
  )
  file.create(go)
  expect_true(rrq_task_wait(id, timeout = time_limit(), progress = FALSE, controller = r))
})

test_that("deleted tasks are gone with all that was stored for them", {
  r <- local_queue()
  before <- queue_sizes(r)
  big <- as.numeric(seq_len(1e5)) + 0.5
  ids <- rrq_task_create_bulk_expr(sum(big) + x, data.frame(x = 1:3), controller = r)
  run_worker(local_worker(r))
  rrq_task_delete(ids[1:2], controller = r)
  expect_equal(rrq_task_exists(ids, controller = r), c(FALSE, FALSE, TRUE))
  expect_equal(rrq_task_result(ids[[3]], controller = r), sum(big) + 3)
  expect_null(expect_invisible(rrq_task_delete(ids[[3]], controller = r)))
  expect_equal(queue_sizes(r), before)
  expect_equal(sum(unlist(rrq_task_overview(controller = r))), 0)
})

test_that("running tasks cannot be deleted, and all are kept", {
  r <- local_queue()
  local_spawned(r)
  ids <- c(
    rrq_task_create_expr(Sys.sleep(60), controller = r),
    rrq_task_create_expr(sqrt(1), controller = r)
  )
  wait_until(rrq_task_status(ids[[1]], controller = r) == "RUNNING")
  err <- expect_error(rrq_task_delete(ids, controller = r), class = "rrq_error_task_state")
  expect_equal(err$ids, ids[[1]])
  expect_true(all(rrq_task_exists(ids, controller = r)))
  rrq_task_cancel(ids, controller = r)
  rrq_task_delete(ids, controller = r)
  expect_equal(rrq_task_list(controller = r), character())
})

test_that("unknown tasks are an error unless they are not checked", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  err <- expect_error(rrq_task_delete(c("a", id), controller = r), class = "rrq_error_task_missing")
  expect_equal(err$ids, "a")
  expect_true(rrq_task_exists(id, controller = r))
  rrq_task_delete(c("a", id), check = FALSE, controller = r)
  expect_false(rrq_task_exists(id, controller = r))
})

test_that("who waits for a task that is deleted waits no longer", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    cat(rrq_task_wait(!!id, controller = r))
  })
  wait_until(n_blocked(r) == 1)
  rrq_task_delete(id, controller = r)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), "FALSE")
})

test_that("no ids are nothing to do", {
  r <- local_queue()
  expect_equal(rrq_task_cancel(character(), controller = r), character())
  expect_null(rrq_task_delete(NULL, controller = r))
})

test_that("arguments are checked before anything is done", {
  r <- local_queue()
  expect_error(rrq_task_cancel(1, controller = r), "`task_id`", class = "rrq_error_argument")
  expect_error(rrq_task_cancel("a", ended = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_cancel("a", wait = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_cancel("a", timeout_wait = -1, controller = r),
    class = "rrq_error_argument"
  )
  expect_error(rrq_task_delete(NA_character_, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_delete("a", check = 1, controller = r), class = "rrq_error_argument")
})

test_that("what depends on a running task is settled when that was cancelled", {
  r <- local_queue()
  local_spawned(r)
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  child <- rrq_task_create_expr(1 + 1, depends_on = id, controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  rrq_task_cancel(id, controller = r)
  expect_equal(rrq_task_status(c(id, child), controller = r), c("CANCELLED", "IMPOSSIBLE"))
})
