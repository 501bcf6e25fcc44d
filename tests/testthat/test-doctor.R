test_that("a task whose body cannot be read is an error that names key and field, others run", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  con <- r$con
  con$HSET(sprintf("{%s}:b", r$queue_id), ids[[2]], "junk")
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(ids, controller = r), c("COMPLETE", "ERROR", "COMPLETE"))
  error <- rrq_task_result(ids[[2]], controller = r)
  expect_s3_class(error, c("rrq_task_error", "rrq_error_corrupt"), exact = FALSE)
  expect_match(conditionMessage(error), sprintf("field '%s' of key '{%s}:b'", ids[[2]], r$queue_id),
    fixed = TRUE
  )
})

test_that("a payload that cannot be read is an error that names key and field", {
  r <- local_queue()
  x <- list(1, "a")
  id <- rrq_task_create_expr(length(x), controller = r)
  con <- r$con
  key <- sprintf("{%s}:b", r$queue_id)
  body <- con$HGET(key, id)
  body <- replace(as.raw(body), 8:12, as.raw(255))
  con$HSET(key, id, body)
  run_worker(local_worker(r))
  error <- rrq_task_result(id, controller = r)
  expect_s3_class(error, "rrq_error_corrupt")
  expect_match(conditionMessage(error), key, fixed = TRUE)
})

test_that("a header or a value that cannot be read hides no other task", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_expr(rep(x, 1000), data.frame(x = 1:3), controller = r)
  run_worker(local_worker(r))
  con <- r$con
  con$HSET(sprintf("{%s}:t", r$queue_id), ids[[1]], "junk")
  con$HSET(sprintf("{%s}:r", r$queue_id), ids[[2]], "junk")
  expect_equal(nrow(rrq_task_table(controller = r)), 3)
  rrq_task_wait(ids, controller = r)
  results <- rrq_task_results(ids, controller = r)
  expect_s3_class(results[[1]], "rrq_error_corrupt")
  expect_s3_class(results[[2]], "rrq_error_corrupt")
  expect_equal(results[[3]], rep(3L, 1000))
})

test_that("the doctor finds damage and repairs it", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  con <- r$con
  con$HSET(sprintf("{%s}:b", r$queue_id), id, "junk")
  con$SET(sprintf("{%s}:otag", r$queue_id), "junk")
  found <- rrq_doctor(controller = r)
  expect_setequal(found$key, sprintf(c("{%s}:b", "{%s}:otag"), r$queue_id))
  expect_false(any(found$repaired))
  expect_true(all(rrq_doctor(controller = r, repair = TRUE)$repaired))
  expect_equal(nrow(rrq_doctor(controller = r)), 0)
  expect_equal(rrq_task_status(id, controller = r), "ERROR")
})

test_that("an error for a key that holds something else names it", {
  r <- local_queue()
  con <- r$con
  con$SET(sprintf("{%s}:q:default", r$queue_id), "junk")
  error <- expect_error(rrq_task_create_expr(sqrt(1), controller = r), class = "rrq_error_corrupt")
  expect_match(conditionMessage(error), sprintf("{%s}:q:default", r$queue_id), fixed = TRUE)
})
