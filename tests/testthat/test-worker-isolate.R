test_isolation("an isolated task runs in a process, a group and a folder of its own", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() {
    list(
      pid = Sys.getpid(), ids = Sys.getenv(c("RRQ_WORKER_ID", "RRQ_TASK_ID"), names = FALSE),
      wd = getwd(), temp = tempdir(), exists = dir.exists(tempdir()), file = tempfile()
    )
  }, r)
  run_worker(worker)
  task <- rrq_task_result(id, controller = r)
  expect_false(task$pid == Sys.getpid())
  expect_equal(task$ids, c(worker$id, id))
  expect_equal(task$wd, getwd())
  expect_true(task$exists)
  expect_equal(dirname(task$file), task$temp)
  expect_false(startsWith(task$temp, tempdir()))
  expect_false(dir.exists(task$temp))
})

test_isolation("the worker's log tells of an isolated task's process between its start and end", {
  r <- local_queue()
  worker <- local_isolating(r)
  own <- rrq_task_create_expr(Sys.getpid(), controller = r)
  id <- isolated(Sys.getpid, r)
  failing <- isolated(function() stop(Sys.getpid()), r)
  run_worker(worker)
  pids <- c(
    rrq_task_result(id, controller = r),
    as.integer(conditionMessage(rrq_task_result(failing, controller = r)))
  )
  log <- rrq_worker_log_tail(worker$id, Inf, r)
  expect_type(log$child, "integer")
  expect_false(is.unsorted(log$time))
  lines_of <- function(id) log[log$message == id | log$child %in% rrq_task_info(id, r)$pid, ]
  expect_equal(lines_of(own)$child, c(NA_integer_, NA))
  for (i in 1:2) {
    lines <- lines_of(c(id, failing)[[i]])
    expect_equal(lines$child, c(NA, pids[[i]], pids[[i]], NA))
    expect_equal(
      lines$command, c("TASK_START", "ALIVE", "STOP", c("TASK_COMPLETE", "TASK_ERROR")[[i]])
    )
    expect_equal(lines$message[[3]], c("OK", "ERROR")[[i]])
  }
  counts <- rrq_task_overview(controller = r)[c("RUNNING", "COMPLETE", "ERROR")]
  expect_equal(counts, list(RUNNING = 0, COMPLETE = 2, ERROR = 1))
})

test_isolation("the process of an isolated task is known while it runs and afterwards", {
  r <- local_queue()
  local_spawned(r)
  id <- isolated(Sys.getpid, r)
  printing <- isolated(function() print(Sys.getpid()), r)
  own <- rrq_task_create_expr(Sys.getpid(), controller = r)
  expect_null(rrq_task_info(id, r)$pid)
  rrq_task_wait(c(id, printing, own), timeout = 20, controller = r)
  for (task in c(id, printing)) {
    expect_identical(rrq_task_info(task, r)$pid, rrq_task_result(task, controller = r))
  }
  expect_null(rrq_task_info(own, r)$pid)
  expect_identical(rrq_task_log(id, controller = r), character())
})

test_isolation("all kinds of tasks can be isolated", {
  r <- local_queue()
  worker <- local_isolating(r)
  x <- 2
  big <- seq(0, 1, length.out = 1e5)
  first <- rrq_task_create_expr(x + sum(big), separate_process = TRUE, controller = r)
  ids <- c(
    first,
    rrq_task_create_expr(y * 2, separate_process = TRUE, depends_on = c(y = first), controller = r),
    rrq_task_create_bulk_call(sqrt, c(4, 9), separate_process = TRUE, controller = r),
    rrq_task_create_bulk_expr(a + x, data.frame(a = 1:2), separate_process = TRUE, controller = r)
  )
  run_worker(worker)
  expect_equal(rrq_task_results(ids, controller = r), list(50002, 100004, 2, 3, 3, 4))
  expect_true(rrq_task_info(ids[[1]], r)$separate_process)
})

