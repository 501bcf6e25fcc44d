# A task that the worker runs until it is killed.
create_endless <- function(controller, ...) {
  id <- rrq_task_create_expr(Sys.sleep(600), ..., controller = controller)
  wait_until(rrq_task_status(id, controller = controller) == "RUNNING")
  id
}

test_that("a wait for tasks notices a killed worker long before its lease lapses", {
  r <- local_queue()
  manager <- local_patient(r)
  id <- create_endless(r)
  pid <- kill_hard(r, manager$id)
  messages <- testthat::capture_messages({
    expect_false(rrq_task_wait(id, timeout = time_limit(), controller = r))
  })
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  expect_equal(unname(rrq_worker_status(manager$id, r)), "LOST")
  expect_length(messages, 1)
  expect_match(messages, fixed = TRUE, sprintf(
    "Worker '%s' (pid %d) was killed by signal 9; its task %s ended as DIED.", manager$id, pid, id
  ))
  expect_silent(rrq_worker_detect_exited(r))
})

test_that("every other wait notices it as well", {
  waits <- list(
    any = function(id, r) rrq_task_wait_any(id, timeout = time_limit(), controller = r),
    collect = function(id, r) rrq_task_collect(id, timeout = time_limit(), controller = r),
    iterator = function(id, r) rrq_task_iterator(id, time_limit(), controller = r)$next_task(),
    log = function(id, r) rrq_task_log(id, follow = TRUE, controller = r),
    message = function(id, r) {
      expect_error(rrq_message_send_and_wait("PING", timeout = time_limit(), controller = r),
        class = "rrq_error_worker_gone"
      )
    },
    worker = function(id, r) {
      expect_error(rrq_worker_wait("absent", timeout = 0.01, controller = r),
        class = "rrq_error_timeout"
      )
    },
    detect = function(id, r) expect_length(rrq_worker_detect_exited(r), 1)
  )
  r <- local_queue()
  manager <- local_patient(r, length(waits))
  for (name in names(waits)) {
    id <- create_endless(r)
    kill_hard(r, rrq_task_info(id, r)$worker)
    the$supervised <- -Inf
    text <- if (name == "detect") "^Lost 1 worker:" else "was killed by signal 9"
    expect_message(waits[[name]](id, r), text, info = name)
    expect_equal(rrq_task_status(id, controller = r), "DIED", info = name)
  }
})

test_that("a job's elements that died with their worker end the job at once", {
  r <- local_queue()
  local_patient(r)
  kill <- function(x) tools::pskill(Sys.getpid(), tools::SIGKILL)
  expect_message(
    expect_error(rrq_lapply(1, kill, controller = r), class = "rrq_task_error"),
    "was killed by signal 9"
  )
})

