# future >= 1.40: the plan makes a backend, and that launches futures. It has the fields of all
# backends and `pool`.

backend_methods <- function() {
  list(
    launchFuture = list(RrqFutureBackend = launch_on_backend),
    interruptFuture = list(RrqFutureBackend = interrupt_on_backend),
    listFutures = list(RrqFutureBackend = list_backend_futures),
    stopWorkers = list(RrqFutureBackend = stop_backend),
    nbrOfWorkers = list(RrqFutureBackend = count_backend_workers),
    nbrOfFreeWorkers = list(RrqFutureBackend = count_free_backend_workers),
    getFutureBackendConfigs = list(RrqFuture = future_configs)
  )
}

# `envir` is an argument of every plan.
new_future_backend <- function(workers = NULL, controller = NULL, queue = NULL, envir = NULL,
                               ...) {
  user <- rust_call(rs_random_id())
  pool <- enter_pool(future_pool(workers, controller, queue), user)
  backend <- from_future("FutureBackend")(..., workers = pool$n, reg = user, pool = pool)
  backend[["futureClasses"]] <- c("RrqFuture", "MultiprocessFuture", backend[["futureClasses"]])
  class(backend) <- c("RrqFutureBackend", "MultiprocessFutureBackend", class(backend))
  backend
}

# The plan may have been replaced before, which has stopped the pool, and restored.
backend_pool <- function(backend) enter_pool(backend[["pool"]], backend[["reg"]])

launch_on_backend <- function(backend, future, ...) {
  future[["backend"]] <- backend
  data <- from_future("getFutureData")(future, mc.cores = 1L)
  globals <- data$core$globals
  data$core["globals"] <- list(bare_globals(globals))
  data$capture$conditionClasses <- with_interrupts(data$capture$conditionClasses)
  launch_future(backend_pool(backend), future, "run_future", data, globals)
}

future_configs <- function(future, ...) {
  list(capture = list(immediateConditionHandlers = list(immediateCondition = emit_immediately)))
}

# future on the worker makes an interrupt a result without a value. So that this can be told, the
# interrupt is to be among the conditions, unless nothing is captured.
with_interrupts <- function(classes) {
  if (!is.null(classes)) {
    attributes <- attributes(classes)
    classes <- c(classes, "interrupt")
    attributes(classes) <- attributes
  }
  classes
}

interrupt_on_backend <- function(backend, future, ...) {
  if (isTRUE(backend[["interrupts"]])) interrupt_jobs(list(future[["rrq_job"]]))
  future
}

# As those of future's own backends.
list_backend_futures <- function(backend, ...) {
  futures <- lapply(backend_jobs(backend), function(job) job$future)
  columns <- lapply(futures, function(future) {
    data.frame(
      counter = as.integer(future[["uuid"]][2]),
      start = future[["start"]] %||% NA_real_,
      label = future[["label"]] %||% NA_character_,
      resolved = !is.null(future[["rrq_job"]]$status)
    )
  })
  none <- data.frame(
    counter = integer(), start = numeric(), label = character(), resolved = logical()
  )
  listed <- do.call(rbind, c(list(none), columns))
  listed[["future"]] <- lapply(futures, list)
  listed
}

backend_jobs <- function(backend) {
  pool <- backend[["pool"]]
  take_news(pool)
  Filter(function(job) identical(job$future[["backend"]], backend), open_jobs(pool))
}

stop_backend <- function(backend, interrupt = TRUE, ...) {
  jobs <- backend_jobs(backend)
  has_ended <- vapply(jobs, function(job) !is.null(job$status), NA)
  take_jobs(jobs[has_ended])
  if (interrupt) interrupt_jobs(jobs)
  leave_pool(backend[["pool"]], backend[["reg"]])
  TRUE
}

count_backend_workers <- function(evaluator) n_workers(evaluator[["pool"]], evaluator[["reg"]])

count_free_backend_workers <- function(evaluator, background = FALSE, ...) {
  n_free_workers(evaluator[["pool"]], evaluator[["reg"]])
}
