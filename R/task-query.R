#' Task status
#'
#' Reports the status of tasks, and lists tasks by status, tag, queue or time. `PENDING` tasks wait
#' in a queue, `RUNNING` tasks have been claimed by a worker, `DEFERRED` tasks wait for other tasks.
#' All others have ended: `COMPLETE` with a value, `ERROR` with an R error, `TIMEOUT` because they
#' ran too long, `DIED` because their worker or process was lost, `CANCELLED`, `IMPOSSIBLE` because
#' a dependency failed, or `MOVED` because they were retried.
#'
#' @param task_ids A character vector of task ids.
#' @param named Whether the result is named by task id.
#' @param follow Whether a retried task stands for the newest task of its chain, see
#'   [rrq_task_retry()]; `NULL` (the default) is the controller's setting.
#' @param status A character vector: list only tasks with one of these statuses.
#' @param tag,queue Strings: list only tasks with this tag, or of this queue.
#' @param since A `POSIXct`, or seconds since 1970: list only tasks submitted at this time or later.
#' @inheritParams rrq_destroy
#' @return `rrq_task_status()`: a character vector, `"MISSING"` for an unknown id.
#'   `rrq_task_exists()`: a logical vector. `rrq_task_list()`: a character vector of ids, in order
#'   of submission if any filter is given, otherwise unordered.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' rrq_task_status(id, controller = r)
#' rrq_task_exists(c(id, "unknown"), controller = r)
#' rrq_task_list(controller = r)
#' rrq_task_list(status = "PENDING", since = Sys.time() - 60, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_status <- function(task_ids, named = FALSE, follow = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(named)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  follow <- follows(follow, controller)
  status <- rust_call(rs_task_status(queue_handle(controller), task_ids, follow))
  if (named) rlang::set_names(status, task_ids) else status
}

#' @rdname rrq_task_status
#' @export
rrq_task_exists <- function(task_ids, named = FALSE, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(named)
  handle <- queue_handle(controller)
  exists <- rust_call(rs_task_status(handle, task_ids, FALSE)) != "MISSING"
  if (named) rlang::set_names(exists, task_ids) else exists
}

#' @rdname rrq_task_status
#' @export
rrq_task_list <- function(status = NULL, tag = NULL, queue = NULL, since = NULL,
                          controller = NULL) {
  filter <- check_filter(status, tag, queue, since)
  handle <- queue_handle(controller)
  if (all(vapply(filter, is.null, TRUE))) {
    return(rust_call(rs_task_list(handle)))
  }
  rust_call(rs_task_table(handle, NULL, filter))$id
}

# Whether queries follow a retried task to the newest task of its chain.
follows <- function(follow, controller) {
  follow %||% controller$settings$follow
}

#' Task counts by status
#'
#' Counts all tasks of a queue, or the given ones, by status.
#'
#' @param task_ids A character vector of task ids; `NULL` (the default) counts all tasks, in
#'   constant time.
#' @inheritParams rrq_destroy
#' @return An `rrq_task_overview`: a named list of counts, one for each status of
#'   [rrq_task_status()], including zeros. If some ids are unknown, `MISSING` comes last. Counts are
#'   integers. It prints those that are not zero. `as.data.frame()` has a row for each, with the
#'   columns `status` and `count`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' rrq_task_overview(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_overview <- function(task_ids = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids, null = TRUE)
  handle <- queue_handle(controller)
  counts <- task_counts(handle)
  if (is.null(task_ids)) {
    return(new_overview(counts))
  }
  status <- rust_call(rs_task_status(handle, task_ids, FALSE))
  levels <- c(names(counts), if ("MISSING" %in% status) "MISSING")
  counts <- tabulate(match(status, levels), length(levels))
  new_overview(rlang::set_names(counts, levels))
}

# Reads the counters, so the cost does not depend on the number of tasks.
task_counts <- function(handle, call = caller_env()) {
  overview <- rust_call(rs_task_overview(handle), call)
  rlang::set_names(overview$count, overview$status)
}

