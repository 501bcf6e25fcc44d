# The values of tasks that are created as at the console, where `r` is the queue.
run_global <- function(code, r) {
  ids <- eval(substitute(code), list(r = r), globalenv())
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  unlist(rrq_task_results(ids, controller = r))
}

test_that("functions of R find the methods of the session for the values of a map", {
  r <- local_queue()
  local_spawned(r)
  g <- local_money()
  local_global({
    gl_paste <- function(i) paste(gl_price)
    gl_paste_list <- function(l) lapply(l, paste)
  })
  map <- function(...) unlist(rrq_lapply(..., controller = r))
  expect_equal(map(g$gl_twice, format), c("$5", "$5"))
  expect_equal(map(list(g$gl_twice), g$gl_paste_list), c("$5", "$5"))
  expect_equal(map(list(g$gl_twice), function(x) sapply(x, format)), c("$5", "$5"))
  expect_equal(map(list(g$gl_twice), function(x) format(Reduce(`+`, x))), "$10")
  expect_equal(map(list(g$gl_price), function(x) paste(x)), "$5")
  expect_equal(map(1, g$gl_paste), "$5")
})

test_that("functions of R find the methods of the session in other kinds of tasks", {
  r <- local_queue()
  local_spawned(r)
  local_money()
  two <- c("$5", "$5")
  expect_equal(
    run_global(rrq_task_create_call(lapply, list(gl_twice, format), controller = r), r), two
  )
  expect_equal(run_global(rrq_task_create_bulk_call(format, gl_twice, controller = r), r), two)
  expect_equal(run_global(rrq_task_create_expr(sapply(gl_twice, format), controller = r), r), two)
  expect_equal(run_global(rrq_task_create_expr(sapply(gl_twice, format),
    globals = c("gl_twice", "format.gl_money"), controller = r
  ), r), two)
})

test_that("a generic of the session that is passed as a value finds its methods", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_area <- function(x, ...) UseMethod("gl_area")
    gl_area.square <- function(x, ...) x$side^2 # nolint: object_name_linter.
    gl_square <- structure(list(side = 2), class = "square")
  })
  g <- globalenv()
  expect_equal(rrq_lapply(list(g$gl_square), g$gl_area, controller = r), list(4))
  expect_equal(rrq_lapply(list(list(g$gl_square)), sapply, g$gl_area, controller = r), list(4))
})

test_that("methods of one name from different sessions do not mix, and none stays", {
  r <- local_queue()
  local_spawned(r)
  ids <- vapply(c("a", "b"), function(sign) {
    local_global({
      gl_price <- structure(1, class = "gl_coin")
      format.gl_coin <- function(x, ...) gl_sign # nolint: object_name_linter.
    })
    assign("gl_sign", sign, globalenv())
    on.exit(rm("gl_sign", envir = globalenv()))
    eval(quote(rrq_task_create_call(lapply, list(list(gl_price), format), controller = r)),
      list(r = r), globalenv()
    )
  }, "")
  after <- rrq_task_create_expr(exists("format.gl_coin"), controller = r)
  rrq_task_wait(c(ids, after), timeout = time_limit(), controller = r)
  expect_equal(rrq_task_results(c(ids, after), controller = r), list(list("a"), list("b"), FALSE))
})

test_that("the worker's own methods are back after a task, also after one that failed", {
  local_global(format.gl_coin <- function(x, ...) "own") # nolint: object_name_linter.
  run <- new_run()
  run$envir <- new_environment(NULL)
  calls <- evaluation_calls(run, list(process = list()))
  on.exit(the$task <- NULL)
  fn <- list(methods = "format.gl_coin", globals = list(format.gl_coin = function(x, ...) "sent"))
  coin <- structure(1, class = "gl_coin")
  for (code in list(quote(sapply(list(x), format)), quote(stop("no")))) {
    fn$value <- as.function(list(x = NULL, code), envir = globalenv())
    payload <- list(fn = fn, args = list(coin))
    outcome <- with_task_handlers(run,
      calls$slot$run("call", payload, NULL, NULL, NULL, 0, NULL, FALSE)
    )
    expect_equal(sapply(list(coin), format), "own")
    if (outcome[[1]] == "COMPLETE") expect_equal(outcome[[2]], "sent")
  }
  expect_equal(outcome[[1]], "ERROR")
})

test_that("values keep the methods of the package that made them", {
  skip_if_not_installed("tibble")
  r <- local_queue()
  local_spawned(r)
  table <- asNamespace("tibble")$tibble(a = 1:2)
  assign("gl_table", table, globalenv())
  withr::defer(rm("gl_table", envir = globalenv()))
  column <- function(x) names(x[, 1])
  expect_equal(rrq_lapply(list(table), column, controller = r), list("a"))
  expect_equal(rrq_lapply(list(list(table)), function(x) names(x[[1]][, 1]), controller = r),
    list("a")
  )
  expect_equal(run_global(rrq_task_create_expr(names(gl_table[, 1]), controller = r), r), "a")
})

test_that("the package of a class may be absent on the worker", {
  load_namespaces("rrqnopackage")
  expect_true("rrqnopackage" %in% the$absent)
  expect_no_error(load_namespaces("rrqnopackage"))
})
