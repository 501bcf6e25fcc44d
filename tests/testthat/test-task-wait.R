test_that("waiting is TRUE if all tasks completed, else FALSE", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, list(1, "a", 4), controller = r)
  run_worker(local_worker(r))
  expect_true(rrq_task_wait(ids[[1]], controller = r))
  expect_true(rrq_task_wait(ids[c(1, 3, 1)], controller = r))
  expect_false(rrq_task_wait(ids, controller = r))
})

test_that("waiting is silent unless asked for progress", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_silent(rrq_task_wait(id, controller = r))
})

test_that("waiting ends when the last task ends, not at the next poll", {
  r <- local_queue()
  local_spawned(r)
  ids <- rrq_task_create_bulk_call(function(x) Sys.sleep(0.1), 1:3, controller = r)
  elapsed <- system.time(rrq_task_wait(ids, time_poll = 60, controller = r))[["elapsed"]]
  expect_lt(elapsed, 20)
  expect_equal(rrq_task_status(ids, controller = r), rep("COMPLETE", 3))
})

test_that("time that is up is an error that says how many are left", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:2, controller = r)
  err <- expect_error(
    rrq_task_wait(ids, timeout = 0.1, controller = r),
    "2 tasks have not ended after 0.1 s", class = "rrq_error_timeout"
  )
  expect_equal(err$open, 2)
  expect_equal(err$call[[1]], quote(rrq_task_wait))
  expect_equal(rrq_task_status(ids, controller = r), c("PENDING", "PENDING"))
})

test_that("a timeout of 0 only looks", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_error(rrq_task_wait(id, timeout = 0, controller = r), class = "rrq_error_timeout")
  run_worker(local_worker(r))
  expect_true(rrq_task_wait(id, timeout = 0, controller = r))
})

test_that("a wait that timed out may be repeated", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_error(rrq_task_wait(id, timeout = 0.1, controller = r), class = "rrq_error_timeout")
  run_worker(local_worker(r))
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("the time limit is the controller's unless given", {
  r <- local_queue(timeout_task_wait = 0.1)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_error(rrq_task_wait(id, controller = r), "0.1 s", class = "rrq_error_timeout")
  expect_error(rrq_task_wait(id, 0.2, controller = r), "0.2 s", class = "rrq_error_timeout")
})

test_that("the controller's time limit can be an option", {
  withr::local_options(rrq.timeout_task_wait = 0.1)
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  expect_error(rrq_task_wait(id, controller = r), "0.1 s", class = "rrq_error_timeout")
})

test_that("an unknown task is an error that names it", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  err <- expect_error(
    rrq_task_wait(c("a", id, "b"), timeout = time_limit(), controller = r),
    class = "rrq_error_task_missing"
  )
  expect_setequal(err$ids, c("a", "b"))
})

test_that("waiting for nothing is an error", {
  r <- local_queue()
  expect_error(rrq_task_wait(character(), controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait(NULL, controller = r), "`task_id`", class = "rrq_error_argument")
})

test_that("arguments are checked", {
  r <- local_queue()
  expect_error(rrq_task_wait(1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait("a", timeout = -1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait("a", timeout = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait("a", time_poll = "1", controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait("a", progress = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_wait("a", follow = 1, controller = r), class = "rrq_error_argument")
})

test_that("tasks of another controller of the queue can be waited for", {
  r <- local_queue()
  other <- rrq_controller(r$queue_id, r$con)
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = other)
  local_spawned(r)
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = other))
})

test_that("several sessions may wait for one task", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  sessions <- lapply(1:2, function(i) {
    local_session({
      r <- rrq_controller(!!r$queue_id, !!server_url(r))
      cat(rrq_task_wait(!!id, controller = r), "\n")
    }, env = parent.frame(2))
  })
  wait_until(n_blocked(r) == 2)
  run_worker(local_worker(r))
  for (session in sessions) expect_equal(session_status(session), 0)
  expect_equal(trimws(unlist(lapply(sessions, session_out))), c("TRUE", "TRUE"))
})

test_that("many tasks can be waited for", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:3000, controller = r)
  local_spawned(r)
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
})

test_that("a progress bar is drawn on stderr, not on stdout", {
  r <- local_queue()
  local_spawned(r)
  ids <- rrq_task_create_bulk_call(function(x) Sys.sleep(0.3), 1:3, controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    done <- rrq_task_wait(!!ids, progress = TRUE, time_poll = 0.1, controller = r)
    cat("all:", done, "\n")
  })
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), "all: TRUE")
  expect_match(session_err(session), "[123]/3 tasks", all = FALSE)
})

test_that("progress can be asked for by an option", {
  withr::local_options(rrq.progress = TRUE)
  expect_true(show_progress(NULL))
  expect_false(show_progress(FALSE))
  withr::local_options(rrq.progress = FALSE)
  expect_false(show_progress(NULL))
})

