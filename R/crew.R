#' Controllers for targets and crew
#'
#' A controller with the methods of the controllers of the package crew, whose tasks run on the
#' workers of a queue. With it, a pipeline of the package targets runs on rrq unchanged:
#' `tar_option_set(controller = rrq::rrq_crew_controller(workers = 4))`. Nothing of crew is called,
#' but `tar_make()` asks for it to be installed.
#'
#' @section Where tasks run:
#' By default, the controller has a queue and workers of its own. The workers are started on this
#' machine when there are tasks for them, up to `workers`, and are replaced when they crash.
#' `$terminate()`, or the end of the session, ends them and deletes the queue; on a server of yours
#' it stays if the session is killed.
#'
#' With `controller`, tasks go to that queue, and to workers that somebody else has started, perhaps
#' on other machines. `workers` then says how many targets are submitted at a time. `$terminate()`
#' deletes the tasks of this controller only.
#'
#' @section Methods:
#' Those of a crew controller, with its arguments and values. `controllers` and `controller` are
#' accepted and not used. Data frames have the class of a tibble.
#'
#' * `$push(command, data, globals, name = , seed = , algorithm = , packages = , library = ,
#'   seconds_timeout = )`: submits a task, and returns its id, invisibly. `data` are its variables;
#'   `globals` are assigned in the global environment of the worker while it runs.
#' * `$pop()`, `$collect()`: the result of one task, or of all, that have ended: a data frame with
#'   `name`, `command`, `result` (a list), `status` (`"success"`, `"error"`, `"crash"` or
#'   `"cancel"`), `error`, `code`, `trace`, `warnings`, `seconds`, `seed`, `algorithm` and
#'   `controller`. `NULL` if there is none. They never block. With `error = "stop"` or `"warn"`, a
#'   task that was not successful is an error or a warning.
#' * `$wait(mode = "all", seconds_timeout = Inf)`: waits until all tasks, or with `"one"` one of
#'   those that were not popped, have ended. Returns whether they have.
#' * `$walk(command, iterate, ...)`: one task for each element of the vectors in the list `iterate`;
#'   `names = ` is the element with their names. `$map()` also waits, and returns the results.
#'   If it fails, they are in the field `error`.
#' * `$cancel(names, all = FALSE)`: cancels tasks; they end with status `"cancel"`.
#' * `$size()`, `$empty()`, `$nonempty()`, `$unresolved()`: tasks that were not popped, and those
#'   that have not ended. `$resolved()`: how many have ended since the start.
#' * `$saturated()`: whether there are as many tasks as workers. `$push_backlog(name)`,
#'   `$pop_backlog()`: names of tasks that wait here for that.
#' * `$crashes(name)`: how often in a row the task of this name has crashed.
#' * `$start()`, `$started()`, `$terminate()`, `$validate()`, `$summary()`.
#' * `$launch(n)`, `$scale()`: start workers, or those that are missing. `$autoscale()` does so from
#'   the event loop of later, until `$descale()`. `$pids()`: the process ids of the workers, by
#'   name.
#'
#' @section Crashes:
#' A task whose worker was lost, for example because it ran out of memory, has status `"crash"`.
#' targets then pushes it again. When the task of one name has crashed more than `crashes_max` times
#' in a row, `$pop()`, `$collect()` and `$map()` raise an error.
#'
#' @section What is sent:
#' Each `$push()` of targets passes the whole global environment of the pipeline. It is stored in
#' the queue once, by content, and each worker reads it once; only objects with a state of their
#' own, such as those of R6 or data.table, are read for each task. Objects with connections or
#' external pointers are sent as crew does: what needs the pointer will not work there.
#'
#' @param workers The largest number of workers, and of tasks that targets submits at a time.
#' @param name The name of the controller in results and summaries; `NULL` makes one up.
#' @param controller An [rrq_controller()] of a queue that has workers. `NULL` makes a queue, on the
#'   server that `rrq_controller()` finds by itself, and starts workers.
#' @param queue The name of the queue in which the tasks wait, as for [rrq_task_create_expr()].
#' @param seconds_idle Seconds without a task after which a worker ends; it is started again when it
#'   is needed. For workers of the controller's own.
#' @param crashes_max How often in a row a task may crash before that is an error.
#' @param reset_globals,reset_packages,reset_options Whether to remove what a task has assigned in
#'   the global environment, to detach the packages that it has attached, and to restore the options
#'   that it has changed.
#' @param garbage_collection Whether to collect garbage after each task.
#' @param ... Further arguments of [rrq_worker_spawn()] for workers of the controller's own, such as
#'   `logdir`.
#' @return An `rrq_crew_controller`.
#' @section Errors: `rrq_error_crew_crashes` if a task has crashed too often, `rrq_error_crew_task`
#'   for a task that was not successful, and `rrq_error_crew_name` if a task of the same name was
#'   not popped; all have the class `crew_error`, too. `rrq_error_no_workers`, with the end of a
#'   log, if workers of its own cannot start.
#' @seealso `vignette("ecosystem")`
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' crew <- rrq_crew_controller(workers = 2, controller = r)
#' crew$push(a + b, data = list(a = 1, b = 2), name = "sum")
#' crew$wait()
#' result <- crew$pop()
#' result$name
#' result$result[[1]]
#' unlist(crew$map(x^2, iterate = list(x = 1:3))$result)
#' crew$terminate()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_crew_controller <- function(workers = 4, name = NULL, controller = NULL, queue = NULL,
                                seconds_idle = Inf, crashes_max = 5, reset_globals = TRUE,
                                reset_packages = FALSE, reset_options = FALSE,
                                garbage_collection = FALSE, ...) {
  check_count(workers, infinite = TRUE)
  check_string(name, null = TRUE)
  if (!is.null(controller)) get_controller(controller)
  check_name(queue, null = TRUE)
  check_number(seconds_idle)
  check_count(crashes_max, min = 0)
  reset <- list(
    globals = check_flag(reset_globals), packages = check_flag(reset_packages),
    options = check_flag(reset_options), memory = check_flag(garbage_collection)
  )
  spawn <- list(...)
  if (is.null(controller)) {
    check_own_crew(workers, spawn, rlang::current_env())
  } else if (length(spawn) > 0 || is.finite(seconds_idle)) {
    message <- "`seconds_idle` and `...` are for workers that the controller starts itself."
    abort("argument", c(message, i = "Leave out `controller`, or these."), argument = "...")
  }
  crew <- rlang::env(
    workers = workers, name = name %||% paste0("crew-", random_name()), given = controller,
    queue = queue %||% default_queue, seconds_idle = seconds_idle, crashes_max = crashes_max,
    reset = reset, spawn = spawn, controller = NULL, summary = NULL, error = NULL, loop = NULL
  )
  clear_crew(crew)
  new_crew_controller(crew)
}

