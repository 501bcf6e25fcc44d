test_that("an id has 32 hexadecimal characters", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_expr(sqrt(4), controller = r),
    rrq_task_create_call(sqrt, list(4), controller = r)
  )
  expect_match(ids, "^[0-9a-f]{32}$")
  expect_length(unique(ids), 2)
  expect_equal(rrq_task_status(ids, controller = r), c("PENDING", "PENDING"))
})

test_that("the session's random numbers are left alone", {
  r <- local_queue()
  set.seed(1)
  before <- .Random.seed
  rrq_task_create_expr(sqrt(4), controller = r)
  rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  expect_identical(.Random.seed, before)
})

test_that("an expression finds the variables of where it was written", {
  r <- local_queue()
  outer <- 10
  create <- function(inner) {
    local <- 1
    rrq_task_create_expr(outer + inner + local, controller = r)
  }
  expect_equal(run_result(create(100), r), 111)
})

test_that("values are those at the time of submission", {
  r <- local_queue()
  x <- 1
  id <- rrq_task_create_expr(x + 1, controller = r)
  x <- 100
  expect_equal(run_result(id, r), 2)
})

test_that("the value of a block is that of its last expression", {
  r <- local_queue()
  id <- rrq_task_create_expr({
    x <- 2
    f <- function(y) x * y
    f(21)
  }, controller = r)
  expect_equal(run_result(id, r), 42)
})

test_that("a stored call is run as the call", {
  r <- local_queue()
  x <- 16
  stored <- quote(sqrt(x))
  id <- rrq_task_create_expr(stored, controller = r)
  expect_equal(run_result(id, r), 4)
})

test_that("an expression uses the functions of the worker's environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$twice <- function(x) 2 * x, controller = r)
  id <- rrq_task_create_expr(sapply(1:3, twice), controller = r)
  expect_equal(run_result(id, r), c(2, 4, 6))
})

test_that("nothing of one task is seen by the next", {
  r <- local_queue()
  leak <- 1
  first <- rrq_task_create_expr({
    made <- leak
    made
  }, controller = r)
  look <- quote(c(exists("leak"), exists("made"), exists("arg1"), exists("fn")))
  second <- rrq_task_create_call(function(x) x, list(1:3), controller = r)
  third <- rrq_task_create_expr(look, controller = r)
  expect_equal(run_results(c(first, second, third), r), list(1, 1:3, rep(FALSE, 4)))
})

test_that("a task's frame is above the worker's environment, which it cannot change by `<-`", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$k <- 1, controller = r)
  first <- rrq_task_create_expr({
    k <- get("k") + 1
    k
  }, controller = r)
  second <- rrq_task_create_expr(get("k"), controller = r)
  expect_equal(run_results(c(first, second), r), list(2, 1))
})

test_that("a function of a package is called by name", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_call(stats::median, list(c(1, 5, 3)), controller = r),
    rrq_task_create_call(stats:::Pillai, list(1, 1, 1), controller = r),
    rrq_task_create_call(toupper, list("a"), controller = r)
  )
  expect_equal(rrq_task_data(ids[[1]], r)$fn$name, "median")
  results <- run_results(ids, r)
  expect_equal(results[c(1, 3)], list(3, "A"))
  expect_equal(results[[2]], stats:::Pillai(1, 1, 1))
})

test_that("an anonymous function takes along what it was made with", {
  r <- local_queue()
  factory <- function(k) function(x) x + k
  ids <- c(
    rrq_task_create_call(factory(10), list(1), controller = r),
    rrq_task_create_call(function(x, y) x / y, list(y = 2, x = 8), controller = r)
  )
  expect_equal(run_results(ids, r), list(11, 4))
})

test_that("a function of the global environment sees the worker's environment instead", {
  r <- local_queue()
  fn <- function(x) c(x, k, !identical(environment(sys.function()), globalenv()))
  environment(fn) <- globalenv()
  rrq_worker_envir_set(function(envir) envir$k <- 7, controller = r)
  id <- rrq_task_create_call(fn, list(1), controller = r)
  expect_equal(run_result(id, r), c(1, 7, 1))
})

test_that("the global environment is not sent with a function", {
  r <- local_queue()
  withr::defer(rm("rrq_test_big", envir = globalenv()))
  assign("rrq_test_big", seq(0, 1, length.out = 1e5), envir = globalenv())
  fn <- function(x) x
  environment(fn) <- globalenv()
  id <- rrq_task_create_call(fn, list(1), controller = r)
  expect_lt(r$con$command(list("HSTRLEN", paste0(r$keys$prefix, "b"), id)), 2000)
})

test_that("language objects arrive as they are", {
  r <- local_queue()
  args <- list(quote(f(x)), as.name("undefined"), y ~ x, expression(a, b))
  id <- rrq_task_create_call(function(...) list(...), args, controller = r)
  result <- run_result(id, r)
  expect_identical(result[1:2], args[1:2])
  expect_equal(result[[3]], args[[3]], ignore_attr = TRUE)
  expect_identical(result[[4]], args[[4]])
})

test_that("a function may ask how its arguments were written", {
  r <- local_queue()
  id <- rrq_task_create_call(function(x, n) class(substitute(x)), list(1:3, 2), controller = r)
  expect_equal(run_result(id, r), "name")
})

test_that("arguments may be missing, NULL, unnamed or named", {
  r <- local_queue()
  fn <- function(a, b = "default", ...) list(a, b, ...)
  ids <- c(
    rrq_task_create_call(fn, list(NULL), controller = r),
    rrq_task_create_call(fn, list(b = NULL, 1, z = 2), controller = r),
    rrq_task_create_call(function() "none", list(), controller = r)
  )
  expect_equal(
    run_results(ids, r),
    list(list(NULL, "default"), list(1, NULL, z = 2), "none")
  )
})

