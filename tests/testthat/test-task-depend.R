test_that("a task waits for those it depends on", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  b <- rrq_task_create_expr(2 + 2, depends_on = a, controller = r)
  expect_equal(rrq_task_status(c(a, b), controller = r), c("PENDING", "DEFERRED"))
  waits_for <- stats::setNames("PENDING", a)
  expect_equal(rrq_deferred_list(controller = r), stats::setNames(list(waits_for), b))
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(c(a, b), controller = r), list(2, 4))
  expect_length(rrq_deferred_list(controller = r), 0)
})

test_that("named dependencies are variables of an expression", {
  r <- local_queue()
  a <- rrq_task_create_expr(1:4 * 2, controller = r)
  b <- rrq_task_create_expr(c(10, 20), controller = r)
  id <- rrq_task_create_expr(sum(x) + sum(y), depends_on = c(x = a, y = b), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 50)
})

test_that("named dependencies are named arguments of a call", {
  r <- local_queue()
  a <- rrq_task_create_expr(1:4 * 2, controller = r)
  on <- c(z = a)
  id <- rrq_task_create_call(function(k, z) k * sum(z), list(3), depends_on = on, controller = r)
  bulk <- rrq_task_create_bulk_call(function(i, z) i + z[[1]], 1:2, depends_on = on, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(c(id, bulk), controller = r), list(60, 3, 4))
})

test_that("the rows of a bulk can use the value of a dependency", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  data <- data.frame(n = 1:2)
  ids <- rrq_task_create_bulk_expr(n * z, data, depends_on = c(z = a), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(ids, controller = r), list(2, 4))
})

test_that("map and reduce takes two submissions", {
  r <- local_queue()
  squares <- rrq_task_create_bulk_call(function(i) i^2, 1:10, controller = r)
  names(squares) <- paste0("square", 1:10)
  add <- function(...) sum(...)
  total <- rrq_task_create_call(add, list(), depends_on = squares, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(total, controller = r), sum((1:10)^2))
})

test_that("dependants of a failed task become impossible, and waits for them end", {
  r <- local_queue()
  a <- rrq_task_create_expr(stop("no"), controller = r)
  b <- rrq_task_create_expr(1 + 1, depends_on = a, controller = r)
  c <- rrq_task_create_expr(1 + 1, depends_on = b, controller = r)
  run_worker(local_worker(r))
  expect_false(rrq_task_wait(c, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_status(c(b, c), controller = r), c("IMPOSSIBLE", "IMPOSSIBLE"))
  expect_s3_class(rrq_task_result(c, controller = r), "rrq_task_error")
})

test_that("a task can run after a failed dependency and receive its error", {
  r <- local_queue()
  a <- rrq_task_create_expr(stop("no"), controller = r)
  id <- rrq_task_create_expr(conditionMessage(e),
    depends_on = c(e = a), on_failure = "run", controller = r
  )
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), "no")
})

test_that("depending on a failed task is an error with the ids of the impossible tasks", {
  r <- local_queue()
  a <- rrq_task_create_expr(stop("no"), controller = r)
  run_worker(local_worker(r))
  e <- expect_error(
    rrq_task_create_expr(1 + 1, depends_on = a, controller = r),
    class = "rrq_error_dependency_failed"
  )
  expect_match(conditionMessage(e), paste(a, "is ERROR"))
  expect_equal(rrq_task_status(e$task_ids, controller = r), "IMPOSSIBLE")
})

