test_that("destroying a queue removes its keys and nothing else", {
  con <- rrq_redis(test_server()$url)
  con$SET("{alien}:t", "kept")
  withr::defer(con$DEL("{alien}:t"))
  other <- local_queue()
  rrq_task_create_expr(sqrt(4), controller = other)
  before <- sort(unlist(con$KEYS("*")))
  r <- local_queue()
  worker <- local_worker(r)
  big <- seq(0, 1, length.out = 1e5)
  rrq_task_create_expr(sum(big), queue = "other", controller = r)
  rrq_task_create_bulk_call(sqrt, list(1, "a"), controller = r)
  ask_worker(worker, r, "PING")
  rrq_message_send("PING", controller = r)
  rrq_task_create_expr(sqrt(4), controller = r)
  worker$shutdown()
  rrq_destroy(controller = r)
  expect_equal(sort(unlist(con$KEYS("*"))), before)
})

test_that("a queue whose name is a pattern is the only one destroyed", {
  con <- rrq_redis(test_server()$url)
  other <- local_queue()
  r <- rrq_controller("test-*", con)
  rrq_destroy(controller = r)
  expect_equal(rrq_worker_config_list(other), "localhost")
  expect_equal(con$KEYS("{test-[*]}:*"), list())
})

test_that("destroying can be put off", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(4), controller = r)
  rrq_destroy(delete = 100, controller = r)
  keys <- unlist(r$con$KEYS(paste0(r$keys$prefix, "*")))
  expect_gt(length(keys), 3)
  left <- vapply(keys, function(key) as.numeric(r$con$PTTL(key)), 1)
  expect_true(all(left > 90e3 & left <= 100e3))
})

test_that("a queue that was told to expire does", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(4), controller = r)
  rrq_destroy(delete = 0.1, controller = r)
  expect_true(wait_until(length(r$con$KEYS(paste0(r$keys$prefix, "*"))) == 0))
})

test_that("delete = FALSE stops the workers and keeps the data", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  worker <- local_worker(r, worker_id = "w")
  rrq_destroy(delete = FALSE, controller = r)
  run_worker(worker)
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  expect_equal(rrq_task_list(controller = r), id)
})

test_that("destroying the default queue clears the default controller", {
  withr::defer(rrq_default_controller_clear())
  a <- local_queue()
  b <- local_queue()
  rrq_default_controller_set(a)
  rrq_destroy(controller = b)
  expect_identical(rrq_default_controller_set(a), a)
  expect_equal(withVisible(rrq_destroy()), list(value = NULL, visible = FALSE))
  expect_null(rrq_default_controller_set(NULL))
})

test_that("destroying twice does no harm and leaves nothing", {
  r <- local_queue()
  rrq_destroy(controller = r)
  rrq_destroy(controller = r)
  expect_equal(r$con$KEYS(paste0(r$keys$prefix, "*")), list())
})

test_that("spawned workers end when their queue is destroyed", {
  r <- local_queue()
  manager <- local_spawned(r, 2)
  pids <- vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L)
  rrq_destroy(timeout_worker_stop = time_limit(), controller = r)
  wait_until(!any(vapply(pids, process_is_alive, TRUE)))
  expect_equal(r$con$KEYS(paste0(r$keys$prefix, "*")), list())
})

test_that("a worker busy when its queue goes is not left waiting, nor brings keys back", {
  r <- local_queue()
  manager <- local_spawned(r)
  release <- withr::local_tempfile()
  wait <- function(path) while (!file.exists(path)) Sys.sleep(0.01)
  id <- rrq_task_create_call(wait, list(release), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  rrq_destroy(controller = r)
  file.create(release)
  wait_until(!any(manager$is_alive()))
  expect_equal(r$con$KEYS(paste0(r$keys$prefix, "*")), list())
})

test_that("a worker that is to be killed reads that before its queue is gone", {
  server <- rrq_server()
  withr::defer(server$stop())
  r <- rrq_controller("jobs", server$url)
  manager <- local_spawned(r)
  id <- rrq_task_create_expr(Sys.sleep(1000), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  tools::pskill(pid, tools::SIGSTOP)
  withr::defer(tools::pskill(pid, tools::SIGKILL))
  # Until then the order would wait for the worker in its connection.
  expect_true(wait_until(grepl("blocked_clients:0", r$con$INFO("clients"))))
  session <- local_session({
    rrq_destroy(worker_stop_type = "kill", controller = rrq_controller("jobs", !!server$url))
  })
  is_told <- function() r$con$EXISTS(paste0(r$keys$prefix, "w:", manager$id, ":ctl")) == 1
  wait_until(is_told() || !session$is_alive())
  tools::pskill(pid, tools::SIGCONT)
  expect_equal(session_status(session), 0)
  expect_true(wait_until(!manager$is_alive()))
  expect_equal(r$con$KEYS("*"), list())
})

test_that("what destroying is told is checked before anything is done", {
  r <- local_queue()
  local_worker(r)
  expect_error(rrq_destroy(-1, controller = r), "`delete`", class = "rrq_error_argument")
  expect_error(rrq_destroy(NA, controller = r), "`delete`", class = "rrq_error_argument")
  expect_error(rrq_destroy("now", controller = r), "`delete`", class = "rrq_error_argument")
  expect_error(rrq_destroy(TRUE, "shoot", controller = r), class = "rrq_error_argument")
  expect_error(rrq_destroy(TRUE, timeout_worker_stop = -1, controller = r),
    class = "rrq_error_argument"
  )
  expect_equal(rrq_worker_len(r), 1)
})

test_that("a wrong way to stop workers is refused before anything is deleted", {
  r <- local_queue()
  id <- rrq_task_create_expr(1 + 1, controller = r)
  destroy <- function(...) {
    expect_error(rrq_destroy(..., controller = r), class = "rrq_error_argument")
  }
  destroy(worker_stop_type = "shout")
  destroy(timeout_worker_stop = -1)
  expect_true(rrq_task_exists(id, controller = r))
})

test_that("nothing is queued in a queue that was destroyed elsewhere", {
  r <- local_queue()
  other <- rrq_controller(r$queue_id, r$url)
  rrq_destroy(controller = other)
  expect_error(rrq_task_create_expr(1 + 1, controller = r), class = "rrq_error_queue_missing")
  expect_length(r$con$KEYS(paste0(r$keys$prefix, "*")), 0)
  again <- rrq_controller(r$queue_id, r$url)
  id <- rrq_task_create_expr(1 + 1, controller = r)
  expect_equal(rrq_task_status(id, controller = again), "PENDING")
})

test_that("a controller of a queue that somebody else destroyed is told, and stores nothing", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  rrq_destroy(controller = rrq_controller(r$queue_id, r$url))
  missing <- function(code) expect_error(code, class = "rrq_error_queue_missing")
  missing(rrq_queue_pause(controller = r))
  missing(rrq_queue_resume(controller = r))
  missing(rrq_worker_config_save("mine", rrq_worker_config(), controller = r))
  missing(rrq_worker_envir_set(function(envir) NULL, notify = FALSE, controller = r))
  missing(rrq_task_create_expr(sqrt(2), controller = r))
  missing(rrq_task_wait(id, controller = r))
  expect_equal(r$con$KEYS(paste0(r$keys$prefix, "*")), list())
})
