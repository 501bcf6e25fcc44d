#' Worker lists
#'
#' Counts and lists the workers of a queue. A worker is active from when its environment has been
#' built until it exits or is lost. Lists are in natural order: `w_2` comes before `w_10`.
#'
#' @param name The id of a worker.
#' @inheritParams rrq_destroy
#' @return `rrq_worker_len()`: the number of active workers. `rrq_worker_list()`: their ids.
#'   `rrq_worker_exists()`: whether a worker with that id is active. `rrq_worker_list_exited()`: the
#'   ids of workers that have exited or were lost.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' rrq_worker_len(controller = r)
#' rrq_worker_list(controller = r)
#' rrq_worker_exists("w_1", controller = r)
#' w$stop()
#' rrq_worker_list_exited(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_len <- function(controller = NULL) {
  handle <- queue_handle(controller)
  length(active_workers(handle))
}

#' @rdname rrq_worker_len
#' @export
rrq_worker_list <- function(controller = NULL) {
  handle <- queue_handle(controller)
  active_workers(handle)
}

#' @rdname rrq_worker_len
#' @export
rrq_worker_exists <- function(name, controller = NULL) {
  check_string(name)
  handle <- queue_handle(controller)
  name %in% active_workers(handle)
}

#' @rdname rrq_worker_len
#' @export
rrq_worker_list_exited <- function(controller = NULL) {
  handle <- queue_handle(controller)
  states <- worker_states(handle)
  states$id[states$exited]
}

#' Worker status
#'
#' Returns the status of workers, the tasks they run, and information about their processes.
#'
#' @param worker_ids A character vector of worker ids; `NULL` is all active workers.
#' @inheritParams rrq_destroy
#' @return
#'   * `rrq_worker_status()`: a named character vector. `IDLE`, `BUSY` and `PAUSED` workers are
#'     active, `STARTING` ones build their environment, `EXITED` ones have exited, and `LOST` ones
#'     crashed or stopped responding. `MISSING` is an unknown id.
#'   * `rrq_worker_task_id()`: a named character vector of the ids of the tasks they run, `NA` for
#'     workers without a task.
#'   * `rrq_worker_info()`: a named list of `rrq_worker_info` objects, each a list of `worker`,
#'     `config`, `rrq_version`, `platform`, `running`, `hostname`, `username`, `queue`, `wd`, `pid`,
#'     `redis_host`, `redis_port`, `heartbeat_key`, `envir` (a hash of the function set with
#'     [rrq_worker_envir_set()], `NULL` if there is none), `offload_path` and `logfile`, as of when
#'     the worker started or last responded to an `INFO` or `REFRESH` message. Several print as a
#'     table. `as.data.frame()` has a row for each.
#' @section Errors: `rrq_error_worker_missing` lists the unknown ids, except for
#'   `rrq_worker_status()`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' rrq_worker_status(controller = r)
#' rrq_worker_task_id(controller = r)
#' rrq_worker_info("w_1", controller = r)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_status <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  states <- worker_states(handle)
  worker_ids <- worker_ids %||% states$id[states$active]
  status <- states$state[match(worker_ids, states$id)]
  status[is.na(status)] <- "MISSING"
  rlang::set_names(status, worker_ids)
}

#' @rdname rrq_worker_status
#' @export
rrq_worker_task_id <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  states <- worker_states(handle)
  check_workers(worker_ids, states$id)
  worker_ids <- worker_ids %||% states$id[states$active]
  rlang::set_names(states$task[match(worker_ids, states$id)], worker_ids)
}

#' @rdname rrq_worker_status
#' @export
rrq_worker_info <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  infos <- worker_infos(handle, worker_ids %||% active_workers(handle))
  structure(infos, class = "rrq_worker_infos")
}

