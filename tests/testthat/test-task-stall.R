# A wait that has just begun, and the messages that it would give after a while.
stalled <- function(ids, r) {
  handle <- queue_handle(r)
  waiter <- rust_call(rs_wait_start(handle, ids, FALSE))
  list(handle = handle, waiter = waiter, stall = new_stall())
}

report <- function(wait) {
  wait$stall$check_at <- now()
  messages_of(report_stall(wait, NULL))
}

test_that("a wait reports once that it cannot end", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  said <- messages_of(
    expect_error(rrq_task_wait(id, timeout = 7, controller = r), class = "rrq_error_timeout")
  )
  expect_length(said, 1)
  expect_match(said, "no worker is alive")
})

test_that("a queue that nobody listens to is named, with a similar name", {
  r <- local_queue()
  local_spawned(r, 1)
  id <- rrq_task_create_expr(sqrt(1), queue = "defualt", controller = r)
  said <- report(stalled(id, r))
  expect_match(said, "No worker listens to queue \"defualt\"", fixed = TRUE)
  expect_match(said, "Did you mean \"default\"?", fixed = TRUE)
})

test_that("a wait for a paused queue says so", {
  r <- local_queue()
  local_spawned(r, 1)
  rrq_queue_pause(controller = r)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_match(report(stalled(id, r)), "is paused", fixed = TRUE)
})

test_that("a wait for paused workers says so", {
  r <- local_queue()
  local_spawned(r, 1)
  rrq_message_send_and_wait("PAUSE", controller = r)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_match(report(stalled(id, r)), "All workers that listen to queue \"default\" are paused")
})

test_that("a wait without workers says how the last one left", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_task_create_expr(sqrt(1), queue = "{other}", controller = r)
  worker$shutdown("no reason")
  expect_match(report(stalled(id, r)), "The last one, .*, left: no reason")
})

test_that("the reason why the environment failed is reported with file and line", {
  r <- local_queue()
  path <- withr::local_tempfile(lines = c("x <- 1", "", "stop('no data')"), fileext = ".R")
  rrq_worker_envir_set(rrq_envir(sources = path), controller = r)
  expect_error(local_worker(r), class = "rrq_error_envir")
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  said <- report(stalled(id, r))
  expect_match(said, sprintf("%s:3: no data", basename(path)), fixed = TRUE)
})

test_that("dependencies that cannot run are the reason of tasks that wait for them", {
  r <- local_queue()
  local_spawned(r, 1)
  a <- rrq_task_create_expr(sqrt(1), queue = "nobody", controller = r)
  b <- rrq_task_create_expr(sqrt(2), depends_on = a, controller = r)
  c <- rrq_task_create_expr(sqrt(3), depends_on = b, controller = r)
  expect_match(report(stalled(c, r)), "No worker listens to queue \"nobody\"")
})

test_that("the reason is reported again when it changes, and nothing while tasks run", {
  r <- local_queue()
  local_spawned(r, 1)
  id <- rrq_task_create_expr(Sys.sleep(60), controller = r)
  wait_until(rrq_task_status(id, controller = r) == "RUNNING")
  expect_length(report(stalled(id, r)), 0)
  rrq_task_cancel(id, controller = r)
  wait_until(rrq_worker_status(controller = r) == "IDLE")
  wait <- stalled(rrq_task_create_expr(sqrt(1), queue = "other", controller = r), r)
  # expect_match() may evaluate its argument twice.
  first <- report(wait)
  expect_match(first, "No worker listens")
  expect_length(report(wait), 0)
  rrq_worker_stop(timeout = 10, progress = FALSE, controller = r)
  second <- report(wait)
  expect_match(second, "no worker is alive")
})

test_that("a wait for tasks that start later says when the first one does", {
  r <- local_queue()
  local_worker(r)
  at <- as.POSIXct("2100-01-02 14:05:00")
  later <- function(at) {
    rrq_task_create_expr(sqrt(1), options = rrq_task_options(at = at), controller = r)
  }
  ids <- c(later(at + 60), later(at))
  wait <- stalled(ids, r)
  said <- report(wait)
  expect_match(said, "2 tasks start later; the first at 2100-01-02 14:05:00.", fixed = TRUE)
  expect_length(report(wait), 0)
  expect_match(report(stalled(ids[[2]], r)), "1 task starts later, at 2100-01-02 14:05:00.")
  expect_equal(format_time(as.numeric(Sys.time())), format(Sys.time(), "%H:%M:%S"))
})

test_that("nothing is said of a delay if another task can run", {
  r <- local_queue()
  local_worker(r)
  delayed <- rrq_task_create_expr(sqrt(1), options = rrq_task_options(delay = 60), controller = r)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  expect_length(report(stalled(c(delayed, id), r)), 0)
})

test_that("rrq_lapply() and iterators report why they wait", {
  r <- local_queue()
  said <- messages_of(
    expect_error(rrq_lapply(1:2, sqrt, timeout = 3, controller = r), class = "rrq_error_timeout")
  )
  expect_match(said, "no worker is alive", all = FALSE)
  iterator <- rrq_task_iterator(rrq_task_create_expr(sqrt(1), controller = r), controller = r)
  said <- messages_of(expect_error(iterator$next_task(3), class = "rrq_error_timeout"))
  expect_match(said, "no worker is alive")
})
