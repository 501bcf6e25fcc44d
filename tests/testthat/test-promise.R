# The value of a promise, or its error, after letting the event loop run.
settled <- function(promise, loop = later::current_loop()) {
  found <- NULL
  promises::then(
    promise, function(value) found <<- list(value), function(error) found <<- list(error)
  )
  wait_until({
    later::run_now(0.1, loop = loop)
    !is.null(found)
  })
  found[[1]]
}

test_that("a promise of one id is of its value, of several of a list", {
  skip_if_not_installed("promises")
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, c(4, 9), controller = r)
  one <- rrq_promise(ids[[1]], controller = r)
  both <- rrq_promise(c(b = ids[[2]], a = ids[[1]], ids[[2]]), controller = r)
  expect_s3_class(one, "promise")
  run_worker(local_worker(r))
  expect_identical(settled(one), 2)
  expect_identical(settled(both), list(b = 3, a = 2, 3))
  # Of tasks that have ended, too.
  expect_identical(settled(rrq_promise(ids, controller = r)), list(2, 3))
  expect_identical(settled(rrq_promise(character(), controller = r)), list())
})

test_that("failures reject a promise, once all have ended, or are values", {
  skip_if_not_installed("promises")
  r <- local_queue()
  fail <- function(x) if (x > 1) stop("too large") else x
  ids <- rrq_task_create_bulk_call(fail, 1:3, controller = r)
  run_worker(local_worker(r))
  error <- settled(rrq_promise(ids[[2]], controller = r))
  expect_s3_class(error, "rrq_task_error")
  expect_match(conditionMessage(error), "too large\nTask [0-9a-f]+, attempt 1 on worker")
  error <- settled(rrq_promise(ids, controller = r))
  expect_s3_class(error, "rrq_task_error_group")
  expect_match(conditionMessage(error), "2/3 tasks failed")
  values <- settled(rrq_promise(ids, error = FALSE, controller = r))
  expect_identical(values[[1]], 1L)
  expect_s3_class(values[[2]], "rrq_task_error")
})

test_that("tasks that are cancelled or deleted, or lose their queue, reject their promises", {
  skip_if_not_installed("promises")
  r <- local_queue()
  ids <- replicate(3, rrq_task_create_expr(sqrt(1), delay = 1000, controller = r))
  promises <- lapply(ids, rrq_promise, controller = r)
  rrq_task_cancel(ids[[1]], controller = r)
  expect_identical(settled(promises[[1]])$status, "CANCELLED")
  rrq_task_delete(ids[[2]], controller = r)
  expect_identical(settled(promises[[2]])$status, "MISSING")
  rrq_destroy(controller = r)
  expect_identical(settled(promises[[3]])$status, "MISSING")
})

test_that("a value that cannot be fetched rejects its promise", {
  skip_if_not_installed("promises")
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  promise <- rrq_promise(id, controller = r)
  run_worker(local_worker(r))
  local_function("fetch_left", function(...) stop("no memory"))
  expect_identical(conditionMessage(settled(promise)), "no memory")
})

test_that("unknown ids and wrong arguments are errors at once", {
  skip_if_not_installed("promises")
  r <- local_queue()
  error <- expect_error(rrq_promise("unknown", controller = r), class = "rrq_error_task_missing")
  expect_identical(as.character(error$call[[1]]), "rrq_promise")
  expect_error(rrq_promise(1, controller = r), class = "rrq_error_argument")
  expect_error(rrq_promise("a", error = NA, controller = r), class = "rrq_error_argument")
  expect_error(rrq_async(1, controller = r), class = "rrq_error_argument")
})

test_that("a task of rrq_async() is an id and a promise", {
  skip_if_not_installed("promises")
  r <- local_queue()
  x <- 16
  task <- rrq_async(sqrt(x), label = "root", controller = r)
  expect_true(promises::is.promising(task))
  expect_output(print(task), "^<rrq_async> [0-9a-f]{32}: PENDING$")
  expect_identical(rrq_task_info(task, controller = r)$label, "root")
  run_worker(local_worker(r))
  expect_identical(settled(task), 4)
  expect_identical(promises::as.promise(task), promises::as.promise(task))
  expect_identical(settled(task$then(function(value) value + 1)), 5)
  expect_identical(rrq_task_result(task, controller = r), 4)
  failed <- rrq_async(stop("no"), controller = r)
  run_worker(local_worker(r))
  expect_s3_class(settled(failed), "rrq_task_error")
  local_function("rs_task_status", function(...) abort("connection", "It is gone."))
  expect_output(print(failed), "not available")
})

