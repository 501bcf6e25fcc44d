test_that("there is one task per row, in order", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_expr(a * b, data.frame(a = 1:3, b = 4:6), controller = r)
  expect_match(ids, "^[0-9a-f]{32}$")
  expect_length(unique(ids), 3)
  expect_equal(rrq_queue_list(controller = r), ids)
  expect_equal(run_results(ids, r), list(4L, 10L, 18L))
})

test_that("there is one task per element", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_bulk_call(sqrt, c(1, 4), controller = r),
    rrq_task_create_bulk_call(class, list(1L, NULL, mtcars), controller = r),
    rrq_task_create_bulk_call(class, factor(c("a", "b")), controller = r),
    rrq_task_create_bulk_call(class, as.Date("2020-01-01") + 0:1, controller = r),
    rrq_task_create_bulk_call(class, as.difftime(1, units = "mins"), controller = r),
    rrq_task_create_bulk_call(inherits, .POSIXct(1), list("POSIXct"), controller = r),
    rrq_task_create_bulk_call(nchar, c(x = "abc"), controller = r)
  )
  expect_equal(
    run_results(ids, r),
    list(
      1, 2, "integer", "NULL", "data.frame", "factor", "factor", "Date", "Date", "difftime", TRUE,
      3L
    )
  )
})

test_that("the rows of a data frame are named arguments", {
  r <- local_queue()
  grid <- data.frame(to = c(5, 6), from = 1)
  ids <- rrq_task_create_bulk_call(seq, grid, list(by = 2), controller = r)
  expect_equal(run_results(ids, r), list(c(1, 3, 5), c(1, 3, 5)))
})

test_that("all tasks share further arguments", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(x, y, z) c(x, y, z), 1:2, list(z = 30, 20),
    controller = r
  )
  expect_equal(run_results(ids, r), list(c(1, 20, 30), c(2, 20, 30)))
})

test_that("columns of all types give their element", {
  r <- local_queue()
  data <- data.frame(f = factor(c("u", "v")), d = as.Date("2020-01-01") + 0:1)
  data$l <- list(1:3, "a")
  data$t <- as.POSIXct(c(0, 1), origin = "1970-01-01", tz = "UTC")
  ids <- rrq_task_create_bulk_expr(list(f, d, l, t), data, controller = r)
  expect_identical(run_results(ids, r), list(
    list(data$f[1], data$d[1], 1:3, data$t[1]),
    list(data$f[2], data$d[2], "a", data$t[2])
  ))
})

test_that("a matrix in a column gives its rows", {
  r <- local_queue()
  data <- data.frame(i = 1:2)
  data$m <- matrix(1:4, 2)
  ids <- rrq_task_create_bulk_expr(sum(m), data, controller = r)
  expect_equal(run_results(ids, r), list(4L, 6L))
})

test_that("columns win over the environment", {
  r <- local_queue()
  x <- 100
  k <- 1
  ids <- rrq_task_create_bulk_expr(x + k, data.frame(x = 1:2), controller = r)
  expect_equal(run_results(ids, r), list(2, 3))
})

test_that("`!!` puts a value in, also past a column of that name", {
  r <- local_queue()
  x <- 100
  fn <- quote(sqrt)
  ids <- rrq_task_create_bulk_expr(x + !!x + (!!fn)(4), data.frame(x = 1:2), controller = r)
  expect_equal(run_results(ids, r), list(103, 104))
})

test_that("nothing of one task of a bulk is seen by the next", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_expr({
    seen <- exists("made")
    made <- i
    seen
  }, data.frame(i = 1:3), controller = r)
  expect_equal(run_results(ids, r), list(FALSE, FALSE, FALSE))
})

test_that("nothing of a bulk is seen by the tasks after it", {
  r <- local_queue()
  shared <- 5
  bulk <- rrq_task_create_bulk_expr(i + shared, data.frame(i = 1), controller = r)
  call <- rrq_task_create_bulk_call(function(x, y) x, list(1:2), list(y = mtcars), controller = r)
  look <- quote(c(exists("i"), exists("shared"), exists("fn"), exists("arg"), exists("shared1")))
  after <- rrq_task_create_expr(look, controller = r)
  expect_equal(run_results(c(bulk, call, after), r), list(6, 1:2, rep(FALSE, 5)))
})

