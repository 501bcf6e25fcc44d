# The backend for package future: what is the same for all versions of it.
#
# future >= 1.40 has backends that make futures (R/future-backend.R); before, the function that is
# the plan makes them (R/future-legacy.R). Both send futures to a pool (R/future-pool.R), which
# keeps a job for each (R/future-job.R). Workers run them in R/future-run.R.

#' Futures on a queue
#'
#' `plan(rrq_future)` makes the futures of package future tasks of a queue. Code that is written for
#' future, and packages on top of it such as future.apply, furrr and doFuture, then run on rrq's
#' workers without changes. `rrq_future` is not called directly.
#'
#' ```
#' plan(rrq_future, workers = 4)        # four workers on this machine
#' plan(rrq_future, controller = r)     # the workers of a queue, wherever they are
#' plan(rrq_future)                     # those of the default controller, see rrq_start()
#' ```
#'
#' Tasks are deleted when their value has been fetched, or when the future is garbage-collected.
#' They have the label of the future and the tag `"future"`. Global variables of more than 100 kB
#' are stored once for all futures that use them, and each worker reads them once.
#'
#' @section Workers:
#' Workers that the plan starts are replaced if they crash. They end with the plan: when another
#' one is set, or when the session ends. With future < 1.34, which does not tell backends that the
#' plan has changed, they end when a plan of `rrq_future` with other arguments is set.
#'
#' The workers are started when the plan is set, and again if it is restored as in `plan(oplan)`.
#' When a plan ends, futures that have ended keep their values, and all others are interrupted. With
#' future < 1.40 those that run on a queue of yours go on.
#'
#' Creating a future never waits for a free worker: the tasks wait in the queue. Packages such as
#' future.apply split work into as many futures as there are workers. If that number is not known
#' in advance, say what to expect, such as `workers = I(20)`.
#'
#' @section Errors and conditions:
#' A future whose worker is lost ends with a `FutureInterruptError`, as does one that is cancelled
#' by `cancel()` (with future >= 1.49) or [rrq_task_cancel()]. If a policy retries its task, the
#' future waits for the retry. What cannot be sent or fetched is a `FutureError`.
#'
#' Conditions of class `immediateCondition`, among them the progress updates of package progressr,
#' reach the session while the future runs, whenever it asks for the future; from other machines,
#' too.
#'
#' @section Nested plans:
#' In `plan(list(rrq_future, rrq_future))`, futures of the second level that use the queue of the
#' first one might wait for a worker that waits for them. That is an error, unless the second level
#' has workers or a queue of its own, as in
#' `plan(list(rrq_future, tweak(rrq_future, workers = 2)))`. With only one level, futures within
#' futures run one after the other.
#'
#' @param ... Used by package future.
#' @param workers The number of workers to start on this machine, or a function that returns it.
#'   `I(n)` starts none on a given queue, and says how many futures are expected to run at once.
#'   `NULL` uses the workers that listen to the queue; without any queue it starts as many as there
#'   are cores, see [future::availableCores()].
#' @param controller A controller made by [rrq_controller()]. `NULL` is a private queue if `workers`
#'   are to be started, else the default controller if there is one. The private queue is on the
#'   server of the default controller, or else on that which [rrq_controller()] finds. It is deleted
#'   when the plan or the session ends; it stays if the session is killed.
#' @param queue The name of the queue in which the futures wait; `NULL` is `"default"`.
#' @param envir Used by package future.
#' @return A function that is the plan, for [future::plan()] and [future::tweak()]. These also
#'   accept the common arguments of future's backends, such as `earlySignal` and, with future >=
#'   1.40, `interrupts` and `maxSizeOfObjects`.
#' @seealso `vignette("ecosystem")`; [rrq_lapply()] for the same without package future.
#' @export
#' @examplesIf rrq:::can_run_examples() && requireNamespace("future", quietly = TRUE)
#' library(future)
#' server <- rrq_server()
#' rrq_default_controller_set(rrq_controller("jobs", server$url))
#' plan(rrq_future, workers = 2)
#' f <- future(Sys.getpid())
#' value(f) == Sys.getpid()
#' plan(sequential)
#' rrq_destroy()
#' server$stop()
rrq_future <- function(..., workers = NULL, controller = NULL, queue = NULL,
                       envir = parent.frame()) {
  if (has_backends()) {
    abort("argument", "`rrq_future` is not called: use `plan(rrq_future)`.", call = NULL)
  }
  new_legacy_future(..., spec = list(workers, controller, queue), envir = envir)
}
class(rrq_future) <- c("rrq_future", "multiprocess", "future", "function")
attr(rrq_future, "init") <- TRUE
attr(rrq_future, "tweakable") <- c("workers", "controller", "queue")
attr(rrq_future, "factory") <- function(...) new_future_backend(...)
# future >= 1.34 calls this when the plan changes.
attr(rrq_future, "cleanup") <- function() end_legacy_plan()

# Of future: not all of its functions for backends are exported.
from_future <- function(name) get(name, asNamespace("future"), mode = "function")

has_backends <- function() exists("FutureBackend", asNamespace("future"), inherits = FALSE)

# Called when future is loaded.
register_future <- function() {
  methods <- list(
    tweak = list(rrq_future = tweak_plan),
    resolved = list(RrqFuture = is_future_resolved),
    result = list(RrqFuture = future_result)
  )
  methods <- c(methods, if (has_backends()) backend_methods() else legacy_methods())
  known <- vapply(names(methods), exists, NA, asNamespace("future"))
  for (generic in names(methods)[known]) register_methods(generic, methods[[generic]], "future")
}

# A plan is printed, compared and sent to workers, with its arguments: a controller would be too
# much for that.
tweak_plan <- function(strategy, ..., penvir = parent.frame()) {
  args <- list(...)
  if (length(args) > 0) {
    if (!is.null(args$controller)) args$controller <- controller_address(args$controller)
    arguments <- c(list(strategy), args, list(penvir = penvir))
    strategy <- do.call(from_future("tweak.future"), arguments, quote = TRUE)
  }
  if (!has_backends()) attr(strategy, "init") <- TRUE
  strategy
}

# An environment: a plan that is printed must not show a password.
controller_address <- function(controller) {
  if (inherits(controller, "rrq_address")) {
    return(controller)
  }
  controller <- get_controller(controller)
  address <- mget(c("queue_id", "url", "settings"), envir = controller)
  structure(list2env(address, parent = emptyenv()), class = "rrq_address")
}

# Asks future for one that was not launched, which launches it.
is_future_resolved <- function(x, ...) {
  if (x[["state"]] == "created") {
    return(NextMethod())
  }
  if (is.null(x[["result"]]) && !job_ended(x)) {
    return(FALSE)
  }
  from_future("signalEarly")(x, ...)
  TRUE
}

future_result <- function(future, ...) {
  if (future[["state"]] == "created") future <- future::run(future)
  is_new <- is.null(future[["result"]])
  if (is_new) {
    await_job(future)
    take_jobs(list(future[["rrq_job"]]))
    relay_events(future[["rrq_job"]])
  }
  result <- future[["result"]]
  if (inherits(result, "FutureError")) stop(result)
  # It asks for the result.
  if (is_new) from_future("signalImmediateConditions")(future)
  result
}
