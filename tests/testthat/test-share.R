test_that("a handle stands for its value wherever tasks get it", {
  r <- local_queue()
  worker <- local_worker(r)
  x <- runif(2e4)
  h <- rrq_share(x, controller = r)
  fn <- function(a, b = h) c(a[[1]], b[[2]], h[[3]])
  environment(fn) <- globalenv()
  withr::defer(rm("h", envir = globalenv()))
  assign("h", h, envir = globalenv())
  ids <- c(
    rrq_task_create_expr(sum(h), controller = r),
    rrq_task_create_call(fn, list(h), controller = r),
    rrq_task_create_call(function(l) l$deep[[1]][[1]], list(list(deep = list(h))), controller = r),
    rrq_task_create_bulk_call(function(i, y) y[[i]], 4:5, list(y = h), controller = r),
    rrq_task_create_bulk_expr(h[[i]], data.frame(i = 6L), controller = r),
    rrq_task_create_bulk_call(function(e) e[[7]], list(h), controller = r)
  )
  run_worker(worker)
  results <- rrq_task_results(ids, controller = r)
  expect_equal(results[1:2], list(sum(x), x[1:3]))
  expect_equal(unlist(results[-(1:2)]), x[c(1, 4:7)])
})

test_that("tasks that use a handle stay small, and equal values are stored once", {
  r <- local_queue()
  x <- runif(2e4)
  h <- rrq_share(x, controller = r)
  expect_equal(rrq_share(x + 0, controller = r)$hash, h$hash)
  id <- rrq_task_create_expr(sum(h), controller = r)
  body <- r$con$command(list("HSTRLEN", paste0(r$keys$prefix, "b"), id))
  expect_lt(body, 2000)
  expect_equal(rrq_share_value(h, controller = r), x)
})

test_that("code in tasks can ask for the value", {
  r <- local_queue()
  worker <- local_worker(r)
  h <- rrq_share(1:3, controller = r)
  box <- new.env(parent = globalenv())
  box$h <- h
  id <- rrq_task_create_call(function(e) rrq::rrq_share_value(e$h), list(box), controller = r)
  run_worker(worker)
  expect_equal(rrq_task_result(id, controller = r), 1:3)
})

test_that("a value that is no longer shared is an error of the task that names it", {
  r <- local_queue()
  worker <- local_worker(r)
  h <- rrq_share(runif(10), controller = r)
  other <- rrq_share("other", controller = r)
  rrq_unshare(h, controller = r)
  expect_error(rrq_share_value(h, controller = r), h$hash, class = "rrq_error_object_missing")
  id <- rrq_task_create_expr(sum(h), controller = r)
  run_worker(worker)
  message <- conditionMessage(rrq_task_result(id, controller = r))
  expect_match(message, sprintf("no longer stored: .*%s", h$hash))
  expect_equal(rrq_share_value(other, controller = r), "other")
})

test_that("a value stays until each of its handles was given back", {
  r <- local_queue()
  handles <- replicate(2, rrq_share(1:10, controller = r), simplify = FALSE)
  expect_equal(handles[[1]]$hash, handles[[2]]$hash)
  rrq_unshare(handles[[1]], controller = r)
  rrq_unshare(handles[[1]], controller = r)
  expect_equal(r$store$get(handles[[2]]$hash), 1:10)
  rrq_unshare(handles[[2]], controller = r)
  expect_equal(r$store$list(), character())
})

test_that("what is no complete handle is refused", {
  r <- local_queue()
  for (bad in list(list(), list(hash = NA_character_, queue_id = r$queue_id, tag = "a"))) {
    bad <- structure(bad, class = "rrq_shared")
    expect_error(rrq_unshare(bad, controller = r), "`handle`", class = "rrq_error_argument")
    expect_error(rrq_share_value(bad, controller = r), "`handle`", class = "rrq_error_argument")
  }
})

test_that("what cannot be shared is refused", {
  r <- local_queue()
  con <- textConnection("x")
  withr::defer(close(con))
  expect_error(rrq_share(list(con), controller = r), class = "rrq_error_nonportable")
  expect_error(rrq_share_value(1, controller = r), "`handle`", class = "rrq_error_argument")
  expect_error(rrq_unshare(1, controller = r), "`handle`", class = "rrq_error_argument")
  other <- rrq_share(1, controller = local_queue())
  expect_error(rrq_unshare(other, controller = r), r$queue_id, class = "rrq_error_argument")
})

test_that("a handle prints in one line", {
  h <- structure(
    list(hash = "a", queue_id = "jobs", size = 8e6, what = "a matrix"), class = "rrq_shared"
  )
  expect_equal(format(h), "<rrq_shared> a matrix, 8 MB, in queue jobs")
  expect_output(print(h), "in queue jobs", fixed = TRUE)
})
