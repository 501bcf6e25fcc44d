test_that("active workers are listed in natural order", {
  r <- local_queue()
  local_worker(r, worker_id = "w_10")
  local_worker(r, worker_id = "w_2")
  expect_equal(rrq_worker_list(r), c("w_2", "w_10"))
  expect_equal(rrq_worker_len(r), 2)
  expect_true(rrq_worker_exists("w_2", r))
  expect_false(rrq_worker_exists("w_1", r))
  expect_equal(rrq_worker_list_exited(r), character())
})

test_that("a worker that has left is listed apart", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  worker$shutdown()
  expect_equal(rrq_worker_list(r), character())
  expect_equal(rrq_worker_list_exited(r), "w")
  expect_false(rrq_worker_exists("w", r))
})

test_that("a queue without workers has none", {
  r <- local_queue()
  expect_equal(rrq_worker_len(r), 0)
  expect_equal(length(rrq_worker_status(controller = r)), 0)
  expect_equal(length(rrq_worker_info(controller = r)), 0)
  expect_equal(length(rrq_worker_task_id(controller = r)), 0)
  expect_equal(nrow(rrq_worker_log_tail(controller = r)), 0)
  expect_equal(nrow(rrq_worker_load(controller = r)), 0)
})

test_that("a status is that of the active workers, or of those asked for", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w_1")
  local_worker(r, worker_id = "w_2")$shutdown()
  expect_equal(rrq_worker_status(controller = r), c(w_1 = "IDLE"))
  expect_equal(
    rrq_worker_status(c("w_3", "w_2", "w_1"), r),
    c(w_3 = "MISSING", w_2 = "EXITED", w_1 = "IDLE")
  )
  expect_length(rrq_worker_status(character(), r), 0)
})

test_that("a busy worker is known by its task", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  release <- withr::local_tempfile()
  id <- rrq_task_create_call(function(path) while (!file.exists(path)) Sys.sleep(0.01),
    list(release), controller = r
  )
  wait_until("BUSY" %in% rrq_worker_status(controller = r))
  expect_setequal(rrq_worker_status(controller = r), c("BUSY", "IDLE"))
  tasks <- rrq_worker_task_id(controller = r)
  expect_named(tasks, c("w_1", "w_2"))
  expect_setequal(tasks, c(id, NA))
  file.create(release)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_worker_task_id(controller = r), c(w_1 = NA_character_, w_2 = NA_character_))
})

test_that("the information on a worker says where it runs", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  info <- rrq_worker_info(controller = r)
  expect_named(info, "w")
  expect_s3_class(info$w, "rrq_worker_info")
  expect_equal(info$w$pid, Sys.getpid())
  expect_equal(info$w$queue, "default")
  expect_true(all(c(
    "worker", "config", "rrq_version", "platform", "running", "hostname", "username", "queue", "wd",
    "pid", "redis_host", "redis_port", "heartbeat_key", "envir", "offload_path"
  ) %in% names(info$w)))
  expect_output(print(info$w), "worker: +w\n")
})

test_that("unknown workers are errors that list them", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  for (ask in list(rrq_worker_info, rrq_worker_task_id, rrq_worker_load)) {
    err <- expect_error(ask(c("a", "w", "b"), r), class = "rrq_error_worker_missing")
    expect_equal(err$ids, c("a", "b"))
  }
  expect_error(rrq_worker_process_log("a", r), class = "rrq_error_worker_missing")
})

test_that("a log tells the life of a worker", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(worker)
  worker$shutdown()
  log <- rrq_worker_log_tail("w", n = Inf, controller = r)
  expect_named(log, c("worker_id", "child", "time", "command", "message"))
  expect_equal(
    log$command,
    c("HEARTBEAT", "HEARTBEAT", "ALIVE", "ENVIR", "QUEUE", "TASK_START", "TASK_COMPLETE", "STOP")
  )
  key <- paste0(r$keys$prefix, "w:w:hb")
  expect_equal(log$message, c(key, "OK", "", "new", "default", id, id, "OK"))
  expect_false(is.unsorted(log$time))
})

