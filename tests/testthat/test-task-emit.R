test_that("a task emits conditions, which can be read while and after it runs", {
  r <- local_queue()
  emit <- function() {
    stored <- rrq::rrq_task_emit(rlang::cnd("tick", i = 1))
    rrq::rrq_task_emit(simpleCondition("two"))
    stored
  }
  id <- rrq_task_create_call(emit, controller = r)
  expect_identical(rrq_task_events(id, r), structure(list(), dropped = 0))
  expect_true(run_result(id, r))
  events <- rrq_task_events(id, r)
  expect_length(events, 2)
  expect_identical(events[[1]], rlang::cnd("tick", i = 1))
  expect_identical(conditionMessage(events[[2]]), "two")
  rrq_task_delete(id, controller = r)
  expect_error(rrq_task_events(id, r), class = "rrq_error_task_missing")
})

test_that("tasks in separate processes and their forks emit, too", {
  skip_on_os("windows")
  r <- local_queue()
  emit <- function() {
    rrq::rrq_task_emit(simpleCondition("parent"))
    job <- parallel::mcparallel(rrq::rrq_task_emit(simpleCondition("child")))
    parallel::mccollect(job)
    Sys.getpid()
  }
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  local_spawned(r)
  ids <- watch$submit(c(
    rrq_task_create_call(emit, controller = r),
    rrq_task_create_call(emit, isolation = "fork", controller = r),
    rrq_task_create_call(emit, isolation = "fresh", controller = r)
  ))
  expect_true(rrq_task_wait(ids, controller = r))
  for (id in ids) {
    expect_identical(vapply(rrq_task_events(id, r), conditionMessage, ""), c("parent", "child"))
  }
  wait_until(watch$n_open() == 0)
  news <- watch$drain()
  expect_identical(sum(is.na(news$status)), 6L)
  expect_identical(news$id[!is.na(news$status)], ids)
})

test_that("the oldest of many events are dropped and counted", {
  r <- local_queue()
  emit <- function() for (i in 1:1005) rrq::rrq_task_emit(rlang::cnd("tick", i = i))
  id <- rrq_task_create_call(emit, controller = r)
  run_result(id, r)
  events <- rrq_task_events(id, r)
  expect_length(events, 1000)
  expect_equal(attr(events, "dropped"), 5)
  expect_equal(events[[1]]$i, 6)
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  watch$add(id)
  news <- watch$drain()
  expect_identical(news$dropped[1:2], c(5, 0))
})

test_that("what cannot be emitted is an error", {
  r <- local_queue()
  expect_error(rrq_task_emit("text"), class = "rrq_error_argument")
  expect_error(rrq_task_emit(simpleCondition("x"), error = NA), class = "rrq_error_argument")
  expect_false(rrq_task_emit(simpleCondition("x")))
  expect_error(rrq_task_emit(simpleCondition("x"), error = TRUE), class = "rrq_error_no_task")
  emit <- function() rrq::rrq_task_emit(rlang::cnd("large", x = runif(2e5)))
  id <- rrq_task_create_call(emit, controller = r)
  expect_s3_class(run_result(id, r), "rrq_error_event_large")
  expect_error(rrq_task_events(1, r), class = "rrq_error_argument")
})

test_that("a task that emits nothing costs no request", {
  r <- local_queue()
  watch <- rrq_watch(r)
  watch$close()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  run_result(id, r)
  expect_false("em" %in% sub(".*:", "", r$con$KEYS(paste0(r$keys$prefix, "*"))))
})
