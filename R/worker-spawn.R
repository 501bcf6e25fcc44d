#' Starting workers on this machine
#'
#' Starts R processes that run the tasks of a queue in parallel. They have this session's library
#' paths, working directory and environment variables, and end when the session ends, however it
#' ends. A message says how many are started and with which prefix, unless `progress` is `FALSE`.
#'
#' @section Crashes: The session is the parent of these processes, so it notices at once when one
#'   of them crashes. It declares the worker lost without waiting for its lease to expire, and a
#'   message says what became of its task. With `restart`, it then starts a new process under the
#'   same name. A worker counts as crashed if its process ends although it was not told to stop, did
#'   not reach its idle time limit, and its queue was not destroyed.
#'
#'   R has a single thread, so the session can only do this while it waits (for tasks, responses or
#'   workers), and when `rrq_worker_detect_exited()` or a function of the manager is called. At
#'   other times, the other workers notice a lost worker when its lease has expired, and nothing is
#'   restarted.
#'
#'   Only crashes in a row count: the count starts again when a worker has completed a task or has
#'   run for a minute.
#'
#' @param n The number of workers.
#' @param logdir A directory for the workers' output, one file per worker, named as the worker; a
#'   restarted worker gets `<name>.2` and so on. A file that exceeds 64 MB loses its middle, with a
#'   line that says how much. `NULL` is a directory in the session's temporary directory.
#' @param timeout The longest time to wait until all workers are alive, in seconds; 0 does not wait.
#' @param name_config The name of the workers' configuration, see [rrq_worker_config_save()].
#' @param worker_id_base The workers' names are `<base>_1` to `<base>_n`; `NULL` chooses a random
#'   base.
#' @param time_poll Seconds between checks of whether the workers are alive.
#' @param offload_path The directory for large values; `NULL` is that of the controller, see
#'   [rrq_controller()].
#' @param restart Whether to replace a worker that has crashed by a new process of the same name. A
#'   number is the number of crashes in a row after which the worker is given up; `TRUE` is 5. A
#'   message reports each replacement, and when a worker is given up.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return An `rrq_worker_manager`. `$id` is a character vector of the workers' names.
#'   `$is_alive()`, `$logs()`, `$stop()` and `$kill()` take names or numbers of workers, by default
#'   all; `$wait_alive(timeout)` waits until all are alive. `$logs()` is a list of lines, named by
#'   worker; for one given worker it is a character vector. Workers that were stopped or killed by
#'   their manager are not restarted; the tasks of killed workers have ended when `$kill()` returns.
#' @section Errors: `rrq_error_worker_start`, with the end of its log, if a worker ends before it is
#'   alive, for example because its environment could not be built; with `restart`, after the given
#'   number of crashes. `rrq_error_timeout` if not all workers are alive in time. After an
#'   error or Ctrl-C none of the workers stays.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, restart = TRUE, controller = r)
#' w$is_alive()
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_spawn <- function(n = 1, logdir = NULL, timeout = 600, name_config = "localhost",
                             worker_id_base = NULL, time_poll = 0.2, progress = NULL,
                             controller = NULL, offload_path = NULL, restart = FALSE) {
  check_count(n)
  check_string(logdir, null = TRUE)
  check_number(timeout)
  check_name(name_config)
  check_name(worker_id_base, null = TRUE)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  check_offload_path(offload_path)
  max_crashes <- check_restart(restart)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  check_config(controller, handle, name_config, rlang::current_env())
  ids <- paste0(worker_id_base %||% random_name(), "_", seq_len(n))
  check_unused(handle, ids)
  logdir <- prepare_logdir(logdir)
  offload_path <- offload_path %||% controller$settings$offload_path
  workers <- lapply(ids, function(id) {
    new_child(id, controller, name_config, logdir, max_crashes, offload_path)
  })
  announce_spawn(ids, sub("_1$", "", ids[[1]]), progress)
  is_ready <- FALSE
  on.exit(if (!is_ready) abandon_children(controller, workers))
  for (worker in workers) start_child(worker)
  manager <- new_manager(controller, workers)
  if (timeout > 0) {
    hint <- "All were stopped. Allow more time with `timeout`, or find out what takes so long."
    call <- rlang::current_env()
    wait_alive(controller, workers, timeout, time_poll, show_progress(progress), call, hint)
  }
  is_ready <- TRUE
  manager
}

# Of a queue that was destroyed, everything is missing.
check_config <- function(controller, handle, name_config, call) {
  tryCatch(
    rust_call(rs_config_read(handle, name_config), call),
    rrq_error_config_missing = function(e) {
      peek_queue(controller$url, controller$queue_id, call)
      rlang::cnd_signal(e)
    }
  )
}