test_that("an error passes through the promise domain in which the promise was made", {
  skip_if_not_installed("promises")
  r <- local_queue()
  # Shiny's domain adds the stack of the user's call in this way.
  domain <- promises::new_promise_domain(wrapOnFulfilled = function(fun) {
    function(...) tryCatch(fun(...), error = function(e) rlang::abort("wrapped", parent = e))
  })
  failed <- rrq_async(stop("no"), controller = r)
  promises::with_promise_domain(domain, {
    both <- list(rrq_promise(failed, controller = r), promises::as.promise(failed))
  })
  run_worker(local_worker(r))
  for (promise in both) expect_s3_class(settled(promise)$parent, "rrq_task_error")
})

test_that("warnings of the task are signalled when the promise is settled", {
  skip_if_not_installed("promises")
  r <- local_queue()
  id <- rrq_task_create_expr(as.numeric("a"), controller = r)
  run_worker(local_worker(r))
  # The event loop hides them from handlers that were made outside of it.
  signalled <- list()
  local_function("signal_outcomes", function(ids, outcomes, warnings) {
    signalled[[length(signalled) + 1]] <<- list(outcomes$extra[[1]]$warnings[[1]], warnings)
  })
  settled(rrq_promise(id, controller = r))
  settled(rrq_promise(c(id, id), warnings = FALSE, controller = r))
  expect_match(conditionMessage(signalled[[1]][[1]]), "NAs introduced")
  expect_identical(lapply(signalled, `[[`, 2), list(NULL, FALSE))
})

test_that("a promise is settled by the event loop in which it was made", {
  skip_if_not_installed("promises")
  r <- local_queue()
  loop <- later::create_loop(parent = NULL)
  withr::defer(later::destroy_loop(loop))
  outer <- rrq_task_create_expr(sqrt(1), controller = r)
  promise <- rrq_promise(outer, controller = r)
  inner <- rrq_task_create_expr(sqrt(4), controller = r)
  in_loop <- later::with_loop(loop, rrq_promise(inner, controller = r))
  found <- NULL
  later::with_loop(loop, promises::then(in_loop, function(value) found <<- value))
  run_worker(local_worker(r))
  expect_identical(settled(promise), 1)
  expect_null(found)
  wait_until({
    later::run_now(0.1, loop = loop)
    !is.null(found)
  })
  expect_identical(found, 2)
})

test_that("all promises share one watch, which does not keep the controller", {
  skip_if_not_installed("promises")
  r <- local_queue()
  n_streams <- function() length(r$con$KEYS(paste0(r$keys$prefix, "ev:*")))
  other <- rrq_controller(r$queue_id, r$url)
  ids <- rrq_task_create_bulk_call(sqrt, rep(4, 250), controller = r)
  promises <- lapply(ids, rrq_promise, controller = other)
  expect_equal(n_streams(), 1)
  run_worker(local_worker(r))
  expect_identical(settled(do.call(promises::promise_all, promises)), rep(list(2), 250))
  expect_length(ls(other$promises[[1]]$waiting), 0)
  rm(other, promises)
  wait_until({
    gc()
    n_streams() == 0
  })
})

test_that("nothing is asked while a promise waits", {
  skip_if_not_installed("promises")
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), delay = 1000, controller = r)
  promise <- rrq_promise(id, controller = r)
  before <- command_counts(r)
  for (i in 1:1000) later::run_now()
  # The thread sweeps once a second, and the workers of other tests send some, too.
  asked <- command_counts(r)
  expect_lt(asked[["evalsha"]] - before[["evalsha"]], 50)
})

test_that("other requests are answered while a handler's promise waits", {
  skip_if_not_installed("promises")
  r <- local_queue()
  said <- character()
  slow <- rrq_async(sqrt(4), controller = r)
  promises::then(slow, function(value) said <<- c(said, "slow"))
  later::later(function() said <<- c(said, "fast"))
  later::run_now(1)
  expect_identical(said, "fast")
  run_worker(local_worker(r))
  wait_until({
    later::run_now(0.1)
    length(said) == 2
  })
  expect_identical(said, c("fast", "slow"))
})