#' Task details
#'
#' `rrq_task_info()` returns the options, state and attempts of a task; `rrq_task_data()` returns
#' its code and data.
#'
#' @param task_id The id of a task, a string.
#' @inheritParams rrq_task_status
#' @return `rrq_task_info()`: an `rrq_task_info`, a list of
#'   * `id`, `status`, `queue`,
#'   * `separate_process`, whether it runs in a separate process,
#'   * `timeout`, its time limit in seconds, or `NULL`,
#'   * `worker`, the id of the worker that claimed it, or `NULL`,
#'   * `pid`, the process id of a task that runs or ran in a separate process, an integer, otherwise
#'     `NULL`,
#'   * `label`, `tags`, `retry`, `ttl`, as given, or `NULL`,
#'   * `depends`, a list of `up` (all that it depends on, directly or not) and `down` (all that
#'     depends on it), each `NULL` if there is nothing. Each is a list named by task id: the ids of
#'     the dependencies of this task, or of its dependants. It begins with the task itself, and
#'     tasks without any have no element. Dependencies have the names given to `depends_on`,
#'   * `moved`, a list of `up` (the tasks of its chain of retries before it) and `down` (those after
#'     it), oldest first, each `NULL` if there is none,
#'   * `attempt`, how many times a worker claimed it, and `attempts`, a list with one list per
#'     attempt: `status`, `worker`, `start`, `end` and `error`, which is `NULL` if it did not fail,
#'   * `seed`, the initial state of its random numbers, as `.Random.seed`, or `NULL`,
#'   * `warnings`, a list of the warnings signalled while it ran, or `NULL`.
#'
#'   `as.data.frame()` of it: one row with what has one value.
#'
#'   `rrq_task_data()`: a list of `type` (`"expr"`), `expr` and `variables`, or of `type`
#'   (`"call"`), `fn` and `args`. A function that was sent by name is a list of `name`, `namespace`
#'   and `internal`, any other a list of `value`.
#' @section Errors: `rrq_error_task_missing` for an unknown id.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' n <- 4
#' id <- rrq_task_create_expr(sqrt(n), controller = r)
#' rrq_task_info(id, controller = r)
#' str(rrq_task_data(id, controller = r))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_info <- function(task_id, controller = NULL) {
  check_id(task_id)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  info <- rust_call(rs_task_info(handle, task_id))
  result <- list(
    id = task_id,
    status = info$status,
    queue = info$queue,
    label = if (nzchar(info$label)) info$label,
    tags = ids_or_null(info$tags),
    separate_process = info$isolated,
    timeout = if (info$timeout > 0) info$timeout,
    worker = if (nzchar(info$worker)) info$worker,
    pid = own_process(handle, task_id, info),
    depends = list(up = ids_or_null(info$up), down = ids_or_null(info$down)),
    moved = list(up = ids_or_null(info$was), down = ids_or_null(info$moved)),
    attempt = info$attempt,
    attempts = attempts_of(info, last_error(controller, task_id, info)),
    retry = if (!is.null(info$retry)) new_retry(info$retry),
    ttl = info$ttl,
    seed = if (!is.null(info$seed)) c(lecuyer_kind, info$seed),
    warnings = info$extra$warnings
  )
  structure(result, class = "rrq_task_info")
}

# The error of the latest attempt, which is the result of the task; NULL if it did not fail.
last_error <- function(controller, task_id, info, call = caller_env()) {
  if (!is.na(info$start) && !is.na(info$end) && info$ended != "COMPLETE") {
    fetch_left(task_id, controller, FALSE, call)$value[[1]]
  }
}

# One list per attempt, latest last.
attempts_of <- function(info, error) {
  as_time <- function(seconds) .POSIXct(seconds)
  earlier <- lapply(info$attempts, function(attempt) {
    list(
      status = attempt$status, worker = attempt$worker, start = as_time(attempt$start),
      end = as_time(attempt$end), error = attempt$error
    )
  })
  if (is.na(info$start)) {
    return(earlier)
  }
  latest <- list(
    status = info$ended, worker = info$worker, start = as_time(info$start),
    end = as_time(info$end), error = error
  )
  c(earlier, list(latest))
}

# The process id of an isolated task.
own_process <- function(handle, task_id, info, call = caller_env()) {
  if (info$isolated) {
    log <- rust_call(rs_task_log(handle, task_id, Inf), call)
    if (!is.null(log) && log$attempt == info$attempt && log$pid > 0) log$pid
  }
}