#' Worker logs
#'
#' `rrq_worker_log_tail()` returns the events of workers, `rrq_worker_process_log()` the lines that
#' a worker printed.
#'
#' Each worker keeps its last 5000 events in the queue:
#' * `HEARTBEAT` (its key, then `OK`), `ALIVE`, `ENVIR` (`new` for a new environment, `create` when
#'   it is filled) and `QUEUE` when it starts; `ENVIR` also on `REFRESH`;
#' * `MESSAGE` and `RESPONSE` with the command;
#' * `TASK_START`, `TASK_COMPLETE`, `TASK_ERROR` and so on with the task id;
#' * between the start and the end of an isolated task, lines of its process: `ALIVE` with the task
#'   id, and `STOP`. They are added when the task has ended;
#' * `TIMEOUT` and `CANCEL` for a task that continues when it should have ended;
#' * `REMOTE` when it is killed from elsewhere, `RESTART` with the reason, `STOP` (`OK` with the
#'   reason, if there is one, or what went wrong), and `LOST`.
#'
#' A worker prints the same lines to its standard output as they happen, in order with the output of
#' tasks and messages, and its information when it has started; spawned workers print to a file.
#'
#' @param worker_ids A character vector of worker ids; `NULL` is all workers, including those that
#'   have exited.
#' @param n The number of latest events per worker; `Inf` is all.
#' @param worker_id The id of a worker, a string.
#' @inheritParams rrq_destroy
#' @return `rrq_worker_log_tail()`: a data frame with one row per event of all these workers,
#'   ordered by time. Its columns are `worker_id`, `child` (the process id, an integer, if the event
#'   concerns the process of an isolated task, otherwise `NA`), `time` (`POSIXct`, by the server's
#'   clock, to the microsecond), `command` and `message`. A deleted worker has no rows.
#'   `rrq_worker_process_log()`: a character vector of lines.
#' @section Errors: `rrq_worker_process_log()`: `rrq_error_worker_missing` for an unknown id;
#'   `rrq_error_no_log` says where the process log is if it cannot be read from this machine.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(controller = r)
#' rrq_worker_log_tail(n = Inf, controller = r)
#' head(rrq_worker_process_log(w$id, controller = r))
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_log_tail <- function(worker_ids = NULL, n = 1, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  check_count(n, min = 0, infinite = TRUE)
  handle <- queue_handle(controller)
  worker_ids <- unique(worker_ids) %||% worker_states(handle)$id
  call <- rlang::current_env()
  logs <- lapply(worker_ids, function(id) {
    rust_call(rs_worker_log(handle, id, as.numeric(n)), call)
  })
  column <- function(name) unlist(lapply(logs, `[[`, name))
  log <- data.frame(
    worker_id = rep(worker_ids, lengths(lapply(logs, `[[`, "time"))),
    child = column("child") %||% integer(),
    time = .POSIXct(column("time") %||% numeric()),
    command = column("command") %||% character(),
    message = column("message") %||% character()
  )
  # A stable order: what happened to a worker at one time stays as it is in its log.
  log <- log[order(log$time, method = "radix"), ]
  row.names(log) <- NULL
  log
}

#' @rdname rrq_worker_log_tail
#' @export
rrq_worker_process_log <- function(worker_id, controller = NULL) {
  check_id(worker_id)
  handle <- queue_handle(controller)
  info <- worker_infos(handle, worker_id)[[1]]
  path <- info$logfile
  if (is.null(path)) {
    message <- sprintf(
      "Worker %s has no log file: its output goes where process %d on %s was started.",
      worker_id, info$pid, info$hostname
    )
    abort("no_log", message, ids = worker_id)
  }
  if (!file.exists(path)) {
    message <- sprintf(
      "The log of worker %s is not on this machine: it is %s on %s.", worker_id, path, info$hostname
    )
    abort("no_log", message, ids = worker_id)
  }
  read_log(path)
}

