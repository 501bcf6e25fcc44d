local_connection <- function(env = parent.frame()) {
  con <- textConnection("a")
  withr::defer(close(con), env)
  con
}

pointer <- function() asNamespace("xml2")$read_xml("<a/>")$node

problem_in <- function(...) {
  problem <- find_nonportable(list(...))
  if (!is.null(problem)) paste(place_text(problem), problem$what, sep = ": ")
}

test_that("connections and pointers are found where they are, with the way to them", {
  skip_if_not_installed("xml2")
  con <- local_connection()
  expect_equal(problem_in(`\`x\`` = con), "`x`: a connection")
  expect_equal(problem_in(`\`x\`` = list(1, a = list(b = pointer()))),
    "`x$a$b`: an external pointer"
  )
  expect_equal(problem_in(`argument 1` = list2env(list(con = con))),
    "`$con` of argument 1: a connection"
  )
  expect_equal(problem_in(x = structure(1, handle = pointer())),
    "`@handle` of x: an external pointer"
  )
})

test_that("of a function's environment only what it uses counts", {
  con <- local_connection()
  expect_equal(problem_in(f = function() readLines(con)), "`con`: a connection")
  expect_null(problem_in(f = function() 1))
  inner <- function() readLines(con)
  expect_equal(problem_in(f = list(function() inner())), "`con`: a connection")
})

test_that("pointers in code are found", {
  skip_if_not_installed("xml2")
  fn <- as.function(list(call(".Call", pointer())))
  expect_match(problem_in(f = fn), "in its code")
})

test_that("what can travel passes", {
  dt <- if (rlang::is_installed("data.table")) asNamespace("data.table")$data.table(a = 1:3)
  generator <- suppressWarnings(methods::setRefClass("rrq_portable", list(a = "numeric")))
  withr::defer(methods::removeClass("rrq_portable"))
  con <- local_connection()
  fit <- stats::lm(mpg ~ wt, datasets::mtcars)
  source <- eval(parse(text = "function(x) {\n x\n}", keep.source = TRUE))
  for (x in list(dt, generator, generator$new(a = 1), fit, source, stdout(), R6::R6Class("a"))) {
    expect_null(problem_in(x = x))
  }
  r <- local_queue()
  ids <- rrq_task_create_call(list, list(dt, fit, source, generator), controller = r)
  run_worker(local_worker(r))
  value <- rrq_task_result(ids, controller = r)
  expect_equal(value[[1]], dt, ignore_attr = ".internal.selfref")
})

test_that("objects of R6 and reference classes that hold a connection are found", {
  holder <- R6::R6Class("holder", list(con = NULL), private = list(own = NULL), active = list(
    set = function(x) private$own <- x
  ))
  object <- holder$new()
  expect_null(problem_in(x = object))
  object$set <- local_connection()
  expect_match(problem_in(x = object), "private$own", fixed = TRUE)
  class <- suppressWarnings(methods::setRefClass("rrq_holder", list(con = "ANY")))
  withr::defer(methods::removeClass("rrq_holder"))
  expect_match(problem_in(x = class$new(con = local_connection())), "con")
})

test_that("a cycle and a long list do not hang the walk", {
  e <- new.env()
  e$self <- e
  expect_null(problem_in(x = e))
  expect_null(problem_in(x = rep(list(list(1)), 1e5)))
})

