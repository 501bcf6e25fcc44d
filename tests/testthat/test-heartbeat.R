# A heartbeat on a key of its own, stopped at the end.
local_heartbeat <- function(con, key, period = 0.2, ..., env = parent.frame()) {
  beat <- rrq_heartbeat$new(key, period, ..., config = con)
  withr::defer(if (beat$is_running()) beat$stop(), env)
  beat
}

test_that("a key is kept alive while R computes in C, until it is stopped", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive", expire = 0.5)
  expect_true(beat$is_running())
  expect_equal(con$GET("alive"), "0.5")
  took <- system.time(stats::fft(seq_len(59999)))[["elapsed"]]
  expect_gt(took, 0.5)
  expect_lte(con$PTTL("alive"), 500)
  expect_gt(con$PTTL("alive"), 0)
  expect_identical(beat$stop(), beat)
  expect_false(beat$is_running())
  expect_length(con$KEYS("alive*"), 0)
})

test_that("starting one that runs and stopping one that does not are errors", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive")
  expect_error(beat$start(), "already running", class = "rrq_error_heartbeat_exists")
  expect_true(beat$is_running())
  beat$stop()
  err <- expect_error(beat$stop(), "not running", class = "rrq_error_heartbeat_stopped")
  expect_equal(err$ids, "alive")
  expect_equal(err$call, quote(beat$stop()))
})

test_that("it can be started later, and restarted", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive", value = "me", start = FALSE)
  expect_false(beat$is_running())
  expect_equal(con$EXISTS("alive"), 0)
  for (i in 1:2) {
    expect_identical(beat$start(), beat)
    expect_equal(con$GET("alive"), "me")
    beat$stop()
  }
})

test_that("a second heartbeat on a key is an error, and the first continues", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive")
  err <- expect_error(
    rrq_heartbeat$new("alive", 1, config = con), "alive",
    class = "rrq_error_heartbeat_exists"
  )
  expect_equal(err$ids, "alive")
  expect_error(beat$start(), class = "rrq_error_heartbeat_exists")
  expect_true(beat$is_running())
  beat$stop()
  expect_true(local_heartbeat(con, "alive")$is_running())
})

test_that("the key expires when the process is killed", {
  con <- local_redis()
  session <- local_session({
    beat <- rrq_heartbeat$new("alive", 0.2, config = !!con$config()$url)
    Sys.sleep(600)
  })
  wait_until(con$EXISTS("alive") == 1)
  session$kill()
  expect_true(wait_until(con$EXISTS("alive") == 0))
})

test_that("it survives lost connections and the deletion of its key", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive", period = 0.1, expire = 5)
  for (i in 1:3) {
    try(con$CLIENT_KILL("TYPE", "normal", "SKIPME", "yes"), silent = TRUE)
    con$DEL("alive")
    expect_true(wait_until(con$EXISTS("alive") == 1))
  }
  expect_true(beat$is_running())
})

test_that("a signal reaches the process that keeps the key alive", {
  skip_on_os("windows")
  con <- local_redis()
  session <- local_session({
    beat <- rrq_heartbeat$new("alive", !!slowness(), config = !!con$config()$url)
    tryCatch(Sys.sleep(600), interrupt = function(e) cat("interrupted\n"))
    tryCatch(Sys.sleep(600), interrupt = function(e) cat("again\n"))
    beat$stop()
  })
  wait_until(con$EXISTS("alive") == 1)
  killed <- withVisible(rrq_heartbeat_kill(con, "alive"))
  expect_equal(killed, list(value = TRUE, visible = FALSE))
  wait_until("interrupted" %in% session_out(session))
  expect_true(rrq_heartbeat_kill(con$config()$url, "alive", tools::SIGINT))
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("interrupted", "again"))
  expect_length(con$KEYS("alive*"), 0)
})

test_that("a signal can end the process", {
  skip_on_os("windows")
  con <- local_redis()
  session <- local_session({
    beat <- rrq_heartbeat$new("alive", 0.5, config = !!con$config()$url)
    stats::fft(seq_len(199999))
  })
  wait_until(con$EXISTS("alive") == 1)
  rrq_heartbeat_kill(con, "alive", tools::SIGTERM)
  expect_equal(session_status(session), -tools::SIGTERM)
  expect_true(wait_until(con$EXISTS("alive") == 0))
})

