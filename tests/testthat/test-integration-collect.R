# What the Rust code allocates in R must be protected: each garbage collection may take what is not.

test_that("values of every type survive a queue while R collects garbage all the time", {
  skip_on_cran()
  r <- local_queue()
  worker <- local_worker(r)
  # Code that is defined here would have this test's environment.
  values <- local(envir = globalenv(), list(
    NULL, c(TRUE, NA), c(1L, NA), 1:1e5, c(-0.5, NA, NaN, Inf), 1i, c("a", NA, "\u00e9"),
    "Encoding<-"("\xe9", "latin1"), as.raw(0:255), list(), list(a = list(1, "b")), pairlist(a = 1),
    quote(x), quote(f(x, y = 2)), expression(a, b + 1), y ~ x, sum, `if`, function(x) x + 1,
    factor(c("a", "b")), Sys.Date(), mtcars, matrix(1:4, 2), globalenv(), new.env(),
    structure(1:3, class = "own", note = list(1)), simpleError("no"), strrep("x", 1e5)
  ))
  gctorture2(200)
  withr::defer(gctorture2(0))
  ids <- rrq_task_create_bulk_call(identity, values, controller = r)
  run_worker(worker)
  results <- rrq_task_results(ids, controller = r)
  gctorture2(0)
  expect_equal(results, values)
})

test_that("errors, messages and dependencies survive a queue while R collects garbage", {
  skip_on_cran()
  r <- local_queue()
  worker <- local_worker(r)
  big <- runif(1e4)
  gctorture2(200)
  withr::defer(gctorture2(0))
  message <- rrq_message_send("ECHO", "hello", controller = r)
  failing <- rrq_task_create_expr(
    {
      warning("careful")
      stop("no")
    },
    controller = r
  )
  first <- rrq_task_create_expr(sum(big), controller = r)
  id <- rrq_task_create_expr(y * 2, depends_on = c(y = first), controller = r)
  run_worker(worker)
  error <- rrq_task_result(failing, warnings = FALSE, controller = r)
  result <- rrq_task_result(id, controller = r)
  answer <- rrq_message_get_response(message, controller = r)[[1]]
  gctorture2(0)
  expect_s3_class(error, "rrq_task_error")
  expect_equal(conditionMessage(error$warnings[[1]]), "careful")
  expect_equal(result, sum(big) * 2)
  expect_equal(answer, "OK")
})
