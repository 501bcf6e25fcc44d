test_that("a queue nothing was submitted to is empty", {
  r <- local_queue()
  expect_equal(rrq_queue_length(controller = r), 0)
  expect_equal(rrq_queue_list("other", controller = r), character())
})

test_that("tasks are listed in the order they will run", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_queue_length(controller = r), 3)
  expect_equal(rrq_queue_list(controller = r), ids)
})

test_that("each queue has its own tasks", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), queue = "other", controller = r)
  expect_equal(rrq_queue_list("other", controller = r), id)
  expect_equal(rrq_queue_length("other", controller = r), 1)
  expect_equal(rrq_queue_length(controller = r), 0)
})

test_that("a task that was taken waits no more", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(1), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_queue_length(controller = r), 0)
  expect_equal(rrq_queue_list(controller = r), character())
})

test_that("a queue's name is one non-empty string", {
  r <- local_queue()
  for (queue in list("", NA_character_, 1, c("a", "b"), character())) {
    expect_error(rrq_queue_length(queue, r), "`queue`", class = "rrq_error_argument")
    expect_error(rrq_queue_list(queue, r), "`queue`", class = "rrq_error_argument")
  }
})

test_that("a task can be taken out of its queue", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_queue_remove(c(ids[[2]], "unknown"), controller = r), c(TRUE, FALSE))
  expect_equal(rrq_queue_remove(ids[[2]], controller = r), FALSE)
  expect_equal(rrq_queue_list(controller = r), ids[-2])
  expect_equal(rrq_queue_length(controller = r), 2)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "PENDING", "COMPLETE"))
})

test_that("a task is taken out of the queue it waits in", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), queue = "other", controller = r)
  expect_false(rrq_queue_remove(id, controller = r))
  expect_true(rrq_queue_remove(id, "other", r))
  expect_equal(rrq_task_info(id, r)$queue, "other")
})

test_that("what is taken out of a queue is checked", {
  r <- local_queue()
  expect_equal(rrq_queue_remove(character(), controller = r), logical())
  expect_error(rrq_queue_remove(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_queue_remove("a", 1, r), "`queue`", class = "rrq_error_argument")
})

test_that("workers take no tasks from a queue that is paused", {
  r <- local_queue()
  rrq_worker_config_save("ab", rrq_worker_config(queue = c("a", "b")), controller = r)
  expect_true(rrq_queue_pause("a", controller = r))
  expect_false(rrq_queue_pause("a", controller = r))
  a <- rrq_task_create_expr(sqrt(1), queue = "a", controller = r)
  b <- rrq_task_create_expr(sqrt(1), queue = "b", controller = r)
  worker <- local_worker(r, name_config = "ab")
  run_worker(worker)
  expect_equal(rrq_task_status(c(a, b), controller = r), c("PENDING", "COMPLETE"))
  expect_true(rrq_queue_resume("a", controller = r))
  expect_false(rrq_queue_resume("a", controller = r))
  run_worker(worker)
  expect_equal(rrq_task_status(a, controller = r), "COMPLETE")
})

test_that("a worker that sleeps hears that a queue is resumed", {
  r <- local_queue()
  local_spawned(r)
  rrq_queue_pause(controller = r)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  rrq_queue_resume(controller = r)
  expect_true(rrq_task_wait(id, timeout = 20, controller = r))
})

test_that("a controller shows queues that nobody listens to, and paused ones", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(1), queue = "odd", controller = r)
  rrq_queue_pause(controller = r)
  shown <- utils::capture.output(print(r))
  expect_equal(shown[-1], c(
    "  default: 0 waiting, 0 workers; paused",
    "  odd: 1 waiting, 0 workers - nobody listens to it"
  ))
})
