#' Stopping workers
#'
#' Tells workers to exit, or kills their processes.
#'
#' @param worker_ids A character vector of worker ids; `NULL` is all workers that have not exited.
#' @param type How to stop them. `"message"`: the worker finishes its current task and exits.
#'   `"kill"`: a thread of the worker ends its process, whatever R is doing, and its current task
#'   ends as `DIED` at once. This works from any machine. `"kill_local"`: a signal ends the process.
#'   This works only for workers on this machine, but needs no connection between worker and server;
#'   the current task ends as `DIED` once the loss is detected, see [rrq_worker_detect_exited()].
#' @param timeout The longest time to wait for them to exit, in seconds; 0 does not wait.
#' @param time_poll Seconds between checks.
#' @inheritParams rrq_task_wait
#' @inheritParams rrq_destroy
#' @return The ids of the workers, invisibly.
#' @section Errors: `rrq_error_worker_missing` lists the workers that are not alive,
#'   `rrq_error_not_local` those that cannot be killed from this session; in both cases nothing is
#'   done. `rrq_error_timeout` names the workers that are still running after `timeout` seconds.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(controller = r)
#' rrq_worker_stop(timeout = 10, controller = r)
#' rrq_worker_status(w$id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_stop <- function(worker_ids = NULL, type = c("message", "kill", "kill_local"),
                            timeout = 0, time_poll = 0.1, progress = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  type <- check_choice(type, c("message", "kill", "kill_local"))
  check_number(timeout)
  check_number(time_poll)
  check_flag(progress, null = TRUE)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  worker_ids <- unique(workers_to_stop(handle, worker_ids))
  if (length(worker_ids) > 0) {
    if (type != "message") expect_end(children_named(controller, worker_ids))
    switch(type,
      message = send_stop(handle, worker_ids),
      kill = kill_anywhere(handle, worker_ids),
      kill_local = kill_local(handle, worker_ids)
    )
    if (timeout > 0) {
      wait_exited(handle, worker_ids, timeout, time_poll, progress)
    }
  }
  invisible(worker_ids)
}

# Including those that are still building their environment.
workers_to_stop <- function(handle, worker_ids, call = caller_env()) {
  states <- worker_states(handle, call)
  alive <- states$id[!states$exited]
  check_workers(worker_ids, alive, call)
  worker_ids %||% alive
}

# Workers that exit in the meantime are ignored. Returns those that were told.
send_stop <- function(handle, ids, call = caller_env()) {
  while (length(ids) > 0) {
    gone <- tryCatch(
      {
        rust_call(rs_message_send(handle, "STOP", NULL, ids), call)
        return(ids)
      },
      rrq_error_worker_missing = function(e) e$ids %||% ids
    )
    ids <- setdiff(ids, gone)
  }
  ids
}

# A worker that has exited in the meantime is ignored.
kill_anywhere <- function(handle, worker_ids, call = caller_env()) {
  infos <- rust_call(rs_worker_info(handle, worker_ids), call)
  refuse_own(worker_ids[is_local(infos)], infos[is_local(infos)], call)
  rust_call(rs_worker_kill(handle, worker_ids), call)
}

kill_local <- function(handle, worker_ids, call = caller_env()) {
  infos <- rust_call(rs_worker_info(handle, worker_ids), call)
  pids <- vapply(infos, function(info) as.integer(info$pid), 1L)
  elsewhere <- !is_local(infos)
  if (any(elsewhere)) {
    others <- worker_ids[elsewhere]
    message <- c(
      sprintf("Workers that are not on this machine: %s. None was killed.", toString(others)),
      i = "Use `type = \"kill\"`, which works on any machine."
    )
    abort("not_local", message, ids = others, call = call)
  }
  refuse_own(worker_ids, infos, call)
  tools::pskill(pids, tools::SIGTERM)
}

is_local <- function(infos) {
  vapply(infos, function(info) info$hostname == Sys.info()[["nodename"]], NA)
}

refuse_own <- function(worker_ids, infos, call) {
  own <- worker_ids[vapply(infos, function(info) info$pid == Sys.getpid(), NA)]
  if (length(own) > 0) {
    message <- c(
      sprintf("Worker %s runs in this R session. No worker was killed.", toString(own)),
      i = "Stop it with its method `$shutdown()`."
    )
    abort("not_local", message, ids = own, call = call)
  }
}

wait_exited <- function(handle, worker_ids, timeout, time_poll, progress, call = caller_env()) {
  bar <- if (show_progress(progress)) {
    suspendInterrupts(cli::cli_progress_bar("Stopping workers", total = length(worker_ids)))
  }
  deadline <- now() + timeout
  local_deadline(handle, timeout)
  repeat {
    supervise()
    # A killed worker cannot report that it exits.
    rust_call(rs_worker_sweep(handle, sweep_limit), call)
    states <- worker_states(handle, call)
    left <- setdiff(worker_ids, states$id[states$exited])
    if (!is.null(bar)) {
      n_exited <- length(worker_ids) - length(left)
      suspendInterrupts(cli::cli_progress_update(set = n_exited, id = bar))
    }
    if (length(left) == 0) {
      return(invisible())
    }
    if (now() >= deadline) {
      message <- c(
        sprintf("Workers still running after %g s: %s.", timeout, toString(left)),
        i = "They exit after their current task; `type = \"kill\"` does not wait for it."
      )
      abort("timeout", message, ids = left, call = call)
    }
    Sys.sleep(min(max(time_poll, 0.01), deadline - now()))
  }
}