test_that("depending on an unknown task queues nothing", {
  r <- local_queue()
  expect_error(
    rrq_task_create_expr(1 + 1, depends_on = "nobody", controller = r),
    class = "rrq_error_task_missing"
  )
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("names of dependencies are checked", {
  r <- local_queue()
  expect_error(
    rrq_task_create_expr(1 + 1, depends_on = c(x = "a", x = "b"), controller = r),
    class = "rrq_error_argument"
  )
  expect_error(
    rrq_task_create_expr(1 + 1, depends_on = 1, controller = r),
    class = "rrq_error_argument"
  )
})

test_that("the details of a task list its dependencies and dependants", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  b <- rrq_task_create_expr(1 + 1, depends_on = a, controller = r)
  depends <- function(id) rrq_task_info(id, controller = r)$depends
  expect_equal(depends(b), list(up = stats::setNames(list(a), b), down = NULL))
  expect_equal(depends(a), list(up = NULL, down = stats::setNames(list(b), a)))
})

test_that("the details of a task have the whole tree of dependencies, with the names given", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  b <- rrq_task_create_expr(x + 1, depends_on = c(x = a), controller = r)
  c <- rrq_task_create_expr(x * y, depends_on = c(x = a, y = b), controller = r)
  d <- rrq_task_create_expr(1 + 1, depends_on = c(c, a), controller = r)
  up <- rrq_task_info(d, controller = r)$depends$up
  expect_named(up, c(d, c, b))
  expect_setequal(up[[d]], c(a, c))
  expect_mapequal(up[[c]], c(x = a, y = b))
  expect_equal(up[[b]], c(x = a))
  down <- rrq_task_info(a, controller = r)$depends$down
  expect_setequal(names(down), c(a, b, c))
  expect_equal(names(down)[[1]], a)
  expect_setequal(down[[a]], c(b, c, d))
  expect_equal(down[c(b, c)], stats::setNames(list(c, d), c(b, c)))
  run_worker(local_worker(r))
  expect_equal(rrq_task_info(d, controller = r)$depends$up, up)
})

test_that("a dependency that was retried keeps its name in the details", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  again <- rrq_task_retry(a, controller = r)
  b <- rrq_task_create_expr(x + 1, depends_on = c(x = a), controller = r)
  expect_equal(rrq_task_info(b, controller = r)$depends$up[[b]], c(x = again))
})

test_that("one dependency can have two names", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  id <- rrq_task_create_expr(x + y, depends_on = c(x = a, y = a), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 4)
})

test_that("a task can wait for thousands of others", {
  r <- local_queue()
  many <- rrq_task_create_bulk_call(identity, 1:4500, controller = r)
  id <- rrq_task_create_expr(1 + 1, depends_on = many, controller = r)
  expect_equal(rrq_task_status(id, controller = r), "DEFERRED")
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("waiting for tasks that were impossible from the start ends at once", {
  r <- local_queue()
  a <- rrq_task_create_expr(stop("no"), controller = r)
  run_worker(local_worker(r))
  rrq_task_wait(a, controller = r)
  e <- expect_error(
    rrq_task_create_expr(1 + 1, depends_on = a, controller = r),
    class = "rrq_error_dependency_failed"
  )
  expect_false(rrq_task_wait(e$task_ids, timeout = time_limit(), controller = r))
})

test_that("a dependency cannot have the name of an argument or column", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  on <- c(x = a)
  data <- data.frame(x = 1:2)
  refused <- function(expr) expect_error(expr, "`depends_on` .* `x`", class = "rrq_error_argument")
  refused(rrq_task_create_call(sqrt, list(x = 1), depends_on = on, controller = r))
  refused(rrq_task_create_bulk_call(sqrt, 1:2, list(x = 1), depends_on = on, controller = r))
  refused(rrq_task_create_bulk_call(sqrt, data, depends_on = on, controller = r))
  refused(rrq_task_create_bulk_expr(sqrt(x), data, depends_on = on, controller = r))
  expect_equal(rrq_task_list(controller = r), a)
})

test_that("one value under two names is one dependency", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  b <- rrq_task_create_expr(x + y, depends_on = c(x = a, y = a), controller = r)
  expect_equal(rrq_task_info(b, controller = r)$depends$up[[b]], c(x = a, y = a))
  expect_equal(rrq_deferred_list(controller = r)[[b]], stats::setNames("PENDING", a))
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(b, controller = r), 4)
})