test_that("the last lines of workers are merged by time", {
  r <- local_queue()
  second <- local_worker(r, worker_id = "w_2")
  local_worker(r, worker_id = "w_1")
  second$shutdown()
  log <- rrq_worker_log_tail(n = 2, controller = r)
  expect_equal(log$worker_id, c("w_2", "w_1", "w_1", "w_2"))
  expect_equal(log$command, c("QUEUE", "ENVIR", "QUEUE", "STOP"))
  expect_true(all(diff(log$time) > 0))
  expect_equal(rrq_worker_log_tail("w_2", controller = r)$command, "STOP")
  expect_equal(nrow(rrq_worker_log_tail("w_2", n = 0, controller = r)), 0)
  expect_equal(nrow(rrq_worker_log_tail("w_2", n = 1e6, controller = r)), 6)
})

test_that("a worker that was deleted has no lines", {
  r <- local_queue()
  local_worker(r, worker_id = "gone")$shutdown()
  local_worker(r, worker_id = "here")
  rrq_worker_delete_exited("gone", controller = r)
  expect_equal(nrow(rrq_worker_log_tail("gone", Inf, controller = r)), 0)
  expect_equal(rrq_worker_log_tail(c("gone", "here"), controller = r)$worker_id, "here")
})

test_that("the log tells of environments that are filled, also when they are refreshed", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  said <- function() {
    log <- rrq_worker_log_tail("w", Inf, controller = r)
    log$message[log$command == "ENVIR"]
  }
  expect_equal(said(), "new")
  rrq_worker_envir_set(function(envir) cat("filling\n"), controller = r)
  lines <- utils::capture.output(worker$loop(immediate = TRUE))
  expect_equal(said(), c("new", "new", "create"))
  log <- utils::tail(rrq_worker_log_tail("w", Inf, controller = r), 4)
  expect_equal(log$command, c("MESSAGE", "ENVIR", "ENVIR", "RESPONSE"))
  expect_equal(
    sub("^\\[.*\\] ", "", lines),
    c("MESSAGE REFRESH", "ENVIR new", "ENVIR create", "filling", "RESPONSE REFRESH")
  )
})

test_that("the information on a worker names its environment", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  hash <- function() rrq_worker_info("w", r)$w$envir
  expect_null(hash())
  build <- function(envir) envir$k <- 1
  rrq_worker_envir_set(build, controller = r)
  run_worker(worker)
  first <- hash()
  expect_match(first, "^[0-9a-f]{32}$")
  expect_equal(rrq_worker_info(local_worker(r)$id, r)[[1]]$envir, first)
  rrq_worker_envir_set(function(envir) envir$k <- 2, controller = r)
  run_worker(worker)
  expect_false(hash() == first)
})

test_that("no workers have an empty log with the same columns", {
  r <- local_queue()
  log <- rrq_worker_log_tail(character(), controller = r)
  expect_equal(
    vapply(log, typeof, ""),
    c(
      worker_id = "character", child = "integer", time = "double", command = "character",
      message = "character"
    )
  )
})

test_that("what a spawned worker prints can be read", {
  r <- local_queue()
  manager <- local_spawned(r)
  rrq_message_send_and_wait("ECHO", "hello there", controller = r)
  wait_until("hello there" %in% rrq_worker_process_log(manager$id, r))
  expect_match(rrq_worker_process_log(manager$id, r), manager$id, all = FALSE)
})

