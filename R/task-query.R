#' The status of tasks
#'
#' `PENDING` tasks wait in a queue, `RUNNING` ones were taken by a worker, `DEFERRED` ones wait for
#' other tasks. All others have ended: `COMPLETE` with a value, `ERROR` with an R error, `TIMEOUT`
#' because they took too long, `DIED` because their worker or process went away, `CANCELLED`,
#' `IMPOSSIBLE` because a task they depend on failed, or `MOVED` because they were retried.
#'
#' @param task_ids Ids of tasks.
#' @param named Whether the answer has the ids as names.
#' @param follow Whether to answer for the newest of the chain that a retried task is of, see
#'   [rrq_task_retry()]; `NULL` is the controller's setting.
#' @param status Only tasks of these statuses.
#' @param tag,queue Only tasks with this tag, of this queue.
#' @param since Only tasks submitted at this time or later: a time, or seconds since 1970.
#' @inheritParams rrq_destroy
#' @return `rrq_task_status()` returns a character vector, `"MISSING"` for an unknown id.
#'   `rrq_task_exists()` returns a logical vector. `rrq_task_list()` returns the ids of all tasks,
#'   in no order; where it is asked for some, in the order of submission.
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
  status <- rust_call(rs_task_status(queue_of(controller), task_ids, follow))
  if (named) rlang::set_names(status, task_ids) else status
}

#' @rdname rrq_task_status
#' @export
rrq_task_exists <- function(task_ids, named = FALSE, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(named)
  queue <- queue_of(controller)
  exists <- rust_call(rs_task_status(queue, task_ids, FALSE)) != "MISSING"
  if (named) rlang::set_names(exists, task_ids) else exists
}

#' @rdname rrq_task_status
#' @export
rrq_task_list <- function(status = NULL, tag = NULL, queue = NULL, since = NULL,
                          controller = NULL) {
  filter <- check_filter(status, tag, queue, since)
  handle <- queue_of(controller)
  if (all(vapply(filter, is.null, TRUE))) {
    return(rust_call(rs_task_list(handle)))
  }
  rust_call(rs_task_table(handle, NULL, filter))$id
}

# Whether questions about a retried task are answered for the newest of its chain.
follows <- function(follow, controller) {
  follow %||% controller$settings$follow
}

#' Count tasks by status
#'
#' @param task_ids Ids of tasks; `NULL` counts all tasks, in constant time whatever their number.
#' @inheritParams rrq_destroy
#' @return A named list of counts, one for each status of [rrq_task_status()], also where it is
#'   zero. `MISSING` comes last when some of the ids are not known.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' str(rrq_task_overview(controller = r))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_overview <- function(task_ids = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids, null = TRUE)
  queue <- queue_of(controller)
  counts <- task_counts(queue)
  if (is.null(task_ids)) {
    return(as.list(counts))
  }
  status <- rust_call(rs_task_status(queue, task_ids, FALSE))
  levels <- c(names(counts), if ("MISSING" %in% status) "MISSING")
  counts <- tabulate(match(status, levels), length(levels))
  rlang::set_names(as.list(as.numeric(counts)), levels)
}

# The number of tasks of each status, from the counters.
task_counts <- function(queue, call = caller_env()) {
  overview <- rust_call(rs_task_overview(queue), call)
  rlang::set_names(overview$count, overview$status)
}

#' What is known of a task
#'
#' @param task_id The id of a task.
#' @inheritParams rrq_task_status
#' @return `rrq_task_info()` returns a list:
#'   * `id`, `status`, `queue`,
#'   * `separate_process`, whether it runs in a process of its own,
#'   * `timeout`, the seconds it may run, or `NULL`,
#'   * `worker`, the worker that took it, or `NULL`,
#'   * `pid`, while it runs in a process of its own, the number of that; else `NULL`,
#'   * `label`, `tags`, `retry`, `ttl`, as they were given, or `NULL`,
#'   * `depends`, a list of `up` (what it depends on) and `down` (what depends on it),
#'   * `moved`, a list of `up` (the task it is a retry of) and `down` (its retry), each `NULL` if
#'     there is none,
#'   * `attempt`, how many times it was taken by a worker, and `attempts`, a list of these:
#'     `status`, `worker`, `start`, `end`, and for those that were not the last their `error`,
#'   * `seed`, where its random numbers start, as `.Random.seed`, or `NULL`,
#'   * `warnings`, those signalled while it ran, or `NULL`.
#'
#'   `rrq_task_data()` returns what the task runs, with the values sent along: a list of `type`
#'   (`"expr"`), `expr` and `variables`, or of `type` (`"call"`), `fn` and `args`. A function that
#'   is sent by name is a list of `name`, `namespace` and `internal`, any other a list of `value`.
#' @section Errors: `rrq_error_task_missing` for an unknown id.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' n <- 4
#' id <- rrq_task_create_expr(sqrt(n), controller = r)
#' str(rrq_task_info(id, controller = r))
#' str(rrq_task_data(id, controller = r))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_info <- function(task_id, controller = NULL) {
  check_id(task_id)
  queue <- queue_of(controller)
  info <- rust_call(rs_task_info(queue, task_id))
  list(
    id = task_id,
    status = info$status,
    queue = info$queue,
    label = if (nzchar(info$label)) info$label,
    tags = ids_or_null(info$tags),
    separate_process = info$isolated,
    timeout = if (info$timeout > 0) info$timeout,
    worker = if (nzchar(info$worker)) info$worker,
    pid = own_process(queue, task_id, info),
    depends = list(up = ids_or_null(unique(info$parents)), down = ids_or_null(info$children)),
    moved = list(up = info$was, down = info$moved),
    attempt = info$attempt,
    attempts = attempts_of(info),
    retry = if (!is.null(info$retry)) new_retry(info$retry),
    ttl = info$ttl,
    seed = if (!is.null(info$seed)) c(lecuyer_kind, info$seed),
    warnings = info$extra$warnings
  )
}

