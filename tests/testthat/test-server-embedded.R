test_that("with no server configured, a private one is started, and said so once", {
  skip_without_embedding()
  session <- local_session({
    a <- rrq_controller("a")
    b <- rrq_controller("b")
    id <- rrq_task_create_expr(sqrt(4), controller = b)
    cat(a$con$config()$path, b$con$config()$path, rrq_queue_length(controller = b), sep = "\n")
  }, no_server)
  expect_equal(session_status(session), 0)
  out <- session_out(session)
  expect_match(out[[1]], "redis.sock", fixed = TRUE)
  expect_equal(out[2:3], c(out[[1]], "1"))
  expect_length(grep("started a private one", session_err(session)), 1)
})

test_that("the private server and its workers are gone after the session is killed", {
  skip_without_embedding()
  session <- local_session({
    r <- rrq_controller("a")
    w <- rrq_worker_spawn(2, controller = r)
    pids <- vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L)
    cat(c(pids, sub(".*process_id:([0-9]+).*", "\\1", r$con$INFO("server"))), sep = "\n")
    Sys.sleep(60)
  }, no_server)
  wait_until(length(session_out(session)) == 3)
  pids <- as.integer(session_out(session))
  expect_true(all(vapply(pids, process_is_alive, TRUE)))
  session$kill()
  expect_true(wait_until(!any(vapply(pids, process_is_alive, TRUE))))
})

test_that("two sessions have private servers of their own", {
  skip_without_embedding()
  code <- quote({
    r <- rrq_controller("a")
    rrq_task_create_expr(sqrt(4), controller = r)
    cat(r$con$config()$path, rrq_queue_length(controller = r), sep = "\n")
  })
  sessions <- list(local_session(!!code, no_server), local_session(!!code, no_server))
  for (session in sessions) expect_equal(session_status(session), 0)
  out <- lapply(sessions, session_out)
  expect_equal(c(out[[1]][[2]], out[[2]][[2]]), c("1", "1"))
  expect_false(out[[1]][[1]] == out[[2]][[1]])
})

test_that("an option turns that off, and then there is a connection error", {
  skip_without_embedding()
  local_unconfigured()
  withr::local_options(rrq.embedded = FALSE)
  err <- expect_error(rrq_controller("a"), "127.0.0.1:6379", class = "rrq_error_connection")
  expect_equal(err$call[[1]], quote(rrq_controller))
  expect_error(rrq_redis(), "127.0.0.1:6379", class = "rrq_error_connection")
})
