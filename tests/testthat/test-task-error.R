test_that("a failed task has an error as its result", {
  r <- local_queue()
  id <- rrq_task_create_expr(stop("it broke"), controller = r)
  result <- run_result(id, r)
  expect_equal(rrq_task_status(id, controller = r), "ERROR")
  expect_equal(class(result), c("rrq_task_error", "simpleError", "error", "condition"))
  expect_equal(conditionMessage(result), "it broke")
  expect_equal(
    result[c("queue_id", "task_id", "status", "warnings")],
    list(queue_id = r$queue_id, task_id = id, status = "ERROR", warnings = NULL)
  )
})

test_that("the call of an error is the user's", {
  r <- local_queue()
  fn <- function(x) stop("inside")
  ids <- c(
    rrq_task_create_expr(stop("at the top"), controller = r),
    rrq_task_create_call(fn, list(1), controller = r),
    rrq_task_create_expr(log("a"), controller = r)
  )
  results <- run_results(ids, r)
  expect_null(results[[1]]$call)
  expect_equal(results[[2]]$call, quote(fn(1)))
  expect_equal(results[[3]]$call, quote(log("a")))
})

test_that("classes and fields of the original condition are kept", {
  r <- local_queue()
  cnd <- structure(
    class = c("own_error", "error", "condition"),
    list(message = "own", call = NULL, data = list(code = 7))
  )
  id <- rrq_task_create_expr(stop(cnd), controller = r)
  result <- run_result(id, r)
  expect_equal(class(result), c("rrq_task_error", "own_error", "error", "condition"))
  expect_equal(result$data$code, 7)
})

test_that("the trace is in the user's frames", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    envir$outer <- function(x) inner(x)
    envir$inner <- function(x) stop("deep")
    environment(envir$outer) <- environment(envir$inner) <- envir
  }, controller = r)
  ids <- c(
    rrq_task_create_expr(outer(1), controller = r),
    rrq_task_create_expr({
      f <- function(x) outer(x)
      f(2)
    }, controller = r),
    rrq_task_create_bulk_expr(outer(x), data.frame(x = 3), controller = r)
  )
  calls <- lapply(run_results(ids, r), function(result) {
    expect_s3_class(result$trace, "rlang_trace")
    vapply(result$trace$call, deparse, "")
  })
  expect_equal(calls[[1]], c("outer(1)", "inner(x)", "stop(\"deep\")"))
  expect_equal(calls[[2]], c("f(2)", "outer(x)", "inner(x)", "stop(\"deep\")"))
  expect_equal(calls[[3]], c("outer(x)", "inner(x)", "stop(\"deep\")"))
})

test_that("warnings before an error are kept with it", {
  r <- local_queue()
  id <- rrq_task_create_expr({
    warning("first")
    as.integer("a")
    stop("then")
  }, controller = r)
  result <- suppressWarnings(run_result(id, r))
  expect_length(result$warnings, 2)
  expect_s3_class(result$warnings[[1]], "warning")
  expect_equal(conditionMessage(result$warnings[[1]]), "first")
  expect_length(rrq_task_info(id, r)$warnings, 2)
})

test_that("what a task deals with itself is no error", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_expr(tryCatch(stop("a"), error = function(e) "caught"), controller = r),
    rrq_task_create_expr(inherits(try(stop("a"), silent = TRUE), "try-error"), controller = r),
    rrq_task_create_expr(tryCatch(warning("a"), warning = function(w) "warned"), controller = r),
    rrq_task_create_expr(suppressWarnings(as.integer("a")), controller = r)
  )
  expect_equal(run_results(ids, r), list("caught", TRUE, "warned", NA_integer_))
  for (id in ids) expect_null(rrq_task_info(id, r)$warnings)
})

test_that("on.exit of a failed task runs, and the next task is not disturbed", {
  r <- local_queue()
  path <- withr::local_tempfile()
  fail <- function(path) {
    on.exit(file.create(path))
    stop("a")
  }
  ids <- c(
    rrq_task_create_call(fail, list(path), controller = r),
    rrq_task_create_expr(sqrt(4), controller = r)
  )
  results <- run_results(ids, r)
  expect_true(file.exists(path))
  expect_equal(results[[2]], 2)
})