test_that("a task that needs a connection is refused, naming it, and nothing is queued", {
  r <- local_queue()
  con <- local_connection()
  local_global(gl_con <- textConnection("a"))
  withr::defer(close(globalenv()$gl_con), priority = "first")
  f <- eval(quote(function(i) gl_con), globalenv())
  refused <- function(expr, what) {
    expect_error(expr, what, fixed = TRUE, class = "rrq_error_nonportable")
  }
  refused(rrq_task_create_expr(readLines(con), controller = r), "`con`: it is a connection")
  refused(rrq_task_create_call(readLines, list(con), controller = r), "argument 1")
  refused(rrq_task_create_call(readLines, list(con = con), controller = r), "`con`")
  refused(rrq_task_create_call(function() readLines(con), list(), controller = r), "`con`")
  refused(rrq_task_create_call(f, list(1), controller = r), "`gl_con`")
  refused(rrq_task_create_bulk_call(f, 1:2, controller = r), "`gl_con`")
  refused(rrq_lapply(1:2, f, controller = r), "`gl_con`")
  refused(rrq_task_create_bulk_call(identity, list(1, con), controller = r), "element 2")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("a column may have the name of a connection", {
  r <- local_queue()
  con <- local_connection()
  d <- data.frame(con = 1:3, x = c(1, 3, 2))
  local_global(gl_con <- textConnection("a"))
  withr::defer(close(globalenv()$gl_con), priority = "first")
  quoting <- function(d, ...) rlang::enquos(...)
  model <- eval(quote(function(d) stats::lm(gl_con ~ x, d)), globalenv())
  rows <- eval(quote(function(d) d[gl_con > 1, ]), globalenv())
  for (fn in list(model, rows, function(d) stats::lm(con ~ x, d), function(d) quoting(d, con))) {
    expect_type(rrq_task_create_bulk_call(fn, list(d), controller = r), "character")
  }
  expect_null(found_for(model)$values)
  id <- rrq_task_create_expr(stats::lm(con ~ x, d), controller = r)
  expect_named(rrq_task_data(id, r)$variables, "d")
  expect_type(rrq_task_create_expr(d[con > 1, ], controller = r), "character")
})

test_that("a connection behind many values, or far down, is found", {
  con <- local_connection()
  many <- lapply(1:200, list)
  found <- function(x) find_nonportable(list(`\`x\`` = x), limit = 100)
  expect_equal(place_text(found(c(many, list(a = con)))), "`x$a`")
  expect_null(found(many))
  deep <- con
  for (i in 1:70) deep <- list(deep)
  expect_equal(place_text(found(deep)), "a value somewhere in `x`")
})

test_that("a function may be made beside a connection", {
  r <- local_queue()
  con <- local_connection()
  # In a run of many files, the environments around a test may be large.
  id <- suppressWarnings(
    rrq_task_create_call(function(x) x + 1, list(1), controller = r),
    classes = "rrq_warning_large"
  )
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("the option turns the error into a warning", {
  r <- local_queue()
  con <- local_connection()
  withr::local_options(rrq.nonportable = "warn")
  expect_warning(id <- rrq_task_create_expr(class(con), controller = r),
    "con", class = "rrq_warning_nonportable"
  )
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("a result that cannot travel is an error of the task", {
  r <- local_queue()
  fn <- function(i) {
    warning("first")
    if (i == 1) list(con = textConnection("a")) else i
  }
  ids <- rrq_task_create_bulk_call(fn, 1:2, controller = r)
  suppressWarnings(run_worker(local_worker(r)))
  expect_equal(rrq_task_status(ids, controller = r), c("ERROR", "COMPLETE"))
  error <- suppressWarnings(rrq_task_result(ids[[1]], controller = r))
  expect_s3_class(error, "rrq_error_nonportable")
  expect_match(conditionMessage(error), "`$con` of the value of the task", fixed = TRUE)
  expect_length(error$warnings, 1)
})

test_that("with the option on the worker, such a result is a warning", {
  r <- local_queue()
  id <- rrq_task_create_expr(textConnection("a"), controller = r)
  withr::local_options(rrq.nonportable = "warn")
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(id, controller = r), "COMPLETE")
  warnings <- rrq_task_info(id, controller = r)$warnings
  expect_match(conditionMessage(warnings[[1]]), "a connection")
})

test_that("controllers and connections to Redis travel, as they connect again", {
  r <- local_queue()
  local_spawned(r)
  id <- rrq_task_create_call(identity, list(1), controller = r)
  rrq_task_wait(id, timeout = 20, controller = r)
  fn <- function(id) c(rrq::rrq_task_status(id, controller = r), r$con$PING())
  expect_equal(rrq_lapply(id, fn, controller = r), list(c("COMPLETE", "PONG")))
  fn <- function(id, con) con$PING()
  ping <- rrq_lapply(id, fn, con = r$con, controller = r)
  expect_equal(as.character(ping[[1]]), "PONG")
})

test_that("an option that is none of the choices is an error; results are then refused", {
  r <- local_queue()
  con <- local_connection()
  id <- rrq_task_create_expr(textConnection("a"), controller = r)
  withr::local_options(rrq.nonportable = "wrn")
  expect_error(rrq_task_create_expr(close(con), controller = r), "rrq.nonportable",
    class = "rrq_error_argument"
  )
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(id, controller = r), "ERROR")
})

test_that("messages about what cannot travel name it and the ways out", {
  r <- local_queue()
  con <- local_connection()
  deep <- con
  for (i in 1:50) deep <- list(deep)
  deeper <- deep
  for (i in 1:20) deeper <- list(deeper)
  errors <- conditions_of(
    rrq_task_create_expr(readLines(con), controller = r),
    rrq_task_create_call(readLines, list(con), controller = r),
    rrq_task_create_call(identity, list(deep), controller = r),
    rrq_task_create_call(identity, list(deeper), controller = r),
    rrq_lapply(list(1, con), identity, chunk_size = 2, controller = r),
    rrq_mapply(identity, x = list(1, list(a = con)), chunk_size = 2, controller = r)
  )
  expect_snapshot(writeLines(errors))
  withr::local_options(rrq.nonportable = "warn")
  warning <- conditions_of(rrq_task_create_expr(readLines(con), controller = r))
  expect_snapshot(writeLines(warning))
})
