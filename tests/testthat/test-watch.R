test_that("what has ended is told once, without a request", {
  r <- local_queue()
  watch <- rrq_watch(r)
  expect_s3_class(watch, "rrq_watch")
  nothing <- list(id = character(), status = character(), event = list(), dropped = numeric())
  expect_identical(watch$drain(), nothing)
  expect_false(watch$wait())
  ids <- rrq_task_create_bulk_call(function(x) if (x > 1) stop("no") else x, 1:2, controller = r)
  expect_null(watch$add(ids))
  expect_false(watch$wait(0))
  expect_equal(watch$n_open(), 2)
  run_worker(local_worker(r))
  wait_until(watch$n_open() == 0)
  expect_true(watch$wait())
  news <- watch$drain()
  expect_identical(news$id, ids)
  expect_identical(news$status, c("COMPLETE", "ERROR"))
  expect_identical(news$event, list(NULL, NULL))
  # The workers of other tests send some, too.
  before <- n_commands(r)
  for (i in 1:1000) expect_identical(watch$drain(), nothing)
  expect_lt(n_commands(r) - before, 500)
  watch$close()
})

test_that("tasks created by the code of $submit() are watched", {
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  id <- watch$submit(rrq_task_create_expr(1 + 1, controller = r))
  expect_equal(watch$n_open(), 1)
  other <- rrq_task_create_expr(sqrt(2), controller = r)
  run_worker(local_worker(r))
  expect_true(watch$wait())
  expect_identical(watch$drain()$id, id)
  expect_invisible(watch$submit(invisible(1)))
  fail <- function() {
    rrq_task_create_expr(sqrt(1), controller = r)
    stop("after it")
  }
  expect_error(watch$submit(fail()), "after it")
  expect_equal(watch$n_open(), 0)
  expect_true(rrq_task_wait(other, controller = r))
  inner <- rrq_watch(r)
  withr::defer(inner$close())
  watch$submit({
    inner$submit(rrq_task_create_expr(sqrt(1), controller = r))
    rrq_task_create_expr(sqrt(1), controller = r)
  })
  expect_equal(c(watch$n_open(), inner$n_open()), c(1, 1))
})

test_that("events come before the end of their task", {
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  emit <- function() {
    for (i in 1:3) rrq::rrq_task_emit(rlang::cnd("tick", i = i))
    "done"
  }
  id <- watch$submit(rrq_task_create_call(emit, controller = r))
  run_worker(local_worker(r))
  wait_until(watch$n_open() == 0)
  news <- watch$drain()
  expect_identical(news$status, c(NA, NA, NA, "COMPLETE"))
  expect_identical(vapply(news$event[1:3], function(event) event$i, 1L), 1:3)
  expect_s3_class(news$event[[1]], c("tick", "condition"))
  expect_identical(news$dropped, c(0, 0, 0, 0))
})

test_that("a closed watch says so, and one from another process is closed", {
  r <- local_queue()
  watch <- rrq_watch(r)
  expect_output(print(watch), "<rrq_watch> 0 tasks not ended")
  copy <- unserialize(serialize(watch, NULL))
  watch$close()
  watch$close()
  for (closed in list(watch, copy)) {
    expect_null(closed$n_open())
    expect_output(print(closed), "<rrq_watch> closed")
    expect_error(closed$drain(), class = "rrq_error_watch_closed")
    expect_error(closed$wait(), class = "rrq_error_watch_closed")
    expect_error(closed$add("a"), class = "rrq_error_watch_closed")
    expect_error(closed$submit(1), class = "rrq_error_watch_closed")
    expect_error(closed$on_event(identity), class = "rrq_error_watch_closed")
  }
})

test_that("a watch of a server that has ended closes", {
  server <- rrq_server()
  r <- rrq_controller("jobs", server$url)
  watch <- rrq_watch(r)
  server$stop()
  expect_no_error(watch$close())
  expect_null(watch$n_open())
})

test_that("arguments are checked and unknown ids are an error", {
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  expect_error(watch$add("unknown"), class = "rrq_error_task_missing")
  expect_error(watch$add(1), class = "rrq_error_argument")
  expect_error(watch$wait("a"), class = "rrq_error_argument")
  expect_error(watch$on_event(1), class = "rrq_error_argument")
  expect_error(rrq_watch(1), class = "rrq_error_argument")
})

