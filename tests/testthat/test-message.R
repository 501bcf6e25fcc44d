test_that("each worker responds to a message", {
  r <- local_queue()
  workers <- list(local_worker(r, worker_id = "w_1"), local_worker(r, worker_id = "w_2"))
  id <- rrq_message_send("PING", controller = r)
  expect_equal(rrq_message_has_response(id, controller = r), c(w_1 = FALSE, w_2 = FALSE))
  run_worker(workers[[2]])
  expect_equal(rrq_message_has_response(id, controller = r), c(w_1 = FALSE, w_2 = TRUE))
  expect_equal(rrq_message_has_response(id, "w_2", named = FALSE, controller = r), TRUE)
  run_worker(workers[[1]])
  expect_equal(rrq_message_get_response(id, controller = r), list(w_1 = "PONG", w_2 = "PONG"))
})

test_that("a message reaches only the given workers", {
  r <- local_queue()
  workers <- list(local_worker(r, worker_id = "w_1"), local_worker(r, worker_id = "w_2"))
  id <- rrq_message_send("PING", worker_ids = "w_2", controller = r)
  lapply(workers, run_worker)
  expect_equal(rrq_message_has_response(id, controller = r), c(w_1 = FALSE, w_2 = TRUE))
  expect_equal(rrq_message_response_ids("w_1", r), character())
})

test_that("the messages that a worker responded to are listed in time order", {
  r <- local_queue()
  worker <- local_worker(r)
  ids <- replicate(11, rrq_message_send("PING", controller = r))
  run_worker(worker)
  expect_equal(rrq_message_response_ids(worker$id, r), ids)
  expect_equal(anyDuplicated(ids), 0)
})

test_that("workers that do not respond in time are named", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w_1")
  other <- local_worker(r, worker_id = "w_2")
  id <- rrq_message_send("PING", controller = r)
  run_worker(worker)
  err <- expect_error(
    rrq_message_get_response(id, timeout = 0.1, progress = TRUE, controller = r),
    "w_2", class = "rrq_error_timeout"
  )
  expect_equal(err$ids, "w_2")
})

test_that("responses are deleted on request", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_message_send("PING", controller = r)
  run_worker(worker)
  expect_equal(rrq_message_get_response(id, named = FALSE, controller = r), list("PONG"))
  rrq_message_get_response(id, delete = TRUE, controller = r)
  expect_equal(rrq_message_response_ids(worker$id, r), character())
})

test_that("a response can be NULL", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_null(ask_worker(worker, r, "EVAL", "NULL"))
})

test_that("sending to a worker process and waiting returns its response", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  pids <- rrq_message_send_and_wait("EVAL", "Sys.getpid()", controller = r)
  expect_named(pids, c("w_1", "w_2"))
  expect_equal(pids$w_2, rrq_worker_info("w_2", r)$w_2$pid)
  expect_equal(rrq_message_response_ids("w_1", r), character())
  time <- system.time(rrq_message_send_and_wait("PING", controller = r, progress = FALSE))
  expect_lt(time[["elapsed"]], 2)
})

test_that("EVAL accepts text and expressions", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_equal(ask_worker(worker, r, "EVAL", "x <- 2; x + 1"), 3)
  expect_equal(ask_worker(worker, r, "EVAL", quote(1 + 1)), 2)
  expect_equal(ask_worker(worker, r, "EVAL", expression(1 + 1, 2 + 2)), 4)
  expect_equal(ask_worker(worker, r, "EVAL", quote(pi)), pi)
  answer <- ask_worker(worker, r, "EVAL", "stop('no')")
  expect_s3_class(answer, "try-error")
  expect_equal(printed(answer), "<error on the worker> Error : no")
  expect_equal(ask_worker(worker, r, "PING"), "PONG")
})

test_that("invalid R code is rejected before it is sent", {
  r <- local_queue()
  worker <- local_worker(r)
  for (args in list("1 +", ")", 1, NULL, c("a", "b"), NA_character_)) {
    expect_error(
      rrq_message_send("EVAL", args, controller = r),
      "`args`", class = "rrq_error_argument"
    )
  }
  run_worker(worker)
  expect_equal(rrq_message_response_ids(worker$id, r), character())
})

test_that("the idle time-out of a worker must be a number", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_equal(ask_worker(worker, r, "TIMEOUT_GET")[["timeout_idle"]], Inf)
  expect_equal(ask_worker(worker, r, "TIMEOUT_SET", 100L), "OK")
  expect_equal(ask_worker(worker, r, "TIMEOUT_GET")[["timeout_idle"]], 100)
  expect_equal(ask_worker(worker, r, "TIMEOUT_SET", NULL), "OK")
  expect_equal(unname(ask_worker(worker, r, "TIMEOUT_GET")), c(Inf, Inf))
  for (args in list("100", -1, c(1, 2), NA)) {
    expect_error(
      rrq_message_send("TIMEOUT_SET", args, controller = r),
      "`args`", class = "rrq_error_argument"
    )
  }
})

