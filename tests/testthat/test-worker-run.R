test_that("a worker runs what there is to do and returns", {
  r <- local_queue()
  worker <- local_worker(r)
  ids <- rrq_task_create_bulk_call(sqrt, 1:5, controller = r)
  utils::capture.output(end <- withVisible(worker$loop(immediate = TRUE)))
  expect_equal(end, list(value = "", visible = FALSE))
  expect_equal(rrq_task_status(ids, controller = r), rep("COMPLETE", 5))
  expect_equal(rrq_worker_status(controller = r), rlang::set_names("IDLE", worker$id))
})

test_that("a step says whether there was something to do", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  utils::capture.output(did <- c(worker$step(immediate = TRUE), worker$step(immediate = TRUE)))
  expect_equal(did, c(TRUE, FALSE))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("a worker that was told to stop has left", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  rrq_message_send("STOP", "enough", controller = r)
  utils::capture.output(reason <- worker$loop())
  expect_match(reason, "enough")
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  for (turn in list(worker$loop, worker$step)) {
    err <- expect_error(turn(), "w", class = "rrq_error_worker_gone")
    expect_equal(err$ids, "w")
  }
})

test_that("a step that stops the worker says so", {
  r <- local_queue()
  worker <- local_worker(r)
  rrq_message_send("STOP", controller = r)
  repeat {
    utils::capture.output(did <- worker$step(immediate = TRUE))
    if (!isTRUE(did)) break
  }
  expect_equal(did, NA)
  expect_error(worker$step(), class = "rrq_error_worker_gone")
})

test_that("shutting down leaves the queue, once", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  expect_identical(worker$shutdown("time to go"), worker)
  expect_identical(worker$shutdown(), worker)
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  log <- rrq_worker_log_tail("w", Inf, r)
  expect_equal(sum(log$command == "STOP"), 1)
  expect_match(log$message[log$command == "STOP"], "time to go")
})

test_that("a worker tells about itself", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  info <- worker$info()
  expect_s3_class(info, "rrq_worker_info")
  expect_equal(info[c("worker", "pid", "wd", "config")],
    list(worker = "w", pid = Sys.getpid(), wd = getwd(), config = "localhost"),
    ignore_attr = TRUE
  )
  expect_equal(info$rrq_version, as.character(utils::packageVersion("rrq")))
})

test_that("a worker prints as one line", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  hide <- function(lines) gsub(r$queue_id, "<queue>", lines, fixed = TRUE)
  expect_snapshot({
    print(worker)
    print(worker$shutdown())
  }, transform = hide)
})

test_that("a worker without a name is given one", {
  r <- local_queue()
  set.seed(1)
  before <- .Random.seed
  workers <- list(local_worker(r), local_worker(r))
  expect_match(workers[[1]]$id, "^[a-z]+_[a-z]+$")
  expect_identical(.Random.seed, before)
  expect_setequal(rrq_worker_list(r), c(workers[[1]]$id, workers[[2]]$id))
})

test_that("a name that is taken is an error, and free again once its worker left", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  err <- expect_error(local_worker(r, worker_id = "w"), class = "rrq_error_worker_exists")
  expect_equal(err$ids, "w")
  worker$shutdown()
  again <- local_worker(r, worker_id = "w")
  expect_equal(rrq_worker_status("w", r), c(w = "IDLE"))
})

test_that("an unknown configuration is an error that names it", {
  r <- local_queue()
  err <- expect_error(local_worker(r, "absent"), "absent", class = "rrq_error_config_missing")
  expect_match(conditionMessage(err), "rrq_worker_config_save()", fixed = TRUE)
  expect_equal(rrq_worker_len(r), 0)
  expect_error(
    local_worker(r, "absent", timeout_config = 0.2),
    "absent", class = "rrq_error_config_missing"
  )
})

test_that("a queue that nobody has created is an error, and is not created", {
  con <- rrq_redis(test_server()$url)
  withr::local_envvar(RRQ_URL = test_server()$url)
  for (timeout in c(0, 0.2)) {
    err <- expect_error(
      rrq_worker$new("unheard-of", timeout_config = timeout),
      "unheard-of", class = "rrq_error_queue_missing"
    )
    expect_equal(err$call[[1]], quote(rrq_worker$new))
  }
  expect_equal(con$KEYS("{unheard-of}:*"), list())
})

test_that("a configuration may be saved a little later", {
  r <- local_queue()
  session <- local_session({
    w <- rrq_worker$new(!!r$queue_id, "late", "w", timeout_config = 30)
    cat(w$info()$queue, sep = "\n")
  }, c(RRQ_URL = server_url(r)))
  cfg <- rrq_worker_config("urgent")
  rrq_worker_config_save("late", cfg, controller = r)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("urgent", "default"))
})

test_that("a worker takes tasks from its queues in order", {
  r <- local_queue()
  rrq_worker_config_save("two", rrq_worker_config(c("first", "default")), controller = r)
  ids <- c(
    rrq_task_create_expr(sqrt(1), controller = r),
    rrq_task_create_expr(sqrt(4), queue = "first", controller = r),
    rrq_task_create_expr(sqrt(9), queue = "other", controller = r)
  )
  worker <- local_worker(r, "two", "w")
  run_worker(worker)
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "COMPLETE", "PENDING"))
  log <- rrq_worker_log_tail("w", Inf, r)
  expect_equal(log$message[log$command == "TASK_START"], ids[2:1])
})