#' Detection of lost workers
#'
#' Declares workers lost that have disappeared, and ends their tasks. A worker that was killed, or
#' whose machine disappeared, cannot report this itself. It counts as lost after five heartbeat
#' periods of silence (see [rrq_worker_config()]) or, if this session spawned it, once its process
#' has ended. Other workers and waiting sessions detect lost workers automatically; this function
#' checks at once.
#'
#' @inheritParams rrq_destroy
#' @return The ids of the workers declared lost by this call, invisibly. They are `LOST`. The tasks
#'   they had begun are `DIED`, or queued again if they have a retry policy, see [rrq_retry()].
#'   Tasks that they had claimed but not begun are back in their queue. A message lists all of them.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' rrq_worker_detect_exited(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_detect_exited <- function(controller = NULL) {
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  is_ours <- function(child) is_of_queue(child, controller)
  # Those that are restarted are reported on their own as well.
  found <- Filter(is_ours, supervise(at_once = TRUE, report = function(child) !is_ours(child)))
  lost <- rust_call(rs_worker_sweep(handle, Inf))
  ids <- c(child_ids(found), as.character(names(lost)))
  tasks <- c(lapply(found, function(child) child$tasks), lapply(unname(lost), `[[`, "tasks"))
  report_lost(ids, unlist(tasks), unlist(lapply(lost, `[[`, "returned")))
  invisible(ids)
}

# `tasks` says what became of the tasks that they had begun, by id.
report_lost <- function(workers, tasks, returned) {
  if (length(workers) == 0) {
    return(invisible())
  }
  notes <- c(
    PENDING = " (will be retried)", RETRY = " (will be retried)", CANCELLED = " (was cancelled)"
  )
  note <- notes[as.character(tasks)]
  note[is.na(note)] <- ""
  rlang::inform(c(
    listed("Lost %d worker%s:", workers),
    listed("Orphaning %d task%s:", paste0(names(tasks), note)),
    listed("Returned %d task%s that had not begun:", returned)
  ))
}

# Ids are not interpolated: they may contain braces.
listed <- function(title, items, shown = 20) {
  n <- length(items)
  if (n > 0) {
    more <- if (n > shown) sprintf("and %d more", n - shown)
    bullets <- c(utils::head(items, shown), more)
    c(sprintf(title, n, if (n == 1) "" else "s"), rlang::set_names(bullets, "*"))
  }
}

# For how many seconds a wait may do what is due in the queue before it checks its own tasks.
sweep_limit <- 0.1

#' Deletion of exited workers
#'
#' Deletes the information, events and responses of workers that have exited or were lost. Their
#' process logs remain.
#'
#' @param worker_ids A character vector of worker ids; `NULL` is all workers that have exited or
#'   were lost.
#' @inheritParams rrq_destroy
#' @return The ids of the deleted workers, invisibly.
#' @section Errors: `rrq_error_worker_missing` lists the unknown ids, `rrq_error_worker_active` the
#'   workers that have not exited. In both cases nothing is deleted.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' w$stop()
#' rrq_worker_list_exited(controller = r)
#' rrq_worker_delete_exited("w_1", controller = r)
#' rrq_worker_list_exited(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_delete_exited <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  if (is.null(worker_ids)) {
    states <- worker_states(handle)
    worker_ids <- states$id[states$exited]
  }
  rust_call(rs_worker_delete_exited(handle, worker_ids))
  invisible(worker_ids)
}

# A data frame of all workers, including exited ones: id, state, task, active, exited.
worker_states <- function(handle, call = caller_env()) {
  as.data.frame(rust_call(rs_worker_states(handle), call))
}

active_workers <- function(handle, call = caller_env()) {
  states <- worker_states(handle, call)
  states$id[states$active]
}

worker_infos <- function(handle, worker_ids, call = caller_env()) {
  infos <- rust_call(rs_worker_info(handle, worker_ids), call)
  check_workers(worker_ids, worker_ids[!vapply(infos, is.null, NA)], call)
  rlang::set_names(infos, worker_ids)
}

check_workers <- function(worker_ids, known, call = caller_env()) {
  unknown <- setdiff(worker_ids, known)
  if (length(unknown) > 0) {
    message <- c(
      sprintf("No such worker: %s.", toString(unknown)),
      i = hints[["worker_missing"]]
    )
    abort("worker_missing", message, ids = unknown, call = call)
  }
}