test_that("a paused worker handles messages but takes no tasks", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_equal(ask_worker(worker, r, "PAUSE"), "OK")
  expect_equal(ask_worker(worker, r, "PAUSE"), "NOOP")
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(worker)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
  expect_equal(unname(rrq_worker_status(controller = r)), "PAUSED")
  expect_equal(ask_worker(worker, r, "RESUME"), "OK")
  run_worker(worker)
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
})

test_that("messages are handled before tasks", {
  r <- local_queue()
  worker <- local_worker(r)
  rrq_task_create_expr(sqrt(4), controller = r)
  rrq_message_send("PING", controller = r)
  run_worker(worker)
  commands <- rrq_worker_log_tail(n = Inf, controller = r)$command
  expect_lt(match("RESPONSE", commands), match("TASK_START", commands))
})

test_that("DIR lists files, and responds to an error with a try-error", {
  r <- local_queue()
  worker <- local_worker(r)
  path <- withr::local_tempdir()
  writeLines("hello", file.path(path, "a.txt"))
  sums <- ask_worker(worker, r, "DIR", list(path = path, full.names = TRUE))
  expect_equal(sums, tools::md5sum(file.path(path, "a.txt")))
})

test_that("DIR gives no sums of folders, and reports a bad argument as dir() does", {
  r <- local_queue()
  worker <- local_worker(r)
  path <- withr::local_tempdir()
  dir.create(file.path(path, "folder"))
  writeLines("hello", file.path(path, "a.txt"))
  sums <- c(a.txt = unname(tools::md5sum(file.path(path, "a.txt"))), folder = NA)
  expect_silent(answer <- ask_worker(worker, r, "DIR", list(path)))
  expect_equal(answer, sums)
  answer <- ask_worker(worker, r, "DIR", list(foo = "bar"))
  expect_s3_class(answer, "try-error")
  expected <- try(dir(foo = "bar"), silent = TRUE)
  expect_equal(gsub("\\s+", " ", c(answer)), gsub("\\s+", " ", c(expected)))
  expect_match(answer, 'dir(foo = "bar")', fixed = TRUE)
})

test_that("a sent message is returned invisibly, and an answer that is kept names it", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  id <- expect_invisible(rrq_message_send("PING", controller = r))
  run_worker(worker)
  expect_equal(rrq_message_get_response(id, controller = r), list(w = "PONG"))
  local_spawned(r, worker_id_base = "s")
  answer <- rrq_message_send_and_wait("PING", worker_ids = "s_1", delete = FALSE, controller = r)
  id <- attr(answer, "message_id")
  expect_equal(rrq_message_get_response(id, "s_1", controller = r), list(s_1 = "PONG"))
  expect_equal(answer, structure(list(s_1 = "PONG"), message_id = id))
  answer <- rrq_message_send_and_wait("PING", worker_ids = "s_1", controller = r)
  expect_null(attr(answer, "message_id"))
})

test_that("EVAL prints its value, and an error as R would", {
  r <- local_queue()
  worker <- local_worker(r)
  answer <- function(code) {
    id <- rrq_message_send("EVAL", code, controller = r)
    lines <- utils::capture.output(worker$loop(immediate = TRUE))
    value <- rrq_message_get_response(id, named = FALSE, controller = r)[[1]]
    list(printed = sub("^\\[....-.*\\] ", "", lines), value = value)
  }
  out <- answer("x <- 2; x + 1")
  expect_equal(out$printed, c("MESSAGE EVAL", "[1] 3", "RESPONSE EVAL"))
  expect_length(answer("x <- 2")$printed, 2)
  expect_match(answer("log('a')")$value, "^Error in log\\(\"a\"\\) : non-numeric")
  expect_match(answer("stop('at the top')")$value, "^Error : at the top")
  # A value that cannot be printed is still the answer.
  out <- answer("structure(1, class = 'unprintable'); print.unprintable <- function(x) stop('no')")
  withr::defer(rm("print.unprintable", "x", envir = globalenv()))
  expect_s3_class(answer("structure(1, class = 'unprintable')")$value, "unprintable")
})

test_that("DIR returns the sum of each file, even for several directories", {
  r <- local_queue()
  worker <- local_worker(r)
  folders <- file.path(withr::local_tempdir(), c("one", "two"))
  files <- file.path(folders, c("b", "a"))
  lapply(folders, dir.create)
  Map(writeLines, c("in one", "in two"), files)
  sums <- ask_worker(worker, r, "DIR", list(folders))
  expect_equal(sums, stats::setNames(unname(tools::md5sum(files)), c("b", "a")))
  expect_equal(ask_worker(worker, r, "DIR", list(folders, full.names = TRUE)), tools::md5sum(files))
})