# The user gets no manager: workers that are alive leave after their task, all others end now.
abandon_children <- function(controller, workers) {
  started <- Filter(function(worker) !is.null(worker$process), workers)
  expect_end(started)
  alive <- tryCatch(
    {
      handle <- queue_handle(controller)
      ask_to_stop(handle, intersect(child_ids(started), active_workers(handle)))
    },
    rrq_error = function(e) character()
  )
  for (worker in started) if (!worker$id %in% alive) end_process(worker$process)
  supervise(at_once = TRUE)
}

# Shown in documents as well, where other progress is not.
announce_spawn <- function(ids, base, progress) {
  if (!isFALSE(progress %||% getOption("rrq.progress"))) {
    cli::cli_inform("Spawning {length(ids)} worker{?s} with prefix '{base}'")
  }
}

# Crashes in a row after which a worker is given up; 0 restarts none.
check_restart <- function(restart, call = caller_env()) {
  if (is.numeric(restart)) {
    check_count(restart, call = call)
    return(restart)
  }
  if (!rlang::is_bool(restart)) {
    abort_argument("restart", "TRUE, FALSE or a number of crashes", restart, call)
  }
  if (restart) 5 else 0
}

check_unused <- function(handle, ids, call = caller_env()) {
  states <- rust_call(rs_worker_states(handle), call)
  taken <- intersect(ids, states$id[!states$exited])
  if (length(taken)) {
    message <- c(
      sprintf("Workers with these names are already alive: %s.", toString(taken)),
      i = "Choose another `worker_id_base`."
    )
    abort("worker_exists", message, ids = taken, call = call)
  }
}

# What the package creates belongs to the user alone, whatever the umask; what exists is kept.
create_private_dir <- function(path) {
  dir.create(path, showWarnings = FALSE, recursive = TRUE, mode = "0700")
}

prepare_logdir <- function(logdir) {
  path <- logdir %||% file.path(tempdir(), "rrq-workers")
  create_private_dir(path)
  normalizePath(path)
}

# The server's URL is passed in the environment: everyone can see a password on a command line. For
# `end_file` see R/worker-supervise.R.
start_worker <- function(id, log, controller, name_config, end_file, offload_path = NULL) {
  env <- c(
    "current",
    R_LIBS = paste(library_paths(), collapse = .Platform$path.sep),
    RRQ_URL = full_url(controller$url),
    RRQ_PARENT_PID = as.character(Sys.getpid()),
    RRQ_WORKER_LOGFILE = log,
    RRQ_WORKER_END = end_file,
    RRQ_OFFLOAD_PATH = offload_path
  )
  rust_call(rs_create_private_file(log))
  rscript <- file.path(R.home("bin"), "Rscript")
  args <- c("-e", "rrq:::worker_process()", controller$queue_id, name_config, id)
  # processx before 3.8.6 draws random numbers.
  with_own_random(
    processx::process$new(rscript, args, stdout = log, stderr = "2>&1", env = env, cleanup = TRUE)
  )
}

# A session may have loaded rrq from a library that is not in its paths, or not the first one with
# rrq: `library(rrq, lib.loc = )`. Another version of rrq on the workers would fail.
library_paths <- function(own = getNamespaceInfo(topenv(), "path"), paths = .libPaths()) {
  found <- system.file(package = "rrq", lib.loc = paths)
  is_installed <- file.exists(file.path(own, "Meta", "package.rds"))
  # A library may hold links to packages, as under R CMD check.
  is_found <- file.exists(found) && identical(normalizePath(own), normalizePath(found))
  if (is_installed && !is_found) c(dirname(own), paths) else paths
}

# What a spawned process runs. The file says that the worker has exited in an orderly way; it is
# missing if a task's code, or anything else, ended the process.
worker_process <- function(args = commandArgs(TRUE)) {
  end_file <- Sys.getenv("RRQ_WORKER_END")
  run_worker_process(args[[1]], args[[2]], args[[3]], 0)
  if (nzchar(end_file)) file.create(end_file)
  invisible()
}

# Runs until there is a reason to exit. A missing queue, configuration or server is reported on
# stderr in one message, without a traceback.
run_worker_process <- function(queue_id, name_config, worker_id, timeout_config) {
  Sys.unsetenv("R_TESTS")
  the$is_worker_process <- TRUE
  rust_call(rs_worker_heed_interrupts())
  tryCatch(
    {
      worker <- tryCatch(
        rrq_worker$new(queue_id, name_config, worker_id, timeout_config),
        error = function(e) quit_with_error(conditionMessage(e), 1)
      )
      worker$loop()
    },
    # The engine and the handlers of the loop see most interrupts first. This handler is for all
    # others: while the environment is built, and before and after the loop. A further interrupt
    # must not end the shutdown.
    interrupt = function(i) {
      if (!is.null(the$worker)) suspendInterrupts(the$worker$shutdown("OK (interrupted)"))
    }
  )
  invisible()
}

quit_with_error <- function(message, status) {
  cat("Error: ", message, "\n", sep = "", file = stderr())
  quit(save = "no", status = status)
}

