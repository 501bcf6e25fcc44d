# The jobs of a pool: one for each future that was launched. A job is an environment with the `id`
# of the task, the `future`, the `status` with which the task ended, or NULL, and the `events` that
# were not relayed yet. The pool refers to its jobs weakly: a future that nobody keeps is
# garbage-collected, and its task is then deleted.

register_job <- function(pool, id, future) {
  job <- list2env(parent = emptyenv(), list(
    pool = pool, id = id, future = future, status = NULL, events = list(), is_left = FALSE
  ))
  # A finaliser may run in the middle of a request, so this one makes none.
  reg.finalizer(job, function(job) if (!job$is_left) job$pool$left <- c(job$pool$left, job$id))
  pool$jobs[[id]] <- rlang::new_weakref(job)
  future[["rrq_job"]] <- job
  future[["state"]] <- "running"
  job
}

# Those whose value was not fetched yet.
open_jobs <- function(pool) {
  jobs <- lapply(as.list(pool$jobs), rlang::wref_key)
  unname(jobs[!vapply(jobs, is.null, NA)])
}

n_running <- function(pool) {
  if (is.null(pool$watch)) {
    return(0)
  }
  take_news(pool)
  sum(vapply(open_jobs(pool), function(job) is.null(job$status), NA))
}

take_news <- function(pool) {
  if (is.null(pool$watch)) {
    return()
  }
  news <- pool$watch$drain()
  for (i in seq_along(news$id)) {
    weak <- pool$jobs[[news$id[[i]]]]
    job <- if (!is.null(weak)) rlang::wref_key(weak)
    if (is.null(job)) next
    if (is.na(news$status[[i]])) {
      job$events <- c(job$events, news$event[i])
    } else {
      job$status <- news$status[[i]]
    }
  }
}

# An event may be handled by leaving this function, so each is forgotten first.
relay_events <- function(job) {
  while (length(job$events) > 0) {
    event <- job$events[[1]]
    job$events <- job$events[-1]
    if (inherits(event, "warning")) {
      warning(event)
    } else if (inherits(event, "message")) {
      message(event)
    } else {
      signalCondition(event)
    }
  }
}

# The pause is for those who ask again and again.
job_ended <- function(future) {
  job <- future[["rrq_job"]]
  from_future("assertOwner")(future)
  take_news(job$pool)
  if (is.null(job$status)) {
    news <- tryCatch(job$pool$watch$wait(0.001), rrq_error_connection = function(e) FALSE)
    if (news) take_news(job$pool)
  }
  relay_events(job)
  !is.null(job$status)
}

await_job <- function(future) {
  job <- future[["rrq_job"]]
  from_future("assertOwner")(future)
  as_future_errors(future, {
    take_news(job$pool)
    while (is.null(job$status)) {
      relay_events(job)
      add_workers(job$pool)
      job$pool$watch$wait(1)
      take_news(job$pool)
    }
  })
}

# Fetches and deletes the tasks of jobs that have ended, and stores the results in their futures.
take_jobs <- function(jobs) {
  jobs <- Filter(function(job) !job$is_left, jobs)
  if (length(jobs) == 0) {
    return(invisible())
  }
  pool <- jobs[[1]]$pool
  ids <- job_ids(jobs)
  taken <- as_future_errors(jobs[[1]]$future, {
    rrq_task_take(ids, warnings = FALSE, controller = pool$controller)
  })
  leave_jobs(jobs)
  for (i in seq_along(jobs)) end_future(jobs[[i]]$future, taken$status[[i]], taken$value[[i]])
}

# Nobody will fetch their values. They are told to stop, and deleted when they have.
interrupt_jobs <- function(jobs) {
  jobs <- Filter(function(job) !job$is_left, jobs)
  if (length(jobs) == 0) {
    return(invisible())
  }
  leave_jobs(jobs)
  for (job in jobs) end_future(job$future, "CANCELLED", NULL)
  discard(jobs[[1]]$pool, job_ids(jobs))
}

job_ids <- function(jobs) vapply(jobs, function(job) job$id, "")

leave_jobs <- function(jobs) {
  for (job in jobs) {
    job$is_left <- TRUE
    job$status <- job$status %||% "CANCELLED"
    rm(list = job$id, envir = job$pool$jobs)
    count_futures(job$future, "finished")
  }
}

# Without its server there is nothing to discard.
discard <- function(pool, ids) {
  tryCatch(
    rust_call(rs_task_discard(queue_handle(pool$controller), ids, 0)),
    rrq_error = function(e) NULL
  )
  invisible()
}

# Those of futures that were garbage-collected.
discard_left <- function(pool) {
  ids <- pool$left
  if (length(ids) > 0) {
    pool$left <- setdiff(pool$left, ids)
    rm(list = intersect(ids, names(pool$jobs)), envir = pool$jobs)
    discard(pool, ids)
  }
}

end_future <- function(future, status, value) {
  is_result <- status == "COMPLETE" && inherits(value, "FutureResult")
  future[["result"]] <- if (is_result) value else future_failure(future, status, value)
  failed <- if (status %in% without_end) "interrupted" else "failed"
  future[["state"]] <- if (is_result) "finished" else failed
  if (is_result) add_runtime(future[["backend"]], value)
}

# The statuses of tasks that were not run to an end.
without_end <- c("DIED", "TIMEOUT", "CANCELLED", "MISSING")

future_failure <- function(future, status, value) {
  # future's own code has failed on the worker.
  if (inherits(value, "FutureError")) {
    return(value)
  }
  reason <- if (inherits(value, "condition")) {
    conditionMessage(value)
  } else if (status == "CANCELLED") {
    "it was cancelled"
  } else {
    "its value is not one of package future"
  }
  label <- future[["label"]] %||% "<none>"
  message <- sprintf("Future (%s) did not return a result (%s): %s.", label, status, reason)
  error <- future::FutureError(sub("[.]+$", ".", message), future = future)
  class(error) <- c(
    if (status == "CANCELLED") "FutureCanceledError",
    if (status %in% without_end) "FutureInterruptError",
    class(error)
  )
  error
}

# Errors of the package, as when the server cannot be reached, are those of a future.
as_future_errors <- function(future, code) {
  tryCatch(code, rrq_error = function(e) {
    stop(future::FutureError(conditionMessage(e), future = future))
  })
}

# future >= 1.40 shows the numbers of futures and how long they ran.
add_runtime <- function(backend, result) {
  if (is.environment(backend)) {
    backend[["runtime"]] <- backend[["runtime"]] + (result$finished - result$started)
  }
}

count_futures <- function(future, what) {
  backend <- future[["backend"]]
  if (is.environment(backend) && what %in% names(backend[["counters"]])) {
    counters <- backend[["counters"]]
    counters[[what]] <- counters[[what]] + 1L
    backend[["counters"]] <- counters
  }
}