test_that("an unknown message gets a response, and the worker continues", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_warning(
    answer <- ask_worker(worker, r, "PNIG", 1),
    "Did you mean \"PING\"?", fixed = TRUE, class = "rrq_warning_unknown_command"
  )
  expect_s3_class(answer, "condition")
  expect_match(conditionMessage(answer), "'PNIG'; did you mean 'PING'?", fixed = TRUE)
  expect_equal(ask_worker(worker, r, "PING"), "PONG")
})

test_that("the response of a stopped worker is kept", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  id <- rrq_message_send("STOP", "enough", controller = r)
  run_worker(worker)
  expect_equal(rrq_message_get_response(id, controller = r), list(w = "BYE"))
  expect_equal(rrq_worker_log_tail("w", controller = r)[c("command", "message")],
    data.frame(command = "STOP", message = "OK (enough)")
  )
})

test_that("waiting ends when no worker is left to respond", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  id <- rrq_message_send("PING", controller = r)
  worker$shutdown()
  err <- expect_error(
    rrq_message_get_response(id, "w", timeout = 60, progress = FALSE, controller = r),
    "w", class = "rrq_error_worker_gone"
  )
  expect_equal(err$ids, "w")
})

test_that("waiting ends when a worker is killed", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.2 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  manager <- local_spawned(r, name_config = "quick")
  rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until("BUSY" %in% rrq_worker_status(controller = r))
  kill_unseen(r, manager$id)
  expect_error(
    rrq_message_send_and_wait("PING", timeout = 60, controller = r),
    class = "rrq_error_worker_gone"
  )
  expect_equal(rrq_worker_list_exited(r), manager$id)
})

test_that("sending without active workers is an error", {
  r <- local_queue()
  expect_error(rrq_message_send("PING", controller = r), class = "rrq_error_no_workers")
  worker <- local_worker(r)
  expect_error(
    rrq_message_send("PING", worker_ids = character(), controller = r),
    "no workers", class = "rrq_error_no_workers"
  )
  expect_error(
    rrq_message_send_and_wait("PING", worker_ids = character(), controller = r),
    class = "rrq_error_no_workers"
  )
})

test_that("no workers give no responses", {
  r <- local_queue()
  expect_equal(unname(rrq_message_has_response("1.0", controller = r)), logical())
  worker <- local_worker(r)
  expect_equal(rrq_message_has_response("1.0", character(), FALSE, r), logical())
  answers <- rrq_message_get_response("1.0", character(), FALSE, delete = TRUE, controller = r)
  expect_equal(answers, list())
})

test_that("unknown and stopped workers raise an error that lists them", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w_1")
  local_worker(r, worker_id = "w_2")$shutdown()
  err <- expect_error(
    rrq_message_send("PING", worker_ids = c("w_1", "w_2", "w_3"), controller = r),
    class = "rrq_error_worker_missing"
  )
  expect_equal(err$ids, c("w_2", "w_3"))
  expect_error(rrq_message_response_ids("w_3", r), class = "rrq_error_worker_missing")
  expect_error(
    rrq_message_get_response("1.0", "w_3", controller = r),
    class = "rrq_error_worker_missing"
  )
})

test_that("a command is a single non-empty string", {
  r <- local_queue()
  worker <- local_worker(r)
  for (command in list(NULL, "", c("PING", "PING"), NA_character_, 1)) {
    expect_error(
      rrq_message_send(command, controller = r),
      "`command`", class = "rrq_error_argument"
    )
  }
  expect_error(rrq_message_send("ECHO", 1, controller = r), "`args`", class = "rrq_error_argument")
})

test_that("the errors for invalid messages state the reason", {
  r <- local_queue()
  errors <- conditions_of(
    rrq_message_send("", controller = r),
    rrq_message_send("EVAL", 1, controller = r),
    rrq_message_send("TIMEOUT_SET", "soon", controller = r)
  )
  expect_snapshot(writeLines(errors))
})

test_that("a wait for the response of a busy worker names its task, once", {
  r <- local_queue()
  local_spawned(r, 1, worker_id_base = "w")
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  said <- messages_of(expect_error(
    rrq_message_send_and_wait("PING", timeout = 3, controller = r),
    class = "rrq_error_timeout"
  ))
  expect_length(said, 1)
  expect_match(said, sprintf("Worker w_1 runs task %s.", id), fixed = TRUE)
  rrq_task_cancel(id, controller = r)
})