test_that("error = TRUE throws the task's own error", {
  r <- local_queue()
  id <- rrq_task_create_expr(rlang::abort("own", class = "own_error"), controller = r)
  run_worker(local_worker(r))
  err <- expect_error(rrq_task_result(id, error = TRUE, controller = r), class = "own_error")
  expect_s3_class(err, "rrq_task_error")
  expect_equal(err$task_id, id)
  expect_equal(tryCatch(stop(err), own_error = function(e) "caught"), "caught")
})

test_that("several failures are counted and listed", {
  r <- local_queue()
  fn <- function(x) if (x > 1) stop("bad ", x, " {x} 5%") else x
  ids <- rrq_task_create_bulk_call(fn, 1:9, controller = r)
  run_worker(local_worker(r))
  err <- expect_error(
    rrq_task_results(ids, error = TRUE, controller = r),
    "8/9 tasks failed", class = "rrq_task_error_group"
  )
  expect_equal(err$task_ids, ids[-1])
  expect_length(err$errors, 8)
  expect_s3_class(err$errors[[1]], "rrq_task_error")
  text <- conditionMessage(err)
  expect_match(text, paste0(ids[[2]], ": bad 2 {x} 5%"), fixed = TRUE)
  expect_match(text, "and 3 more", fixed = TRUE)
  expect_equal(err$call[[1]], quote(rrq_task_results))
})

test_that("one failure among several results is a group of one", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, list(1, "a"), controller = r)
  run_worker(local_worker(r))
  err <- expect_error(
    rrq_task_results(ids, error = TRUE, controller = r),
    "1/2 tasks failed", class = "rrq_task_error_group"
  )
  expect_equal(err$task_ids, ids[[2]])
})

test_that("braces, percent signs and other scripts in a message survive", {
  r <- local_queue()
  text <- "50% of {braces} %s \u00e9\u4e2d {.code x}\nsecond line"
  ids <- c(
    rrq_task_create_call(function(x) stop(x), list(text), controller = r),
    rrq_task_create_call(function(x) warning(x), list(text), controller = r)
  )
  run_worker(local_worker(r))
  result <- rrq_task_result(ids[[1]], controller = r)
  expect_identical(conditionMessage(result), text)
  expect_output(print(result), "50% of {braces} %s", fixed = TRUE)
  expect_identical(conditionMessage(rrq_task_info(ids[[2]], r)$warnings[[1]]), text)
  expect_error(rrq_task_result(ids[[1]], TRUE, controller = r), "{.code x}", fixed = TRUE,
    class = "rrq_task_error"
  )
})

test_that("bullets of rlang errors are kept", {
  r <- local_queue()
  id <- rrq_task_create_expr(
    rlang::abort(c("Header {a}.", x = "What 5%.", i = "Hint."), class = "own_error"),
    controller = r
  )
  result <- run_result(id, r)
  expect_s3_class(result, "rlang_error")
  expect_match(conditionMessage(result), "Header \\{a\\}\\.\n.*What 5%\\.\n.*Hint\\.")
})

test_that("an error with a parent keeps it", {
  r <- local_queue()
  id <- rrq_task_create_expr(
    tryCatch(stop("cause"), error = function(e) rlang::abort("effect", parent = e)),
    controller = r
  )
  expect_equal(conditionMessage(run_result(id, r)$parent), "cause")
})

test_that("a condition that is signalled but no error does not end a task", {
  r <- local_queue()
  id <- rrq_task_create_expr({
    message("a message")
    signalCondition(structure(class = c("own", "condition"), list(message = "m", call = NULL)))
    "end"
  }, controller = r)
  messages <- utils::capture.output(result <- run_result(id, r), type = "message")
  expect_equal(result, "end")
})

test_that("a function that is not on the worker is an error that names it", {
  r <- local_queue()
  create <- function(text) {
    code <- str2lang(text) # R CMD check looks for packages in code, but not in strings
    rrq_task_create_expr(code, controller = r)
  }
  code <- c("rrq_absent_function(1)", "library(rrqAbsentPackage)", "rrqAbsentPackage::f(1)")
  results <- run_results(vapply(code, create, "", USE.NAMES = FALSE), r)
  expect_match(conditionMessage(results[[1]]), "rrq_absent_function")
  expect_match(conditionMessage(results[[2]]), "rrqAbsentPackage")
  expect_s3_class(results[[3]], "packageNotFoundError")
})

