#' Starting a queue in one call
#'
#' `rrq_start()` attaches to a queue, makes it the default one, and starts workers on this machine,
#' which are replaced if they crash. `rrq_stop()` ends all of it. If no server is configured and
#' none listens at the default address, a private one is started, see [rrq_controller()].
#'
#' @param workers The number of workers. 0 starts none, for instance because they run elsewhere.
#' @param queue_id The name of a queue. `NULL` makes up the name of a new queue, which lasts until
#'   `rrq_stop()` or the end of the session; on a server of yours it stays if the session is killed.
#' @param ... Further arguments of [rrq_worker_spawn()].
#' @param con The server, as in [rrq_controller()].
#' @param delete Whether `rrq_stop()` deletes the queue and all its tasks. `NULL` deletes it if
#'   `rrq_start()` made up its name.
#' @param timeout Seconds that running tasks may take to end. After that the workers are killed, and
#'   these tasks end as `DIED`.
#' @return `rrq_start()`: the [rrq_controller()], invisibly. If the session has called it before
#'   without a later `rrq_stop()`, nothing is started and a message says so, and which arguments
#'   differ from those of the first call. `rrq_stop()`: `NULL`, invisibly.
#' @section Errors: Those of [rrq_controller()] and [rrq_worker_spawn()]. Nothing is left running
#'   after an error or Ctrl-C. `rrq_error_started` if a second call asks for another queue or
#'   server. `rrq_error_not_started` if there is nothing for `rrq_stop()` to stop.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' rrq_start(2)
#' rrq_lapply(1:3, sqrt)
#' rrq_stop()
rrq_start <- function(workers = 2, queue_id = NULL, ..., con = NULL) {
  if (is.character(workers)) {
    name <- if (length(workers) == 1) encodeString(shorten(workers, 60), quote = '"') else "..."
    hint <- sprintf("To name the queue, write `rrq_start(queue_id = %s)`.", name)
    abort_argument("workers", "a number of workers", workers, rlang::current_env(), hint)
  }
  check_count(workers, min = 0)
  asked <- list(
    workers = if (!missing(workers)) workers, queue_id = queue_id,
    con = if (!is.null(con)) resolve_url(con), options = list(...)
  )
  if (!is.null(the$started)) {
    report_started(the$started, asked)
    return(invisible(the$started$controller))
  }
  controller <- rrq_controller(queue_id %||% paste0("session-", random_name()), con)
  started <- list2env(list(
    controller = controller, is_own = is.null(queue_id), n = workers, options = asked$options
  ))
  previous <- rrq_default_controller_set(controller)
  # After an error or Ctrl-C nothing stays. The user must see that error, not one of the clean-up.
  on.exit(if (is.null(the$started)) {
    if (started$is_own) try(rrq_destroy(controller = controller), silent = TRUE)
    rrq_default_controller_set(previous)
  })
  if (workers > 0) {
    started$workers <- tryCatch(
      rrq_worker_spawn(workers, ..., restart = TRUE, controller = controller),
      error = function(e) {
        e$call <- quote(rrq_start())
        rlang::cnd_signal(e)
      }
    )
  }
  the$started <- started
  # The queue must not outlive a session that ends without rrq_stop().
  reg.finalizer(started, function(x) try(stop_started(x, NULL, 0), silent = TRUE), onexit = TRUE)
  invisible(controller)
}

# A second rrq_start(). Work must not go to another queue than the one that was asked for; workers
# can be added.
report_started <- function(started, asked, call = caller_env()) {
  controller <- started$controller
  kept <- sprintf("Queue %s at %s has been started before.", shorten(controller$queue_id, 60),
    unclass(controller$con)$address
  )
  hint <- c(i = "Call `rrq_stop()` first to start another one.")
  if (!identical(asked$queue_id %||% controller$queue_id, controller$queue_id)) {
    other <- sprintf("`queue_id` asks for another one, %s.", shorten(asked$queue_id, 60))
    abort("started", c(kept, x = other, hint), call = call)
  }
  if (!identical(asked$con %||% controller$url, controller$url)) {
    abort("started", c(kept, x = "`con` asks for another server.", hint), call = call)
  }
  wanted <- asked$workers %||% started$n
  same <- mapply(identical, asked$options, started$options[names(asked$options)])
  changed <- names(asked$options)[!as.logical(same)]
  inform_plainly(c(
    i = kept,
    if (wanted != started$n) {
      c("!" = sprintf("It keeps its %s, not %d.", count_of(started$n, "worker", "workers"), wanted))
    },
    i = if (wanted > started$n) {
      sprintf("`rrq_worker_spawn(%d)` adds more.", wanted - started$n)
    },
    if (length(changed) > 0) {
      c("!" = sprintf("Not used: %s.", toString(sprintf("`%s`", changed))))
    },
    hint
  ))
}

#' @rdname rrq_start
#' @export
rrq_stop <- function(delete = NULL, timeout = 10) {
  check_flag(delete, null = TRUE)
  check_number(timeout)
  if (is.null(the$started)) {
    abort("not_started", c("Nothing was started.", i = "`rrq_start()` starts a queue."))
  }
  started <- the$started
  the$started <- NULL
  stop_started(started, delete, timeout)
}

stop_started <- function(started, delete, timeout) {
  if (is.null(started$controller)) {
    return(invisible())
  }
  controller <- started$controller
  started$controller <- NULL
  on.exit(if (identical(the$controller, controller)) rrq_default_controller_set(NULL))
  if (!is.null(started$workers)) started$workers$stop(timeout = timeout)
  if (delete %||% started$is_own) {
    # If its server has gone, so has the queue; stopping the workers has said so.
    tryCatch(rrq_destroy(controller = controller), rrq_error_connection = function(e) {
      if (is.null(started$workers)) stop(e)
    })
  }
  invisible()
}