test_that("a worker prints every line as it happens", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) cat("filling\n"), notify = FALSE, controller = r)
  dir <- normalizePath(withr::local_tempdir())
  manager <- local_spawned(r, worker_id_base = "w", logdir = dir)
  ids <- rrq_task_create_bulk_expr(cat("task", x, "\n"), data.frame(x = 1:2), controller = r)
  rrq_task_wait(ids, timeout = 20, controller = r)
  rrq_message_send_and_wait("EVAL", quote(sum(1:3)), controller = r)
  rrq_message_send_and_wait("EVAL", quote(invisible(NULL)), controller = r)
  rrq_message_send_and_wait("ECHO", "hello there", controller = r)
  rrq_message_send_and_wait("STOP", controller = r)
  wait_until(!manager$is_alive())
  lines <- rrq_worker_process_log("w_1", r)
  expect_equal(lines, readLines(file.path(dir, "w_1")))
  expect_identical(manager$logs(), list(w_1 = lines))
  expect_identical(manager$logs(1), lines)
  expect_identical(manager$logs("w_1"), lines)
  is_timed <- grepl("^\\[....-..-.. ..:..:..[.]...\\] ", lines)
  times <- sub("^\\[(.*)\\].*", "\\1", lines[is_timed])
  expect_false(is.unsorted(times))
  expect_lt(abs(difftime(Sys.time(), as.POSIXct(times[[1]]), units = "mins")), 10)
  said <- sub("^\\[....-.*\\] ", "", lines)
  banner <- which(lines == "<rrq_worker_info>")
  start <- c(
    paste("HEARTBEAT", rrq_worker_info("w_1", r)$w_1$heartbeat_key), "HEARTBEAT OK", "ALIVE",
    "ENVIR new", "ENVIR create", "filling", "QUEUE default"
  )
  expect_equal(said[seq_len(banner - 1)], start)
  rest <- said[seq.int(match(TRUE, grepl("TASK_START", said)), length(said))]
  task <- function(id, i) {
    c(paste("TASK_START", id), sprintf("task %d ", i), paste("TASK_COMPLETE", id))
  }
  expect_equal(rest, c(
    task(ids[[1]], 1), task(ids[[2]], 2),
    "MESSAGE EVAL", "[1] 6", "RESPONSE EVAL", "MESSAGE EVAL", "RESPONSE EVAL",
    "MESSAGE ECHO", "hello there", "RESPONSE ECHO", "MESSAGE STOP", "RESPONSE STOP", "STOP OK"
  ))
})

test_that("the printed log says that a worker was idle for too long", {
  r <- local_queue()
  rrq_worker_config_save("brief", rrq_worker_config(timeout_idle = 0.1), controller = r)
  manager <- local_spawned(r, name_config = "brief", timeout = 0)
  wait_until(!manager$is_alive(), 20)
  expect_match(utils::tail(manager$logs(1), 1), "\\] STOP OK \\(TIMEOUT\\)$")
  expect_equal(rrq_worker_log_tail(manager$id, controller = r)$message, "OK (TIMEOUT)")
})

test_that("a worker that is not verbose prints its information only", {
  r <- local_queue()
  rrq_worker_config_save("still", rrq_worker_config(verbose = FALSE), controller = r)
  manager <- local_spawned(r, name_config = "still")
  rrq_message_send_and_wait("STOP", controller = r)
  wait_until(!manager$is_alive())
  expect_equal(manager$logs(1)[[1]], "<rrq_worker_info>")
  expect_false(any(grepl("^\\[", manager$logs(1))))
})

test_that("a log that is not here is an error that says where it is", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  expect_error(rrq_worker_process_log("w", r), class = "rrq_error_no_log")
  info <- rrq_worker_info("w", r)$w
  info$logfile <- "/nowhere/w.log"
  rust_call(rs_worker_set_info(queue_handle(r), "w", info))
  expect_error(rrq_worker_process_log("w", r), "/nowhere/w.log", class = "rrq_error_no_log")
})

