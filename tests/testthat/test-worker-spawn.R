test_that("workers are started, named by number and alive", {
  r <- local_queue()
  manager <- local_spawned(r, 3, worker_id_base = "base")
  ids <- c("base_1", "base_2", "base_3")
  expect_s3_class(manager, "rrq_worker_manager")
  expect_equal(manager$id, ids)
  expect_equal(manager$is_alive(), rlang::set_names(rep(TRUE, 3), ids))
  expect_equal(rrq_worker_status(controller = r), rlang::set_names(rep("IDLE", 3), ids))
})

test_that("workers start, and run what does not fail, without the packages for errors and bars", {
  r <- local_queue()
  local_spawned(r)
  one <- 1
  id <- rrq_task_create_call(function(x) x + one, list(1), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(id, controller = r), 2)
  loaded <- rrq_lapply(1:2, function(i) loadedNamespaces(), controller = r)[[2]]
  expect_equal(intersect(loaded, c("rlang", "cli")), character())
})

test_that("without a base one is drawn", {
  r <- local_queue()
  manager <- local_spawned(r)
  expect_match(manager$id, "^[a-z]+_[a-z]+_1$")
})

test_that("starting and ending workers leaves the session's generator alone", {
  r <- local_queue()
  expect_generator_kept(function() {
    manager <- local_spawned(r, 2)
    manager$kill(1)
    manager$stop()
  })
})

test_that("workers start at the same time", {
  r <- local_queue()
  barrier <- withr::local_tempdir()
  rrq_worker_envir_set(function(envir) {
    file.create(file.path(barrier, Sys.getpid()))
    while (length(dir(barrier)) < 3) Sys.sleep(0.01)
  }, controller = r)
  manager <- local_spawned(r, 3)
  expect_equal(rrq_worker_len(r), 3)
})

test_that("spawned workers run tasks", {
  r <- local_queue()
  manager <- local_spawned(r, 2)
  ids <- rrq_task_create_bulk_call(function(x) Sys.getpid(), 1:50, controller = r)
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  pids <- vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L)
  expect_true(all(unlist(rrq_task_results(ids, controller = r)) %in% pids))
})

test_that("workers are chosen by name or number", {
  r <- local_queue()
  manager <- local_spawned(r, 3, worker_id_base = "w")
  expect_equal(manager$stop("w_2"), "w_2")
  expect_equal(manager$is_alive(), c(w_1 = TRUE, w_2 = FALSE, w_3 = TRUE))
  manager$stop(3)
  expect_equal(manager$is_alive(3:2), c(w_3 = FALSE, w_2 = FALSE))
  expect_equal(rrq_worker_list_exited(r), c("w_2", "w_3"))
  expect_named(manager$logs(), c("w_1", "w_2", "w_3"))
  expect_match(manager$logs(1), "w_1", all = FALSE)
  expect_identical(manager$logs("w_3"), manager$logs()$w_3)
  expect_named(manager$logs(3:2), c("w_3", "w_2"))
  expect_output(print(manager), "1 of 3 alive")
})

test_that("workers that are not the manager's are errors that name them", {
  r <- local_queue()
  manager <- local_spawned(r, worker_id_base = "w")
  for (method in c("is_alive", "logs", "stop", "kill")) {
    err <- expect_error(manager[[method]](c("w_1", "w_9")), class = "rrq_error_worker_missing")
    expect_equal(err$ids, "w_9")
  }
  expect_error(manager$is_alive(2), class = "rrq_error_worker_missing")
  expect_error(manager$is_alive(NA), class = "rrq_error_worker_missing")
  expect_equal(manager$is_alive(), c(w_1 = TRUE))
})

test_that("stopping is clean, and may be repeated", {
  r <- local_queue()
  manager <- local_spawned(r, 2)
  id <- rrq_task_create_expr(Sys.sleep(0.2), controller = r)
  manager$stop()
  manager$stop()
  expect_false(any(manager$is_alive()))
  expect_equal(unname(rrq_worker_status(manager$id, r)), c("EXITED", "EXITED"))
  expect_true(rrq_task_status(id, controller = r) %in% c("COMPLETE", "PENDING"))
})

test_that("one may stop workers that have only just been started", {
  r <- local_queue()
  manager <- local_spawned(r, 2, timeout = 0)
  manager$stop(timeout = time_limit())
  expect_false(any(manager$is_alive()))
  expect_equal(unname(rrq_worker_status(manager$id, r)), c("EXITED", "EXITED"))
})