test_that("the environment is built before the worker counts as alive", {
  r <- local_queue()
  marker <- withr::local_tempfile()
  build <- function(envir) while (!file.exists(marker)) Sys.sleep(0.01)
  rrq_worker_envir_set(build, controller = r)
  manager <- local_spawned(r, timeout = 0, worker_id_base = "w")
  wait_until(rrq_worker_status("w_1", r) == "STARTING")
  expect_equal(rrq_worker_len(r), 0)
  file.create(marker)
  wait_until(rrq_worker_len(r) == 1)
  expect_equal(rrq_worker_status(controller = r), c(w_1 = "IDLE"))
})

test_that("an environment that cannot be built is an error, in the log, and the worker leaves", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) stop("no {data} 5%"), controller = r)
  utils::capture.output(err <- expect_error(
    local_worker(r, worker_id = "w"), "no {data} 5%", fixed = TRUE, class = "rrq_error_envir"
  ))
  expect_equal(conditionMessage(err$parent), "no {data} 5%")
  expect_equal(rrq_worker_list_exited(r), "w")
  log <- rrq_worker_log_tail("w", Inf, r)
  said <- log$message[log$command == "ENVIR"]
  expect_match(said, "error: no {data} 5%", fixed = TRUE, all = FALSE)
  expect_equal(utils::tail(log$message, 1), "its environment could not be built")
  expect_equal(unname(rrq_worker_status("w", r)), "EXITED")
})

test_that("a worker rebuilds its environment when asked to", {
  r <- local_queue()
  worker <- local_worker(r)
  run_worker(worker)
  rrq_worker_envir_set(function(envir) envir$k <- 7, notify = FALSE, controller = r)
  expect_equal(ask_worker(worker, r, "REFRESH"), "OK")
  id <- rrq_task_create_expr(get("k"), controller = r)
  run_worker(worker)
  expect_equal(rrq_task_result(id, controller = r), 7)
})

test_that("a worker with nothing to do for long exits", {
  r <- local_queue()
  rrq_worker_config_save("short", rrq_worker_config(timeout_idle = 0.3), controller = r)
  worker <- local_worker(r, "short", "w")
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  utils::capture.output(reason <- worker$loop())
  expect_match(reason, "idle", ignore.case = TRUE)
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
})

test_that("a worker that is not verbose prints nothing", {
  r <- local_queue()
  rrq_worker_config_save("still", rrq_worker_config(verbose = FALSE), controller = r)
  rrq_task_create_expr(sqrt(4), controller = r)
  worker <- local_worker(r, "still")
  expect_silent(worker$loop(immediate = TRUE))
})

test_that("what a worker prints has a time, a command and a message", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  lines <- utils::capture.output(worker$loop(immediate = TRUE))
  expect_match(lines, "^\\[....-..-.. ..:..:..[.]...\\] [A-Z_]+ ")
  expect_match(lines, paste("TASK_COMPLETE", id), fixed = TRUE, all = FALSE)
})

test_that("arguments are checked", {
  r <- local_queue()
  worker <- local_worker(r)
  expect_error(worker$loop(NA), "`immediate`", class = "rrq_error_argument")
  expect_error(worker$step("yes"), "`immediate`", class = "rrq_error_argument")
  expect_error(rrq_worker$new("a b"), "`queue_id`", class = "rrq_error_argument")
  expect_error(rrq_worker$new("a", 1), "`name_config`", class = "rrq_error_argument")
  expect_error(rrq_worker$new("a", worker_id = ""), class = "rrq_error_argument")
  expect_error(rrq_worker$new("a", timeout_config = -1), class = "rrq_error_argument")
})

test_that("a task that quits ends as DIED at once, and its worker has left", {
  r <- local_queue()
  manager <- local_spawned(r)
  ids <- c(
    rrq_task_create_expr(quit(save = "no", status = 3), controller = r),
    rrq_task_create_expr(sqrt(4), controller = r)
  )
  expect_false(rrq_task_wait(ids[[1]], timeout = time_limit(), controller = r))
  expect_equal(rrq_task_status(ids, controller = r), c("DIED", "PENDING"))
  expect_equal(rrq_worker_status(manager$id, r), rlang::set_names("EXITED", manager$id))
  expect_match(conditionMessage(rrq_task_result(ids[[1]], controller = r)), manager$id)
})

test_that("an interrupt ends an idle worker cleanly", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_spawned(r)
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  tools::pskill(pid, tools::SIGINT)
  wait_until(!process_is_alive(pid))
  expect_equal(rrq_worker_status(manager$id, r), rlang::set_names("EXITED", manager$id))
  expect_equal(rrq_worker_log_tail(manager$id, 1, r)$command, "STOP")
})

test_that("an interrupt ends a busy worker and its task", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_spawned(r)
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  ids <- c(start_sleeper(r), rrq_task_create_expr(sqrt(4), controller = r))
  tools::pskill(pid, tools::SIGINT)
  wait_until(!process_is_alive(pid))
  expect_equal(rrq_task_status(ids, controller = r), c("DIED", "PENDING"))
  expect_equal(rrq_worker_status(manager$id, r), rlang::set_names("EXITED", manager$id))
})

test_that("the heartbeat's key is there from the beginning, whatever the period, and goes", {
  r <- local_queue()
  rrq_worker_config_save("slow", rrq_worker_config(heartbeat_period = 600), controller = r)
  worker <- local_worker(r, "slow")
  key <- worker$info()$heartbeat_key
  wait_until(r$con$EXISTS(key) == 1)
  expect_gt(r$con$PTTL(key), 600 * 1000)
  worker$shutdown()
  expect_equal(r$con$EXISTS(key), 0)
})

test_that("the operating system is named as by R", {
  skip_on_os("windows")
  expect_equal(operating_system(), utils::osVersion)
  expect_equal(operating_system(withr::local_tempfile()), utils::osVersion)
})
