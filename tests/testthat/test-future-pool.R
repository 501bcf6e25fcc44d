test_that("the workers of a queue run futures, and stay when the plan ends", {
  r <- local_queue()
  w <- local_spawned(r, 2)
  local_plan(controller = r)
  expect_equal(future::nbrOfWorkers(), 2)
  f <- future::future(Sys.getpid(), label = "mine")
  info <- rrq_task_info(f$rrq_job$id, controller = r)
  expect_equal(info$label, "mine")
  expect_equal(info$tags, "future")
  expect_true(future::value(f) %in% rrq_worker_table(controller = r)$pid)
  future::plan("sequential")
  expect_equal(rrq_worker_len(controller = r), 2)
})

test_that("the default controller is used if there is one", {
  r <- local_queue()
  local_spawned(r)
  withr::defer(rrq_default_controller_clear())
  rrq_default_controller_set(r)
  local_plan()
  expect_equal(plan_controller()$queue_id, r$queue_id)
  expect_equal(future::value(future::future(1)), 1)
})

test_that("workers can be started on a queue, also on a named one", {
  r <- local_queue()
  local_plan(controller = r, queue = "side", workers = 1)
  expect_equal(rrq_worker_len(controller = r), 1)
  f <- future::future(1)
  expect_equal(rrq_task_info(f$rrq_job$id, controller = r)$queue, "side")
  expect_equal(future::value(f), 1)
  end_plan()
  expect_equal(rrq_worker_len(controller = r), 0)
  expect_true(rrq_task_create_expr(sqrt(1), controller = r) %in% rrq_task_list(controller = r))
})

test_that("a private queue is deleted with its plan", {
  local_plan(workers = 1)
  r <- plan_controller()
  keys <- paste0(r$keys$prefix, "*")
  con <- rrq_redis(r$url)
  expect_gt(length(con$KEYS(keys)), 0)
  end_plan()
  expect_length(con$KEYS(keys), 0)
  expect_length(the$future_pools, 0)
})

test_that("a private queue is deleted with the session", {
  skip_if_not_installed("future")
  con <- local_redis()
  url <- con$config()$url
  session <- local_session(
    {
      future::plan(rrq_future, workers = 1)
      stopifnot(future::value(future::future(1)) == 1)
      f <- future::future(Sys.sleep(60))
    },
    c(RRQ_URL = url)
  )
  expect_equal(session_status(session), 0)
  expect_equal(con$DBSIZE(), 0)
})

test_that("`workers` is a number, a function or what to expect", {
  local_plan(workers = function() 1)
  expect_equal(future::nbrOfWorkers(), 1)
  r <- local_queue()
  local_plan(controller = r, workers = I(7))
  expect_equal(future::nbrOfWorkers(), 7)
  expect_equal(rrq_worker_len(controller = r), 0)
  for (wrong in list(0, NA_integer_, TRUE, "two", 1:2, Inf)) {
    expect_error(future::plan(rrq_future, workers = wrong), "workers", info = describe(wrong))
  }
  expect_error(future::plan(rrq_future, controller = 1), class = "rrq_error_argument")
})

test_that("a plan of a queue without workers does not wait for one", {
  r <- local_queue()
  local_plan(controller = r)
  expect_equal(future::nbrOfWorkers(), 1)
  f <- future::future(3)
  expect_false(future::resolved(f))
  run_worker(local_worker(r))
  wait_until(future::resolved(f))
  expect_equal(future::value(f), 3)
})

test_that("equal plans share their workers", {
  local_plan(workers = 1)
  pool <- the$future_pools[[1]]
  expect_identical(future_pool(1), pool)
  expect_false(identical(future_pool(2), pool))
  enter_pool(pool, "another")
  leave_pool(pool, "another")
  expect_false(is.null(pool$watch))
})

test_that("a plan whose private server has ended begins anew", {
  skip_if_not_installed("future")
  server <- rrq_server()
  withr::local_envvar(RRQ_URL = server$url)
  pool <- enter_pool(future_pool(1), "test")
  withr::defer(suppressMessages(stop_pool(pool, 0)))
  server$stop()
  expect_error(suppressMessages(enter_pool(pool, "test")), class = "rrq_error_connection")
  expect_null(pool$watch)
})

test_that("workers that were given up are started again", {
  local_plan(workers = 1)
  pool <- the$future_pools[[1]]
  for (child in children_named(pool$controller, pool$worker_ids)) unwatch(child)
  before <- pool$worker_ids
  expect_equal(future::value(future::future(1)), 1)
  expect_length(setdiff(pool$worker_ids, before), 1)
})