test_that("a task that is tried again after a loss is said to be", {
  r <- local_queue()
  manager <- local_patient(r)
  id <- create_endless(r, retry = rrq_retry(2, on = "lost"))
  kill_hard(r, manager$id)
  expect_message(
    lost <- rrq_worker_detect_exited(r), sprintf("%s \\(will be retried\\)", id)
  )
  expect_equal(lost, manager$id)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("code that ends the worker's R process is a crash", {
  r <- local_queue()
  manager <- local_patient(r)
  id <- rrq_task_create_expr(quit(save = "no", status = 3), controller = r)
  # Its worker still ends the task itself.
  expect_message(
    {
      rrq_task_wait(id, timeout = time_limit(), controller = r)
      wait_until(!manager$is_alive())
    },
    sprintf("ended with exit status 3; its task %s ended as DIED", id)
  )
})

test_that("workers that leave by themselves or because they were told to are not reported", {
  r <- local_queue()
  rrq_worker_config_save("brief", rrq_worker_config(timeout_idle = 0.1), controller = r)
  managers <- list(
    local_spawned(r, worker_id_base = "stopped"),
    local_spawned(r, worker_id_base = "idle", name_config = "brief", timeout = 0),
    local_spawned(r, worker_id_base = "killed"),
    local_spawned(r, worker_id_base = "local"),
    local_spawned(r, worker_id_base = "message")
  )
  expect_silent({
    managers[[1]]$stop()
    rrq_worker_stop("killed_1", type = "kill", controller = r)
    rrq_worker_stop("local_1", type = "kill_local", controller = r)
    rrq_message_send("STOP", worker_ids = "message_1", controller = r)
    wait_until(!any(unlist(lapply(managers, function(manager) manager$is_alive()))))
  })
  expect_setequal(rrq_worker_status(unlist(lapply(managers, `[[`, "id")), r), c("EXITED", "LOST"))
})

test_that("workers that leave because their queue was destroyed are not reported", {
  r <- rrq_controller("test-destroyed", test_server()$url)
  manager <- rrq_worker_spawn(2, progress = FALSE, controller = r)
  rrq_destroy(worker_stop_type = "kill", controller = r)
  expect_silent(wait_until(!any(manager$is_alive())))
})

test_that("workers that end because their private server was stopped are not reported", {
  for (url in c("url", "tcp_url")) {
    server <- rrq_server()
    r <- rrq_controller("deserted", server[[url]])
    manager <- rrq_worker_spawn(1, progress = FALSE, restart = TRUE, controller = r)
    server$stop()
    kill_hard(r, manager$id)
    expect_silent(lost <- supervise(at_once = TRUE))
    expect_equal(lost, list())
    expect_false(manager$is_alive())
  }
})

test_that("a manager that kills its workers settles what they held", {
  r <- local_queue()
  manager <- local_patient(r)
  id <- create_endless(r)
  expect_silent(manager$kill())
  expect_false(manager$is_alive())
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  expect_equal(unname(rrq_worker_status(manager$id, r)), "LOST")
})

test_that("a manager that stops a worker which does not listen settles what it held", {
  r <- local_queue()
  manager <- local_patient(r)
  id <- create_endless(r)
  expect_silent(manager$stop(timeout = 0))
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("a worker whose process replaced itself is not taken for lost", {
  skip_on_os("windows")
  r <- local_queue()
  config <- rrq_worker_config(max_tasks = 1, heartbeat_period = 60)
  rrq_worker_config_save("once", config, controller = r)
  manager <- local_spawned(r, name_config = "once")
  ids <- rrq_task_create_bulk_call(function(x) Sys.getpid(), 1:3, controller = r)
  # It may say that the worker is not ready again yet.
  expect_no_message(rrq_task_wait(ids, timeout = time_limit(), controller = r), message = "pid")
  id <- create_endless(r)
  pid <- kill_hard(r, manager$id)
  expect_message(rrq_task_wait(id, timeout = time_limit(), controller = r), sprintf("pid %d", pid))
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("a worker that took the name of a killed one is left alone", {
  r <- local_queue()
  manager <- local_fast(r, 1)
  child <- children_named(r, manager$id)[[1]]
  kill_unseen(r, manager$id)
  wait_until(length(suppressMessages(rrq_worker_detect_exited(r))) == 1)
  local_worker(r, worker_id = manager$id)
  expect_null(last_words(child)$state)
  expect_equal(unname(rrq_worker_status(manager$id, r)), "IDLE")
})

test_that("a fork of the session leaves its workers alone", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_patient(r)
  id <- create_held(gate <- withr::local_tempfile(), r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  fork <- parallel::mcparallel(length(supervise(at_once = TRUE)))
  expect_equal(parallel::mccollect(fork)[[1]], 0)
  file.create(gate)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
})

test_that("a lost worker is replaced, and the pool is complete again", {
  r <- local_queue()
  dir <- normalizePath(withr::local_tempdir())
  manager <- local_patient(r, 2, worker_id_base = "w", logdir = dir, restart = TRUE)
  endless <- c(create_endless(r), create_endless(r))
  ids <- rrq_task_create_bulk_call(sqrt, 1:20, controller = r)
  killed <- rrq_task_info(endless[[1]], r)$worker
  pid <- kill_hard(r, killed)
  expect_message(
    rrq_task_wait(ids, timeout = time_limit(), controller = r), "It was restarted as pid [0-9]+"
  )
  expect_equal(rrq_task_status(endless, controller = r), c("DIED", "RUNNING"))
  expect_true(all(rrq_task_status(ids, controller = r) == "COMPLETE"))
  expect_equal(manager$is_alive(), c(w_1 = TRUE, w_2 = TRUE))
  expect_equal(rrq_worker_list(r), c("w_1", "w_2"))
  expect_false(rrq_worker_info(killed, r)[[1]]$pid == pid)
  expect_setequal(dir(dir), c("w_1", "w_2", paste0(killed, ".2")))
  expect_gt(sum(grepl("worker:", manager$logs(killed))), 1)
  manager$kill()
})

test_that("a worker that was told to stop is not replaced", {
  r <- local_queue()
  manager <- local_spawned(r, 3, worker_id_base = "w", restart = TRUE)
  manager$stop("w_1")
  manager$kill("w_2")
  rrq_message_send("STOP", worker_ids = "w_3", controller = r)
  wait_until(!any(manager$is_alive()))
  expect_silent(supervise(at_once = TRUE))
  expect_length(children_named(r, manager$id), 0)
})

test_that("a worker that crashes while it starts is given up", {
  r <- local_queue()
  crashes <- list(
    quit = function(envir) quit(save = "no"),
    kill = function(envir) tools::pskill(Sys.getpid(), tools::SIGKILL)
  )
  for (name in names(crashes)) {
    rrq_worker_envir_set(crashes[[name]], controller = r)
    messages <- testthat::capture_messages({
      err <- expect_error(
        rrq_worker_spawn(worker_id_base = name, restart = 2, controller = r),
        class = "rrq_error_worker_start"
      )
    })
    expect_equal(err$ids, paste0(name, "_1"))
    expect_match(messages, "It was restarted", all = FALSE)
    expect_match(messages, "Gave up after 2 crashes in a row; .*_1\\.2[.]", all = FALSE)
  }
})

test_that("a worker that crashes with each task is given up, and a wait says so", {
  r <- local_queue()
  manager <- local_patient(r, restart = 2)
  kill <- function(i) tools::pskill(Sys.getpid(), tools::SIGKILL)
  ids <- rrq_task_create_bulk_call(kill, 1:2, controller = r)
  expect_message(
    expect_message(rrq_task_wait(ids, timeout = time_limit(), controller = r), "restarted"),
    "Gave up after 2 crashes in a row"
  )
  expect_false(manager$is_alive())
})

test_that("crashes count only in a row", {
  r <- local_queue()
  manager <- local_patient(r, restart = 2)
  kill <- function() tools::pskill(Sys.getpid(), tools::SIGKILL)
  for (i in 1:3) {
    good <- rrq_task_create_expr(sqrt(4), controller = r)
    bad <- rrq_task_create_call(kill, list(), controller = r)
    expect_message(
      rrq_task_wait(c(good, bad), timeout = time_limit(), controller = r), "It was restarted"
    )
  }
  expect_equal(children_named(r, manager$id)[[1]]$n_crashes, 1)
})

test_that("what a worker's log says of its last process is read from there on", {
  log <- list(
    time = c(1, 2, 3, 4, 5, 6, 7, 8, 8, 8),
    command = c(
      "ALIVE", "TASK_START", "TASK_COMPLETE", "LOST", "ALIVE", "TASK_START", "TASK_DIED",
      "TASK_DIED", "TASK_RETRY", "LOST"
    ),
    message = c("", "a", "a", "", "", "b", "b", "c", "d", ""),
    child = rep(NA, 10)
  )
  life <- read_life(log)
  expect_equal(life$tasks, c(c = "DIED", d = "RETRY"))
  expect_false(life$did_work)
  expect_false(life$is_expected)
  expect_true(read_life(lapply(log, `[`, 1:4))$did_work)
  killed <- list(
    time = 1:2, command = c("STOP", "STOP"), message = c("killed", "OK"), child = c(NA, 7)
  )
  # The last line is that of a task's process.
  expect_true(read_life(killed)$is_expected)
})

test_that("several tasks are counted, and how a process ended is told in words", {
  child <- list(id = "w", process = list(
    get_pid = function() 7L, get_exit_status = function() -9L
  ))
  expect_equal(
    crash_text(child, c(a = "DIED", b = "DIED", c = "RETRY")),
    paste(
      "Worker 'w' (pid 7) was killed by signal 9;",
      "2 of its tasks ended as DIED; its task c will be retried."
    )
  )
  expect_equal(describe_status(0L), "ended with exit status 0")
  expect_equal(describe_status(NA_integer_), "has ended")
})

test_that("`restart` is a flag or a number of crashes", {
  r <- local_queue()
  for (restart in list(NA, "yes", 0, 1.5, NULL, c(1, 2))) {
    expect_error(
      rrq_worker_spawn(restart = restart, controller = r), "`restart`",
      class = "rrq_error_argument"
    )
  }
})
