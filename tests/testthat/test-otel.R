fields <- function(record, name) vapply(record$spans, function(span) format(span[[name]]), "")

test_that("a submission is a span, and its tasks are children of it", {
  r <- local_queue()
  record <- local_otel()
  rrq_task_create_expr(sqrt(4), controller = r)
  rrq_task_create_call(sqrt, list(4), controller = r)
  rrq_task_create_bulk_call(sqrt, 1:2, controller = r)
  rrq_task_create_bulk_expr(sqrt(x), data.frame(x = 1), controller = r)
  expect_identical(fields(record, "name"), rep("rrq submit", 4))
  expect_identical(fields(record, "kind"), rep("client", 4))
  expect_identical(
    lapply(record$spans, function(span) unlist(span$attributes, use.names = FALSE)),
    list(c("expr", "1"), c("call", "1"), c("bulk_call", "2"), c("bulk_expr", "1"))
  )
  run_worker(local_worker(r))
  tasks <- record$spans[5:9]
  expect_setequal(rrq_task_status(rrq_task_list(controller = r), controller = r), "COMPLETE")
  expect_identical(
    vapply(tasks, function(span) span$parent, ""), paste0("span-", c(1, 2, 3, 3, 4))
  )
  expect_setequal(
    vapply(tasks, function(span) span$attributes$rrq.task_id, ""), rrq_task_list(controller = r)
  )
  expect_identical(fields(record, "kind")[5:9], rep("server", 5))
  expect_identical(fields(record, "ended"), rep("TRUE", 9))
})

test_that("the span of a task that fails or is stopped says so", {
  r <- local_queue()
  record <- local_otel()
  rrq_task_create_expr(stop("no luck"), controller = r)
  rrq_task_create_expr(Sys.sleep(60), timeout_task_run = 0.1, controller = r)
  rrq_task_create_expr(sqrt(1), controller = r)
  run_worker(local_worker(r))
  expect_identical(
    fields(record, "status")[4:6], c("error: no luck", "error: interrupted", "unset")
  )
})

test_that("a worker without otel runs what was sent with a context", {
  skip_on_os("windows")
  r <- local_queue()
  record <- local_otel()
  worker <- local_spawned(r)
  # The worker has no otel and runs them all the same.
  expect_identical(rrq_lapply(1:3, function(x) x, controller = r), as.list(1:3))
  expect_identical(unique(fields(record, "name")), "rrq submit")
  expect_identical(rrq_call(sqrt, list(4), controller = r), 2)
})

test_that("an error of otel fails no task", {
  r <- local_queue()
  local_otel()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  the$otel$extract_http_context <- function(headers) stop("not mine")
  run_worker(local_worker(r))
  expect_identical(rrq_task_result(id, controller = r), 2)
})

test_that("nothing is sent while no tracer is enabled", {
  r <- local_queue()
  record <- local_otel(enabled = FALSE)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_length(record$spans, 0)
  record$enabled <- TRUE
  rrq_task_create_expr(sqrt(4), controller = r)
  expect_length(record$spans, 1)
})

test_that("the functions of otel are taken when it is loaded", {
  withr::defer(the$otel <- NULL)
  hooks <- getHook(packageEvent("otel", "onLoad"))
  expect_gte(length(hooks), 1)
  expect_null(the$otel)
})
