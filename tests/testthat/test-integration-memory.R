test_that("a value for which there is no memory left is an error of its task", {
  skip_if_not(file.exists("/proc/self/statm"), "this system does not limit memory")
  r <- local_queue()
  limited <- c("sh", "-c", "ulimit -v 600000; exec \"$@\"", "sh")
  process <- local_script(r, c("--worker-id", "limited", r$queue_id), limited)
  wait_until("limited" %in% rrq_worker_list(controller = r))
  # A value that takes up all memory, with small parts in what is left between large ones.
  fill <- function(sizes) {
    value <- vector("list", 1e5)
    n <- 0
    for (size in sizes) {
      repeat {
        part <- tryCatch(numeric(size), error = function(e) NULL)
        if (is.null(part) || n == length(value)) break
        n <- n + 1
        value[[n]] <- part
      }
    }
    value
  }
  id <- rrq_task_create_call(fill, list(c(131072, 16384, 2048)), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_match(
    conditionMessage(rrq_task_result(id, controller = r)), "not enough memory to serialise"
  )
  after <- rrq_task_create_expr(1 + 1, controller = r)
  rrq_task_wait(after, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(after, controller = r), 2)
  expect_true(process$is_alive())
})