test_isolation("a value of any size comes back", {
  r <- local_queue()
  size <- 5e6
  value <- isolated_results(
    local_isolating(r), r, rlang::new_function(NULL, bquote(as.numeric(seq_len(.(size)))))
  )[[1]]
  expect_identical(value, as.numeric(seq_len(size)))
})

test_isolation("errors carry the task's id, its trace and warnings, as everywhere", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() {
    warning("careful")
    rlang::abort("no", class = "mine")
  }, r)
  run_worker(worker)
  error <- rrq_task_result(id, warnings = FALSE, controller = r)
  expect_s3_class(error, c("rrq_task_error", "mine"))
  expect_equal(error$task_id, id)
  expect_equal(error$status, "ERROR")
  expect_s3_class(error$trace, "rlang_trace")
  expect_match(format(error$trace), "fn\\(\\)", all = FALSE)
  expect_no_match(format(error$trace), "isolate")
  expect_equal(conditionMessage(error$warnings[[1]]), "careful")
})

test_isolation("progress and warnings of isolated tasks are kept", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() {
    rrq::rrq_task_progress_update("half way")
    warning("careful")
    1
  }, r)
  run_worker(worker)
  expect_equal(rrq_task_progress(id, r), "half way")
  expect_equal(conditionMessage(rrq_task_info(id, r)$warnings[[1]]), "careful")
})

test_isolation("a task that ends its process has died, and the worker goes on", {
  r <- local_queue()
  worker <- local_isolating(r)
  results <- isolated_results(
    worker, r,
    function() quit(status = 3),
    function() (function(leave) leave("no"))(base::q),
    function() tools::pskill(Sys.getpid(), tools::SIGKILL),
    function() tools::pskill(Sys.getpid(), 11),
    function() "fine"
  )
  expect_equal(results[[5]], "fine")
  for (i in 1:4) {
    expect_s3_class(results[[i]], "rrq_task_error")
    expect_equal(results[[i]]$status, "DIED")
  }
  said <- vapply(results[1:4], conditionMessage, "")
  expect_match(said[1:2], "exit code [30] ")
  expect_match(said[[3]], "signal 9 (SIGKILL)", fixed = TRUE)
  expect_match(said[[4]], "signal 11 (SIGSEGV)", fixed = TRUE)
})

test_isolation("tasks see nothing of each other, and draw different random numbers", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    set.seed(1)
    envir$counter <- 0
  }, controller = r)
  worker <- local_isolating(r)
  task <- function() {
    counter <<- counter + 1
    options(rrq.test = c(getOption("rrq.test"), 1))
    c(counter, length(getOption("rrq.test")), stats::runif(1))
  }
  # As if written at the console, where the worker's environment is what it sees.
  environment(task) <- globalenv()
  results <- isolated_results(worker, r, task, task)
  expect_equal(results[[1]][1:2], c(1, 1))
  expect_equal(results[[2]][1:2], c(1, 1))
  expect_false(results[[1]][[3]] == results[[2]][[3]])
})

test_isolation("a seed is the same in a process of its own", {
  r <- local_queue()
  worker <- local_isolating(r)
  draw <- function(...) rrq_task_create_expr(runif(2), seed = 1L, controller = r, ...)
  apart <- function(isolation) draw(separate_process = TRUE, isolation = isolation)
  ids <- c(draw(), apart("fork"), apart("fresh"))
  run_worker(worker)
  results <- rrq_task_results(ids, controller = r)
  expect_equal(results[2:3], results[c(1, 1)])
})

test_that("the environment is built once for all tasks, and anew after a refresh", {
  r <- local_queue()
  set <- function(value) {
    create <- function(envir) envir$built <- list(value = value, pid = Sys.getpid())
    environment(create) <- list2env(list(value = value), parent = baseenv())
    rrq_worker_envir_set(create, controller = r)
  }
  set("old")
  worker <- local_isolating(r)
  task <- rlang::new_function(NULL, quote(built), globalenv())
  old <- isolated_results(worker, r, task, task)
  expect_equal(old[[1]]$value, "old")
  expect_equal(old[[1]]$pid, old[[2]]$pid)
  expect_false(old[[1]]$pid == Sys.getpid())
  set("new")
  expect_equal(isolated_results(worker, r, task)[[1]]$value, "new")
})