test_that("progress is shown by default where somebody looks: not in knitr, not on CI", {
  withr::local_options(rrq.progress = NULL, knitr.in.progress = NULL, rlang_interactive = TRUE)
  withr::local_envvar(CI = NA)
  expect_true(show_progress(NULL))
  withr::with_options(list(rlang_interactive = FALSE), expect_false(show_progress(NULL)))
  withr::with_options(list(knitr.in.progress = TRUE), expect_false(show_progress(NULL)))
  for (ci in c("true", "TRUE", "1")) {
    withr::with_envvar(c(CI = ci), expect_false(show_progress(NULL)))
  }
  for (ci in c("", "false")) withr::with_envvar(c(CI = ci), expect_true(show_progress(NULL)))
})

test_that("what was asked for is shown in knitr and on CI, too", {
  withr::local_options(rrq.progress = NULL, knitr.in.progress = TRUE)
  withr::local_envvar(CI = "true")
  expect_true(show_progress(TRUE))
  withr::local_options(rrq.progress = TRUE)
  expect_true(show_progress(NULL))
})

test_that("a task that is deleted meanwhile has ended, and not well", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    cat(rrq_task_wait(!!id, controller = r), "\n")
  })
  wait_until(n_blocked(r) == 1)
  rrq_task_delete(id, controller = r)
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), "FALSE")
})

test_that("failures are thrown if asked for, when all tasks have ended", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, list(1, "a", 4, "b"), controller = r)
  local_spawned(r)
  err <- expect_error(
    rrq_task_wait(ids, error = TRUE, controller = r),
    "2/4 tasks failed", class = "rrq_task_error_group"
  )
  expect_equal(err$task_ids, ids[c(2, 4)])
  expect_equal(err$call[[1]], quote(rrq_task_wait))
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "ERROR")[c(1, 2, 1, 2)])
  expect_true(rrq_task_wait(ids[c(1, 3)], error = TRUE, controller = r))
})

test_that("waiting for any returns with the first that ends, while others run", {
  r <- local_queue()
  local_spawned(r, 2)
  gate <- withr::local_tempfile()
  held <- create_held(gate, r)
  quick <- rrq_task_create_expr(stop("quick"), controller = r)
  expect_equal(rrq_task_wait_any(c(held, quick), timeout = time_limit(), controller = r), quick)
  expect_equal(rrq_task_wait_any(c(held, quick), timeout = time_limit(), controller = r), quick)
  file.create(gate)
  expect_equal(rrq_task_wait_any(held, timeout = time_limit(), controller = r), held)
})

test_that("waiting for any returns all that have ended, the first first", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, list(1, "a", 4), controller = r)
  run_worker(local_worker(r))
  other <- rrq_task_create_expr(identity(1), controller = r)
  expect_equal(rrq_task_wait_any(c(other, rev(ids), ids), controller = r), ids)
})

test_that("waiting for any has a time limit and says what is wrong", {
  r <- local_queue(timeout_task_wait = 0.1)
  id <- rrq_task_create_expr(identity(1), controller = r)
  err <- expect_error(
    rrq_task_wait_any(id, controller = r),
    "Task [0-9a-f]{32} has not ended after 0.1 s", class = "rrq_error_timeout"
  )
  expect_equal(err$call[[1]], quote(rrq_task_wait_any))
  expect_error(rrq_task_wait_any(id, 0, controller = r), "0 s", class = "rrq_error_timeout")
  expect_error(rrq_task_wait_any(c(id, "a"), controller = r), class = "rrq_error_task_missing")
  expect_error(rrq_task_wait_any(NULL, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_task_wait_any(id, -1, controller = r), class = "rrq_error_argument")
})

test_that("a wait with no time sees the end of a task submitted while another was waited for", {
  r <- local_queue()
  worker <- local_worker(r)
  for (i in 1:2) {
    id <- rrq_task_create_expr(identity(1), controller = r)
    run_worker(worker)
    expect_true(rrq_task_wait(id, timeout = 0, controller = r))
  }
})

test_that("Ctrl-C ends the wait and leaves task and connection alone", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    end <- tryCatch(rrq_task_wait(!!id, controller = r), interrupt = function(e) "interrupted")
    cat(end, rrq_task_status(!!id, controller = r), rrq_queue_length(controller = r), sep = "\n")
  })
  wait_until(n_blocked(r) == 1)
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("interrupted", "PENDING", "1"))
})

test_that("Ctrl-C ends a wait with a progress bar, too", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    wait <- function() rrq_task_wait(!!id, progress = TRUE, time_poll = 60, controller = r)
    end <- tryCatch(wait(), interrupt = function(e) "interrupted")
    cat(end, rrq_task_status(!!id, controller = r), sep = "\n")
  })
  wait_until(n_blocked(r) == 1)
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("interrupted", "PENDING"))
})

test_that("a session that is interrupted may wait again", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    end <- tryCatch(rrq_task_wait(!!id, controller = r), interrupt = function(e) "interrupted")
    cat(end, "\n")
    cat(rrq_task_wait(!!id, controller = r), rrq_task_result(!!id, controller = r), "\n")
  })
  wait_until(n_blocked(r) == 1)
  send_signal(session, tools::SIGINT)
  wait_until(length(session_out(session)) == 1)
  wait_until(n_blocked(r) == 1)
  run_worker(local_worker(r))
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), c("interrupted", "TRUE 2"))
})