new_manager <- function(controller, workers) {
  ids <- child_ids(workers)
  chosen <- function(worker) workers[match_workers(ids, worker, caller_env(2))]
  named <- function(some, values) stats::setNames(values, child_ids(some))
  manager <- list(
    id = ids,
    is_alive = function(worker = NULL) {
      some <- chosen(worker)
      supervise(at_once = TRUE)
      named(some, vapply(some, function(worker) worker$process$is_alive(), NA))
    },
    logs = function(worker = NULL) {
      some <- chosen(worker)
      logs <- lapply(some, function(worker) unlist(lapply(worker$logs, read_log)))
      if (length(worker) == 1) logs[[1]] else named(some, logs)
    },
    stop = function(worker = NULL, timeout = 10) {
      stop_children(controller, chosen(worker), timeout)
    },
    kill = function(worker = NULL) {
      kill_children(chosen(worker))
    },
    wait_alive = function(timeout = 600, time_poll = 0.2, progress = show_progress(NULL),
                          call = caller_env()) {
      wait_alive(controller, workers, timeout, time_poll, progress, call)
    }
  )
  structure(list2env(manager, rlang::new_environment()), class = "rrq_worker_manager")
}

#' @export
print.rrq_worker_manager <- function(x, ...) {
  alive <- x$is_alive()
  cat(sprintf("<rrq_worker_manager> %d of %d alive\n", sum(alive), length(alive)))
  cat(sprintf("  %s%s\n", names(alive), ifelse(alive, "", " (ended)")), sep = "")
  invisible(x)
}

match_workers <- function(ids, worker, call) {
  if (is.null(worker)) {
    return(seq_along(ids))
  }
  at <- if (is.character(worker)) match(worker, ids) else match(worker, seq_along(ids))
  if (anyNA(at)) {
    unknown <- toString(worker[is.na(at)])
    message <- c(
      sprintf("This manager has no such worker: %s.", unknown),
      i = sprintf("Its workers are %s.", toString(ids))
    )
    abort("worker_missing", message, ids = as.character(worker[is.na(at)]), call = call)
  }
  at
}

read_log <- function(path) {
  if (file.exists(path)) readLines(path, warn = FALSE) else character()
}

# Without its server, nobody can tell a worker anything.
stop_children <- function(controller, workers, timeout, call = caller_env()) {
  expect_end(workers)
  tryCatch(
    stop_by_message(controller, workers, timeout, call),
    rrq_error_connection = function(e) {
      for (worker in workers) end_process(worker$process)
      inform_plainly(c(
        "!" = "The server of the queue cannot be reached: its workers were ended at once.",
        i = sub("\n.*", "", conditionMessage(e))
      ))
    }
  )
  invisible(child_ids(workers))
}

stop_by_message <- function(controller, workers, timeout, call) {
  handle <- queue_handle(controller, call)
  asked <- character()
  deadline <- now() + timeout
  while (length(left <- Filter(function(worker) worker$process$is_alive(), workers))) {
    if (now() >= deadline) {
      for (worker in left) end_process(worker$process)
      break
    }
    # A process that has not registered yet is told to stop as soon as it has.
    silent <- setdiff(child_ids(left), asked)
    if (length(silent)) asked <- c(asked, ask_to_stop(handle, silent, call))
    left[[1]]$process$wait(min(100, 1000 * (deadline - now())))
  }
  supervise(at_once = TRUE)
}

# Returns the ids of the workers that were told.
ask_to_stop <- function(handle, ids, call = caller_env()) {
  states <- rust_call(rs_worker_states(handle), call)
  send_stop(handle, intersect(ids, states$id[!states$exited]), call)
}

kill_children <- function(workers) {
  expect_end(workers)
  for (worker in workers) end_process(worker$process)
  supervise(at_once = TRUE)
  invisible(child_ids(workers))
}

end_process <- function(process) {
  process$kill()
  process$wait(1000)
}

wait_alive <- function(controller, workers, timeout, time_poll, progress, call, hint = NULL) {
  ids <- child_ids(workers)
  for (worker in workers) worker$is_awaited <- TRUE
  on.exit(for (worker in workers) worker$is_awaited <- FALSE)
  watch <- list(
    hint = hint,
    # A worker that will be restarted is still watched.
    is_dead = function(ids_left, states) {
      !vapply(workers[match(ids_left, ids)], is_watched, NA)
    },
    logs = function(ids_dead) {
      paths <- vapply(workers[match(ids_dead, ids)], function(worker) last_log(worker), "")
      stats::setNames(lapply(paths, read_log), sprintf("%s (%s)", ids_dead, paths))
    }
  )
  # Starting takes a fifth of a second; a longer sleep would only add to it.
  step <- min(time_poll, 0.02)
  wait_started(queue_handle(controller, call), ids, watch, timeout, step, progress, call)
  invisible(ids)
}