test_that("endless recursion is an error of the task, and the worker goes on", {
  r <- local_queue()
  manager <- local_spawned(r)
  ids <- c(
    rrq_task_create_expr({
      f <- function(x) f(x + 1)
      f(1)
    }, controller = r),
    rrq_task_create_expr({
      options(expressions = 5e5)
      f <- function(x) f(x + 1)
      f(1)
    }, controller = r),
    rrq_task_create_expr(sqrt(4), controller = r)
  )
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  results <- rrq_task_results(ids, controller = r)
  expect_equal(rrq_task_status(ids, controller = r), c("ERROR", "ERROR", "COMPLETE"))
  expect_match(conditionMessage(results[[1]]), "nested too deeply|C stack|stack overflow")
  expect_match(conditionMessage(results[[2]]), "C stack|stack overflow|nested too deeply")
  expect_equal(results[[2]]$task_id, ids[[2]])
})

test_that("a task over its time limit is stopped, and the worker goes on", {
  r <- local_queue()
  manager <- local_spawned(r)
  ids <- c(
    rrq_task_create_expr(Sys.sleep(60), timeout_task_run = 0.3, controller = r),
    rrq_task_create_expr(repeat NULL, timeout_task_run = 0.3, controller = r),
    rrq_task_create_expr(sqrt(4), timeout_task_run = 30, controller = r)
  )
  expect_false(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  expect_equal(rrq_task_status(ids, controller = r), c("TIMEOUT", "TIMEOUT", "COMPLETE"))
  result <- rrq_task_result(ids[[1]], controller = r)
  expect_s3_class(result, "rrq_task_error")
  expect_equal(result$status, "TIMEOUT")
  expect_match(conditionMessage(result), "0.3 s")
})

test_that("a task that died has a value that says so", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.2 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  manager <- local_spawned(r, name_config = "quick")
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  kill_unseen(r, manager$id)
  expect_false(rrq_task_wait(id, timeout = time_limit(), controller = r))
  result <- rrq_task_result(id, controller = r)
  expect_s3_class(result, "rrq_task_error")
  expect_equal(result[c("task_id", "status")], list(task_id = id, status = "DIED"))
  expect_match(conditionMessage(result), manager$id, fixed = TRUE)
  expect_error(rrq_task_result(id, error = TRUE, controller = r), class = "rrq_task_error")
})

test_that("values are made for all ways to end without one", {
  for (status in c("DIED", "CANCELLED", "TIMEOUT", "IMPOSSIBLE", "MOVED", "MISSING")) {
    value <- ended_without_value("a", "q", status, "w")
    expect_equal(class(value), c("rrq_task_error", "simpleError", "error", "condition"))
    expect_equal(value[c("task_id", "queue_id", "status")],
      list(task_id = "a", queue_id = "q", status = status)
    )
    expect_true(nzchar(conditionMessage(value)))
  }
})

test_that("an error without a message, or with a strange one, is an error all the same", {
  r <- local_queue()
  ids <- c(
    rrq_task_create_expr(stop(), controller = r),
    rrq_task_create_expr(
      stop(structure(class = c("own", "error", "condition"), list())), controller = r
    )
  )
  results <- run_results(ids, r)
  expect_equal(vapply(results, conditionMessage, ""), c("", ""))
  for (result in results) expect_output(print(result), "<rrq_task_error>")
  expect_error(rrq_task_results(ids, TRUE, controller = r), class = "rrq_task_error_group")
})

test_that("a task error prints where it comes from and what can be done", {
  fields <- list(
    queue_id = "jobs", task_id = strrep("a", 32), status = "ERROR",
    trace = rlang::trace_back(), warnings = list(simpleWarning("w"))
  )
  failed <- add_origin(new_task_error(simpleError("no"), fields), "fit", "calm_elk_1", 2L)
  thrown <- expect_error(throw_task_error(failed), class = "rrq_task_error")
  expect_snapshot({
    print(new_task_error(simpleError("it {broke} 5%", quote(f(x))), fields))
    print(ended_without_value(strrep("b", 32), "jobs", "DIED", "calm_elk_1"))
    print(failed)
    print(impossible_value(strrep("b", 32), "jobs", failed))
    writeLines(conditionMessage(thrown))
  })
})