test_that("the tasks of a bulk cannot change what they share", {
  r <- local_queue()
  fn <- function(x, y) {
    y$n <- y$n + x
    y$n
  }
  ids <- rrq_task_create_bulk_call(fn, 1:3, list(y = list(n = 10)), controller = r)
  expect_equal(run_results(ids, r), list(11, 12, 13))
})

test_that("language objects arrive as they are", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(
    function(x, y) list(x, y), list(quote(f(x)), as.name("u")), list(quote(g())),
    controller = r
  )
  expect_identical(
    run_results(ids, r),
    list(list(quote(f(x)), quote(g())), list(as.name("u"), quote(g())))
  )
})

test_that("an expression uses the functions of the worker's environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$twice <- function(x) 2 * x, controller = r)
  ids <- c(
    rrq_task_create_bulk_expr(twice(x), data.frame(x = 1:2), controller = r),
    rrq_task_create_bulk_expr(sapply(x, twice), data.frame(x = 1:2), controller = r)
  )
  expect_equal(run_results(ids, r), list(2, 4, 2, 4))
})

test_that("a bulk after the environment was rebuilt uses the new one", {
  r <- local_queue()
  worker <- local_worker(r)
  fn <- function(x) x + k
  environment(fn) <- globalenv()
  results <- lapply(1:2, function(k) {
    rrq_worker_envir_set(function(envir) envir$k <- k, controller = r)
    id <- rrq_task_create_bulk_call(fn, 10, controller = r)
    run_worker(worker)
    rrq_task_result(id, controller = r)
  })
  expect_equal(results, list(11, 12))
})

test_that("what the tasks share is stored once", {
  r <- local_queue()
  big <- seq(0, 1, length.out = 2e4)
  ids <- rrq_task_create_bulk_expr(i + max(big), data.frame(i = 1:100), controller = r)
  expect_equal(queue_sizes(r)[["objects"]], 1)
  sizes <- r$con$pipeline(
    list("HSTRLEN", paste0(r$keys$prefix, "b"), ids[[1]]),
    list("HSTRLEN", paste0(r$keys$prefix, "b"), ids[[100]])
  )
  expect_lt(max(unlist(sizes)), 300)
  expect_equal(unlist(run_results(ids, r)), 1:100 + 1)
})

test_that("the same bulk again shares what the first one stored", {
  r <- local_queue()
  k <- 1
  for (i in 1:2) rrq_task_create_bulk_expr(i + k, data.frame(i = 1:2), controller = r)
  expect_equal(queue_sizes(r)[["objects"]], 1)
})

test_that("a bulk of many tasks keeps their order", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(identity, 1:5000, controller = r)
  expect_equal(rrq_queue_length(controller = r), 5000)
  expect_identical(run_results(ids, r), as.list(1:5000))
})

test_that("a failed task does not stop the others", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(x) if (x == 2) stop("two") else x, 1:3, controller = r)
  results <- run_results(ids, r)
  expect_equal(results[c(1, 3)], list(1, 3))
  expect_s3_class(results[[2]], "rrq_task_error")
})

test_that("empty data are an error", {
  r <- local_queue()
  for (data in list(data.frame(), data.frame(x = integer()), mtcars[0, ], mtcars[, 0])) {
    expect_error(rrq_task_create_bulk_expr(f(x), data, controller = r),
      "`data`", class = "rrq_error_argument"
    )
  }
  for (data in list(list(), numeric(), data.frame(), NULL)) {
    expect_error(rrq_task_create_bulk_call(sqrt, data, controller = r),
      "`data`", class = "rrq_error_argument"
    )
  }
})