#' @rdname rrq_task_info
#' @export
rrq_task_data <- function(task_id, controller = NULL) {
  check_id(task_id)
  handle <- queue_handle(controller)
  data <- rust_call(rs_task_data(handle, task_id))
  unpack_task(data$kind, data$payload, data$shared)
}

# A task of a bulk holds only its own values; the rest comes from the shared template.
unpack_task <- function(kind, payload, shared) {
  template <- if (length(shared) > 0) shared[[1]]
  switch(kind,
    expr = c(type = "expr", merge_shared(payload, shared)[c("expr", "variables")]),
    call = c(type = "call", merge_shared(payload, shared)[c("fn", "args")]),
    bulk_expr = {
      variables <- c(template$variables, named(payload, template$names))
      list(type = "expr", expr = template$expr, variables = variables)
    },
    bulk_call = {
      own <- if (is.null(template$names)) list(payload) else named(payload, template$names)
      list(type = "call", fn = template$fn, args = c(own, template$args))
    }
  )
}

#' Task times
#'
#' Returns when tasks were submitted, started, ended and retried, by the server's clock.
#'
#' @inheritParams rrq_task_status
#' @return A numeric matrix of seconds since 1970, with the ids as row names and the columns
#'   `submit`, `start`, `complete` (when the task ended, in any status) and `moved` (when it was
#'   retried). Times of events that have not happened are `NA`.
#' @section Errors: `rrq_error_task_missing` lists the unknown ids.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' rrq_task_times(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_times <- function(task_ids, follow = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(follow, null = TRUE)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  ids <- followed(task_ids, follow, controller)
  found <- rust_call(rs_task_times(handle, ids))
  matrix(
    c(found$times$submit, found$times$start, found$times$end, found$moved),
    ncol = 4,
    dimnames = list(task_ids, c("submit", "start", "complete", "moved"))
  )
}

#' Task progress
#'
#' A running task reports its progress with `rrq_task_progress_update()`, or by signalling a
#' condition of class `progress`, so that its code does not depend on rrq: then the progress is a
#' list of all fields of the condition. `rrq_task_progress()` reads the latest value.
#'
#' @param value The new progress value: any R object, such as a string or a list of numbers.
#' @param error Whether to raise an error outside a task. If `FALSE` (the default), such a call has
#'   no effect.
#' @inheritParams rrq_task_status
#' @return `rrq_task_progress()`: for one id its latest value, or `NULL` if there is none; for
#'   several ids a list of these values, named by id and fetched in one round trip.
#'   `rrq_task_progress_update()`: `NULL`, invisibly.
#' @section Errors: `rrq_error_task_missing` lists the unknown ids; `rrq_error_no_task` outside a
#'   task if `error = TRUE`.
#' @seealso [rrq_task_wait()] shows progress that is a number from 0 to 1 or a string such as
#'   `"3 / 10"`, or a list with such a `value` or `message`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(rrq::rrq_task_progress_update("half way"), controller = r)
#' rrq_task_progress(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_progress <- function(task_ids, controller = NULL) {
  task_ids <- check_ids(task_ids)
  handle <- queue_handle(controller)
  values <- rust_call(rs_task_progress(handle, task_ids))
  if (length(task_ids) == 1) values[[1]] else stats::setNames(values, task_ids)
}

#' @rdname rrq_task_progress
#' @export
rrq_task_progress_update <- function(value, error = FALSE) {
  force(value)
  check_flag(error)
  if (isTRUE(the$task$active)) {
    rust_call(rs_task_progress_update(the$task$handle, rust_call(rs_worker_task()), value))
  } else if (error) {
    message <- c(
      "No task is running in this process.",
      i = "Call `rrq_task_progress_update()` only from a task's code."
    )
    abort("no_task", message)
  }
  invisible()
}

# The newest task of each task's chain of retries.
newest_of <- function(handle, ids, call = caller_env()) {
  rust_call(rs_task_newest(handle, ids), call)
}

# The tasks that stand for these in queries.
followed <- function(ids, follow, controller, call = caller_env()) {
  if (follows(follow, controller)) newest_of(queue_handle(controller, call), ids, call) else ids
}

ids_or_null <- function(ids) {
  if (length(ids)) ids
}
