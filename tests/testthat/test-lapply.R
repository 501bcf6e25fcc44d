test_that("it gives what lapply() gives, with names", {
  r <- local_queue()
  local_spawned(r, 2)
  x <- list(a = 1, b = 4:6, c = NULL)
  f <- function(x) sum(x) + 1
  expect_equal(rrq_lapply(x, f, controller = r), lapply(x, f))
  expect_equal(rrq_lapply(1:1000, sqrt, controller = r), lapply(1:1000, sqrt))
  expect_equal(rrq_lapply(c(1.26, 2.34), round, digits = 1, controller = r), list(1.3, 2.3))
})

test_that("values that are lists or NULL keep their place", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 2) NULL else list(i, "x")
  expect_equal(rrq_lapply(1:5, f, chunk_size = 2, controller = r), lapply(1:5, f))
})

test_that("quick elements travel together and slow ones alone", {
  r <- local_queue()
  local_spawned(r)
  before <- n_started(r)
  rrq_lapply(1:2000, identity, controller = r)
  # 10 where the first ones were as quick as they can be, more on a busy machine.
  expect_lt(n_started(r) - before, 500)
  before <- n_started(r)
  rrq_lapply(1:6, function(i) Sys.sleep(0.15), controller = r)
  expect_equal(n_started(r) - before, 6)
})

test_that("nothing is left in the queue", {
  r <- local_queue()
  local_spawned(r)
  rrq_lapply(1:10, identity, controller = r)
  expect_length(rrq_task_list(controller = r), 0)
  expect_equal(r$con$EXISTS(paste0(r$keys$prefix, "o")), 0)
})

test_that("an error in an element is thrown, and what is left is cancelled", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 2) rlang::abort("not two", class = "own_error") else Sys.sleep(0.01)
  expect_error(rrq_lapply(1:50, f, chunk_size = 1, controller = r), class = "own_error")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("an error names the element, by number and name, wherever it is in its task", {
  r <- local_queue()
  local_spawned(r, 2)
  f <- function(i) if (i == 7) stop("row ", i) else i
  for (chunk_size in list(NULL, 1, 3, 20)) {
    err <- expect_error(rrq_lapply(1:20, f, chunk_size = chunk_size, controller = r),
      "^element 7: row 7\nTask .*, attempt 1 on worker ", class = "rrq_task_error"
    )
    expect_equal(err$element, 7)
  }
  expect_error(rrq_lapply(c(a = 1, b = 7), f, controller = r), "element 2 (b): row 7", fixed = TRUE)
  expect_error(
    rrq_lapply(1:20, f, chunk_size = 5, seed = 1, controller = r), "element 7: row 7"
  )
  expect_error(
    rrq_lapply(list(1, 2, "a"), log, chunk_size = 3, controller = r), "element 3: non-numeric"
  )
  g <- function(x, y) if (y == 3) stop("three")
  expect_error(
    rrq_mapply(g, c("a", "b", "c"), 1:3, chunk_size = 2, controller = r), "element 3 (c): three",
    fixed = TRUE
  )
})

test_that("if the element is not known, those of the task are named", {
  r <- local_queue()
  local_spawned(r)
  options <- rrq_task_options(separate_process = TRUE)
  end <- function(i) quit(status = 3)
  err <- expect_error(
    rrq_lapply(1:6, end, chunk_size = 4, options = options, controller = r), "^elements 1 to 4: "
  )
  expect_null(err$element)
})

test_that("what is left is cancelled although quick tasks end meanwhile", {
  r <- local_queue()
  local_spawned(r, 2)
  late <- withr::local_tempfile()
  n <- 20000
  f <- function(i, late, n) if (i == 1) stop("one") else if (i == n) file.create(late)
  expect_error(rrq_lapply(1:n, f, late, n, chunk_size = 1, controller = r),
    "one", class = "rrq_task_error"
  )
  wait_until(length(rrq_task_list(controller = r)) == 0)
  expect_false(file.exists(late))
})

test_that("a task that cannot be stopped in time does not hide the error, and is deleted later", {
  r <- local_queue()
  local_spawned(r)
  begun <- withr::local_tempfile()
  go <- withr::local_tempfile()
  stubborn <- function(begun, go) {
    while (!file.exists(go)) {
      tryCatch({
        file.create(begun)
        Sys.sleep(0.02)
      }, interrupt = identity)
    }
  }
  running <- rrq_task_create_call(stubborn, list(begun, go), controller = r)
  waiting <- rrq_task_create_call(identity, list(1), controller = r)
  wait_until(file.exists(begun))
  handle <- queue_handle(r)
  work <- function() {
    job <- list(ids = c(running, waiting), complete = FALSE, cancel = TRUE, handle = handle)
    on.exit(end_job(job, limit = 0.1))
    stop("the user's own error")
  }
  expect_message(expect_error(work(), "the user's own error"), "1 task could not be stopped")
  expect_equal(rrq_task_status(c(running, waiting), controller = r), c("RUNNING", "MISSING"))
  file.create(go)
  wait_until(length(rrq_task_list(controller = r)) == 0)
})

