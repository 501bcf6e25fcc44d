test_that("a server starts, answers and stops", {
  skip_if_not(can_run_examples())
  server <- rrq_server()
  withr::defer(server$stop())
  expect_s3_class(server, "rrq_server")
  expect_true(server$is_alive())
  expect_true(process_is_alive(server$pid))
  expect_output(print(rrq_redis(server$url)$PING()), "PONG")
  server$stop()
  expect_false(server$is_alive())
  wait_until(!process_is_alive(server$pid))
  expect_null(server$stop())
})

test_that("a server says how to reach it", {
  server <- test_server()
  expect_equal(rrq_redis(server$tcp_url)$config()$port, server$port)
  expect_equal(rrq_redis(server$url)$config()$path, server$socket)
  expect_true(file.exists(server$socket))
  expect_equal(
    utils::capture.output(print(server)),
    sprintf("<rrq_server> running, pid %d, 127.0.0.1:%d", server$pid, server$port)
  )
})

test_that("a server wants its password, and its socket is private", {
  skip_on_os("windows")
  server <- test_server()
  url <- paste0("redis+unix://", server$socket)
  expect_error(rrq_redis(url), class = "rrq_error_authentication")
  expect_equal(format(file.mode(dirname(server$socket))), "700")
  expect_equal(rrq_redis(server$url)$CONFIG_GET("bind")[[2]], "127.0.0.1")
})

test_that("starting a server leaves the session's generator alone", {
  skip_if_not(can_run_examples())
  expect_generator_kept(function() rrq_server()$stop())
})

test_that("servers never collide", {
  skip_if_not(can_run_examples())
  servers <- list(rrq_server(), rrq_server(), rrq_server())
  withr::defer(for (server in servers) server$stop())
  for (part in c("port", "pid", "socket", "url")) {
    expect_length(unique(lapply(servers, function(server) server[[part]])), 3)
  }
  rrq_redis(servers[[1]]$url)$SET("k", "a")
  expect_null(rrq_redis(servers[[2]]$url)$GET("k"))
})

test_that("a port can be chosen, but not one that is taken", {
  skip_if_not(can_run_examples())
  taken <- test_server()$port
  err <- expect_error(rrq_server(port = taken), class = "rrq_error_server_start")
  expect_match(conditionMessage(err), as.character(taken), fixed = TRUE)
  first <- rrq_server()
  first$stop()
  server <- rrq_server(port = first$port)
  withr::defer(server$stop())
  expect_equal(server$port, first$port)
})

test_that("a folder keeps the data", {
  skip_if_not(can_run_examples())
  dir <- withr::local_tempdir()
  server <- rrq_server(dir)
  withr::defer(server$stop())
  r <- rrq_controller("kept", server$url)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  server$stop()
  server <- rrq_server(dir)
  again <- rrq_controller("kept", server$url)
  expect_equal(rrq_task_status(id, controller = again), "PENDING")
})

test_that("a folder with strange characters will do", {
  skip_if_not(can_run_examples())
  letter <- if (l10n_info()$`UTF-8`) "\u00e9" else "e"
  dir <- file.path(withr::local_tempdir(), paste0("a b", letter, "'\"100%"))
  server <- rrq_server(dir)
  withr::defer(server$stop())
  rrq_redis(server$url)$SET("k", "v")
  server$stop()
  server <- rrq_server(dir)
  expect_equal(rrq_redis(server$url)$GET("k"), "v")
})

test_that("a folder is used by one server at a time", {
  skip_if_not(can_run_examples())
  dir <- withr::local_tempdir()
  server <- rrq_server(dir)
  withr::defer(server$stop())
  expect_error(rrq_server(dir), class = "rrq_error")
  expect_true(server$is_alive())
})

test_that("a server dies with its session, even a killed one", {
  skip_if_not(can_run_examples())
  session <- local_session({
    server <- rrq_server()
    cat(server$pid, dirname(server$socket), sep = "\n")
    Sys.sleep(60)
  })
  wait_until(length(session_out(session)) == 2)
  pid <- as.integer(session_out(session)[[1]])
  expect_true(process_is_alive(pid))
  session$kill()
  wait_until(!process_is_alive(pid))
  wait_until(!dir.exists(session_out(session)[[2]]))
  expect_false(process_is_alive(pid))
})

test_that("a server dies with its session that ends by itself", {
  skip_if_not(can_run_examples())
  session <- local_session(cat(rrq_server()$pid, "\n"))
  expect_equal(session_status(session), 0)
  pid <- as.integer(session_out(session))
  expect_true(wait_until(!process_is_alive(pid)))
})

test_that("a server lives on when its handle is gone", {
  skip_if_not(can_run_examples())
  url <- rrq_server()$url
  gc()
  con <- rrq_redis(url)
  expect_output(print(con$PING()), "PONG")
  try(con$SHUTDOWN("NOSAVE"), silent = TRUE)
})

test_that("without a server program the error says how to get one", {
  usual <- file.path(c("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"), "redis-server")
  skip_if(any(file.exists(usual, sub("redis", "valkey", usual))), "a server is at a usual place")
  withr::local_envvar(PATH = "", RRQ_REDIS_SERVER = "")
  err <- expect_error(rrq_server(), "apt-get install", class = "rrq_error_server_missing")
  expect_equal(err$call, quote(rrq_server()))
})

test_that("a program that was named must be one", {
  for (program in c("/nowhere/redis-server", withr::local_tempfile(lines = "no program"))) {
    withr::local_envvar(RRQ_REDIS_SERVER = program)
    expect_error(rrq_server(), program, fixed = TRUE, class = "rrq_error_server_start")
  }
})

test_that("a program that is no server is an error with its last words", {
  skip_on_os("windows")
  program <- withr::local_tempfile(lines = c("#!/bin/sh", "echo 'bad day {x} 5%'", "exit 3"))
  Sys.chmod(program, "755")
  withr::local_envvar(RRQ_REDIS_SERVER = program)
  expect_error(rrq_server(), "bad day {x} 5%", fixed = TRUE, class = "rrq_error_server_start")
})

test_that("a server's arguments are checked", {
  expect_error(rrq_server(1), "`dir`", class = "rrq_error_argument")
  expect_error(rrq_server(port = 0), "`port`", class = "rrq_error_argument")
  expect_error(rrq_server(port = 1e5), "`port`", class = "rrq_error_argument")
  expect_error(rrq_server(port = "a"), "`port`", class = "rrq_error_argument")
})

test_that("a handle that is sent with a function does not take the session's state along", {
  server <- test_server()
  local_queue()
  expect_lt(length(serialize(server, NULL)), 5000)
})
