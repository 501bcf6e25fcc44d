test_that("results are collected in the order of the ids, whatever the order of ending", {
  r <- local_queue()
  local_spawned(r, 2)
  ids <- rrq_task_create_bulk_call(controller = r, data = c(0.3, 0, 0.1), fn = function(s) {
    Sys.sleep(s)
    s
  })
  expect_equal(rrq_task_collect(ids, controller = r), list(0.3, 0, 0.1))
  named <- c(a = ids[[2]], b = ids[[1]], c = ids[[2]])
  expect_equal(rrq_task_collect(named, controller = r), list(a = 0, b = 0.3, c = 0))
})

test_that("the function is called as tasks end, while others run", {
  r <- local_queue()
  local_spawned(r, 2)
  gate <- withr::local_tempfile()
  held <- create_held(gate, r)
  quick <- rrq_task_create_expr(identity("quick"), controller = r)
  seen <- character()
  limit <- time_limit()
  rrq_task_collect(c(held, quick), controller = r, timeout = limit, fun = function(id, result) {
    seen <<- c(seen, id, rrq_task_status(held, controller = r))
    # Only now can the other task end.
    file.create(gate)
  })
  expect_equal(seen, c(quick, "RUNNING", held, "COMPLETE"))
})

test_that("what the function returns comes back, invisibly and also where it is NULL", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:3, controller = r)
  run_worker(local_worker(r))
  skip_two <- function(id, result, by) if (result != 2) result * by
  values <- withVisible(rrq_task_collect(ids, skip_two, by = 10, controller = r))
  expect_false(values$visible)
  expect_equal(values$value, list(10, NULL, 30))
  expect_true(withVisible(rrq_task_collect(ids, controller = r))$visible)
})

test_that("each task is handed out once, with its id", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:500, controller = r)
  local_spawned(r, 2)
  seen <- list()
  rrq_task_collect(ids[c(1:500, 1)], function(id, result) seen[[id]] <<- result, controller = r)
  expect_length(seen, 500)
  expect_equal(unname(seen[ids]), as.list(1:500))
})

test_that("results of tasks that ended together are fetched together", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:1000, controller = r)
  run_worker(local_worker(r))
  before <- command_counts(r)[["hmget"]]
  expect_equal(rrq_task_collect(ids, controller = r), as.list(1:1000))
  expect_lt(command_counts(r)[["hmget"]] - before, 40)
})

test_that("failed tasks are values, or end the collecting", {
  r <- local_queue()
  fail <- function(x) if (x == 2) rlang::abort("not two", class = "own_error") else x
  ids <- rrq_task_create_bulk_call(fail, 1:3, controller = r)
  run_worker(local_worker(r))
  results <- rrq_task_collect(ids, controller = r)
  expect_s3_class(results[[2]], c("rrq_task_error", "own_error"), exact = FALSE)
  seen <- list()
  expect_error(
    rrq_task_collect(ids, function(id, x) seen <<- c(seen, x), error = TRUE, controller = r),
    class = "own_error"
  )
  expect_equal(seen, list(1L))
})

test_that("an error in the function ends the collecting and leaves the tasks alone", {
  r <- local_queue()
  first <- rrq_task_create_expr(identity(1), controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  ids <- c(first, rrq_task_create_bulk_call(identity, 2:3, controller = r))
  fail <- function(id, result) rlang::abort("mine", class = "my_error")
  expect_error(rrq_task_collect(ids, fail, controller = r), class = "my_error")
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "PENDING", "PENDING"))
  run_worker(worker)
  expect_equal(rrq_task_collect(ids, controller = r), list(1, 2L, 3L))
})

test_that("the function may queue tasks and wait for them", {
  r <- local_queue()
  local_spawned(r, 2)
  ids <- rrq_task_create_bulk_call(function(i) i, 1:20, controller = r)
  double <- function(id, result) {
    follow_up <- rrq_task_create_call(function(i) 2 * i, list(result), controller = r)
    rrq_task_wait(follow_up, timeout = time_limit(), controller = r)
    rrq_task_result(follow_up, controller = r)
  }
  values <- rrq_task_collect(ids, double, timeout = time_limit(), controller = r)
  expect_equal(values, as.list(2 * 1:20))
})

test_that("Ctrl-C ends the collecting and leaves the tasks alone", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, c(4, 9), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    end <- tryCatch(rrq_task_collect(!!ids, controller = r), interrupt = function(e) "interrupted")
    cat(end, rrq_task_status(!!ids, controller = r), sep = "\n")
  })
  wait_until(n_blocked(r) == 1)
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("interrupted", "PENDING", "PENDING"))
})

