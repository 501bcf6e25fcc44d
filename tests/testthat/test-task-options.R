test_that("a task can be put at the front of its queue, many in their order", {
  r <- local_queue()
  last <- rrq_task_create_expr(sqrt(1), controller = r)
  first <- rrq_task_create_bulk_call(sqrt, 1:700, at_front = TRUE, controller = r)
  expect_equal(rrq_queue_list(controller = r), c(first, last))
})

test_that("a task with a delay is pending, but not in its queue before that", {
  r <- local_queue()
  local_spawned(r)
  before <- Sys.time()
  later <- rrq_task_create_expr(sqrt(1), delay = 0.5, controller = r)
  fixed <- rrq_task_create_expr(sqrt(1), at = before + 0.5, controller = r)
  far <- rrq_task_create_expr(sqrt(1), delay = 3600, controller = r)
  expect_equal(rrq_task_status(far, controller = r), "PENDING")
  expect_equal(rrq_queue_list(controller = r), character())
  expect_true(rrq_task_wait(c(later, fixed), timeout = time_limit(), controller = r))
  times <- rrq_task_times(c(later, fixed), controller = r)
  expect_gte(times[1, "start"] - times[1, "submit"], 0.5)
  expect_gte(times[2, "start"], as.numeric(before) + 0.49)
  rrq_task_delete(far, controller = r)
  expect_length(grep("^S:", unlist(r$con$ZRANGE(paste0(r$keys$prefix, "due"), 0, -1))), 0)
})

test_that("a time in the past is now", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), at = Sys.time() - 60, controller = r)
  expect_equal(run_result(id, r), 2)
})

test_that("a task that waits for others and for a time waits for both", {
  r <- local_queue()
  a <- rrq_task_create_expr(sqrt(4), controller = r)
  b <- rrq_task_create_expr(x + 1, depends_on = c(x = a), delay = 3600, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_status(c(a, b), controller = r), c("COMPLETE", "PENDING"))
  expect_equal(rrq_queue_length(controller = r), 0)
})

test_that("a task is forgotten some time after its end", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_task_create_call(identity, list(runif(1000)), ttl = 0.2, controller = r)
  run_worker(worker)
  expect_equal(rrq_task_info(id, controller = r)$ttl, 0.2)
  wait_until({
    run_worker(worker)
    rrq_task_status(id, controller = r) == "MISSING"
  })
  expect_equal(sum(queue_sizes(r)), 0)
  expect_equal(rrq_task_overview(controller = r)$COMPLETE, 0)
})

test_that("a task is not forgotten while one that depends on it has not ended", {
  r <- local_queue()
  rrq_worker_config_save("b", rrq_worker_config(queue = "b"), controller = r)
  a <- rrq_task_create_expr(sqrt(4), ttl = 0.1, controller = r)
  b <- rrq_task_create_expr(x + 1, depends_on = c(x = a), queue = "b", controller = r)
  worker <- local_worker(r)
  run_worker(worker)
  ended <- rrq_task_times(a, controller = r)[, "complete"]
  wait_until({
    run_worker(worker)
    as.numeric(Sys.time()) > ended + 1.2
  })
  expect_equal(rrq_task_status(c(a, b), controller = r), c("COMPLETE", "PENDING"))
  run_worker(local_worker(r, name_config = "b"))
  expect_equal(rrq_task_result(b, controller = r), 3)
  wait_until({
    run_worker(worker)
    rrq_task_status(a, controller = r) == "MISSING"
  })
})

test_that("tasks have labels and tags", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:2, label = c("a", "b"), tags = c("u", "v"),
    controller = r
  )
  one <- rrq_task_create_expr(sqrt(1), tags = "v", controller = r)
  info <- rrq_task_info(ids[[2]], controller = r)
  expect_equal(info[c("label", "tags")], list(label = "b", tags = c("u", "v")))
  expect_null(rrq_task_info(one, controller = r)$label)
  expect_equal(rrq_task_list(tag = "u", controller = r), ids)
  expect_setequal(rrq_task_list(tag = "v", controller = r), c(ids, one))
})

