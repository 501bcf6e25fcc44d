test_that("rrq_start() begins with a queue and workers, and rrq_stop() ends both", {
  server <- test_server()
  withr::defer(rrq_default_controller_clear())
  r <- rrq_start(2, con = server)
  expect_s3_class(r, "rrq_controller")
  expect_equal(rrq_worker_len(), 2)
  expect_equal(rrq_lapply(1:3, sqrt), lapply(1:3, sqrt))
  expect_message(again <- rrq_start(4, con = server), "has been started before")
  expect_identical(again, r)
  rrq_stop()
  expect_length(r$con$KEYS(paste0(r$keys$prefix, "*")), 0)
  expect_error(rrq_worker_len(), "rrq_start()", fixed = TRUE, class = "rrq_error_no_controller")
  expect_error(rrq_stop(), class = "rrq_error_not_started")
})

test_that("a second rrq_start() says which of its arguments are not used", {
  server <- test_server()
  withr::defer(rrq_default_controller_clear())
  r <- rrq_start(0, "begun", con = server, timeout = 30)
  withr::defer(rrq_stop(delete = TRUE))
  same <- messages_of(rrq_start(0, "begun", con = server, timeout = 30))
  expect_length(same, 1)
  expect_no_match(same, "not 3|Not used")
  more <- messages_of(again <- rrq_start(3, timeout = 60))
  expect_identical(again, r)
  expect_match(more, "It keeps its 0 workers, not 3.", fixed = TRUE)
  expect_match(more, "`rrq_worker_spawn(3)` adds more.", fixed = TRUE)
  expect_match(more, "Not used: `timeout`.", fixed = TRUE)
})

test_that("a second rrq_start() for another queue or server is an error", {
  server <- test_server()
  withr::defer(rrq_default_controller_clear())
  rrq_start(0, "begun", con = server)
  withr::defer(rrq_stop(delete = TRUE))
  expect_error(rrq_start(0, "other"), "rrq_stop()", fixed = TRUE, class = "rrq_error_started")
  expect_error(rrq_start(0, con = server$tcp_url), "`con`", class = "rrq_error_started")
})

test_that("a queue of the user's own is kept", {
  server <- test_server()
  r <- rrq_start(0, "mine", con = server)
  id <- rrq_task_create_call(sqrt, list(1))
  rrq_stop()
  r <- rrq_controller("mine", server$url)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
  rrq_destroy(controller = r)
})

test_that("nothing is left when the workers do not start", {
  server <- test_server()
  withr::defer(rrq_default_controller_clear())
  con <- rrq_redis(server$url)
  before <- con$DBSIZE()
  expect_error(
    rrq_start(1, name_config = "unknown", con = server),
    class = "rrq_error_config_missing"
  )
  expect_equal(con$DBSIZE(), before)
  expect_null(the$started)
})

test_that("nothing is left when Ctrl-C ends rrq_start()", {
  server <- test_server()
  withr::defer(rrq_default_controller_clear())
  con <- rrq_redis(server$url)
  before <- con$DBSIZE()
  # The argument is evaluated once the queue exists.
  stopped <- tryCatch(
    rrq_start(1, logdir = rlang::interrupt(), con = server),
    interrupt = function(i) "interrupted"
  )
  expect_equal(stopped, "interrupted")
  expect_equal(con$DBSIZE(), before)
  expect_null(the$started)
  expect_null(the$controller)
})

test_that("workers of a spawn that was given up do not stay", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) Sys.sleep(60), controller = r)
  expect_error(
    rrq_worker_spawn(2, timeout = 1, worker_id_base = "w", controller = r),
    class = "rrq_error_timeout"
  )
  expect_length(children_named(r, c("w_1", "w_2")), 0)
})
