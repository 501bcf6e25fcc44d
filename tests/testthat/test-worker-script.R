test_that("the script is an executable that names Rscript, or this R and its libraries", {
  path <- withr::local_tempfile()
  script <- rrq_worker_script(path)
  expect_equal(script, file.path(normalizePath(path), "rrq_worker"))
  expect_equal(file.access(script, 1), c(0), ignore_attr = TRUE)
  expect_match(readLines(script), "^exec Rscript ", all = FALSE)
  rrq_worker_script(path, versioned = TRUE)
  lines <- readLines(script)
  expect_match(lines, file.path(R.home("bin"), "Rscript"), fixed = TRUE, all = FALSE)
  expect_match(lines, .libPaths()[[1]], fixed = TRUE, all = FALSE)
})

test_that("it tells how it is used", {
  out <- run_script("--help")
  expect_equal(out$status, 0)
  for (text in c("--config", "--worker-id", "--name", "--timeout-config", "<id>", "RRQ_URL")) {
    expect_match(out$stdout, text, fixed = TRUE)
  }
  expect_match(out$stdout, "\n +--worker-id=ID +[^-\n]+\n +--name=NAME +[^\n]+\n")
  expect_equal(out$stderr, "")
})

test_that("options are written in both ways", {
  expect_equal(
    parse_script(c("--config", "a b", "q", "--name=w=1", "--timeout-config", "2")),
    parse_script(c("q", "--timeout-config=2", "--worker-id", "w=1", "--config=a b"))
  )
  expect_equal(
    parse_script("q"), list(help = FALSE, config = "localhost", timeout_config = 0, id = "q")
  )
  expect_true(parse_script(c("q", "--help"))$help)
})

test_that("wrong options are told on stderr, with status 2", {
  errors <- conditions_of(
    parse_script(character()),
    parse_script(c("a", "b")),
    parse_script(c("a", "--configure=b")),
    parse_script(c("a", "--config")),
    parse_script(c("a", "--config=")),
    parse_script(c("a", "--timeout-config=soon")),
    parse_script("a b")
  )
  expect_snapshot(writeLines(errors))
  out <- run_script(c("q", "--nonsense"))
  expect_equal(out$status, 2)
  expect_match(out$stderr, "'--nonsense'")
  expect_equal(out$stdout, "")
})

test_that("a queue, a configuration or a server that there is not is told on stderr", {
  r <- local_queue()
  out <- run_script("nobodys-queue")
  expect_equal(out$status, 1)
  expect_match(out$stderr, "no queue 'nobodys-queue'")
  out <- run_script(c(r$queue_id, "--config", "absent"))
  expect_equal(out$status, 1)
  expect_match(out$stderr, "'absent'")
  out <- run_script(r$queue_id, url = "redis://127.0.0.1:1")
  expect_equal(out$status, 1)
  expect_match(out$stderr, "127.0.0.1:1")
  expect_equal(r$con$KEYS("{nobodys-queue}:*"), list())
  expect_equal(rrq_worker_len(r), 0)
})

test_that("an environment that fails is told on stderr", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) stop("no such data"), controller = r)
  out <- run_script(r$queue_id)
  expect_equal(out$status, 1)
  expect_match(out$stderr, "no such data")
})

test_that("it works where it is run until it is told to stop", {
  r <- local_queue()
  process <- local_script(r, c("--name=w", r$queue_id))
  rrq_worker_wait("w", timeout = time_limit(), controller = r)
  expect_equal(rrq_worker_info("w", r)$w$wd, "/")
  id <- rrq_task_create_expr(Sys.getpid(), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(id, controller = r), process$get_pid())
  expect_match(run_script(c("--name=w", r$queue_id))$stderr, "'w' is already alive")
  rrq_worker_stop("w", controller = r)
  expect_equal(session_status(process), 0)
})