test_that("a function is called by the event loop when there is news", {
  skip_if_not_installed("later")
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  worker <- local_worker(r)
  seen <- character()
  expect_true(can_wake_loops())
  watch$on_event(function() seen <<- c(seen, watch$drain()$id))
  for (i in 1:2) {
    ids <- watch$submit(rrq_task_create_bulk_call(sqrt, 1:3, controller = r))
    run_worker(worker)
    wait_until({
      later::run_now(0.1)
      length(seen) == 3 * i
    })
    expect_identical(utils::tail(seen, 3), ids)
  }
  watch$on_event(NULL)
  watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
  run_worker(worker)
  expect_true(watch$wait())
  later::run_now()
  expect_length(seen, 6)
  watch$on_event(function() seen <<- "called for what was there")
  wait_until({
    later::run_now(0.1)
    identical(seen, "called for what was there")
  })
})

test_that("an error of the function is raised in the event loop, and the next news is told", {
  skip_if_not_installed("later")
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  worker <- local_worker(r)
  n <- 0
  watch$on_event(function() {
    n <<- n + 1
    stop("mine")
  })
  for (i in 1:2) {
    watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
    run_worker(worker)
    expect_error(wait_until({
      later::run_now(0.1)
      FALSE
    }), "mine")
    expect_equal(n, i)
  }
})

test_that("without a C function of later, the event loop polls", {
  skip_if_not_installed("later")
  r <- local_queue()
  watch <- rrq_watch(r)
  worker <- local_worker(r)
  seen <- character()
  local_function("can_wake_loops", function() FALSE)
  watch$on_event(function() seen <<- c(seen, watch$drain()$id))
  id <- watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
  run_worker(worker)
  wait_until({
    later::run_now(0.1)
    identical(seen, id)
  })
  watch$close()
  expect_true(wait_until({
    later::run_now(0.1)
    later::loop_empty()
  }))
})

test_that("a watch that is collected deletes its stream, one with a function is not collected", {
  skip_if_not_installed("later")
  r <- local_queue()
  n_streams <- function() length(r$con$KEYS(paste0(r$keys$prefix, "ev:*")))
  watch <- rrq_watch(r)
  watch$on_event(function() watch$drain())
  expect_equal(n_streams(), 1)
  watch$on_event(NULL)
  rm(watch)
  wait_until({
    gc()
    n_streams() == 0
  })
})

test_that("a wait notices that a spawned worker was killed", {
  skip_on_os("windows")
  r <- local_queue()
  local_patient(r)
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  id <- watch$submit(start_sleeper(r))
  kill_hard(r, rrq_worker_list(controller = r))
  expect_message(expect_true(watch$wait(time_limit())), "killed by signal 9")
  expect_identical(watch$drain()[c("id", "status")], list(id = id, status = "DIED"))
})

test_that("Ctrl-C ends a wait", {
  session <- local_session({
    r <- rrq_controller(!!local_queue()$queue_id, !!test_server()$url)
    watch <- rrq_watch(r)
    id <- watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
    cat("waits\n")
    tryCatch(watch$wait(), interrupt = function(i) cat("interrupted\n"))
    cat(watch$n_open(), "\n")
  })
  wait_until("waits" %in% session_out(session))
  wait_until({
    send_signal(session, tools::SIGINT)
    "interrupted" %in% session_out(session)
  })
  session_status(session)
  expect_identical(trimws(session_out(session)), c("waits", "interrupted", "1"))
})

test_that("in a fork a watch is closed, a new one works, and the parent's goes on", {
  skip_on_os("windows")
  r <- local_queue()
  watch <- rrq_watch(r)
  withr::defer(watch$close())
  id <- watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
  in_fork <- parallel::mccollect(parallel::mcparallel({
    closed <- tryCatch(watch$drain(), rrq_error_watch_closed = function(e) "closed")
    own <- rrq_watch(r)
    own$add(id)
    n <- own$n_open()
    own$close()
    rm(watch)
    gc()
    list(closed, n)
  }))[[1]]
  expect_identical(in_fork, list("closed", 1))
  run_worker(local_worker(r))
  expect_true(watch$wait(time_limit()))
  expect_identical(watch$drain()$id, id)
})

test_that("tasks of a destroyed queue end as missing", {
  r <- rrq_controller("test-destroyed", test_server()$url)
  watch <- rrq_watch(r)
  id <- watch$submit(rrq_task_create_expr(sqrt(1), controller = r))
  rrq_destroy(controller = r)
  expect_identical(watch$drain()[c("id", "status")], list(id = id, status = "MISSING"))
  watch$close()
})
