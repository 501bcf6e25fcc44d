test_that("a queue that was never used is empty", {
  r <- local_queue()
  expect_equal(rrq_queue_length(controller = r), 0)
  expect_equal(suppressMessages(rrq_queue_list("other", controller = r)), character())
})

test_that("the name of an unknown queue is reported once, with a similar one", {
  r <- local_queue()
  withr::defer(the$unknown_queues <- character())
  the$unknown_queues <- character()
  rrq_worker_config_save("gpu", rrq_worker_config(queue = "graphics"), controller = r)
  expect_length(messages_of(rrq_queue_length("graphics", r)), 0)
  said <- messages_of(n <- rrq_queue_length("grahpics", r))
  expect_equal(n, 0)
  expect_match(said, "Queue \"grahpics\" has never had a task")
  expect_match(said, "Did you mean \"graphics\"?", fixed = TRUE)
  expect_length(messages_of(rrq_queue_list("grahpics", r)), 0)
  said <- messages_of(paused <- rrq_queue_pause("defualt", r))
  expect_match(said, "Did you mean \"default\"?", fixed = TRUE)
  expect_true(paused)
  expect_length(messages_of(rrq_queue_length("defualt", r)), 0)
})

test_that("the name of a queue whose tasks have run is known", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), queue = "other", controller = r)
  rrq_queue_remove(id, "other", r)
  expect_length(messages_of(rrq_queue_length("other", r)), 0)
})

test_that("tasks are listed in the order in which they will run", {
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

test_that("a claimed task no longer waits", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(1), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_queue_length(controller = r), 0)
  expect_equal(rrq_queue_list(controller = r), character())
})

test_that("a queue name is a single non-empty string", {
  r <- local_queue()
  for (queue in list("", NA_character_, 1, c("a", "b"), character())) {
    expect_error(rrq_queue_length(queue, r), "`queue`", class = "rrq_error_argument")
    expect_error(rrq_queue_list(queue, r), "`queue`", class = "rrq_error_argument")
  }
})

test_that("a task can be removed from its queue", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_queue_remove(c(ids[[2]], "unknown"), controller = r), c(TRUE, FALSE))
  expect_equal(rrq_queue_remove(ids[[2]], controller = r), FALSE)
  expect_equal(rrq_queue_list(controller = r), ids[-2])
  expect_equal(rrq_queue_length(controller = r), 2)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "PENDING", "COMPLETE"))
})

test_that("a task is removed only from the queue it waits in", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), queue = "other", controller = r)
  expect_false(rrq_queue_remove(id, controller = r))
  expect_true(rrq_queue_remove(id, "other", r))
  expect_equal(rrq_task_info(id, r)$queue, "other")
})

test_that("the arguments for removing tasks are checked", {
  r <- local_queue()
  expect_equal(rrq_queue_remove(character(), controller = r), logical())
  expect_error(rrq_queue_remove(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_queue_remove("a", 1, r), "`queue`", class = "rrq_error_argument")
})

test_that("workers take no tasks from a paused queue", {
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

test_that("resuming a queue wakes an idle worker", {
  r <- local_queue()
  local_spawned(r)
  rrq_queue_pause(controller = r)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  rrq_queue_resume(controller = r)
  expect_true(rrq_task_wait(id, timeout = time_limit(), controller = r))
})

test_that("a controller shows paused queues and queues without workers", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(1), queue = "odd", controller = r)
  rrq_queue_pause(controller = r)
  shown <- utils::capture.output(print(r))
  expect_equal(shown[-1], c(
    "  default: 0 waiting, 0 workers; paused",
    "  odd: 1 waiting, 0 workers - no worker listens to it"
  ))
})
