chatty <- function() {
  print(1:3)
  message("a message")
  warning("careful")
  system("echo from a program")
}

test_that("the log of an isolated task is its output, in order", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(chatty, r)
  expect_identical(rrq_task_log(id, controller = r), character())
  run_worker(worker)
  expected <- c("[1] 1 2 3", "a message", "Warning in fn(): careful", "from a program")
  expect_equal(rrq_task_log(id, controller = r), expected)
})

test_that("a task in the worker's own process has a log if captured", {
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  ids <- c(
    rrq_task_create_call(chatty, list(), capture = TRUE, controller = r),
    rrq_task_create_call(chatty, list(), controller = r),
    rrq_task_create_expr(stop("no"), capture = TRUE, controller = r),
    rrq_task_create_call(chatty, list(), capture = TRUE, controller = r)
  )
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  expected <- c("[1] 1 2 3", "a message", "Warning in fn(): careful", "from a program")
  logs <- lapply(ids[-2], rrq_task_log, controller = r)
  expect_equal(logs, list(expected, character(), expected))
  # What the others print goes where it always did.
  printed <- function() rrq_worker_process_log(rrq_worker_list(r), r)
  # A worker prints the line of a task's end when its waiters have heard of it.
  wait_until(sum(grepl("TASK_COMPLETE", printed())) == 3)
  expect_equal(sum(printed() == "a message"), 1)
})

test_that("a task without output has no lines, one without a log a hint", {
  r <- local_queue()
  worker <- local_isolating(r)
  ids <- c(
    isolated(function() invisible(1), r),
    rrq_task_create_expr(sqrt(4), capture = TRUE, controller = r)
  )
  plain <- rrq_task_create_expr(cat("lost"), controller = r)
  run_worker(worker)
  for (id in ids) {
    expect_silent(log <- rrq_task_log(id, controller = r))
    expect_identical(log, character())
  }
  expect_message(log <- rrq_task_log(plain, controller = r), "capture = TRUE.*separate_process")
  expect_null(log)
  # Also where the body has gone to a retry.
  rrq_task_retry(c(ids[[1]], plain), controller = r)
  expect_identical(rrq_task_log(ids[[1]], controller = r), character())
  expect_message(rrq_task_log(plain, controller = r), "No log is kept")
})

test_that("long logs keep their beginning and end", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() for (i in 1:40000) cat(sprintf("line %05d\n", i)), r)
  run_worker(worker)
  log <- rrq_task_log(id, controller = r)
  expect_equal(log[[1]], "line 00001")
  expect_equal(log[[length(log)]], "line 40000")
  expect_match(log, "^\\[\\.\\.\\. 308928 bytes omitted \\.\\.\\.\\]$", all = FALSE)
})

test_that("a log can be followed until its task has ended", {
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  gate <- withr::local_tempfile()
  id <- isolated(rlang::new_function(NULL, bquote({
    cat("one\n")
    while (!file.exists(.(gate))) Sys.sleep(0.01)
    cat("two\n")
  })), r)
  wait_until(identical(rrq_task_log(id, controller = r), "one"))
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    log <- rrq_task_log(!!id, follow = TRUE, controller = r)
    cat("all:", log, "\n")
  })
  wait_until("one" %in% session_out(session))
  expect_equal(rrq_task_status(id, controller = r), "RUNNING")
  file.create(gate)
  session_status(session)
  expect_equal(session_out(session), c("one", "two", "all: one two "))
})

test_that("an automatically retried task has the log of its last attempt", {
  r <- local_queue()
  worker <- local_isolating(r)
  path <- withr::local_tempfile()
  task <- rlang::new_function(NULL, bquote({
    cat(file.exists(.(path)), "\n")
    if (!file.exists(.(path))) {
      file.create(.(path))
      quit()
    }
  }))
  id <- isolated(task, r, retry = rrq_retry(max_attempts = 2, delay = 0, on = "lost"))
  run_worker(worker)
  wait_until({
    run_worker(worker)
    rrq_task_status(id, controller = r) == "COMPLETE"
  })
  expect_equal(rrq_task_log(id, controller = r), "TRUE ")
  expect_equal(rrq_task_info(id, r)$attempt, 2)
})

test_that("a manually retried task has the log of its retry", {
  r <- local_queue()
  rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_clear())
  worker <- local_isolating(r)
  id <- isolated(function() cat(Sys.getenv("RRQ_TASK_ID")), r)
  run_worker(worker)
  expect_equal(rrq_task_log(id), id)
  again <- rrq_task_retry(id)
  run_worker(worker)
  expect_equal(rrq_task_log(id), again)
})

test_that("following a task that has ended prints its log", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() cat("one\ntwo\n"), r)
  run_worker(worker)
  expect_output(log <- withVisible(rrq_task_log(id, TRUE, r)), "^one\ntwo$")
  expect_equal(log, list(value = c("one", "two"), visible = FALSE))
})

test_that("Ctrl-C stops following but not the task", {
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  id <- isolated(function() {
    cat("one\n")
    Sys.sleep(60)
  }, r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    tryCatch(
      rrq_task_log(!!id, follow = TRUE, controller = r),
      interrupt = function(e) cat("left\n")
    )
  })
  wait_until("one" %in% session_out(session))
  send_signal(session, tools::SIGINT)
  session_status(session)
  expect_equal(session_out(session), c("one", "left"))
  expect_equal(rrq_task_status(id, controller = r), "RUNNING")
})

test_that("with `logdir`, a worker also writes the complete output to a file", {
  r <- local_queue()
  folder <- withr::local_tempdir()
  worker <- local_isolating(r, logdir = folder)
  id <- isolated(function() cat(strrep("x", 3e5), "\n"), r)
  run_worker(worker)
  path <- file.path(folder, paste0(id, ".log"))
  expect_equal(readLines(path), paste0(strrep("x", 3e5), " "))
})

test_that("a worker that cannot write to `logdir` does not start", {
  r <- local_queue()
  file <- withr::local_tempfile(lines = "no folder")
  expect_error(
    local_isolating(r, logdir = file.path(file, "logs")),
    "Cannot write to", class = "rrq_error_logdir"
  )
  expect_equal(rrq_worker_len(r), 0)
})

test_that("deleting a task deletes its log", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() cat("one\n"), r)
  run_worker(worker)
  key <- paste0(r$keys$prefix, "lg")
  expect_equal(r$con$EXISTS(key), 1)
  rrq_task_delete(id, controller = r)
  expect_equal(r$con$EXISTS(key), 0)
})

test_that("invalid arguments and unknown ids are rejected", {
  r <- local_queue()
  expect_error(rrq_task_log("nobody", controller = r), class = "rrq_error_task_missing")
  expect_error(rrq_task_log("nobody", TRUE, r), class = "rrq_error_task_missing")
  expect_error(rrq_task_log(1, controller = r), "`task_id`", class = "rrq_error_argument")
  expect_error(rrq_task_log("a", follow = NA, r), "`follow`", class = "rrq_error_argument")
})