test_that("a clean-up that fails is a message, not an error", {
  testthat::skip_if_not(can_run_examples(), "there is no redis-server")
  server <- rrq_server()
  r <- rrq_controller("jobs", server$url)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  handle <- queue_handle(r)
  server$stop()
  for (complete in c(TRUE, FALSE)) {
    job <- list(ids = id, complete = complete, cancel = TRUE, handle = handle)
    expect_message(end_job(job), "1 task could not be deleted")
  }
})

test_that("a wait that takes too long cancels what is left", {
  r <- local_queue()
  local_spawned(r)
  slow <- function(i) Sys.sleep(5)
  expect_error(
    rrq_lapply(1:3, slow, timeout = 0.3, controller = r),
    class = "rrq_error_timeout"
  )
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("no elements need no workers, and bad arguments are refused", {
  r <- local_queue()
  expect_equal(rrq_lapply(list(), sqrt, controller = r), list())
  expect_error(rrq_lapply(sqrt, sqrt, controller = r), class = "rrq_error_argument")
  expect_error(rrq_lapply(1:3, 2, controller = r), class = "rrq_error_argument")
  expect_error(rrq_lapply(1:3, sqrt, chunk_size = 0, controller = r), class = "rrq_error_argument")
})

test_that("vectors with a class keep it in their elements", {
  r <- local_queue()
  local_spawned(r)
  days <- as.Date("2024-02-28") + 0:2
  expect_equal(rrq_lapply(days, format, chunk_size = 2, controller = r), lapply(days, format))
  kinds <- factor(c("a", "b"))
  expect_equal(rrq_lapply(kinds, identity, controller = r), lapply(kinds, identity))
  expect_equal(rrq_lapply(mtcars[1:3], mean, controller = r), lapply(mtcars[1:3], mean))
  expect_equal(rrq_lapply(expression(a, b + 1), class, controller = r), list("name", "call"))
})

test_that("the first failure ends the work at once", {
  r <- local_queue()
  local_spawned(r, 2)
  f <- function(i) if (i == 3) stop("three") else if (i > 3) Sys.sleep(60)
  expect_error(
    rrq_lapply(1:4, f, chunk_size = 1, timeout = time_limit(), controller = r),
    "three", class = "rrq_task_error"
  )
})

test_that("what is left can be left to go on", {
  r <- local_queue()
  f <- function(i) if (i == 1) stop("one") else i
  local_spawned(r)
  expect_message(
    expect_error(
      rrq_lapply(1:3, f, chunk_size = 1, cancel = FALSE, controller = r),
      "one", class = "rrq_task_error"
    ),
    "3 tasks stay"
  )
  ids <- rrq_task_list(controller = r)
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  expect_setequal(rrq_task_status(ids, controller = r), c("ERROR", "COMPLETE"))
  rrq_lapply(1:3, identity, cancel = FALSE, controller = r)
  expect_setequal(rrq_task_list(controller = r), ids)
})

test_that("Ctrl-C cancels what is left", {
  r <- local_queue()
  local_spawned(r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    end <- tryCatch(
      rrq_lapply(1:3, function(i) Sys.sleep(60), chunk_size = 1, controller = r),
      interrupt = function(e) "interrupted"
    )
    cat(end, "\n")
  })
  wait_until(rrq_task_overview(controller = r)$RUNNING == 1)
  wait_until(n_blocked(r) > 0)
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), "interrupted")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("the bar counts elements, over all waves", {
  r <- local_queue()
  local_spawned(r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    cat(length(rrq_lapply(1:50, identity, progress = TRUE, controller = r)), "\n")
  })
  expect_equal(session_status(session), 0)
  expect_equal(trimws(session_out(session)), "50")
  expect_match(session_err(session), "1/50 elements", all = FALSE)
  expect_match(session_err(session), "50/50 elements", all = FALSE)
})

test_that("rrq_mapply() gives what mapply() gives", {
  r <- local_queue()
  local_spawned(r, 2)
  same <- function(...) {
    expect_equal(rrq_mapply(..., chunk_size = 2, controller = r), mapply(...))
  }
  add <- function(x, y = 0, z = 0) x + y + z
  same(add, 1:5, 6:10)
  same(add, y = 1:4, x = 2:5)
  same(add, 1:6, c(10, 20))
  same(add, 1:3, MoreArgs = list(z = 100))
  same(add, c(a = 1, b = 2), 3)
  same(nchar, c("one", "three"))
  same(nchar, c("one", "three"), USE.NAMES = FALSE)
  same(function(x, y) c(x, y), 1:3, 4:6)
  same(function(x, y) c(x, y), 1:3, 4:6, SIMPLIFY = FALSE)
  same(function(x, y) diag(c(x, y)), 1:3, 4:6, SIMPLIFY = "array")
  same(function(x, y) rep(x, y), 1:3, 3:1)
  same(function(x, y) if (x > 1) y, 1:3, list("a", NULL, quote(b)), SIMPLIFY = FALSE)
  same(function(d, k) format(d), as.Date("2024-02-28") + 0:2, factor(1:3))
  same(add, integer(), numeric())
  same(add, character())
  same(add)
})

