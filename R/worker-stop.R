#' Stop workers
#'
#' @param worker_ids Ids of workers; `NULL` is all that have not exited.
#' @param type `"message"`: the worker finishes its current task and exits. `"kill_local"`: its
#'   process is ended by a signal, which works for workers on this machine only; a task it was running
#'   ends as `DIED` once the loss is noticed, see [rrq_worker_detect_exited()]. `"kill"`, from any
#'   machine through the heartbeat, is not available yet.
#' @param timeout Seconds to wait until they have exited; 0 does not wait.
#' @param time_poll Seconds between two looks.
#' @param progress Whether to show a progress bar while waiting; `NULL` is the option `rrq.progress`,
#'   then whether R is used interactively.
#' @inheritParams rrq_destroy
#' @return The ids of the workers, invisibly.
#' @section Errors: `rrq_error_worker_missing` for ids that are not those of workers alive, and
#'   `rrq_error_not_local` for workers that cannot be killed from here; nothing was done then.
#'   `rrq_error_timeout` names the workers that are still there after `timeout` seconds.
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
  if (type == "kill") {
    abort("not_yet", "`type = \"kill\"` is not available yet in this version of rrq.")
  }
  queue <- queue_of(controller)
  worker_ids <- unique(workers_to_stop(queue, worker_ids))
  if (length(worker_ids) > 0) {
    switch(type,
      message = rust_call(rs_message_send(queue, "STOP", NULL, worker_ids)),
      kill_local = kill_local(queue, worker_ids)
    )
    if (timeout > 0) {
      wait_exited(queue, worker_ids, timeout, time_poll, progress)
    }
  }
  invisible(worker_ids)
}

# One that is still building its environment is stopped as well.
workers_to_stop <- function(queue, worker_ids, call = caller_env()) {
  states <- worker_states(queue, call)
  alive <- states$id[!states$exited]
  check_workers(worker_ids, alive, call)
  worker_ids %||% alive
}

kill_local <- function(queue, worker_ids, call = caller_env()) {
  infos <- rust_call(rs_worker_info(queue, worker_ids), call)
  pids <- vapply(infos, function(info) as.integer(info$pid), 1L)
  elsewhere <- vapply(infos, function(info) info$hostname != Sys.info()[["nodename"]], NA)
  if (any(elsewhere)) {
    others <- worker_ids[elsewhere]
    message <- c(
      sprintf("These workers are not on this machine: %s.", toString(others)),
      i = "Use `type = \"message\"`; nothing was killed."
    )
    abort("not_local", message, ids = others, call = call)
  }
  own <- worker_ids[pids == Sys.getpid()]
  if (length(own) > 0) {
    message <- sprintf("Worker %s runs in this R session: it is not killed.", toString(own))
    abort("not_local", message, ids = own, call = call)
  }
  tools::pskill(pids, tools::SIGTERM)
}

wait_exited <- function(queue, worker_ids, timeout, time_poll, progress, call = caller_env()) {
  left <- worker_ids
  bar <- progress_bar("Stopping workers", length(worker_ids), progress)
  on.exit(bar$done())
  has_exited <- function() {
    # A killed worker cannot say that it leaves.
    rust_call(rs_worker_sweep(queue), call)
    states <- worker_states(queue, call)
    left <<- setdiff(worker_ids, states$id[states$exited])
    bar$set(length(worker_ids) - length(left))
    length(left) == 0
  }
  if (!poll_until(has_exited, timeout, time_poll)) {
    message <- sprintf("Still running after %s s: %s.", format(timeout), toString(left))
    abort("timeout", message, ids = left, call = call)
  }
}

# Ask at least once, then until TRUE or out of time; returns the last answer.
poll_until <- function(test, timeout, time_poll = 0.1) {
  end <- proc.time()[["elapsed"]] + timeout
  repeat {
    done <- test()
    left <- end - proc.time()[["elapsed"]]
    if (done || left <= 0) {
      return(done)
    }
    Sys.sleep(min(max(time_poll, 0.01), left))
  }
}
