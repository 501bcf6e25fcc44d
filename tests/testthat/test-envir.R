test_that("a worker can call the functions of the source files", {
  r <- local_queue()
  path <- local_source("double <- function(x) 2 * x")
  rrq_worker_envir_set(rrq_envir(sources = path), controller = r)
  id <- rrq_task_create_expr(double(4), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 8)
})

test_that("packages are attached before files are sourced", {
  path <- local_source("version <- R6Class")
  create <- rrq_envir(packages = "R6", sources = path)
  withr::defer(if ("package:R6" %in% search()) detach("package:R6"))
  envir <- new.env()
  create(envir)
  expect_true("package:R6" %in% search())
  expect_identical(envir$version, R6::R6Class)
})

test_that("files are found from any working directory of the worker", {
  path <- local_source("x <- 1")
  create <- withr::with_dir(dirname(path), rrq_envir(sources = basename(path)))
  envir <- new.env()
  create(envir)
  expect_equal(envir$x, 1)
})

test_that("the function does not capture the environment it is created in", {
  big <- seq(0, 1, length.out = 1e6)
  create <- rrq_envir("stats", local_source("x <- 1"))
  expect_lt(length(serialize(create, NULL)), 5000)
  expect_named(formals(create), "envir")
})

test_that("missing source files are named at once", {
  path <- local_source("x <- 1")
  err <- expect_error(
    rrq_envir(sources = c("absent.R", path, tempdir())),
    "absent.R", class = "rrq_error_argument"
  )
  expect_match(conditionMessage(err), tempdir(), fixed = TRUE)
  expect_no_match(conditionMessage(err), basename(path), fixed = TRUE)
})

test_that("packages and sources must be names", {
  expect_error(rrq_envir(packages = 1), "`packages`", class = "rrq_error_argument")
  expect_error(rrq_envir(sources = NA_character_), "`sources`", class = "rrq_error_argument")
})

test_that("any function of one argument is accepted", {
  r <- local_queue()
  k <- 7
  rrq_worker_envir_set(function(envir, extra = 1) assign("seven", k, envir), controller = r)
  id <- rrq_task_create_expr(get("seven"), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 7)
})

test_that("anything but a function of one argument is rejected", {
  r <- local_queue()
  for (create in list(function() 1, function(a, b) 1, "f", Sys.getpid)) {
    expect_error(
      rrq_worker_envir_set(create, controller = r),
      "`create`", class = "rrq_error_argument"
    )
  }
  expect_error(rrq_worker_envir_set(NULL, NA, r), "`notify`", class = "rrq_error_argument")
})

test_that("active workers build the new environment before the next task", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_worker_envir_set(function(envir) envir$x <- 1, controller = r)
  task <- rrq_task_create_expr(get("x"), controller = r)
  run_worker(worker)
  expect_equal(rrq_message_get_response(id, named = FALSE, controller = r), list("OK"))
  expect_equal(rrq_task_result(task, controller = r), 1)
})

test_that("without notice, active workers keep their environment until refreshed", {
  r <- local_queue()
  worker <- local_worker(r)
  ask <- function() rrq_task_create_expr(exists("rrq_x"), controller = r)
  expect_null(rrq_worker_envir_set(function(envir) envir$rrq_x <- 1, FALSE, r))
  before <- ask()
  run_worker(worker)
  rrq_worker_envir_refresh(controller = r)
  after <- ask()
  run_worker(worker)
  expect_equal(rrq_task_results(c(before, after), controller = r), list(FALSE, TRUE))
})

test_that("NULL removes the function", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$rrq_x <- 1, controller = r)
  rrq_worker_envir_set(NULL, controller = r)
  id <- rrq_task_create_expr(exists("rrq_x"), controller = r)
  run_worker(local_worker(r))
  expect_false(rrq_task_result(id, controller = r))
})

test_that("without workers no refresh is sent", {
  r <- local_queue()
  expect_null(rrq_worker_envir_refresh(controller = r))
  expect_null(rrq_worker_envir_refresh(character(), r))
  expect_error(rrq_worker_envir_refresh("unknown", r), class = "rrq_error_worker_missing")
})

test_that("a worker whose environment fails logs the error and exits", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) stop("no such data"), controller = r)
  err <- expect_error(
    utils::capture.output(local_worker(r, worker_id = "w")),
    "no such data", class = "rrq_error"
  )
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  expect_match(rrq_worker_log_tail("w", Inf, r)$message, "no such data", all = FALSE)
})

test_that("a worker on which a refresh fails responds with the error and exits", {
  r <- local_queue()
  worker <- local_worker(r, worker_id = "w")
  rrq_worker_envir_set(function(envir) stop("no such data"), notify = FALSE, controller = r)
  id <- rrq_worker_envir_refresh(controller = r)
  task <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(worker)
  answer <- rrq_message_get_response(id, controller = r)$w
  expect_s3_class(answer, "try-error")
  expect_match(answer, "no such data")
  log <- rrq_worker_log_tail("w", Inf, r)
  expect_match(log$message[log$command == "ENVIR"], "no such data", all = FALSE)
  expect_match(log$message[log$command == "STOP"], "environment")
  expect_equal(rrq_worker_status("w", r), c(w = "EXITED"))
  expect_equal(rrq_task_status(task, controller = r), "PENDING")
})