test_that("rrq_mapply() hands code over as a value", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i, code) class(code)
  more <- list(code = quote(a + b))
  expect_equal(rrq_mapply(f, 1:2, MoreArgs = more, controller = r), c("call", "call"))
  expect_equal(rrq_mapply(f, 1:2, list(quote(a), quote(f(a))), controller = r), c("name", "call"))
})

test_that("rrq_mapply() travels in chunks, throws failures and leaves nothing", {
  r <- local_queue()
  local_spawned(r, 2)
  before <- n_started(r)
  values <- rrq_mapply(function(x, y) x * y, 1:2000, 2000:1, chunk_size = 500, controller = r)
  expect_equal(values, 1:2000 * 2000:1)
  expect_equal(n_started(r) - before, 4)
  expect_equal(rrq_mapply(`+`, 1:50, 50:1, controller = r), rep(51L, 50))
  f <- function(x, y) if (x == 2) rlang::abort("not two", class = "own_error")
  expect_error(rrq_mapply(f, 1:3, 1, controller = r), class = "own_error")
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("rrq_mapply() refuses what it cannot go through", {
  r <- local_queue()
  local_spawned(r)
  expect_error(rrq_mapply(sum, 1:3, sqrt, controller = r), "`..2`", class = "rrq_error_argument")
  expect_error(rrq_mapply(sum, x = sqrt, controller = r), "`x`", class = "rrq_error_argument")
  expect_error(rrq_mapply(sum, 1:3, NULL, controller = r), "empty", class = "rrq_error_argument")
  expect_error(rrq_mapply("no such function", 1:3, controller = r), class = "rrq_error_argument")
  expect_error(
    rrq_mapply(sum, 1:3, MoreArgs = 1, controller = r),
    "`MoreArgs`", class = "rrq_error_argument"
  )
  expect_error(rrq_mapply(sum, 1, cancel = NA, controller = r), class = "rrq_error_argument")
  expect_warning(
    expect_equal(rrq_mapply(sum, 1:3, 1:2, controller = r), c(2, 4, 4)),
    "multiple"
  )
})

test_that("values with a seed depend neither on the workers nor on the chunks", {
  r <- local_queue()
  draw <- function(i) runif(1) + i
  one <- local_spawned(r)
  a <- rrq_lapply(1:20, draw, seed = 5, chunk_size = 7, controller = r)
  b <- rrq_lapply(1:20, draw, seed = 5, controller = r)
  two <- local_spawned(r, 3)
  c <- rrq_lapply(1:20, draw, seed = 5, chunk_size = 1, controller = r)
  d <- rrq_mapply(function(i, j) draw(i), 1:20, 1:20, seed = 5, chunk_size = 3, controller = r)
  expect_identical(a, b)
  expect_identical(a, c)
  expect_identical(unlist(a), d)
  expect_length(unique(unlist(a) %% 1), 20)
})

test_that("what is no function is told under the name of the argument", {
  r <- local_queue()
  expect_error(rrq_lapply(1:2, 2, controller = r), "`FUN`", class = "rrq_error_argument")
  expect_error(rrq_mapply(1, 1:2, controller = r), "`FUN`", class = "rrq_error_argument")
})

test_that("a time-out says that tasks continue only if they do", {
  r <- local_queue()
  late <- function(cancel) {
    tryCatch(rrq_lapply(1:2, sqrt, timeout = 0, cancel = cancel, controller = r),
      rrq_error_timeout = conditionMessage
    )
  }
  expect_no_match(late(TRUE), "continue")
  expect_match(suppressMessages(late(FALSE)), "continue")
})

test_that("options of tasks are used, and those that make no sense here are named", {
  r <- local_queue()
  rrq_worker_config_save("q", rrq_worker_config(queue = "q"), controller = r)
  local_spawned(r, name_config = "q")
  options <- rrq_task_options(queue = "q", seed = 5)
  draw <- function(i) runif(1)
  by_options <- rrq_lapply(1:4, draw, options = options, controller = r)
  expect_equal(rrq_lapply(1:4, draw, queue = "q", seed = 5, controller = r), by_options)
  other <- rrq_lapply(1:4, draw, seed = 6, options = options, controller = r)
  expect_false(identical(other, by_options))
  expect_equal(rrq_mapply(function(i) runif(1), 1:4, options = options, controller = r),
    unlist(by_options)
  )
  limited <- rrq_task_options(queue = "q", timeout_task_run = 0.2)
  expect_error(rrq_lapply(1, function(i) Sys.sleep(60), options = limited, controller = r),
    class = "rrq_task_error"
  )
  for (options in list(rrq_task_options(delay = 1), rrq_task_options(depends_on = "a"))) {
    expect_error(rrq_lapply(1, sqrt, options = options, controller = r),
      sprintf("`%s`", names(options)), class = "rrq_error_argument"
    )
  }
})
