test_that("what a task brings is warned of, by name", {
  r <- local_queue()
  local_global({
    gl_make <- function(n) {
      gl_bulk <- numeric(n)
      function(x) x
    }
  })
  fn <- globalenv()$gl_make(1.5e6)
  expect_warning(rrq_task_create_call(fn, list(1), controller = r), "gl_bulk.*12 MB",
    class = "rrq_warning_large"
  )
  expect_warning(rrq_task_create_bulk_call(fn, 1:2, controller = r), "shared by all tasks.*gl_bulk",
    class = "rrq_warning_large"
  )
  # Not its own environment is large, but that of a function in it.
  local_global(gl_outer <- function(n) {
    gl_inner <- globalenv()$gl_make(n)
    function(x) x
  })
  fn <- globalenv()$gl_outer(1.5e6)
  expect_warning(rrq_task_create_call(fn, list(1), controller = r), "gl_inner.*12 MB",
    class = "rrq_warning_large"
  )
  e <- list2env(list(a = numeric(1.5e6)), parent = globalenv())
  expect_warning(rrq_task_create_call(identity, list(e), controller = r), "argument 1",
    class = "rrq_warning_large"
  )
})

test_that("the map family warns of what a function brings", {
  r <- local_queue()
  local_spawned(r)
  big <- numeric(1.5e6)
  local_fn <- local(function(x) x, envir = list2env(list(gl_big = big), parent = globalenv()))
  expect_warning(rrq_lapply(1:2, local_fn, controller = r), "gl_big", class = "rrq_warning_large")
  expect_warning(rrq_mapply(local_fn, 1:2, controller = r), "gl_big", class = "rrq_warning_large")
  expect_warning(rrq_lapply(list(big, 1), length, controller = r), "element 1 [(]12 MB[)]",
    class = "rrq_warning_large"
  )
})

test_that("the map family names the element that is large", {
  r <- local_queue()
  local_spawned(r)
  big <- numeric(1.5e6)
  map <- function(...) rrq_lapply(list(1, 2, big), length, controller = r, ...)
  expect_warning(map(), "element 3 [(]12 MB[)]", class = "rrq_warning_large")
  expect_warning(map(chunk_size = 2), "element 3 [(]12 MB[)]", class = "rrq_warning_large")
  expect_warning(rrq_mapply(length, x = list(1, big), chunk_size = 2, controller = r),
    "`x` of element 2 [(]12 MB[)]",
    class = "rrq_warning_large"
  )
})

test_that("what is stored once is not warned of", {
  r <- local_queue()
  huge <- matrix(0, 1.5e6, 1)
  expect_silent(rrq_task_create_expr(sum(huge), controller = r))
  expect_silent(rrq_task_create_call(identity, list(huge), controller = r))
  expect_silent(rrq_task_create_bulk_call(identity, 1:2, list(huge), controller = r))
  expect_silent(rrq_task_create_bulk_expr(sum(huge, x), data.frame(x = 1:2), controller = r))
  local_global({
    gl_huge <- numeric(1.5e6)
    gl_fn <- function(x) sum(gl_huge)
  })
  expect_silent(rrq_task_create_call(globalenv()$gl_fn, list(1), controller = r))
  expect_silent(rrq_task_create_bulk_call(globalenv()$gl_fn, 1:2, controller = r))
})

test_that("the element of a bulk that is large is named, once", {
  r <- local_queue()
  elements <- list(1, numeric(1.5e6), numeric(1.5e6))
  create <- function() rrq_task_create_bulk_call(length, elements, controller = r)
  warnings <- testthat::capture_warnings(create())
  expect_length(warnings, 1)
  expect_match(warnings, "element 2")
})

test_that("a warning that becomes an error, or is caught, leaves no task behind", {
  r <- local_queue()
  big <- list2env(list(a = numeric(1.5e6)), parent = globalenv())
  create <- function() rrq_task_create_call(identity, list(big), controller = r)
  withr::with_options(list(warn = 2), expect_error(create(), "This task takes up"))
  expect_equal(tryCatch(create(), rrq_warning_large = function(w) "caught"), "caught")
  expect_length(rrq_task_list(controller = r), 0)
  id <- suppressWarnings(create())
  expect_equal(rrq_task_list(controller = r), id)
})

test_that("an interrupt while a large task is inspected is an interrupt of the call", {
  r <- local_queue()
  withr::local_options(rrq.max_task_size = 1e5)
  package <- asNamespace("rrq")
  withr::defer(suppressMessages(untrace("sent_parts", where = package)))
  suppressMessages(trace("sent_parts", quote(rlang::interrupt()), print = FALSE, where = package))
  x <- runif(2e4)
  outcome <- function() rrq_task_create_call(sum, list(x), controller = r)
  expect_equal(tryCatch(outcome(), interrupt = function(e) "interrupted"), "interrupted")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("a limit for tasks that is no number is an error", {
  r <- local_queue()
  for (limit in list("1e6", NA, -1)) {
    withr::local_options(rrq.max_task_size = limit)
    text <- "rrq.max_task_size.*number of at least 0"
    expect_error(rrq_task_create_expr(sqrt(1), controller = r), text, class = "rrq_error_argument")
  }
})

test_that("a task that is too large is refused by name, and nothing is queued", {
  r <- local_queue()
  withr::local_options(rrq.max_task_size = 1e6)
  refused <- function(call, ...) expect_error(call, ..., class = "rrq_error_task_large")
  big <- list2env(list(own = numeric(2e5)), parent = globalenv())
  fn <- local(function(x) x, envir = list2env(list(brought = numeric(3e5)), parent = globalenv()))
  error <- refused(rrq_task_create_call(fn, list(1), controller = r), "brought.*environ.*2.4 MB")
  expect_match(conditionMessage(error), "takes up 2.4 MB; the limit is 1 MB. Nothing was queued")
  refused(rrq_task_create_call(identity, list(big), controller = r), "argument 1 [(]1.6 MB")
  refused(rrq_task_create_expr(ls(big), controller = r), "`big` [(]1.6 MB")
  elements <- list(1, 2, numeric(2e5))
  refused(rrq_task_create_bulk_call(length, elements, controller = r), "element 3 [(]1.6 MB")
  refused(rrq_lapply(elements, length, chunk_size = 3, controller = r), "element 3 [(]1.6 MB")
  expect_length(rrq_task_list(controller = r), 0)
  withr::local_options(rrq.max_task_size = 2e6)
  expect_silent(rrq_task_create_call(identity, list(big), controller = r))
})

test_that("what is stored once does not count as part of a task", {
  r <- local_queue()
  withr::local_options(rrq.max_task_size = 1e6)
  big <- numeric(2e5)
  expect_silent(rrq_task_create_expr(sum(big), controller = r))
  expect_silent(rrq_task_create_call(sum, list(big), controller = r))
  expect_silent(rrq_task_create_bulk_call(sum, 1:2, list(big), controller = r))
})

test_that("the map family does not put so many elements into a task that it is too large", {
  r <- local_queue()
  local_spawned(r)
  elements <- rep(list(numeric(1e5)), 40)
  withr::local_options(rrq.max_task_size = 8e6)
  expect_equal(rrq_lapply(elements, length, controller = r), rep(list(100000L), 40))
})