check_own_crew <- function(workers, spawn, call) {
  check_count(workers, arg = "workers", call = call)
  known <- setdiff(names(formals(rrq_worker_spawn)), c("n", "timeout", "controller"))
  given <- rlang::names2(spawn)
  if (!all(given %in% known)) {
    must <- sprintf("arguments of `rrq_worker_spawn()`: %s", toString(known))
    abort_argument("...", must, call = call)
  }
}

# What lasts from the start to the end. `tasks` are those that were not popped, by name; `names` are
# their names by id; `resolved` are the names of those that have ended, in order.
clear_crew <- function(crew) {
  crew$tasks <- new.env(parent = emptyenv())
  crew$names <- new.env(parent = emptyenv())
  crew$crashes <- new.env(parent = emptyenv())
  crew$resolved <- crew$backlog <- crew$alive <- character()
  crew$n_resolved <- crew$n_failed <- 0
  crew$scaled <- -Inf
  crew$shared <- crew$managers <- list()
  crew$watch <- crew$packed <- crew$used <- NULL
}

new_crew_controller <- function(crew) {
  methods <- c(
    crew_state_methods(crew), crew_push_methods(crew), crew_collect_methods(crew),
    crew_scale_methods(crew)
  )
  controller <- list2env(methods, parent = emptyenv())
  makeActiveBinding("error", function() crew$error, controller)
  makeActiveBinding("name", function() crew$name, controller)
  structure(controller, class = "rrq_crew_controller")
}