test_that("values of all types go there and come back", {
  r <- local_queue()
  values <- list(
    NULL, NA, 1L, -0.5, Inf, NaN, 1i, "\u00e9", as.raw(0:255), factor(c("a", "b")), Sys.Date(),
    mtcars, list(a = list(1)), matrix(1:4, 2), structure(1, class = "own"), quote(x + y)
  )
  ids <- vapply(values, function(x) {
    rrq_task_create_call(identity, list(x), controller = r)
  }, "")
  expect_identical(run_results(ids, r), values)
})

test_that("a large variable is stored once, however many tasks use it", {
  r <- local_queue()
  big <- seq(0, 1, length.out = 2e4)
  ids <- c(
    rrq_task_create_expr(sum(big), controller = r),
    rrq_task_create_expr(max(big), controller = r),
    rrq_task_create_call(length, list(big), controller = r)
  )
  expect_equal(queue_sizes(r)[["objects"]], 1)
  sizes <- lapply(ids, function(id) r$con$command(list("HSTRLEN", paste0(r$keys$prefix, "b"), id)))
  expect_lt(max(unlist(sizes)), 2000)
  expect_equal(run_results(ids, r), list(sum(big), 1, 2e4))
})

test_that("several large arguments come to their places", {
  r <- local_queue()
  a <- seq(0, 1, length.out = 2e4)
  b <- a + 1
  fn <- function(x, y, z) c(x[[1]], y, z[[1]])
  environment(fn) <- globalenv()
  id <- rrq_task_create_call(fn, list(a, 5, z = b), controller = r)
  expect_equal(queue_sizes(r)[["objects"]], 2)
  expect_equal(run_result(id, r), c(0, 5, 1))
})

test_that("small variables are stored with their task", {
  r <- local_queue()
  small <- 1:10
  rrq_task_create_expr(sum(small), controller = r)
  expect_equal(queue_sizes(r)[["objects"]], 0)
})

test_that("a task goes to the queue it is meant for", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), queue = "other", controller = r)
  expect_equal(rrq_queue_list("other", r), id)
  expect_equal(rrq_queue_length(controller = r), 0)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("what is wrong is said on behalf of the function that was called", {
  r <- local_queue()
  err <- expect_error(rrq_task_create_expr(f(rrq_a), controller = r), class = "rrq_error_variable")
  expect_equal(err$call[[1]], quote(rrq_task_create_expr))
  err <- expect_error(rrq_task_create_call(1, list(), controller = r), class = "rrq_error_argument")
  expect_equal(err$call[[1]], quote(rrq_task_create_call))
})

test_that("nothing is written for what is refused", {
  r <- local_queue()
  before <- queue_sizes(r)
  keys <- sort(unlist(r$con$KEYS(paste0(r$keys$prefix, "*"))))
  create <- list(
    function() rrq_task_create_expr(1, controller = r),
    function() rrq_task_create_expr(f(rrq_a), controller = r),
    function() rrq_task_create_expr(quote(f(1)), controller = r),
    function() rrq_task_create_expr(f(1), queue = "", controller = r),
    function() rrq_task_create_expr(f(1), queue = NA_character_, controller = r),
    function() rrq_task_create_expr(f(1), timeout_task_run = -1, controller = r),
    function() rrq_task_create_expr(f(1), timeout_task_run = NA, controller = r),
    function() rrq_task_create_expr(f(1), separate_process = NA, controller = r),
    function() rrq_task_create_call(sqrt(2), list(), controller = r),
    function() rrq_task_create_call(sqrt, 4, controller = r),
    function() rrq_task_create_call(sqrt, NA, controller = r),
    function() rrq_task_create_call("sqrt", list(4), controller = r)
  )
  for (fun in create) expect_error(fun(), class = "rrq_error_argument")
  expect_equal(queue_sizes(r), before)
  expect_equal(sort(unlist(r$con$KEYS(paste0(r$keys$prefix, "*")))), keys)
})

test_that("a pointer that is sent all the same points nowhere", {
  withr::local_options(rrq.nonportable = "ignore")
  r <- local_queue()
  id <- rrq_task_create_call(is_dead, list(r$pointer), controller = r)
  expect_false(is_dead(r$pointer))
  expect_true(run_result(id, r))
})

test_that("`globals` declares what is sent with an expression", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$rrq_theirs <- 100, controller = r)
  x <- 1
  twice <- function(i) 2 * i
  ids <- c(
    rrq_task_create_expr(rrq_theirs + 1, globals = FALSE, controller = r),
    rrq_task_create_expr(twice(x), globals = c("twice", "x"), controller = r),
    rrq_task_create_expr(x + rrq_theirs, globals = list(x = 5), controller = r)
  )
  expect_equal(run_results(ids, r), list(101, 2, 105))
})

test_that("a variable in `globals` that cannot be found queues nothing", {
  r <- local_queue()
  expect_error(
    rrq_task_create_expr(sqrt(2), globals = "rrq_absent", controller = r),
    "rrq_absent", class = "rrq_error_variable"
  )
  expect_error(
    rrq_task_create_expr(sqrt(2), globals = NULL, controller = r), class = "rrq_error_argument"
  )
  expect_equal(rrq_queue_length(controller = r), 0)
})

test_that("a stored value that was deleted with its task is sent again beside a new one", {
  r <- local_queue()
  local_worker(r)
  for (i in 1:3) {
    # Of such vectors R sends the ends alone, so these are small.
    id <- rrq_task_create_call(function(a, b) 1, list(1:1e6, i:1e6), controller = r)
    rrq_task_delete(id, controller = r)
  }
  expect_length(rrq_task_list(controller = r), 0)
})
