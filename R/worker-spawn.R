#' Start workers on this machine
#'
#' Starts R processes that work for the queue, with this session's library paths, working directory
#' and environment variables, all in parallel. They end when this session ends, however it ends.
#'
#' @param n How many.
#' @param logdir A folder for what they print; `NULL` is one in the session's temporary folder.
#' @param timeout Seconds to wait until all are alive. 0 does not wait.
#' @param name_config The saved configuration they use, see [rrq_worker_config_save()].
#' @param worker_id_base Their names are `<base>_1` to `<base>_n`; `NULL` draws a base.
#' @param time_poll Seconds between two looks at whether they are alive.
#' @param offload_path Not available yet: must be `NULL`.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return A manager. `$id` are the workers' names; `$is_alive()`, `$logs()`, `$stop()` and
#'   `$kill()` take names or numbers, all by default; `$wait_alive(timeout)` waits.
#' @section Errors: `rrq_error_worker_start` when a worker ends before it is alive, for instance
#'   because its environment could not be built: the message shows the end of its log.
#'   `rrq_error_timeout` when time is up.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' w$is_alive()
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_spawn <- function(n = 1, logdir = NULL, timeout = 600, name_config = "localhost",
                             worker_id_base = NULL, time_poll = 0.2, progress = NULL,
                             controller = NULL, offload_path = NULL) {
  check_count(n)
  check_string(logdir, null = TRUE)
  check_number(timeout)
  check_name(name_config)
  check_name(worker_id_base, null = TRUE)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  check_not_yet(offload_path, NULL)
  controller <- get_controller(controller)
  queue <- queue_of(controller)
  rust_call(rs_config_read(queue, name_config))
  ids <- paste0(worker_id_base %||% random_name(), "_", seq_len(n))
  check_unused(queue, ids)
  logs <- file.path(prepare_logdir(logdir), paste0(ids, ".log"))
  processes <- Map(start_worker, ids, logs, list(controller), name_config)
  keep_alive(processes)
  manager <- new_manager(controller, ids, processes, logs)
  if (timeout > 0) {
    manager$wait_alive(timeout, time_poll, show_progress(progress), rlang::current_env())
  }
  manager
}

# processx ends a process when its handle is garbage-collected; workers live as long as the session,
# whatever becomes of their manager.
keep_alive <- function(processes) {
  running <- Filter(function(p) p$is_alive(), the$workers)
  the$workers <- c(running, unname(processes))
}

check_unused <- function(queue, ids, call = caller_env()) {
  states <- rust_call(rs_worker_states(queue), call)
  taken <- intersect(ids, states$id[!states$exited])
  if (length(taken)) {
    message <- sprintf("Workers of these names are alive: %s.", toString(taken))
    abort("worker_exists", message, ids = taken, call = call)
  }
}

prepare_logdir <- function(logdir) {
  path <- logdir %||% file.path(tempdir(), "rrq-workers")
  dir.create(path, showWarnings = FALSE, recursive = TRUE)
  normalizePath(path)
}

# The server's URL goes by the environment: a password on a command line is for all to see.
start_worker <- function(id, log, controller, name_config) {
  env <- c(
    "current",
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    RRQ_URL = controller$url,
    RRQ_PARENT_PID = as.character(Sys.getpid()),
    RRQ_WORKER_LOGFILE = log
  )
  rscript <- file.path(R.home("bin"), "Rscript")
  args <- c("-e", "rrq:::worker_process()", controller$queue_id, name_config, id)
  # processx before 3.8.6 draws random numbers.
  with_own_random(
    processx::process$new(rscript, args, stdout = log, stderr = "2>&1", env = env, cleanup = TRUE)
  )
}

# What a spawned process runs.
worker_process <- function(args = commandArgs(TRUE)) {
  run_worker_process(args[[1]], args[[2]], args[[3]], 0)
}

# Runs until there is a reason to leave. That there is nothing to work for, or with, is told on
# stderr in one message, not with a traceback.
run_worker_process <- function(queue_id, name_config, worker_id, timeout_config) {
  Sys.unsetenv("R_TESTS")
  the$is_worker_process <- TRUE
  worker <- tryCatch(
    rrq_worker$new(queue_id, name_config, worker_id, timeout_config),
    error = function(e) quit_saying(conditionMessage(e), 1)
  )
  worker$loop()
  invisible()
}

quit_saying <- function(message, status) {
  cat("Error: ", message, "\n", sep = "", file = stderr())
  quit(save = "no", status = status)
}

new_manager <- function(controller, ids, processes, logs) {
  which <- function(worker) match_workers(ids, worker, caller_env(2))
  alive <- function() vapply(processes, function(p) p$is_alive(), TRUE)
  manager <- list(
    id = ids,
    is_alive = function(worker = NULL) stats::setNames(alive(), ids)[which(worker)],
    logs = function(worker = NULL) {
      stats::setNames(lapply(logs, read_log), ids)[which(worker)]
    },
    stop = function(worker = NULL, timeout = 10) {
      chosen <- which(worker)
      stop_spawned(controller, ids[chosen], processes[chosen], timeout)
    },
    kill = function(worker = NULL) {
      for (process in processes[which(worker)]) process$kill()
      invisible(ids[which(worker)])
    },
    wait_alive = function(timeout = 600, time_poll = 0.2, progress = show_progress(NULL),
                          call = caller_env()) {
      wait_alive(controller, ids, processes, logs, timeout, time_poll, progress, call)
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
    abort("worker_missing", sprintf("Not workers of this manager: %s.", unknown),
      ids = as.character(worker[is.na(at)]), call = call
    )
  }
  at
}

read_log <- function(path) {
  if (file.exists(path)) readLines(path, warn = FALSE) else character()
}

stop_spawned <- function(controller, ids, processes, timeout) {
  queue <- queue_of(controller)
  states <- rust_call(rs_worker_states(queue))
  # One that is starting, for the first time or anew, stops as soon as it can.
  alive <- intersect(ids, states$id[!states$exited])
  if (length(alive)) {
    rust_call(rs_message_send(queue, "STOP", NULL, alive))
  }
  deadline <- now() + timeout
  for (process in processes) {
    process$wait(max(0, deadline - now()) * 1000)
    if (process$is_alive()) process$kill()
  }
  invisible(ids)
}

wait_alive <- function(controller, ids, processes, logs, timeout, time_poll, progress, call) {
  watch <- list(
    is_dead = function(ids_left, states) {
      !vapply(processes[match(ids_left, ids)], function(p) p$is_alive(), TRUE)
    },
    logs = function(ids_dead) {
      paths <- logs[match(ids_dead, ids)]
      stats::setNames(lapply(paths, read_log), sprintf("%s (%s)", ids_dead, paths))
    }
  )
  # Starting takes half a second; a longer sleep at first would only add to it.
  step <- min(time_poll, 0.05)
  wait_started(queue_of(controller, call), ids, watch, timeout, step, progress, call)
}