#' @export
print.rrq_crew_controller <- function(x, ...) {
  state <- if (x$started()) {
    sprintf("%s, %d not ended", count_of(x$size(), "task", "tasks"), x$unresolved())
  } else {
    "not started"
  }
  cat(sprintf("<rrq_crew_controller> %s: %s\n", x$name, state))
  invisible(x)
}

crew_state_methods <- function(crew) {
  size <- function(controllers = NULL) length(crew$tasks)
  list(
    # All was checked when it was made.
    validate = function() invisible(),
    start = function(controllers = NULL) start_crew(crew),
    started = function(controllers = NULL) is_crew_started(crew),
    synced = function(controllers = NULL) TRUE,
    terminate = function(controllers = NULL) end_crew(crew),
    size = size,
    empty = function(controllers = NULL) size() == 0,
    nonempty = function(controllers = NULL) size() > 0,
    resolved = function(controllers = NULL) {
      hear_crew(crew)
      as.integer(crew$n_resolved)
    },
    unresolved = function(controllers = NULL) {
      hear_crew(crew)
      n_unresolved(crew)
    },
    saturated = function(collect = NULL, throttle = NULL, controller = NULL) {
      size() >= crew$workers
    },
    push_backlog = function(name, controller = NULL) {
      check_string(name)
      crew$backlog <- c(crew$backlog, name)
      invisible()
    },
    pop_backlog = function(controllers = NULL) {
      names <- utils::head(crew$backlog, max(0, crew$workers - size()))
      crew$backlog <- utils::tail(crew$backlog, length(crew$backlog) - length(names))
      names
    },
    crashes = function(name, controllers = NULL) crew$crashes[[name]] %||% 0L,
    summary = function(controllers = NULL) crew_summary(crew)
  )
}

crew_summary <- function(crew) {
  counts <- crew$summary
  if (is.null(counts)) {
    return(NULL)
  }
  ends <- c("success", "error", "crash", "cancel")
  columns <- list(
    controller = crew$name, seconds = counts[["seconds"]], tasks = as.integer(sum(counts[ends]))
  )
  as_tibble_frame(c(columns, lapply(as.list(counts[c(ends, "warning")]), as.integer)))
}

# A tibble, without the package.
as_tibble_frame <- function(columns) {
  structure(
    columns,
    class = c("tbl_df", "tbl", "data.frame"), row.names = .set_row_names(length(columns[[1]]))
  )
}

is_crew_started <- function(crew) !is.null(crew$controller)

start_crew <- function(crew, call = caller_env()) {
  if (is_crew_started(crew)) {
    return(invisible())
  }
  clear_crew(crew)
  is_own <- is.null(crew$given)
  controller <- crew$given %||% rrq_controller(paste0("crew-", rust_call(rs_random_id())))
  on.exit(if (!is_crew_started(crew) && is_own) rrq_destroy(controller = controller))
  if (is_own && is.finite(crew$seconds_idle)) {
    config <- rrq_worker_config(timeout_idle = crew$seconds_idle, reset = FALSE)
    rrq_worker_config_save("crew", config, controller = controller)
  }
  crew$watch <- rrq_watch(controller)
  crew$summary <- c(seconds = 0, success = 0, error = 0, crash = 0, cancel = 0, warning = 0)
  crew$controller <- controller
  # The queue must not outlive a session that ends without $terminate().
  reg.finalizer(crew, function(x) try(end_crew(x), silent = TRUE), onexit = TRUE)
  invisible()
}

# Without its server, there is nothing left to delete.
end_crew <- function(crew) {
  crew$loop <- NULL
  if (!is_crew_started(crew)) {
    return(invisible())
  }
  controller <- crew$controller
  crew$controller <- NULL
  crew$watch$close()
  tryCatch(
    {
      ids <- names(crew$names)
      if (length(ids) > 0) rust_call(rs_task_discard(queue_handle(controller), ids, 0))
      # All at once: to stop some would restart others that have ended meanwhile.
      stop_children(controller, children_named(controller, crew_workers(crew)), 5)
      if (is.null(crew$given)) {
        rrq_destroy(controller = controller)
      } else {
        unshare_globals(crew, controller)
      }
    },
    rrq_error_connection = function(e) for (manager in crew$managers) manager$kill()
  )
  clear_crew(crew)
  invisible()
}