test_that("lost workers are found and told about", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.2 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  manager <- local_spawned(r, 2, name_config = "quick", worker_id_base = "w")
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until("BUSY" %in% rrq_worker_status(controller = r))
  kill_unseen(r, manager$id)
  lost <- character()
  find <- function() lost <<- c(lost, rrq_worker_detect_exited(r))
  messages <- testthat::capture_messages(wait_until(length(find()) == 2))
  expect_setequal(lost, c("w_1", "w_2"))
  expect_match(messages, "Lost [12] workers?:\n. w_", all = FALSE)
  expect_match(messages, sprintf("Orphaning 1 task:\n. %s", id), all = FALSE)
  expect_equal(rrq_worker_status(manager$id, r), c(w_1 = "LOST", w_2 = "LOST"))
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("one report counts all lost workers, whoever noticed, and what became of their tasks", {
  skip_on_os("windows")
  r <- local_queue()
  own <- local_patient(r, 2, worker_id_base = "own")
  ids <- list(
    rrq_task_create_expr(Sys.sleep(600), controller = r),
    rrq_task_create_expr(Sys.sleep(600), retry = rrq_retry(2, on = "lost"), controller = r)
  )
  wait_until(all(rrq_task_status(unlist(ids), controller = r) == "RUNNING"))
  other <- local_fast(r)
  kill_unseen(r, other$id)
  wait_until(r$con$EXISTS(rrq_worker_info(other$id, r)[[1]]$heartbeat_key) == 0)
  kill_hard(r, own$id)
  messages <- testthat::capture_messages(lost <- rrq_worker_detect_exited(r))
  expect_setequal(lost, c(own$id, other$id))
  lines <- strsplit(paste(messages, collapse = ""), "\n", fixed = TRUE)[[1]]
  expect_equal(lines[c(1, 5)], c("Lost 3 workers:", "Orphaning 2 tasks:"))
  expect_setequal(sub("^. ", "", lines[2:4]), lost)
  expect_setequal(sub("^. ", "", lines[6:7]), paste0(ids, c("", " (will be retried)")))
})

test_that("the report on lost workers says what became of their tasks, and cuts long lists", {
  tasks <- stats::setNames(rep("DIED", 25), letters[1:25])
  reports <- conditions_of(
    report_lost("w_1", character(), NULL),
    report_lost(c("w_{1}", "w_2"), c(a = "DIED", b = "CANCELLED", c = "PENDING"), "d"),
    report_lost("w_1", tasks, NULL)
  )
  expect_snapshot(writeLines(reports))
})

test_that("without lost workers there is nothing to tell", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_silent(lost <- withVisible(rrq_worker_detect_exited(r)))
  expect_equal(lost, list(value = character(), visible = FALSE))
})

test_that("arguments are checked", {
  r <- local_queue()
  expect_error(rrq_worker_exists("", r), class = "rrq_error_argument")
  expect_error(rrq_worker_status(1, r), class = "rrq_error_argument")
  expect_error(rrq_worker_info(NA_character_, r), class = "rrq_error_argument")
  expect_error(rrq_worker_log_tail(n = -1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_log_tail(n = 1.5, controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_process_log(c("a", "b"), r), class = "rrq_error_argument")
})

test_that("workers that have left can be forgotten", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "gone")
  worker$shutdown()
  local_worker(r, worker_id = "active")
  for (ids in list("nobody", c("gone", "nobody"))) {
    err <- expect_error(rrq_worker_delete_exited(ids, r), class = "rrq_error_worker_missing")
    expect_equal(err$ids, "nobody")
  }
  err <- expect_error(
    rrq_worker_delete_exited(c("gone", "active"), r),
    class = "rrq_error_worker_active"
  )
  expect_equal(err$ids, "active")
  expect_equal(expect_invisible(rrq_worker_delete_exited(controller = r)), "gone")
  expect_equal(rrq_worker_list_exited(r), character())
  expect_equal(unique(rrq_worker_log_tail(n = Inf, controller = r)$worker_id), "active")
  expect_equal(rrq_worker_delete_exited(controller = r), character())
})
