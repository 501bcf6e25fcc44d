test_that("a configuration reads back as it was saved", {
  r <- local_queue()
  config <- rrq_worker_config(
    queue = c("urgent", "default", "slow"), verbose = FALSE, poll_queue = 2L, timeout_idle = 60,
    heartbeat_period = 1, max_tasks = 10L, max_memory = 2^30
  )
  expect_true(rrq_worker_config_save("mine", config, controller = r))
  expect_identical(rrq_worker_config_read("mine", controller = r), config)
})

test_that("what is not set stays NULL", {
  r <- local_queue()
  rrq_worker_config_save("mine", rrq_worker_config(), controller = r)
  config <- rrq_worker_config_read("mine", controller = r)
  expect_identical(config, rrq_worker_config())
  expect_null(config$poll_queue)
  expect_named(config, names(formals(rrq_worker_config)))
})

test_that("a worker always listens to the default queue", {
  expect_equal(rrq_worker_config()$queue, "default")
  expect_equal(rrq_worker_config(c("a", "b", "a"))$queue, c("a", "b", "default"))
  expect_equal(rrq_worker_config(c("default", "a"))$queue, c("default", "a"))
})

test_that("a new queue has a configuration named localhost", {
  r <- local_queue()
  expect_equal(rrq_worker_config_list(r), "localhost")
  expect_identical(rrq_worker_config_read("localhost", controller = r), rrq_worker_config())
})

test_that("saving replaces only if asked to, and says whether it did", {
  r <- local_queue()
  first <- rrq_worker_config(timeout_idle = 1)
  second <- rrq_worker_config(timeout_idle = 2)
  save <- function(...) withVisible(rrq_worker_config_save("mine", ..., controller = r))
  expect_equal(save(first, overwrite = FALSE), list(value = TRUE, visible = FALSE))
  expect_false(save(second, overwrite = FALSE)$value)
  expect_equal(rrq_worker_config_read("mine", controller = r)$timeout_idle, 1)
  expect_true(save(second)$value)
  expect_equal(rrq_worker_config_read("mine", controller = r)$timeout_idle, 2)
})

test_that("an unknown configuration is an error that names it", {
  r <- local_queue()
  err <- expect_error(
    rrq_worker_config_read("mine", controller = r),
    "mine", class = "rrq_error_config_missing"
  )
  expect_equal(err$ids, "mine")
})

test_that("reading waits for a configuration only so long", {
  r <- local_queue()
  time <- system.time(expect_error(
    rrq_worker_config_read("mine", timeout = 0.3, controller = r),
    class = "rrq_error_config_missing"
  ))
  expect_gte(time[["elapsed"]], 0.3)
})

test_that("a worker follows its configuration", {
  r <- local_queue()
  rrq_worker_config_save("slow", rrq_worker_config("slow", timeout_idle = 50), controller = r)
  worker <- local_worker(r, name_config = "slow")
  expect_equal(worker$info()$queue, c("slow", "default"))
  id <- rrq_task_create_expr(sqrt(4), queue = "slow", controller = r)
  run_worker(worker)
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
})

test_that("values that make no sense are refused", {
  wrong <- list(
    queue = "", verbose = NA, poll_queue = -1, timeout_idle = NULL, poll_process = "1",
    timeout_process_die = NA_real_, heartbeat_period = 0, heartbeat_period = Inf,
    max_tasks = 0, max_tasks = 1.5, max_memory = 0, max_memory = NA
  )
  for (i in seq_along(wrong)) {
    name <- names(wrong)[[i]]
    expect_error(
      do.call(rrq_worker_config, wrong[i]),
      sprintf("`%s`", name), class = "rrq_error_argument"
    )
  }
})

test_that("only a configuration can be saved, under a name", {
  r <- local_queue()
  config <- rrq_worker_config()
  expect_error(rrq_worker_config_save("", config, controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_config_save("a", list(), controller = r), class = "rrq_error_argument")
  expect_error(rrq_worker_config_save("a", config, NA, r), class = "rrq_error_argument")
  expect_error(rrq_worker_config_read("a", -1, r), class = "rrq_error_argument")
  expect_equal(rrq_worker_config_list(r), "localhost")
})

test_that("a configuration prints a line for each setting", {
  expect_snapshot(rrq_worker_config("urgent", heartbeat_period = 1.5))
})