test_that("killing ends the processes at once", {
  r <- local_queue()
  manager <- local_spawned(r, 2, worker_id_base = "w")
  expect_equal(manager$kill("w_1"), "w_1")
  wait_until(!manager$is_alive("w_1"))
  expect_equal(manager$is_alive(), c(w_1 = FALSE, w_2 = TRUE))
  manager$kill()
  expect_true(wait_until(!any(manager$is_alive())))
})

test_that("an environment that fails is an error that shows the log", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) stop("no such {data} 5%"), controller = r)
  err <- expect_error(
    rrq_worker_spawn(2, worker_id_base = "w", progress = FALSE, controller = r),
    "no such {data} 5%", fixed = TRUE, class = "rrq_error_worker_start"
  )
  expect_true(length(err$ids) > 0 && all(err$ids %in% c("w_1", "w_2")))
  expect_equal(err$call[[1]], quote(rrq_worker_spawn))
  expect_equal(rrq_worker_len(r), 0)
})

test_that("a package that is missing on the worker is an error that shows the log", {
  r <- local_queue()
  rrq_worker_envir_set(rrq_envir(packages = "rrqAbsentPackage"), controller = r)
  expect_error(
    rrq_worker_spawn(progress = FALSE, controller = r),
    "rrqAbsentPackage", class = "rrq_error_worker_start"
  )
})

test_that("workers that are not alive in time are an error that names them", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) Sys.sleep(60), controller = r)
  err <- expect_error(
    rrq_worker_spawn(1, timeout = 0.5, worker_id_base = "w", progress = FALSE, controller = r),
    "w_1", class = "rrq_error_timeout"
  )
  expect_equal(err$ids, "w_1")
})

test_that("one may wait for workers later", {
  r <- local_queue()
  manager <- local_spawned(r, timeout = 0)
  expect_equal(manager$wait_alive(30), manager$id)
  expect_equal(rrq_worker_list(r), manager$id)
})

test_that("the session's library, folder and environment variables are the workers'", {
  r <- local_queue()
  dir <- normalizePath(withr::local_tempdir())
  lib <- normalizePath(withr::local_tempdir())
  withr::local_dir(dir)
  withr::local_libpaths(lib, action = "prefix")
  withr::local_envvar(RRQ_TEST_VARIABLE = "{a b}")
  manager <- local_spawned(r)
  id <- rrq_task_create_expr(
    list(getwd(), .libPaths()[[1]], Sys.getenv("RRQ_TEST_VARIABLE")), controller = r
  )
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(id, controller = r), list(dir, lib, "{a b}"))
})

test_that("logs are written where one wants them", {
  r <- local_queue()
  dir <- file.path(withr::local_tempdir(), "a b", "logs")
  manager <- local_spawned(r, 2, logdir = dir, worker_id_base = "w")
  expect_setequal(dir(dir), c("w_1", "w_2"))
  expect_match(readLines(file.path(dir, "w_1")), "w_1", all = FALSE)
  expect_equal(basename(rrq_worker_info("w_1", r)$w_1$logfile), "w_1")
})

test_that("the password is not on the workers' command line", {
  skip_on_os(c("windows", "mac"))
  r <- local_queue()
  manager <- local_spawned(r)
  pid <- rrq_worker_info(controller = r)[[1]]$pid
  line <- readBin(sprintf("/proc/%d/cmdline", pid), "raw", 1e5)
  text <- rawToChar(line[line != 0])
  expect_match(text, manager$id, fixed = TRUE)
  expect_no_match(text, r$con$config()$password, fixed = TRUE)
})

test_that("names of workers that are alive are refused", {
  r <- local_queue()
  local_worker(r, worker_id = "w_2")
  err <- expect_error(
    rrq_worker_spawn(2, worker_id_base = "w", progress = FALSE, controller = r),
    class = "rrq_error_worker_exists"
  )
  expect_equal(err$ids, "w_2")
})

test_that("arguments are checked before anything is started", {
  r <- local_queue()
  spawn <- function(...) rrq_worker_spawn(..., controller = r)
  for (n in list(0, -1, 1.5, "1", NA, 1:2, Inf)) {
    expect_error(spawn(n), "`n`", class = "rrq_error_argument")
  }
  expect_error(spawn(1, logdir = 1), "`logdir`", class = "rrq_error_argument")
  expect_error(spawn(1, timeout = -1), "`timeout`", class = "rrq_error_argument")
  expect_error(spawn(1, worker_id_base = ""), class = "rrq_error_argument")
  expect_error(spawn(1, progress = NA), "`progress`", class = "rrq_error_argument")
  expect_error(spawn(1, offload_path = "absent"), "`offload_path`", class = "rrq_error_argument")
  expect_error(spawn(1, name_config = "absent"), "absent", class = "rrq_error_config_missing")
  expect_equal(rrq_worker_len(r), 0)
})

