test_that("names in messages are bounded", {
  r <- local_queue()
  long <- strrep("a", 300)
  for (code in expression(
    rrq_task_info(long, controller = r), rrq_worker_info(long, controller = r),
    rrq_worker_config_read(long, controller = r), rrq_task_wait(long, controller = r),
    rrq_task_list(status = long, controller = r), rrq_heartbeat_kill(r$con, long),
    rrq_controller(paste0(long, " "))
  )) {
    e <- tryCatch(eval(code), error = identity, warning = identity)
    expect_match(conditionMessage(e), "aaa", info = deparse(code))
    expect_no_match(conditionMessage(e), strrep("a", 260), info = deparse(code))
  }
})

test_that("a result that is not an engine error is returned unchanged", {
  expect_identical(rust_call(list(1)), list(1))
  expect_null(rust_call(NULL))
})

test_that("an engine error becomes a condition with its class and ids", {
  err <- expect_error(
    rust_call(engine_error("task_missing", "no such task: a, b", c("a", "b"))),
    class = "rrq_error_task_missing"
  )
  expect_s3_class(err, "rrq_error")
  expect_s3_class(err, "rlang_error")
  expect_equal(err$ids, c("a", "b"))
})

test_that("the condition has the call of the function the user called", {
  user_function <- function() rust_call(engine_error("redis", "no"))
  err <- expect_error(user_function(), class = "rrq_error_redis")
  expect_equal(err$call, quote(user_function()))
})

test_that("the message is a sentence, with a hint if there is one", {
  err <- expect_error(rust_call(engine_error("redis", "it said no")), class = "rrq_error_redis")
  expect_equal(conditionMessage(err), "It said no.")
  err <- expect_error(rust_call(engine_error("connection", "why?")), class = "rrq_error_connection")
  expect_match(conditionMessage(err), "Why?\n", fixed = TRUE)
  expect_match(conditionMessage(err), "the server is running", fixed = TRUE)
})

test_that("every hint belongs to an engine error class and is a sentence", {
  expect_true(all(grepl("[.?]$", unlist(hints))))
  for (class in names(hints)) {
    expect_error(
      rust_call(engine_error(class, "it failed")),
      hints[[class]][[1]], fixed = TRUE, class = paste0("rrq_error_", class)
    )
  }
})

test_that("a hint is in the plural if several ids are missing", {
  r <- local_queue()
  expect_error(rrq_task_info("a", controller = r), "It may have", class = "rrq_error_task_missing")
  expect_error(
    rrq_task_wait(c("a", "b"), controller = r), "They may have", class = "rrq_error_task_missing"
  )
})

test_that("braces and percent signs in a message are literal", {
  text <- "It has {braces}, {.code x}, 100%, %s, %d and \\n in it."
  err <- expect_error(rust_call(engine_error("corrupt", text)), class = "rrq_error_corrupt")
  expect_equal(conditionMessage(err), text)
  err <- expect_error(abort("other", text), class = "rrq_error_other")
  expect_equal(conditionMessage(err), text)
})

test_that("braces and percent signs in ids survive the round trip to the engine", {
  r <- local_queue()
  id <- "{x} 100%s"
  err <- expect_error(rrq_task_info(id, r), id, fixed = TRUE, class = "rrq_error_task_missing")
  expect_equal(err$ids, id)
  expect_equal(err$call[[1]], quote(rrq_task_info))
})

test_that("an engine interrupt becomes an R interrupt, not an error", {
  seen <- tryCatch(
    rust_call(engine_error("interrupted", "interrupted")),
    interrupt = function(e) "interrupt",
    error = function(e) "error"
  )
  expect_equal(seen, "interrupt")
})

test_that("the parent of a condition is kept", {
  cause <- simpleError("cause")
  err <- expect_error(abort("other", "effect", parent = cause), class = "rrq_error_other")
  expect_identical(err$parent, cause)
})

test_that("a message is capitalised and gets one final full stop", {
  expect_equal(capitalise("a"), "A.")
  expect_equal(capitalise("A."), "A.")
  expect_equal(capitalise("'a' failed!"), "'a' failed!")
  skip_if_not(l10n_info()$`UTF-8`, "this locale has no letters beyond ASCII")
  expect_equal(capitalise("\u00e9t\u00e9"), "\u00c9t\u00e9.")
})