test_that("wrong options are refused, and nothing is queued", {
  r <- local_queue()
  refused <- function(argument, ...) {
    expect_error(rrq_task_create_expr(sqrt(1), ..., controller = r), sprintf("`%s`", argument),
      class = "rrq_error_argument"
    )
  }
  refused("at_front", at_front = NA)
  refused("delay", delay = -1)
  refused("delay", delay = Inf)
  refused("at", at = "tomorrow")
  refused("at", at = Sys.time(), delay = 1)
  refused("ttl", ttl = "long")
  refused("label", label = c("a", "b"))
  refused("tags", tags = "")
  refused("seed", seed = "a")
  expect_error(rrq_task_create_bulk_call(sqrt, 1:3, label = c("a", "b"), controller = r), "`label`",
    class = "rrq_error_argument"
  )
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("a time limit of nothing is refused, for it would be taken for none", {
  r <- local_queue()
  for (limit in list(0, 0L)) {
    expect_error(rrq_task_create_expr(1 + 1, timeout_task_run = limit, controller = r),
      class = "rrq_error_argument"
    )
  }
  id <- rrq_task_create_expr(1 + 1, timeout_task_run = Inf, controller = r)
  expect_null(rrq_task_info(id, controller = r)$timeout)
})

test_that("dependencies are named by what can be a variable, or not at all", {
  r <- local_queue()
  a <- rrq_task_create_expr(1 + 1, controller = r)
  for (name in c("...", "..1", "if", "a b")) {
    on <- stats::setNames(a, name)
    expect_error(rrq_task_create_expr(2 + 2, depends_on = on, controller = r),
      class = "rrq_error_argument"
    )
  }
  unnamed <- stats::setNames(c(a, a), c("x", NA))
  id <- rrq_task_create_expr(x + 1, depends_on = unnamed, controller = r)
  expect_equal(rrq_task_info(id, controller = r)$depends$up, stats::setNames(list(c(x = a)), id))
})

test_that("who chooses an isolation asks for a process of its own", {
  r <- local_queue()
  fresh <- rrq_task_create_expr(sqrt(1), isolation = "fresh", controller = r)
  plain <- rrq_task_create_expr(sqrt(1), controller = r)
  isolated <- vapply(c(fresh, plain), function(id) {
    rrq_task_info(id, controller = r)$separate_process
  }, NA)
  expect_equal(unname(isolated), c(TRUE, FALSE))
})

test_that("options can be collected and given to every function that queues tasks", {
  r <- local_queue()
  options <- rrq_task_options(queue = "q", timeout_task_run = 9, label = "a", tags = c("u", "v"))
  ids <- c(
    rrq_task_create_expr(sqrt(1), options = options, controller = r),
    rrq_task_create_call(sqrt, list(1), options = options, controller = r),
    rrq_task_create_bulk_expr(sqrt(x), data.frame(x = 1), options = options, controller = r),
    rrq_task_create_bulk_call(sqrt, 1, options = options, controller = r)
  )
  for (id in ids) {
    expect_equal(
      rrq_task_info(id, controller = r)[c("queue", "timeout", "label", "tags")],
      list(queue = "q", timeout = 9, label = "a", tags = c("u", "v"))
    )
  }
})

test_that("an argument wins over the option, also with its default", {
  r <- local_queue()
  options <- rrq_task_options(queue = "q", timeout_task_run = 9, separate_process = TRUE)
  info <- function(...) {
    id <- rrq_task_create_expr(sqrt(1), ..., options = options, controller = r)
    rrq_task_info(id, controller = r)[c("queue", "timeout", "separate_process")]
  }
  expect_equal(info(), list(queue = "q", timeout = 9, separate_process = TRUE))
  expect_equal(info(queue = "p")$queue, "p")
  expect_equal(info(queue = NULL)$queue, "default")
  expect_null(info(timeout_task_run = NULL)$timeout)
  expect_false(info(separate_process = FALSE)$separate_process)
})

test_that("options are checked when they are collected and when they are used", {
  r <- local_queue()
  expect_error(rrq_task_options(ttl = -1), "`ttl`", class = "rrq_error_argument")
  expect_error(rrq_task_options(seed = "a"), "`seed`", class = "rrq_error_argument")
  expect_error(rrq_task_options(delay = 1, at = Sys.time()), "`at`", class = "rrq_error_argument")
  expect_error(rrq_task_options(on_failure = "no"), "`on_failure`", class = "rrq_error_argument")
  create <- function(...) rrq_task_create_expr(sqrt(1), ..., controller = r)
  expect_error(create(options = list(ttl = 1)), "`options`", class = "rrq_error_argument")
  expect_error(create(options = rrq_task_options(label = c("a", "b"))), "`label`",
    class = "rrq_error_argument"
  )
  expect_error(create(delay = 1, options = rrq_task_options(at = Sys.time())), "`at`",
    class = "rrq_error_argument"
  )
  expect_length(rrq_task_list(controller = r), 0)
})

test_that("a seed that is drawn is drawn for each task", {
  r <- local_queue()
  options <- rrq_task_options(seed = TRUE)
  ids <- c(
    rrq_task_create_expr(runif(1), options = options, controller = r),
    rrq_task_create_expr(runif(1), options = options, controller = r)
  )
  expect_length(unique(unlist(run_results(ids, r))), 2)
})

test_that("options print what was given", {
  options <- rrq_task_options(queue = "q", retry = rrq_retry(2, on = "lost"), tags = c("u", "v"))
  expect_equal(utils::capture.output(options), c(
    "<rrq_task_options>", "  queue: q", "  retry: at most 2 attempts, on lost", "  tags: u, v"
  ))
  expect_equal(utils::capture.output(rrq_task_options()), "<rrq_task_options> none")
})

test_that("every option is an argument of the functions that queue tasks, and is documented", {
  creators <- list(
    rrq_task_create_expr, rrq_task_create_call, rrq_task_create_bulk_expr, rrq_task_create_bulk_call
  )
  for (creator in creators) {
    expect_equal(lapply(formals(creator)[option_names], eval), option_defaults)
    expect_true(all(c("options", "controller") %in% names(formals(creator))))
  }
  expect_equal(names(formals(rrq_task_options)), option_names)
  expect_match(document_options(), "^@param [a-z_]+ [A-Z].*\\.$")
})

test_that("the engine refuses options it does not know, or of another type", {
  r <- local_queue()
  submit_with <- function(options) {
    rust_call(rs_task_submit(queue_handle(r), "expr", list(1), list(), options, list()))
  }
  expect_error(submit_with(list(colour = "red")), "`colour`", class = "rrq_error_corrupt")
  expect_error(submit_with(list(ttl = "long")), "`ttl`", class = "rrq_error_corrupt")
  expect_length(rrq_task_list(controller = r), 0)
})
