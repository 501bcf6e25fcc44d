test_that("positions count from the next task to run", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_equal(rrq_task_position(rev(ids), controller = r), 3:1)
  expect_equal(rrq_task_preceeding(ids[[3]], controller = r), ids[1:2])
  expect_equal(rrq_task_preceeding(ids[[1]], controller = r), character())
})

test_that("a task that does not wait has no position", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  rrq_task_cancel(ids[[1]], controller = r)
  expect_equal(rrq_task_position(ids, controller = r), c(0L, 1L, 2L))
  expect_equal(rrq_task_position(ids[1:2], missing = NA, controller = r), c(NA, 1L))
  expect_null(rrq_task_preceeding(ids[[1]], controller = r))
})

test_that("unknown tasks have no position, and a warning lists them", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_warning(
    position <- rrq_task_position(c("unknown", id, "other"), controller = r),
    "No such tasks: unknown, other.", class = "rrq_warning_task_missing"
  )
  expect_equal(position, c(0L, 1L, 0L))
  expect_warning(
    ahead <- rrq_task_preceeding("unknown", controller = r), "No such task: unknown.",
    class = "rrq_warning_task_missing"
  )
  expect_null(ahead)
})

test_that("positions refer to one queue", {
  r <- local_queue()
  rrq_task_create_expr(sqrt(1), controller = r)
  id <- rrq_task_create_expr(sqrt(1), queue = "other", controller = r)
  expect_equal(rrq_task_position(id, controller = r), 0L)
  expect_equal(rrq_task_position(id, queue = "other", controller = r), 1L)
  expect_equal(rrq_task_preceeding(id, queue = "other", controller = r), character())
})

test_that("arguments are checked before any request", {
  r <- local_queue()
  expect_equal(rrq_task_position(character(), controller = r), integer())
  expect_error(rrq_task_position(1, controller = r), "`task_ids`", class = "rrq_error_argument")
  expect_error(rrq_task_position("a", "b", controller = r), "`missing`",
    class = "rrq_error_argument"
  )
  expect_error(rrq_task_position("a", queue = 1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_preceeding(c("a", "b"), controller = r), class = "rrq_error_argument")
  expect_error(rrq_task_preceeding("a", follow = 1, controller = r), class = "rrq_error_argument")
})

test_that("`missing` is a whole number or NA", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  for (missing in list(1.5, Inf, 1e10, "a", NULL, 1:2)) {
    expect_error(rrq_task_position("x", missing, controller = r), class = "rrq_error_argument")
  }
  expect_equal(rrq_task_position(id, NA, queue = "other", controller = r), NA_integer_)
  expect_equal(rrq_task_position(id, -1, queue = "other", controller = r), -1)
})