test_that("with nothing but its key a worker is interrupted, idle or in a task", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_patient(r, 2)
  id <- rrq_task_create_expr(Sys.sleep(600), controller = r)
  wait_begun(id, r)
  for (info in rrq_worker_info(controller = r)) {
    expect_true(rrq_heartbeat_kill(r$con, info$heartbeat_key))
    wait_until(!process_is_alive(info$pid))
    expect_equal(unname(rrq_worker_status(info$worker, r)), "EXITED")
    expect_equal(r$con$EXISTS(info$heartbeat_key), 0)
  }
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("a worker that a signal ends at once signs off first", {
  skip_on_os("windows")
  r <- local_queue()
  for (signal in c(tools::SIGTERM, tools::SIGKILL)) {
    manager <- local_patient(r)
    id <- rrq_task_create_call(stats::fft, list(seq_len(199999)), controller = r)
    wait_begun(id, r)
    info <- rrq_worker_info(controller = r)[[1]]
    expect_true(rrq_heartbeat_kill(r$con, info$heartbeat_key, signal))
    wait_until(!process_is_alive(info$pid))
    expect_equal(unname(rrq_worker_status(info$worker, r)), "EXITED")
    expect_equal(rrq_task_status(id, controller = r), "DIED")
    expect_length(r$con$KEYS("*:signal"), 0)
  }
})

test_that("without a heartbeat no signal is sent, and no key is left behind", {
  con <- local_redis()
  expect_warning(
    killed <- rrq_heartbeat_kill(con, "alive"),
    "Nothing keeps the key 'alive'", class = "rrq_warning_heartbeat_missing"
  )
  expect_false(killed)
  expect_length(con$KEYS("*"), 0)
})

test_that("a garbage-collected heartbeat lets its key expire", {
  con <- local_redis()
  beat <- rrq_heartbeat$new("alive", 0.1, config = con)
  rm(beat)
  gc()
  expect_true(wait_until(con$EXISTS("alive") == 0))
})

test_that("a heartbeat that was saved and loaded is not running", {
  con <- local_redis()
  beat <- local_heartbeat(con, "alive")
  copy <- unserialize(serialize(beat, NULL))
  expect_false(copy$is_running())
  expect_error(copy$stop(), class = "rrq_error_heartbeat_stopped")
  expect_true(beat$is_running())
})

test_that("it prints as one line", {
  con <- local_redis()
  expect_snapshot({
    beat <- rrq_heartbeat$new("alive", 2, config = con)
    beat
    print(beat$stop())
  })
})

test_that("an unreachable server is an error", {
  expect_error(
    rrq_heartbeat$new("alive", 1, config = "redis://127.0.0.1:1"), "127.0.0.1:1",
    class = "rrq_error_connection"
  )
})

test_that("arguments are checked before anything is sent", {
  con <- local_redis()
  new <- function(key = "alive", period = 1, ...) rrq_heartbeat$new(key, period, ..., config = con)
  wrong <- list(
    list(key = ""), list(period = 0), list(period = Inf), list(expire = 1), list(expire = 0.5),
    list(value = NULL), list(value = c("a", "b")), list(start = NA), list(timeout = -1)
  )
  for (arguments in wrong) {
    name <- sprintf("`%s`", names(arguments))
    expect_error(do.call(new, arguments), name, class = "rrq_error_argument")
  }
  expect_error(rrq_heartbeat_kill(con, NA), class = "rrq_error_argument")
  expect_error(rrq_heartbeat_kill(con, "alive", 0), class = "rrq_error_argument")
  expect_error(rrq_heartbeat_kill(con, "alive", "INT"), class = "rrq_error_argument")
  expect_error(rrq_heartbeat_kill(con, "alive", 99), class = "rrq_error_argument")
  expect_error(rrq_heartbeat_kill(1, "alive"), class = "rrq_error_argument")
  expect_length(con$KEYS("*"), 0)
})

test_that("a thread of the package blocks SIGPIPE, whose handler in R would jump", {
  skip_if_not(dir.exists("/proc/self/task"), "there is no /proc")
  con <- local_redis()
  before <- list.files("/proc/self/task")
  local_heartbeat(con, "alive")
  threads <- setdiff(list.files("/proc/self/task"), before)
  expect_length(threads, 1)
  for (thread in threads) {
    expect_true(blocks_sigpipe(file.path("/proc/self/task", thread, "status")))
  }
  expect_false(blocks_sigpipe())
})