test_that("the versioned script needs nothing from its environment", {
  r <- local_queue()
  rrq_worker_config_save("brief", rrq_worker_config(timeout_idle = 0.1), controller = r)
  withr::local_envvar(PATH = "/usr/bin:/bin")
  out <- run_script(c("--config=brief", "--name=w", r$queue_id), versioned = TRUE, wd = "/")
  expect_equal(out$status, 0)
  expect_equal(rrq_worker_list_exited(r), "w")
})

test_that("it runs under nohup", {
  r <- local_queue()
  process <- local_script(r, c("--worker-id", "w", r$queue_id), "nohup")
  rrq_worker_wait("w", timeout = time_limit(), controller = r)
  send_signal(process, 1)
  expect_equal(rrq_message_send_and_wait("PING", controller = r), list(w = "PONG"))
  rrq_worker_stop("w", controller = r)
  expect_equal(session_status(process), 0)
})

test_that("it waits for a queue and a configuration that are not there yet", {
  server <- test_server()
  settings <- list(con = rrq_redis(server$url))
  process <- local_script(settings, c("--config=late", "--timeout-config=60", "--name=w", "late"))
  r <- rrq_controller("late", server$url)
  withr::defer(rrq_destroy(controller = r))
  rrq_worker_config_save("late", rrq_worker_config(queue = "special"), controller = r)
  rrq_worker_wait("w", timeout = time_limit(), controller = r)
  expect_equal(rrq_worker_info("w", r)$w$queue, c("special", "default"))
  rrq_worker_stop("w", controller = r)
  expect_equal(session_status(process), 0)
})

test_that("SIGTERM and Ctrl-C end it cleanly, idle or busy", {
  skip_on_os("windows")
  r <- local_queue()
  for (signal in c(tools::SIGTERM, tools::SIGINT)) {
    process <- local_script(r, c("--name=w", r$queue_id))
    wait_until("w" %in% rrq_worker_list(r))
    send_signal(process, signal)
    expect_equal(session_status(process), 0)
    expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  }
  process <- local_script(r, c("--name=w", r$queue_id))
  id <- start_sleeper(r)
  send_signal(process, tools::SIGTERM)
  expect_equal(session_status(process), 0)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("signals end it cleanly before it runs tasks, too", {
  skip_on_os("windows")
  r <- local_queue()
  # The process gets the signal while it builds its environment, and R notices at once or later.
  rrq_worker_envir_set(controller = r, function(envir) {
    settings <- strsplit(Sys.getenv("RRQ_TEST_SIGNAL"), " ")[[1]]
    tools::pskill(Sys.getpid(), as.integer(settings[[1]]))
    Sys.sleep(as.numeric(settings[[2]]))
  })
  for (signal in c(tools::SIGTERM, tools::SIGINT)) {
    for (pause in c(0, 60)) {
      withr::local_envvar(RRQ_TEST_SIGNAL = paste(signal, pause))
      expect_equal(session_status(local_script(r, c("--name=w", r$queue_id))), 0)
      expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
      expect_equal(tail(rrq_worker_log_tail("w", controller = r), 1)$message, "OK (interrupted)")
    }
  }
})

test_that("a second SIGTERM ends one that does not heed the first", {
  skip_on_os("windows")
  r <- local_queue()
  process <- local_script(r, c("--name=w", r$queue_id))
  stubborn <- function(ready, heard) {
    nap <- function() {
      file.create(ready)
      Sys.sleep(60)
    }
    repeat tryCatch(nap(), interrupt = function(e) file.create(heard))
  }
  seen <- file.path(withr::local_tempdir(), c("ready", "heard"))
  rrq_task_create_call(stubborn, as.list(seen), controller = r)
  for (file in seen) {
    wait_until(file.exists(file))
    send_signal(process, tools::SIGTERM)
  }
  expect_equal(session_status(process), -tools::SIGTERM)
})

test_that("what the script is made from is checked", {
  path <- withr::local_tempfile(lines = "x")
  expect_error(rrq_worker_script(1), "`path`", class = "rrq_error_argument")
  expect_error(rrq_worker_script(path, NA), "`versioned`", class = "rrq_error_argument")
  expect_error(rrq_worker_script(path), class = "rrq_error_io")
})
