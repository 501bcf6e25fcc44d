test_that("a table has a row for each task, in the order of submission", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:600, label = paste0("t", 1:600), controller = r)
  table <- rrq_task_table(controller = r)
  expect_equal(table$id, ids)
  expect_equal(table$label, paste0("t", 1:600))
  expect_true(all(is.na(table$worker) & table$attempt == 0 & is.na(table$started)))
  worker <- local_worker(r)
  run_worker(worker)
  table <- rrq_task_table(rev(ids[1:2]), controller = r)
  expect_equal(table$id, rev(ids[1:2]))
  expect_equal(table$worker, rep(worker$id, 2))
  expect_s3_class(table$ended, "POSIXct")
  expect_true(all(table$submitted <= table$started & table$started <= table$ended))
})

test_that("tasks are found by status, tag, queue and time", {
  r <- local_queue()
  a <- rrq_task_create_expr(sqrt(1), tags = "x", controller = r)
  b <- rrq_task_create_expr(sqrt(1), queue = "b", controller = r)
  run_worker(local_worker(r))
  find <- function(...) rrq_task_table(..., controller = r)$id
  expect_equal(find(status = "COMPLETE"), a)
  expect_equal(find(status = c("PENDING", "COMPLETE")), c(a, b))
  expect_equal(find(queue = "b"), b)
  expect_equal(find(tag = "x"), a)
  expect_equal(find(tag = "x", queue = "b"), character())
  expect_equal(find(since = rrq_task_times(b, controller = r)[, "submit"]), b)
  expect_equal(find(c(a, b), status = "PENDING"), b)
  expect_equal(nrow(rrq_task_table(character(), controller = r)), 0)
  expect_equal(rrq_task_list(status = "PENDING", controller = r), b)
})

test_that("a table warns of unknown tasks", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_warning(
    table <- rrq_task_table(c("unknown", id), controller = r),
    "unknown", class = "rrq_warning_task_missing"
  )
  expect_equal(table$id, id)
})

test_that("invalid filters are rejected", {
  r <- local_queue()
  for (call in list(
    quote(rrq_task_table(status = "GONE", controller = r)),
    quote(rrq_task_list(tag = 1, controller = r)),
    quote(rrq_task_list(queue = character(), controller = r)),
    quote(rrq_task_table(since = "now", controller = r))
  )) {
    expect_error(eval(call), class = "rrq_error_argument")
  }
})

test_that("an empty table has the columns of one with tasks", {
  r <- local_queue()
  id <- rrq_task_create_expr(1 + 1, controller = r)
  full <- rrq_task_table(controller = r)
  empty <- rrq_task_table(character(), controller = r)
  expect_equal(lapply(empty, class), lapply(full, class))
  expect_equal(nrow(empty), 0)
})
