test_that("a call and an expression are evaluated on a worker, and leave nothing", {
  r <- local_queue()
  w <- local_spawned(r)
  x <- 3
  expect_equal(rrq_call(stats::quantile, list(1:9, probs = 0.25), controller = r), c(`25%` = 3))
  expect_equal(rrq_eval(sqrt(x), controller = r), sqrt(3))
  expect_null(rrq_eval(invisible(NULL), controller = r))
  expect_false(rrq_eval(Sys.getpid(), controller = r) == Sys.getpid())
  expect_equal(rrq_task_list(controller = r), character())
})

test_that("values and arguments may be large", {
  r <- local_queue()
  w <- local_spawned(r)
  x <- as.numeric(1:4e5)
  expect_identical(rrq_call(rev, list(x), controller = r), rev(x))
  expect_identical(rrq_eval(x + 1, controller = r), x + 1)
  expect_equal(nchar(rrq_call(strrep, list("a", 1000), controller = r)), 1000)
  expect_equal(rrq_task_list(controller = r), character())
  expect_equal(n_stored(r), 0)
})

test_that("an answer that takes longer than a brief wait is waited for", {
  r <- local_queue()
  w <- local_spawned(r)
  slow <- function() {
    Sys.sleep(0.3)
    "done"
  }
  expect_equal(rrq_call(slow, controller = r), "done")
  expect_equal(rrq_task_list(controller = r), character())
})

test_that("options and globals are heeded", {
  r <- local_queue()
  w <- local_spawned(r)
  path <- withr::local_tempfile()
  shaky <- function(path) {
    cat("x", file = path, append = TRUE)
    if (nchar(readLines(path, warn = FALSE)) < 2) stop("again")
    "ok"
  }
  expect_equal(rrq_call(shaky, list(path), retry = rrq_retry(2), controller = r), "ok")
  expect_equal(rrq_eval(y + 1, globals = list(y = 1), controller = r), 2)
  expect_equal(
    rrq_call(stats::runif, list(1), seed = 1, controller = r),
    rrq_call(stats::runif, list(1), seed = 1, controller = r)
  )
  parent <- rrq_task_create_expr(20 + 0, controller = r)
  expect_equal(rrq_eval(a + 1, depends_on = c(a = parent), controller = r), 21)
  expect_error(rrq_eval(Sys.sleep(60), timeout_task_run = 0.1, controller = r),
    class = "rrq_task_error"
  )
  expect_equal(rrq_task_list(controller = r), parent)
})

test_that("an error is thrown with its classes, and its task deleted", {
  r <- local_queue()
  w <- local_spawned(r)
  fail <- function() stop(structure(class = c("own", "error", "condition"), list(message = "no")))
  e <- expect_error(rrq_call(fail, controller = r), "no", class = "own")
  expect_s3_class(e, "rrq_task_error")
  expect_equal(e$queue_id, r$queue_id)
  expect_equal(rrq_task_list(controller = r), character())
})

test_that("warnings are signalled here, unless that is switched off", {
  r <- local_queue()
  w <- local_spawned(r)
  hinting <- function() {
    warning("careful")
    1
  }
  expect_warning(value <- rrq_call(hinting, controller = r), "careful")
  expect_equal(value, 1)
  expect_no_warning(rrq_call(hinting, warnings = FALSE, controller = r))
})

test_that("a task whose time is up is cancelled and deleted", {
  r <- local_queue()
  e <- expect_error(rrq_eval(1 + 0, timeout = 0, controller = r), class = "rrq_error_timeout")
  expect_match(conditionMessage(e), "It was cancelled. Allow more time with `timeout`.")
  expect_error(rrq_eval(1 + 0, timeout = 0.2, controller = r), class = "rrq_error_timeout")
  expect_equal(rrq_task_list(controller = r), character())
  w <- local_spawned(r)
  expect_error(rrq_eval(Sys.sleep(60), timeout = 0.3, controller = r), class = "rrq_error_timeout")
  wait_until(length(rrq_task_list(controller = r)) == 0)
  expect_equal(rrq_eval(1 + 0, controller = r), 1)
})

test_that("Ctrl-C leaves no task behind", {
  r <- local_queue()
  w <- local_spawned(r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!test_server()$url)
    tryCatch(rrq_eval(Sys.sleep(60), controller = r), interrupt = function(i) cat("left\n"))
  })
  wait_until("RUNNING" %in% rrq_task_status(rrq_task_list(controller = r), controller = r))
  send_signal(session, tools::SIGINT)
  wait_until(grepl("left", session_out(session)))
  expect_true(wait_until(length(rrq_task_list(controller = r)) == 0))
})

test_that("what is wrong with the arguments is an error, and nothing is queued", {
  r <- local_queue()
  expect_error(rrq_call(no_such_function, controller = r), class = "rrq_error_variable")
  expect_error(rrq_call(1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_eval(1 + 0, timeout = "x", controller = r), class = "rrq_error_argument")
  expect_error(rrq_eval(1 + 0, warnings = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_eval(1 + 0, queue = "", controller = r), class = "rrq_error_argument")
  expect_equal(rrq_task_list(controller = r), character())
})

test_that("a warning about a large task that was made an error deletes the task", {
  r <- local_queue()
  w <- local_spawned(r)
  withr::local_options(warn = 2)
  big <- local({
    x <- stats::runif(2e6)
    function() length(x)
  })
  expect_error(rrq_call(big, controller = r))
  wait_until(length(rrq_task_list(controller = r)) == 0)
})
