test_that("output and messages of tasks are repeated in order while waiting", {
  r <- local_queue()
  local_spawned(r)
  ids <- rrq_task_create_bulk_call(speaker(), 1:2, capture = TRUE, controller = r)
  rrq_task_wait(ids, controller = r)
  heard <- hear(rrq_task_wait(ids, relay = TRUE, controller = r))
  expect_equal(heard$output, c("[1] 1", "end", "[1] 2", "end"))
  expect_equal(heard$messages, c("message 1\n", "message 2\n"))
  expect_output(expect_message(rrq_task_wait(ids[[1]], relay = TRUE, controller = r)), "1.*end")
  expect_silent(rrq_task_wait(ids, controller = r))
})

test_that("collecting and iterating repeat output before the result, with its warnings once", {
  r <- local_queue()
  local_spawned(r)
  ids <- rrq_task_create_bulk_call(speaker(), 1:2, capture = TRUE, controller = r)
  rrq_task_wait(ids, controller = r)
  say_result <- function(id, result) cat("got", result, "\n")
  warnings <- capture_warnings(heard <- hear(
    rrq_task_collect(ids, say_result, relay = TRUE, controller = r)
  ))
  expect_equal(warnings, "warning 2")
  expect_equal(heard$output[5:6], c("got 1 ", "got 2 "))
  it <- rrq_task_iterator(ids, relay = TRUE, controller = r)
  expect_equal(hear(it$next_task())$messages, c("message 1\n", "message 2\n"))
})

test_that("a map captures what it repeats", {
  r <- local_queue()
  local_spawned(r)
  fn <- speaker()
  warnings <- capture_warnings(
    heard <- hear(rrq_lapply(1:2, fn, relay = TRUE, chunk_size = 2, controller = r))
  )
  expect_equal(heard$output, c("[1] 1", "end", "[1] 2", "end"))
  expect_equal(heard$messages, c("message 1\n", "message 2\n"))
  expect_equal(warnings, "warning 2")
  expect_silent(suppressWarnings(rrq_mapply(fn, 1:2, controller = r)))
  expect_error(rrq_lapply(1, fn, relay = NA, controller = r), class = "rrq_error_argument")
})

test_that("tasks whose output is not kept have nothing to repeat", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_silent(rrq_task_wait(id, relay = TRUE, controller = r))
  expect_silent(rrq_task_wait_any(id, relay = TRUE, controller = r))
})

test_that("with a bar, repeated output ends with a whole line", {
  r <- local_queue()
  local_spawned(r)
  write <- function(x) cat(x)
  ids <- rrq_task_create_bulk_call(write, c("a", "b\n"), capture = TRUE, controller = r)
  rrq_task_wait(ids, controller = r)
  wait <- function(progress) {
    hear(rrq_task_wait(ids, relay = TRUE, progress = progress, controller = r))$output
  }
  expect_equal(wait(TRUE), c("a", "b"))
  expect_equal(wait(FALSE), "ab")
})