# A list for each attempt, the latest last.
attempts_of <- function(info) {
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
    end = as_time(info$end), error = NULL
  )
  c(earlier, list(latest))
}

# The process of a running task that has one.
own_process <- function(queue, task_id, info, call = caller_env()) {
  if (info$isolated && info$status == "RUNNING") {
    log <- rust_call(rs_task_log(queue, task_id, Inf), call)
    if (!is.null(log) && log$attempt == info$attempt) log$pid
  }
}

#' @rdname rrq_task_info
#' @export
rrq_task_data <- function(task_id, controller = NULL) {
  check_id(task_id)
  queue <- queue_of(controller)
  data <- rust_call(rs_task_data(queue, task_id))
  unpack_task(data$kind, data$payload, data$shared)
}

# A task of a bulk has its own values only; what it shares with the others is the template.
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

#' When tasks were submitted, started and ended
#'
#' @inheritParams rrq_task_status
#' @return A matrix of seconds since 1970 by the server's clock, with the ids as row names and the
#'   columns `submit`, `start`, `complete` (however the task ended) and `moved` (when it was
#'   retried). `NA` where a task has not come that far.
#' @section Errors: `rrq_error_task_missing` lists the ids that are not known.
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
  queue <- queue_of(controller)
  ids <- followed(task_ids, follow, controller)
  found <- rust_call(rs_task_times(queue, ids))
  matrix(
    c(found$times$submit, found$times$start, found$times$end, found$moved),
    ncol = 4,
    dimnames = list(task_ids, c("submit", "start", "complete", "moved"))
  )
}

#' How far a task has come
#'
#' A running task tells how far it is with `rrq_task_progress_update()`, or by signalling a
#' condition of class `progress`, which needs no rrq in the code of the task.
#'
#' @param value The new progress value: anything, such as text or a list of numbers.
#' @param error Whether it is an error to call this outside a task; otherwise that does nothing.
#' @inheritParams rrq_task_status
#' @return `rrq_task_progress()` with one id returns the last value, `NULL` before there is one.
#'   With several it returns a list of them with the ids as names, fetched in one round trip.
#'   `rrq_task_progress_update()` returns nothing, invisibly.
#' @section Errors: `rrq_error_task_missing` lists the ids that are not known; `rrq_error_no_task`
#'   outside a task if `error = TRUE`.
#' @seealso [rrq_task_wait()] shows progress that is a number from 0 to 1 or a text such as
#'   `"3 / 10"`.
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
  queue <- queue_of(controller)
  values <- rust_call(rs_task_progress(queue, task_ids))
  if (length(task_ids) == 1) values[[1]] else stats::setNames(values, task_ids)
}

#' @rdname rrq_task_progress
#' @export
rrq_task_progress_update <- function(value, error = FALSE) {
  force(value)
  check_flag(error)
  if (isTRUE(the$task$active)) {
    rust_call(rs_task_progress_update(the$task$queue, rust_call(rs_worker_task()), value))
  } else if (error) {
    message <- c(
      "There is no running task.",
      i = "`rrq_task_progress_update()` is for the code of a task."
    )
    abort("no_task", message)
  }
  invisible()
}

# The newest of the chain of retries that each task is of.
newest_of <- function(queue, ids, call = caller_env()) {
  rust_call(rs_task_newest(queue, ids), call)
}

# The tasks that questions about these are answered for.
followed <- function(ids, follow, controller, call = caller_env()) {
  if (follows(follow, controller)) newest_of(queue_of(controller, call), ids, call) else ids
}

ids_or_null <- function(ids) {
  if (length(ids)) ids
}
