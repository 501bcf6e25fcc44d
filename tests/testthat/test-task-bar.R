test_that("it counts what ended, failed, runs and waits, and shows how far running tasks are", {
  r <- local_queue()
  local_spawned(r, 2)
  gate <- withr::local_tempfile()
  step <- function(i, path) {
    if (i == 1) stop("no")
    rrq::rrq_task_progress_update(if (i == 2) 0.25 else "3 / 10")
    while (!file.exists(path)) Sys.sleep(0.02)
  }
  ids <- rrq_task_create_bulk_call(step, 1:5, args = list(gate), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    options(cli.width = 200)
    cat(rrq_task_wait(!!ids, progress = TRUE, time_poll = 0.1, controller = r), "\n")
  })
  ended <- "1/5 tasks | 1 failed | 2 running | 2 waiting | "
  told <- sprintf("%s 25%%, %s 3/10", substr(ids[[2]], 1, 8), substr(ids[[3]], 1, 8))
  turned <- sub("(.*), (.*)", "\\2, \\1", told)
  seen <- function() {
    lines <- session_err(session)
    any(grepl(paste0(ended, told), lines, fixed = TRUE)) ||
      any(grepl(paste0(ended, turned), lines, fixed = TRUE))
  }
  wait_until(seen())
  file.create(gate)
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), "FALSE")
  expect_match(session_err(session), "5/5 tasks | 1 failed", fixed = TRUE, all = FALSE)
})

test_that("it asks the server at most once in each interval, and for few tasks", {
  r <- local_queue()
  bar <- test_bar(r, ids = as.character(1:10), time_poll = 60)
  before <- n_commands(r)
  for (i in 1:20) {
    bar$drawn <- -Inf
    update_bar(bar, list(open = 10, status = character()))
  }
  expect_lt(n_commands(r) - before, 6)
})

test_that("progress is shown where it is a fraction or i of n", {
  expect_equal(read_progress(0.456), list(fraction = 0.456, text = "45%"))
  expect_equal(read_progress(1), list(fraction = 1, text = "100%"))
  expect_equal(read_progress(" 3 / 10 "), list(fraction = 0.3, text = "3/10"))
  expect_equal(read_progress("12 of 10"), list(fraction = 1, text = "12/10"))
  expect_equal(read_progress("0/0"), list(fraction = 0, text = "0/0"))
  for (other in list(NULL, 1L, 2, -0.1, NA_real_, c(0.1, 0.2), "half", NA_character_, list(0.5))) {
    expect_null(read_progress(other))
  }
})

test_that("the rate counts from when the wait began, and is not told too early", {
  expect_null(rate_parts(5, 10, 0.1))
  expect_null(rate_parts(0, 10, 5))
  expect_equal(rate_parts(10, 30, 5), c(rate = "2.0/s", eta = "ETA 15s"))
  expect_equal(rate_parts(1, 1, 60), c(rate = "1.0/min", eta = "ETA 1m 0s"))
  expect_equal(rate_parts(1e5, 0, 5), c(rate = "20000/s"))
  expect_equal(format_seconds(c(59)), "59s")
  expect_equal(format_seconds(3725), "1h 2m")
})

test_that("a line that is too long loses what can be guessed", {
  parts <- c(done = "1/9 tasks", running = "2 running", waiting = "6 waiting", rate = "2/s")
  expect_equal(fit_parts(parts, 80), "1/9 tasks | 2 running | 6 waiting | 2/s")
  expect_equal(fit_parts(parts, 30), "1/9 tasks | 2 running | 2/s")
  expect_equal(fit_parts(parts, 10), "1/9 tasks")
})

test_that("tasks of many elements count as that many", {
  r <- local_queue()
  bar <- test_bar(r, ids = character(), total = 25, what = "elements")
  bar <- reuse_bar(bar, c("a", "b"), before = 5, size = 10)
  bar$began <- now()
  parts <- bar_parts(bar, done = 15, work = 15, n_running = 1, progress = list())
  expect_equal(unname(parts), c("15/25 elements", "10 running"))
})

test_that("a wait ends with a line of what came out, in the place of the bar", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(i) if (i > 3) stop("no"), 1:5, controller = r)
  run_worker(local_worker(r))
  waiting <- rrq_task_create_expr(sqrt(4), controller = r)
  withr::local_options(cli.progress_handlers_only = "void")
  expect_message(rrq_task_wait(ids, progress = TRUE, controller = r), "3 of 5 done, 2 failed$")
  expect_message(rrq_task_wait(ids[1:2], progress = TRUE, controller = r), "2 of 2 done$")
  expect_message(
    rrq_task_collect(ids, progress = TRUE, controller = r), "3 of 5 done, 2 failed$"
  )
  expect_message(
    expect_error(
      rrq_task_wait(c(ids, waiting), timeout = 0, progress = TRUE, controller = r),
      class = "rrq_error_timeout"
    ),
    "3 of 6 done, 2 failed, 1 left"
  )
})

test_that("a map counts elements in that line", {
  r <- local_queue()
  local_spawned(r)
  withr::local_options(cli.progress_handlers_only = "void")
  f <- function(i) if (i == 12) stop("no")
  expect_message(
    rrq_lapply(1:10, f, chunk_size = 4, progress = TRUE, controller = r), "10 of 10 done"
  )
  expect_message(
    expect_error(rrq_lapply(1:20, f, chunk_size = 10, progress = TRUE, controller = r),
      class = "rrq_task_error"
    ),
    "10 of 20 done, 1 failed, 9 left"
  )
})

test_that("the bar is gone before an error or a message is printed", {
  r <- local_queue()
  bar <- test_bar(r, ids = c("a", "b"))
  draw <- function() {
    bar$drawn <- -Inf
    update_bar(bar, list(open = 1, status = "COMPLETE"))
    !is.null(bar$id)
  }
  drawn <- gone <- logical()
  # Called after the handlers that hide the bar.
  note <- function(condition) {
    if (!inherits(condition, "cliMessage")) gone[[class(condition)[[1]]]] <<- is.null(bar$id)
  }
  work <- function() {
    drawn <<- draw()
    message("a message")
    drawn <<- c(drawn, draw())
    stop("an error")
  }
  try(silent = TRUE, suppressMessages(withCallingHandlers(
    with_bar(bar, work()), simpleMessage = note, simpleError = note
  )))
  expect_equal(drawn, c(TRUE, TRUE))
  expect_equal(gone, c(simpleMessage = TRUE, simpleError = TRUE))
})

test_that("Ctrl-C clears the bar first and says what came out", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    tryCatch(
      rrq_task_wait(!!id, progress = TRUE, time_poll = 0.1, controller = r),
      interrupt = function(i) cat("interrupted\n", file = stderr())
    )
  })
  wait_until(any(grepl("0/1 tasks", session_err(session))))
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  lines <- session_err(session)
  expect_match(utils::tail(lines, 2)[[1]], "0 of 1 done, 1 left")
  expect_equal(utils::tail(lines, 1), "interrupted")
})

test_that("the progress of a condition is shown by its value or its message", {
  expect_equal(read_progress(list(message = "3 / 10"))$text, "3/10")
  expect_equal(read_progress(list(message = "working", value = 0.5))$text, "50%")
  for (value in list(list(message = "working"), list(value = sum), list(1), list())) {
    expect_null(read_progress(value))
  }
})
