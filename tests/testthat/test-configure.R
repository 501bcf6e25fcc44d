local_id <- function(env = parent.frame()) {
  server <- test_server()
  id <- basename(withr::local_tempfile())
  withr::defer(rrq_destroy(controller = rrq_controller(id, server$url)), env)
  id
}

test_that("a queue can have default rules for its tasks", {
  id <- local_id()
  policy <- rrq_retry(2, on = "error", classes = "own")
  rrq_configure(id, test_server()$url, retry = policy, ttl = 60)
  r <- rrq_controller(id, test_server()$url)
  task <- rrq_task_create_expr(rlang::abort("x", class = "own"), controller = r)
  once <- rrq_task_create_expr(stop("x"), retry = rrq_retry(1), ttl = Inf, controller = r)
  info <- rrq_task_info(task, controller = r)
  expect_equal(info[c("retry", "ttl")], list(retry = policy, ttl = 60))
  expect_null(rrq_task_info(once, controller = r)$ttl)
  run_worker(local_worker(r))
  attempts <- vapply(c(task, once), function(id) rrq_task_info(id, controller = r)$attempt, 1L)
  expect_equal(unname(attempts), c(2, 1))
})

test_that("the settings of a queue cannot be changed once it exists", {
  id <- local_id()
  url <- test_server()$url
  rrq_configure(id, url, ttl = 60)
  rrq_configure(id, url, ttl = 60)
  rrq_configure(id, url, ttl = 50)
  r <- rrq_controller(id, url)
  rrq_configure(id, url, ttl = 50)
  error <- expect_error(rrq_configure(id, url, ttl = 60), class = "rrq_error_queue_exists")
  expect_equal(error$ids, id)
  task <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_equal(rrq_task_info(task, controller = r)$ttl, 50)
})

test_that("invalid settings are rejected", {
  for (call in list(
    quote(rrq_configure("a b")),
    quote(rrq_configure("a", retry = 3)),
    quote(rrq_configure("a", ttl = -1)),
    quote(rrq_configure("a", store_max_size = -1)),
    quote(rrq_configure("a", store_max_size = 0)),
    quote(rrq_configure("a", offload_path = 1)),
    quote(rrq_configure("a", compress = NA)),
    quote(rrq_configure("a", max_bytes = -1))
  )) {
    expect_error(eval(call), class = "rrq_error")
  }
})

local_limited <- function(env = parent.frame()) {
  id <- local_id(env)
  rrq_configure(id, test_server()$url, max_bytes = 1e5)
  rrq_controller(id, test_server()$url)
}

test_that("a full queue refuses tasks that do not wait", {
  r <- local_limited()
  full <- rrq_task_create_bulk_call(length, rep(list(numeric(9000)), 2), controller = r)
  options <- rrq_task_options(wait = FALSE)
  refused <- function(call) expect_error(call, "max_bytes", class = "rrq_error_queue_full")
  error <- refused(rrq_task_create_expr(sqrt(1), wait = FALSE, controller = r))
  expect_equal(error$ids, r$queue_id)
  refused(rrq_task_create_bulk_call(sqrt, 1:2, options = options, controller = r))
  refused(rrq_lapply(1:2, sqrt, options = options, controller = r))
  expect_setequal(rrq_task_list(controller = r), full)
  rrq_task_delete(full, controller = r)
  expect_silent(rrq_task_create_expr(sqrt(1), wait = FALSE, controller = r))
})

test_that("a submission waits with one message until a full queue has room again", {
  r <- local_limited()
  full <- rrq_task_create_bulk_call(length, rep(list(numeric(9000)), 2), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    cat(rrq_task_create_expr(sqrt(1), controller = r))
  })
  wait_until(any(grepl("more than its `max_bytes` of 100 kB", session_err(session))))
  rrq_task_delete(full, controller = r)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), rrq_task_list(controller = r))
  expect_length(grep("max_bytes", session_err(session)), 1)
})

test_that("Ctrl-C ends the wait for a full queue, and nothing is queued", {
  r <- local_limited()
  full <- rrq_task_create_bulk_call(length, rep(list(numeric(9000)), 2), controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    tryCatch(rrq_task_create_expr(sqrt(1), controller = r), interrupt = function(e) cat("ended"))
  })
  wait_until(any(grepl("max_bytes", session_err(session))))
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), "ended")
  expect_setequal(rrq_task_list(controller = r), full)
})