test_that("time that is up is an error, also in an iterator, which then goes on", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:2, controller = r)
  err <- expect_error(
    rrq_task_collect(ids, timeout = 0.1, controller = r),
    "2 tasks have not ended after 0.1 s", class = "rrq_error_timeout"
  )
  expect_equal(err$call[[1]], quote(rrq_task_collect))
  it <- rrq_task_iterator(ids, timeout = 0.1, controller = r)
  expect_error(it$next_task(), "after 0.1 s", class = "rrq_error_timeout")
  expect_error(it$next_task(timeout = 0), "after 0 s", class = "rrq_error_timeout")
  run_worker(local_worker(r))
  expect_equal(it$next_task()$result, 1L)
  expect_equal(it$next_task(timeout = 0)$result, 2L)
})

test_that("an iterator hands out each task once, then NULL", {
  r <- local_queue()
  fail <- function(x) if (x == 2) rlang::abort("not two") else NULL
  ids <- rrq_task_create_bulk_call(fail, 1:2, controller = r)
  it <- rrq_task_iterator(ids, controller = r)
  expect_equal(it$n_left(), 2)
  local_spawned(r)
  tasks <- list(it$next_task(), it$next_task())
  expect_null(it$next_task())
  expect_null(it$next_task())
  expect_equal(it$n_left(), 0)
  expect_equal(vapply(tasks, `[[`, "", "id"), ids)
  expect_equal(vapply(tasks, `[[`, "", "status"), c("COMPLETE", "ERROR"))
  expect_named(tasks[[1]], c("id", "status", "result"))
  expect_null(tasks[[1]]$result)
  expect_s3_class(tasks[[2]]$result, "rrq_task_error")
})

test_that("iterators of one controller can be used by turns", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:6, controller = r)
  odd <- rrq_task_iterator(ids[c(1, 3, 5)], timeout = time_limit(), controller = r)
  even <- rrq_task_iterator(ids[c(2, 4, 6)], timeout = time_limit(), controller = r)
  local_spawned(r)
  got <- lapply(1:3, function(i) list(odd$next_task()$result, even$next_task()$result))
  expect_equal(unlist(got), 1:6)
})

test_that("an iterator prints how many tasks are left", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:2, controller = r)
  it <- rrq_task_iterator(ids, controller = r)
  expect_output(print(it), "<rrq_task_iterator> 2 tasks left", fixed = TRUE)
  run_worker(local_worker(r))
  it$next_task()
  expect_output(print(it), "<rrq_task_iterator> 1 task left", fixed = TRUE)
})

test_that("no tasks are no results", {
  r <- local_queue()
  expect_equal(rrq_task_collect(character(), controller = r), list())
  expect_equal(rrq_task_collect(NULL, function(...) 1, progress = TRUE, controller = r), list())
  expect_null(rrq_task_iterator(character(), controller = r)$next_task())
})

test_that("arguments are checked, and unknown tasks named", {
  r <- local_queue()
  err <- expect_error(rrq_task_collect("a", controller = r), class = "rrq_error_task_missing")
  expect_equal(err$ids, "a")
  expect_error(rrq_task_iterator("a", controller = r), class = "rrq_error_task_missing")
  expect_error(rrq_task_collect(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_task_collect("a", "f", controller = r), "`fun`", class = "rrq_error_argument")
  expect_error(rrq_task_collect("a", error = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_iterator("a", timeout = -1, controller = r), class = "rrq_error_argument")
  it <- rrq_task_iterator(character(), controller = r)
  expect_error(it$next_task(timeout = "x"), "`timeout`", class = "rrq_error_argument")
})

test_that("a task deleted meanwhile is a failure among the results, and loses no other", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, c(4, 9), controller = r)
  it <- rrq_task_iterator(ids, controller = r)
  rrq_task_delete(ids[[1]], controller = r)
  run_worker(local_worker(r))
  seen <- list(it$next_task(), it$next_task())
  expect_setequal(lapply(seen, `[[`, "status"), c("MISSING", "COMPLETE"))
  gone <- Filter(function(task) task$id == ids[[1]], seen)[[1]]
  expect_s3_class(gone$result, "rrq_task_error")
  expect_match(conditionMessage(gone$result), "deleted")
  expect_null(it$next_task())
})