test_that("nothing is written for what is refused", {
  r <- local_queue()
  before <- queue_sizes(r)
  twice <- stats::setNames(data.frame(1, 2), c("x", "x"))
  create <- list(
    function() rrq_task_create_bulk_expr(f(x), list(x = 1), controller = r),
    function() rrq_task_create_bulk_expr(f(x), twice, controller = r),
    function() rrq_task_create_bulk_expr(f(x, rrq_a), data.frame(x = 1), controller = r),
    function() rrq_task_create_bulk_expr(f(!!rrq_a), data.frame(x = 1), controller = r),
    function() rrq_task_create_bulk_expr(x, data.frame(x = 1), controller = r),
    function() rrq_task_create_bulk_call(sqrt, quote(f(x)), controller = r),
    function() rrq_task_create_bulk_call(sqrt, sum, controller = r),
    function() rrq_task_create_bulk_call(sqrt, 1:3, 4, controller = r),
    function() rrq_task_create_bulk_call(4, 1:3, controller = r),
    function() rrq_task_create_bulk_call(sqrt, 1:3, timeout_task_run = 1:3, controller = r),
    function() rrq_task_create_bulk_call(sqrt, 1:3, queue = 1, controller = r)
  )
  for (fun in create) expect_error(fun(), class = "rrq_error_argument")
  expect_equal(queue_sizes(r), before)
})

test_that("a time limit is that of each task", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:2, queue = "q", timeout_task_run = 9, controller = r)
  info <- rrq_task_info(ids[[2]], r)
  expect_equal(info[c("queue", "timeout")], list(queue = "q", timeout = 9))
})

test_that("tasks of a bulk do not see what others did to the function's environment", {
  r <- local_queue()
  count <- local({
    n <- 0
    function(i) n <<- n + 1
  })
  ids <- rrq_task_create_bulk_call(count, 1:3, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(ids, controller = r), list(1, 1, 1))
})

test_that("bulks that differ only in the sign of zero are told apart", {
  r <- local_queue()
  inverse <- function(i, z) 1 / z
  a <- rrq_task_create_bulk_call(inverse, 1, list(z = 0), controller = r)
  b <- rrq_task_create_bulk_call(inverse, 1, list(z = -0), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(c(a, b), controller = r), list(Inf, -Inf))
})

test_that("of a bulk with an element that cannot be serialised nothing is left, whoever works", {
  r <- local_queue()
  before <- queue_sizes(r)
  local_spawned(r, 2)
  data <- as.list(1:3000)
  data[[2900]] <- unserialisable()
  for (front in c(FALSE, TRUE)) {
    expect_error(
      rrq_task_create_bulk_call(identity, data, list(runif(100)), at_front = front, controller = r),
      class = "rrq_error_corrupt"
    )
    wait_until(length(rrq_task_list(controller = r)) == 0)
    expect_equal(queue_sizes(r), before)
  }
})

test_that("a session killed in the middle of a bulk leaves tasks that are listed and run", {
  r <- local_queue()
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    repeat rrq_task_create_bulk_call(identity, 1:50000, controller = r)
  })
  wait_until(rrq_queue_length(controller = r) > 0)
  session$kill()
  wait_until(!session$is_alive())
  # What was sent last may arrive after that.
  wait_until({
    sizes <- queue_sizes(r)
    references <- sum(as.numeric(unlist(r$con$HVALS(paste0(r$keys$prefix, "oref")))))
    all(c(sizes[c("waiting", "bodies")], references) == sizes[["tasks"]])
  })
  ids <- rrq_queue_list(controller = r)
  local_spawned(r)
  expect_true(rrq_task_wait(ids[1:10], timeout = time_limit(), controller = r))
  rrq_task_cancel(ids, ended = "ignore", controller = r)
  rrq_task_delete(ids, controller = r)
  expect_equal(sum(queue_sizes(r)), 0)
})

test_that("`globals` declares what all tasks of an expression share; columns win", {
  r <- local_queue()
  x <- 10
  y <- 20
  data <- data.frame(x = 1:2)
  ids <- c(
    rrq_task_create_bulk_expr(x + y, data, globals = c("x", "y"), controller = r),
    rrq_task_create_bulk_expr(x + y, data, globals = list(y = 30), controller = r)
  )
  expect_equal(run_results(ids, r), list(21, 22, 31, 32))
})
