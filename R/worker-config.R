#' Worker configurations
#'
#' A configuration defines how workers behave. It is stored in the queue under a name, and is used
#' by the workers that are started with that name. A new queue has one configuration,
#' `"localhost"`, with the defaults given here, which workers use by default.
#'
#' @param queue A character vector: the names of the queues from which a worker takes tasks, in
#'   order of priority. `"default"` is always included, last unless given.
#' @param verbose Whether the worker prints what it does.
#' @param logdir A directory on the worker's machine for the output of tasks that have a log, see
#'   [rrq_task_log()]: one file `<task id>.log` per task. A file that exceeds 64 MB loses its
#'   middle. `NULL` writes no files.
#' @param poll_queue The longest time in seconds that an idle worker sleeps before it checks for
#'   tasks. New tasks wake it, so there is seldom a reason to set this. `NULL` is 5.
#' @param timeout_idle Seconds without a task after which the worker exits.
#' @param poll_process How often, in seconds, the worker checks whether a task in a separate process
#'   must be stopped. It does so at least ten times per second, so only values below 0.1 have an
#'   effect.
#' @param timeout_process_die How many seconds a task may continue after it was told to stop,
#'   because it was cancelled or reached its time limit. A separate process is then killed. If the
#'   task runs in the worker's own process and ignores interrupts, for example while it computes in
#'   C, that process is restarted, and the task ends as `CANCELLED` or `TIMEOUT`. Only workers
#'   started by [rrq_worker_spawn()] can restart; any other, which may be your own session, logs
#'   this and waits for the task. So do all workers if the value is `Inf`.
#' @param heartbeat_period How often, in seconds, the worker renews its lease. A worker that is
#'   silent for five periods is lost. `NULL` is 3.
#' @param max_tasks,max_memory Limits for the process of a worker: the number of tasks it runs, and
#'   the bytes of memory it may use after a task (if the system reports that, as Linux does). Use
#'   them for code that leaks memory or attaches packages. At the limit, a worker started by
#'   [rrq_worker_spawn()] restarts its process and keeps its name and process id; any other exits
#'   with the reason in its log.
#' @param offload_threshold_size Results that are larger, in bytes, are stored in the directory for
#'   large values, see [rrq_controller()]; with `Inf`, only those larger than the `store_max_size`
#'   of the queue.
#' @param cache_size How many bytes of what tasks share (in serialised form) a worker keeps in
#'   memory, so that it reads each value once. The newest value is kept even if it alone is larger,
#'   unless this is 0. Tasks in separate processes find in memory what an earlier one has read.
#' @param reset Whether the worker restores, after each task, its working directory, options and
#'   environment variables, removes the global variables that the task has added, and ends what the
#'   task has left diverted by [sink()]. New options and environment variables stay if the task has
#'   loaded a package, which may rely on them.
#' @param name The name of a configuration, a string.
#' @param config A configuration made by `rrq_worker_config()`.
#' @param overwrite Whether to replace an existing configuration of that name.
#' @param timeout How many seconds to wait for a configuration that does not exist yet.
#' @inheritParams rrq_destroy
#' @return `rrq_worker_config()` and `rrq_worker_config_read()` return a list of class
#'   `rrq_worker_config`, which prints with the values that are used for `NULL` and is one row of an
#'   `as.data.frame()`; `rrq_worker_config_list()` a character vector of names.
#'   `rrq_worker_config_save()` returns, invisibly, whether it saved the configuration.
#' @section Errors: `rrq_error_config_missing` for an unknown name.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' short <- rrq_worker_config(queue = c("urgent", "default"), timeout_idle = 60)
#' rrq_worker_config_save("short", short, controller = r)
#' rrq_worker_config_list(controller = r)
#' rrq_worker_config_read("short", controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_config <- function(queue = NULL, verbose = TRUE, logdir = NULL, poll_queue = NULL,
                              timeout_idle = Inf, poll_process = 1, timeout_process_die = 2,
                              heartbeat_period = NULL, max_tasks = Inf, max_memory = Inf,
                              offload_threshold_size = Inf, cache_size = 256e6,
                              reset = TRUE) {
  check_names(queue, null = TRUE)
  check_flag(verbose)
  check_string(logdir, null = TRUE)
  check_number(poll_queue, null = TRUE)
  check_number(timeout_idle)
  check_number(poll_process)
  check_number(timeout_process_die)
  check_number(heartbeat_period, infinite = FALSE, null = TRUE)
  if (identical(as.numeric(heartbeat_period), 0)) {
    must <- "a number greater than 0"
    abort_argument("heartbeat_period", must, heartbeat_period, rlang::current_env())
  }
  check_count(max_tasks, infinite = TRUE)
  check_number(max_memory, min = 1)
  check_number(offload_threshold_size)
  check_number(cache_size)
  check_flag(reset)
  new_worker_config(list(
    queue = unique(c(queue, default_queue)),
    verbose = verbose,
    logdir = logdir,
    poll_queue = number_or_null(poll_queue),
    timeout_idle = as.numeric(timeout_idle),
    poll_process = as.numeric(poll_process),
    timeout_process_die = as.numeric(timeout_process_die),
    heartbeat_period = number_or_null(heartbeat_period),
    max_tasks = as.numeric(max_tasks),
    max_memory = as.numeric(max_memory),
    offload_threshold_size = as.numeric(offload_threshold_size),
    cache_size = as.numeric(cache_size),
    reset = reset
  ))
}

#' @rdname rrq_worker_config
#' @export
rrq_worker_config_save <- function(name, config = NULL, overwrite = TRUE, controller = NULL) {
  if (inherits(name, "rrq_worker_config")) {
    hint <- "The name comes first: `rrq_worker_config_save(\"name\", config)`."
    abort_argument("name", "a single string", name, rlang::current_env(), hint)
  }
  check_string(name)
  if (is.null(config)) abort_missing("config")
  if (!inherits(config, "rrq_worker_config")) {
    abort_argument("config", "made by `rrq_worker_config()`", config, rlang::current_env())
  }
  check_flag(overwrite)
  handle <- queue_handle(controller)
  invisible(rust_call(rs_config_save(handle, name, unclass(config), overwrite)))
}

#' @rdname rrq_worker_config
#' @export
rrq_worker_config_read <- function(name, timeout = 0, controller = NULL) {
  check_string(name)
  check_number(timeout)
  handle <- queue_handle(controller)
  call <- rlang::current_env()
  config <- wait_for_config(timeout, function() rust_call(rs_config_read(handle, name), call))
  new_worker_config(config)
}

#' @rdname rrq_worker_config
#' @export
rrq_worker_config_list <- function(controller = NULL) {
  handle <- queue_handle(controller)
  rust_call(rs_config_list(handle))
}

# The engine returns NA for values that are not set.
new_worker_config <- function(config) {
  config[vapply(config, identical, NA, NA_character_)] <- list(NULL)
  config[vapply(config, identical, NA, NA_real_)] <- list(NULL)
  structure(config, class = "rrq_worker_config")
}

number_or_null <- function(x) {
  if (!is.null(x)) as.numeric(x)
}
