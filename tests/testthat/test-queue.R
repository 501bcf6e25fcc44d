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