test_that("a task error has the label, worker and attempt, and shows them when it is thrown", {
  r <- local_queue()
  worker <- local_worker(r)
  ids <- c(
    rrq_task_create_expr(stop("plain"), label = "fit", retry = rrq_retry(2), controller = r),
    rrq_task_create_expr(rlang::abort(c("own", x = "bullet")), controller = r)
  )
  run_worker(worker)
  result <- rrq_task_result(ids[[1]], controller = r)
  expect_equal(
    result[c("label", "worker", "attempt")], list(label = "fit", worker = worker$id, attempt = 2L)
  )
  expect_equal(conditionMessage(result), "plain")
  err <- expect_error(rrq_task_result(ids[[1]], TRUE, controller = r), class = "simpleError")
  address <- sprintf("Task %s (fit), attempt 2 on worker %s", ids[[1]], worker$id)
  expect_equal(conditionMessage(err), paste0("plain\n", address))
  expect_equal(err$message, "plain")
  err <- expect_error(rrq_task_result(ids[[2]], TRUE, controller = r), class = "rlang_error")
  expect_match(conditionMessage(err), sprintf("own\n.*bullet\n.*%s.*on worker", ids[[2]]))
  expect_null(err$label)
})

test_that("an error that a task throws for another task keeps the address of both", {
  r <- local_queue()
  worker <- local_worker(r)
  inner <- rrq_task_create_expr(stop("inner"), controller = r)
  run_worker(worker)
  fail <- function(error) rrq:::throw_task_error(error)
  outer <- rrq_task_create_call(fail, list(rrq_task_result(inner, controller = r)), controller = r)
  run_worker(worker)
  err <- expect_error(rrq_task_result(outer, error = TRUE, controller = r))
  expect_match(conditionMessage(err), sprintf("inner\nTask %s.*\nTask %s", inner, outer))
})

test_that("an impossible task names the task that failed, however far away, and its error", {
  r <- local_queue()
  worker <- local_worker(r)
  bad <- rrq_task_create_expr(stop("the cause"), label = "fit", controller = r)
  child <- rrq_task_create_expr(sqrt(1), depends_on = bad, controller = r)
  grandchild <- rrq_task_create_bulk_call(sqrt, 1:3, depends_on = child, controller = r)
  run_worker(worker)
  results <- rrq_task_results(c(child, grandchild), controller = r)
  for (result in results) {
    expect_equal(result$status, "IMPOSSIBLE")
    expect_match(conditionMessage(result), paste0(bad, " (fit), ERROR: the cause"), fixed = TRUE)
    expect_equal(result$parent$task_id, bad)
    expect_s3_class(result$parent, "simpleError")
  }
  refused <- tryCatch(
    rrq_task_create_expr(sqrt(1), depends_on = bad, controller = r),
    rrq_error_dependency_failed = function(e) e$task_ids
  )
  expect_match(conditionMessage(rrq_task_result(refused, controller = r)), "the cause")
  rrq_task_retry(bad, controller = r)
  expect_match(conditionMessage(rrq_task_result(child, controller = r)), bad)
})

test_that("an error about what the worker does not have says what to do", {
  r <- local_queue()
  fn <- function(i) if (i == 1) gl_absent_fn(1) else gl_absent
  ids <- rrq_task_create_bulk_call(fn, 1:2, controller = r)
  local_spawned(r)
  rrq_task_wait(ids, timeout = 20, controller = r)
  errors <- rrq_task_results(ids, controller = r)
  for (i in 1:2) {
    name <- c("gl_absent_fn", "gl_absent")[[i]]
    for (text in list(conditionMessage(errors[[i]]), paste(format(errors[[i]]), collapse = "\n"))) {
      expect_match(text, sprintf("globals = \"%s\"", name), fixed = TRUE)
      expect_match(text, "rrq_worker_envir_set", fixed = TRUE)
      expect_match(text, sprintf("package::%s", name), fixed = TRUE)
    }
  }
})

test_that("other errors have no hint", {
  fields <- list(status = "ERROR", trace = NULL, warnings = NULL)
  expect_null(missing_hint(new_task_error(simpleError("the file was not found"), fields)))
  fields$status <- "DIED"
  expect_null(missing_hint(new_task_error(simpleError("object 'x' not found"), fields)))
})

test_that("a function that is looked up by name, or a class, gets a hint, too", {
  hint <- function(code) {
    error <- tryCatch(code, error = identity)
    missing_hint(new_task_error(error, list(status = "ERROR", trace = NULL, warnings = NULL)))
  }
  expect_match(hint(sapply(1, "gl_absent")), "globals = \"gl_absent\"", fixed = TRUE)
  expect_match(hint(methods::new("gl_absent")), "no class `gl_absent`", fixed = TRUE)
  expect_match(hint(methods::getClass("gl_absent")), "no class `gl_absent`", fixed = TRUE)
})