test_isolation("with isolation = \"fresh\" the task's own process builds the environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$pid <- Sys.getpid(), controller = r)
  worker <- local_isolating(r)
  task <- rlang::new_function(NULL, quote(c(pid, Sys.getpid())), globalenv())
  ids <- replicate(2, isolated(task, r, isolation = "fresh"))
  run_worker(worker)
  results <- rrq_task_results(ids, controller = r)
  expect_equal(results[[1]][[1]], results[[1]][[2]])
  expect_false(results[[1]][[1]] == results[[2]][[1]])
})

test_that("an environment that cannot be built for isolated tasks is their reason to die", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    if (nzchar(Sys.getenv("RRQ_WORKER_ID"))) stop("no such data")
  }, controller = r)
  result <- isolated_results(local_isolating(r), r, function() 1)[[1]]
  expect_equal(result$status, "DIED")
  expect_match(conditionMessage(result), "could not be started.*no such data")
})

test_isolation("what is cancelled is ended with its process group", {
  r <- local_queue()
  path <- withr::local_tempfile()
  task <- rlang::new_function(NULL, bquote({
    system(.(sprintf("sleep 60 & echo $! > %s", path)))
    Sys.sleep(60)
  }))
  local_spawned(r)
  id <- isolated(task, r)
  wait_until(file.exists(path) && length(readLines(path)) == 1)
  expect_equal(rrq_task_cancel(id, controller = r), "CANCELLED")
  expect_false(process_is_alive(as.integer(readLines(path))))
})

test_isolation("what takes too long is ended", {
  r <- local_queue()
  id <- isolated(function() Sys.sleep(60), r, timeout_task_run = 0.5)
  run_worker(local_isolating(r))
  expect_equal(rrq_task_status(id, controller = r), "TIMEOUT")
})

test_that("what takes too long is ended, with all the processes it started", {
  r <- local_queue()
  worker <- local_isolating(r)
  path <- withr::local_tempfile()
  task <- rlang::new_function(NULL, bquote({
    system(.(sprintf("sleep 60 & echo $! > %s; setsid sleep 60 & echo $! >> %s", path, path)))
    Sys.sleep(60)
  }))
  ids <- c(
    isolated(task, r, timeout_task_run = 1),
    isolated(function() "next", r, timeout_task_run = 60)
  )
  run_worker(worker)
  expect_equal(rrq_task_status(ids, controller = r), c("TIMEOUT", "COMPLETE"))
  expect_match(conditionMessage(rrq_task_result(ids[[1]], controller = r)), "time limit of 1 s")
  started <- as.integer(readLines(path))
  expect_length(started, 2)
  expect_false(any(vapply(started, process_is_alive, NA)))
})

test_isolation("code that does not mind being told to end is ended", {
  r <- local_queue()
  worker <- local_isolating(r)
  id <- isolated(function() system("trap '' TERM; sleep 60"), r, timeout_task_run = 0.3)
  run_worker(worker)
  expect_equal(rrq_task_status(id, controller = r), "TIMEOUT")
})

test_that("what a task leaves running ends with it", {
  skip_on_os("mac")
  r <- local_queue()
  pid <- isolated_results(local_isolating(r), r, function() {
    path <- tempfile()
    system(sprintf("setsid sleep 60 & echo $! > %s", path))
    as.integer(readLines(path))
  })[[1]]
  expect_false(process_is_alive(pid))
})

test_isolation("a running task is stopped when it is cancelled", {
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  id <- isolated(function() Sys.sleep(60), r)
  pid <- process_of(id, r)
  expect_equal(rrq_task_cancel(id, controller = r), "CANCELLED")
  expect_false(process_is_alive(pid))
  expect_equal(rrq_task_info(id, r)$pid, pid)
  id <- isolated(function() "next", r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(id, controller = r), "next")
})

