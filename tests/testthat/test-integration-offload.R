# Large values of tasks: in the directory for large values, or in several parts in the server.

n_files <- function(path) length(list.files(path, recursive = TRUE, all.files = TRUE))

test_that("a result above the limit is one file, which goes with its task", {
  path <- withr::local_tempfile()
  r <- local_offload_queue(path)
  worker <- local_worker(r)
  id <- rrq_task_create_expr(runif(200000), seed = 1L, controller = r)
  run_worker(worker)
  expect_equal(n_files(path), 1)
  expect_length(rrq_task_result(id, controller = r), 200000)
  rrq_task_delete(id, controller = r)
  expect_equal(n_files(path), 0)
})

test_that("large arguments, variables and shared data are files until their tasks are deleted", {
  path <- withr::local_tempfile()
  r <- local_offload_queue(path)
  worker <- local_worker(r)
  x <- runif(20000)
  nested <- list(a = list(x))
  ids <- c(
    rrq_task_create_expr(sum(x), controller = r),
    rrq_task_create_call(function(l) sum(l$a[[1]]), list(nested), controller = r),
    rrq_task_create_bulk_call(function(i, x) sum(x) + i, 0:1, list(x), controller = r)
  )
  expect_equal(rrq_task_data(ids[[2]], controller = r)$args[[1]], nested)
  run_worker(worker)
  expect_equal(unlist(rrq_task_results(ids, controller = r)), sum(x) + c(0, 0, 0, 1))
  expect_gt(n_files(path), 1)
  rrq_task_delete(ids, controller = r)
  expect_equal(n_files(path), 0)
})

test_that("a session and workers may have different paths to the same directory", {
  path <- withr::local_tempdir()
  links <- file.path(withr::local_tempdir(), c("a", "b"))
  skip_if_not(all(file.symlink(path, links)))
  r <- local_queue(offload_path = links[[1]], offload_threshold_size = 1000)
  rrq_worker_config_save("off", rrq_worker_config(offload_threshold_size = 1000), controller = r)
  w <- local_spawned(r, 2, name_config = "off", offload_path = links[[2]])
  x <- runif(20000)
  ids <- rrq_task_create_bulk_call(function(i, x) x * i, 1:4, list(x), controller = r)
  isolated <- rrq_task_create_expr(rev(x), separate_process = TRUE, controller = r)
  rrq_task_wait(c(ids, isolated), controller = r)
  expect_equal(rrq_task_results(ids, controller = r), lapply(1:4, function(i) x * i))
  expect_equal(rrq_task_result(isolated, controller = r), rev(x))
  expect_gte(n_files(path), 5)
  expect_equal(rrq_worker_info(w$id[[1]], controller = r)[[1]]$offload_path, links[[2]])
  rrq_destroy(timeout_worker_stop = 10, controller = r)
  expect_equal(n_files(path), 0)
})

test_that("a directory that has vanished is an error of the task, and of the session", {
  path <- withr::local_tempfile()
  r <- local_offload_queue(path)
  worker <- local_worker(r)
  id <- rrq_task_create_expr(runif(1000), controller = r)
  unlink(path, recursive = TRUE)
  run_worker(worker)
  result <- rrq_task_result(id, controller = r)
  expect_match(conditionMessage(result), "value cannot be stored.*no such directory")
  x <- runif(1000)
  expect_error(
    rrq_task_create_call(identity, list(x), controller = r),
    "no such directory", class = "rrq_error_offload_path"
  )
  expect_equal(rrq_task_list(controller = r), id)
})

test_that("a queue whose files cannot be reached is deleted, and the error says what is left", {
  path <- withr::local_tempfile()
  r <- local_offload_queue(path)
  x <- runif(1000)
  rrq_task_create_expr(sum(x), controller = r)
  unlink(path, recursive = TRUE)
  # A session that has not used the path.
  other <- rrq_controller(r$queue_id, test_server()$url)
  rrq_default_controller_set(other)
  withr::defer(rrq_default_controller_clear())
  error <- expect_error(rrq_destroy(), class = "rrq_error_offload_path")
  expect_match(conditionMessage(error), "no such directory.*queue is deleted, but files")
  expect_error(rrq_task_list(), class = "rrq_error_no_controller")
  expect_length(r$con$KEYS(paste0(r$keys$prefix, "*")), 0)
})

test_that("a URL is passed to the engine, which says what it can use", {
  url <- test_server()$url
  # No installation can use it.
  path <- "ftp://example.org/~/a"
  for (call in list(
    quote(rrq_configure("a", url, offload_path = path)),
    quote(rrq_controller("a", url, offload_path = path)),
    quote(object_store_offload_disk$new(path))
  )) {
    expect_error(eval(call), "path 'ftp://example.org/~/a': ", class = "rrq_error_offload_path")
  }
  expect_false(dir.exists("ftp:"))
})

test_that("values of many megabytes pass through the server in parts", {
  r <- local_queue()
  worker <- local_worker(r)
  x <- runif(1.2e6)
  ids <- c(
    rrq_task_create_call(rev, list(x), controller = r),
    rrq_task_create_call(unlist, list(list(x)), controller = r)
  )
  run_worker(worker)
  expect_identical(rrq_task_results(ids, controller = r), list(rev(x), x))
  rrq_task_delete(ids, controller = r)
  expect_length(r$con$KEYS(paste0("{", r$queue_id, "}:o*")), 0)
})

test_that("a time limit that is reached while the value is sent ends the task as TIMEOUT", {
  server <- rrq_server()
  withr::defer(server$stop())
  r <- rrq_controller("slow", server$url)
  config <- rrq_worker_config(timeout_process_die = 60)
  rrq_worker_config_save("patient", config, controller = r)
  local_spawned(r, name_config = "patient")
  # The server does not take the value until the limit has passed.
  fn <- function(url) {
    x <- numeric(3e6)
    rrq::rrq_redis(url)$CLIENT_PAUSE(3000, "WRITE")
    x
  }
  environment(fn) <- globalenv()
  args <- list(server$url)
  id <- rrq_task_create_call(fn, args, timeout_task_run = 1, controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_status(id, controller = r), "TIMEOUT")
})