test_that("workers live on when their manager is gone", {
  r <- local_queue()
  rrq_worker_spawn(2, worker_id_base = "w", progress = FALSE, controller = r)
  for (i in 1:3) gc()
  expect_equal(rrq_worker_status(controller = r), c(w_1 = "IDLE", w_2 = "IDLE"))
  ids <- rrq_task_create_bulk_call(sqrt, 1:4, controller = r)
  expect_true(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  rrq_worker_stop(timeout = time_limit(), controller = r)
})

test_that("workers end when their session is killed, idle and busy ones", {
  r <- local_queue()
  quick <- rrq_worker_config(heartbeat_period = 0.3 * slowness())
  rrq_worker_config_save("quick", quick, controller = r)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    rrq_worker_spawn(2, name_config = "quick", controller = r)
    rrq_task_create_expr(Sys.sleep(600), controller = r)
    Sys.sleep(600)
  })
  wait_until(setequal(rrq_worker_status(controller = r), c("BUSY", "IDLE")))
  pids <- vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L)
  session$kill()
  expect_true(wait_until(!any(vapply(pids, process_is_alive, TRUE))))
})

test_that("workers end when their session and their server are killed together", {
  period <- 0.3 * slowness()
  session <- local_session({
    server <- rrq_server()
    r <- rrq_controller("jobs", server$url)
    # Renewals of the lease fail all the time once the server has gone.
    rrq_worker_config_save("quick", rrq_worker_config(heartbeat_period = !!period), controller = r)
    rrq_worker_spawn(2, name_config = "quick", controller = r)
    rrq_task_create_expr(Sys.sleep(600), controller = r)
    while (!"BUSY" %in% rrq_worker_status(controller = r)) Sys.sleep(0.01)
    pids <- vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L)
    cat(c(pids, server$pid), sep = "\n")
    Sys.sleep(600)
  })
  wait_until(length(session_out(session)) == 3)
  pids <- as.integer(session_out(session))
  withr::defer(tools::pskill(pids, tools::SIGKILL))
  tools::pskill(pids[[3]], tools::SIGKILL)
  session$kill()
  expect_true(wait_until(!any(vapply(pids, process_is_alive, TRUE))))
})

test_that("workers end when their session ends by itself", {
  r <- local_queue()
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    rrq_worker_spawn(2, controller = r)
    cat(vapply(rrq_worker_info(controller = r), function(info) info$pid, 1L), sep = "\n")
  })
  expect_equal(session_status(session), 0)
  pids <- as.integer(session_out(session))
  expect_length(pids, 2)
  expect_true(wait_until(!any(vapply(pids, process_is_alive, TRUE))))
})

test_that("starting workers says how many, and their prefix, unless progress is off", {
  r <- local_queue()
  withr::local_options(rrq.progress = NULL)
  spawn <- function(n, ...) {
    manager <- rrq_worker_spawn(n, timeout = 0, worker_id_base = "w{x}", ..., controller = r)
    manager$kill()
  }
  expect_message(spawn(2), "^Spawning 2 workers with prefix 'w\\{x\\}'$")
  rrq_worker_delete_exited(controller = r)
  expect_message(spawn(1, progress = TRUE), "^Spawning 1 worker with prefix")
  withr::local_options(rrq.progress = FALSE)
  expect_silent(local_spawned(r, timeout = 0))
})

test_that("workers load rrq from the library of the session's rrq, also outside the paths", {
  library <- withr::local_tempdir()
  dir.create(file.path(library, "rrq", "Meta"), recursive = TRUE)
  own <- file.path(library, "rrq")
  expect_equal(library_paths(own, .libPaths()), .libPaths())
  file.create(file.path(own, "Meta", "package.rds"))
  expect_equal(library_paths(own, .libPaths()), c(library, .libPaths()))
  here <- getNamespaceInfo("rrq", "path")
  expect_equal(library_paths(here, dirname(here)), dirname(here))
  skip_on_os("windows")
  links <- withr::local_tempdir()
  file.symlink(here, file.path(links, "rrq"))
  expect_equal(library_paths(here, links), links)
})