test_that("without forks, a failure to build the environment is in the log of the task", {
  withr::local_envvar(RRQ_NO_FORK = "1")
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    if (nzchar(Sys.getenv("RRQ_TASK_ID"))) stop("no such data")
  }, controller = r)
  id <- isolated(function() 1, r)
  run_worker(local_isolating(r))
  expect_match(conditionMessage(rrq_task_result(id, controller = r)), "exit code 1 and no result")
  expect_match(rrq_task_log(id, controller = r), "no such data", all = FALSE)
})

test_that("a killed fork server costs its task and is replaced", {
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  id <- isolated(function() Sys.sleep(60), r)
  pid <- process_of(id, r)
  tools::pskill(descendants(rrq_worker_info(controller = r)[[1]]$pid)[[1]], tools::SIGKILL)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  wait_until(!process_is_alive(pid))
  id <- isolated(function() "next", r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(id, controller = r), "next")
})

test_isolation("with a killed worker go its fork server, its task and their processes", {
  skip_on_os("windows")
  r <- local_queue()
  manager <- local_fast(r)
  worker <- rrq_worker_info(controller = r)[[1]]$pid
  id <- isolated(function() system("sleep 60"), r)
  process_of(id, r)
  wait_until(length(descendants(worker)) >= 3)
  all <- descendants(worker)
  kill_unseen(r, manager$id)
  wait_until(!any(vapply(all, process_is_alive, NA)))
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
})

test_that("hundreds of tasks leave no process and no open file", {
  skip_on_cran()
  r <- local_queue()
  local_spawned(r)
  worker <- rrq_worker_info(controller = r)[[1]]$pid
  run <- function(n) {
    ids <- rrq_task_create_bulk_call(identity, seq_len(n), separate_process = TRUE, controller = r)
    rrq_task_wait(ids, timeout = time_limit(), controller = r)
    expect_equal(rrq_task_results(ids, controller = r), as.list(seq_len(n)))
  }
  open_files <- function() {
    paths <- dir(sprintf("/proc/%d/fd", c(worker, descendants(worker))), full.names = TRUE)
    stats::setNames(Sys.readlink(paths), paths)
  }
  # A task's result arrives before its process has ended.
  is_idle <- function() length(descendants(worker)) == 1
  run(5)
  wait_until(is_idle())
  server <- descendants(worker)
  before <- open_files()
  run(200)
  wait_until(is_idle())
  expect_equal(descendants(worker), server)
  # Each thread of the worker opens its connection, which is a socket, on first use.
  others <- function(files) sum(!startsWith(files, "socket:"))
  wait_until(others(open_files()) <= others(before))
  wait_until(length(open_files()) <= length(before) + 6)
})

test_isolation("Ctrl-C ends the task with its worker", {
  r <- local_queue()
  session <- local_session({
    w <- rrq_worker$new(!!r$queue_id)
    cat("stopped:", w$loop(), "\n")
  }, c(RRQ_URL = server_url(r)))
  id <- isolated(function() Sys.sleep(60), r)
  pid <- process_of(id, r)
  send_signal(session, tools::SIGINT)
  session_status(session)
  expect_match(session_out(session), "stopped: interrupted", all = FALSE)
  expect_equal(rrq_task_status(id, controller = r), "DIED")
  expect_false(process_is_alive(pid))
})

test_that("a task's temporary folder is its own, and files of the environment stay", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    envir$path <- tempfile()
    writeLines("kept", envir$path)
  }, controller = r)
  task <- rlang::new_function(NULL, quote({
    writeLines("own", file.path(tempdir(), "own"))
    list(folder = tempdir(), files = list.files(tempdir()), kept = readLines(path))
  }), globalenv())
  crash <- function() tools::pskill(Sys.getpid(), 11)
  results <- isolated_results(local_isolating(r), r, task, crash, task)[c(1, 3)]
  for (result in results) {
    expect_equal(result[c("files", "kept")], list(files = "own", kept = "kept"))
  }
  expect_false(results[[1]]$folder == results[[2]]$folder)
})
