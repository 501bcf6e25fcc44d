#' Queue a task
#'
#' `rrq_task_create_expr()` queues an expression, `rrq_task_create_call()` a call of a function. A
#' worker runs it; [rrq_task_wait()] waits for it and [rrq_task_result()] fetches the value.
#'
#' @section What is sent:
#' Of an expression, the variables it uses are found where it is written and sent along: not those
#' it makes itself, and not functions, which come from the worker's environment (see
#' [rrq_worker_envir_set()]) or from packages. A variable that cannot be found is an error.
#'
#' Of a call, `pkg::fn` and functions of packages are sent by name; any other function is sent
#' itself, with the environment it was made in, but never the global environment: there it sees the
#' worker's environment instead. Arguments arrive as they are, language objects unevaluated.
#'
#' Each task runs in a fresh environment: nothing of one is seen by the next.
#'
#' @param expr A call, a block in braces, or a symbol bound to a call. It is not evaluated here.
#' @param fn A function: `pkg::name`, a symbol or an anonymous function.
#' @param args A list of arguments, named or not.
#' @param queue The queue within `queue_id` that the task waits in; `NULL` is `"default"`, which
#'   every worker listens to.
#' @param separate_process Whether the task runs in an R process of its own, so that nothing it does
#'   harms the worker. If that process crashes, the task ends as `DIED`. That costs about 10 ms a
#'   task.
#' @param isolation Where that process comes from; to choose asks for one, too. `"fork"`: it is
#'   forked from one in which the worker's environment was built before, and sees it as it was then.
#'   `"fresh"`: it is a new R process, which takes as long as R takes to start and the environment
#'   to build; for code that cannot run in a fork, such as some that uses threads or a GPU.
#' @param capture Whether what the task prints is kept, see [rrq_task_log()]. It always is for a
#'   task in a process of its own.
#' @param depends_on Ids of tasks that must be complete before this one starts. It is `DEFERRED`
#'   until then, and then goes to the front of its queue. Where they are named, the value of each is
#'   handed over on the worker, never through this session: as a variable of that name to an
#'   expression, as an argument of that name to a call.
#' @param on_failure What becomes of the task when one it depends on fails: `"impossible"`, it is
#'   never run; or `"run"`, it runs all the same, and a named value is then an `rrq_task_error`.
#' @param timeout_task_run Seconds the task may run before it ends as `TIMEOUT`; `NULL` sets no
#'   limit. It is stopped as by Ctrl-C; for code that never asks R about interrupts see
#'   `timeout_process_die` of [rrq_worker_config()]. A task with a process of its own is ended with
#'   all it started.
#' @param at_front Whether the task goes before all others in its queue. One with `delay` or `at`
#'   goes to the back of it, when its time has come.
#' @param delay,at Seconds, or a time (`POSIXct`), before which the task does not start, by the
#'   server's clock. Until then it is `PENDING`, but not in its queue.
#' @param retry A policy of trying again, see [rrq_retry()].
#' @param ttl Seconds after its end when the task is forgotten with its result, but never while a
#'   task that depends on it has not ended. `NULL` keeps it.
#' @param label,tags A name for the task, and words to find it by with [rrq_task_list()] and
#'   [rrq_task_table()]. Of many tasks each can have a name of its own.
#' @param seed Where the task's random numbers start: a whole number, `TRUE` for one drawn from the
#'   session's random numbers, or a seed of the generator "L'Ecuyer-CMRG". Each of many tasks gets a
#'   stream of its own, as by [parallel::clusterSetRNGStream()], so that the numbers do not depend
#'   on how many workers there are or what they ran before. `NULL` leaves the worker's generator as
#'   it is.
#' @inheritParams rrq_destroy
#' @return The task's id: 32 lower-case hexadecimal characters.
#' @section Errors: `rrq_error_argument` for what is not a call or not a function;
#'   `rrq_error_variable`, naming it, for a variable that cannot be found; `rrq_error_task_missing`
#'   for an unknown id in `depends_on`; `rrq_error_queue_missing` when the queue was destroyed by
#'   somebody else. Nothing is queued then. `rrq_error_dependency_failed` when one of them has
#'   failed already: the new tasks are recorded as `IMPOSSIBLE`, their ids are the condition's
#'   `$task_ids`.
#' @seealso [rrq_task_create_bulk_call()] for many tasks at once.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' x <- 3
#' rrq_task_create_expr(sqrt(x), controller = r)
#' rrq_task_create_call(stats::rnorm, list(5, mean = 10), controller = r)
#' a <- rrq_task_create_expr(rnorm(10), controller = r)
#' b <- rrq_task_create_expr(mean(draws), depends_on = c(draws = a), controller = r)
#' rrq_task_status(c(a, b), controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_create_expr <- function(expr, queue = NULL, separate_process = FALSE,
                                 timeout_task_run = NULL, depends_on = NULL,
                                 on_failure = c("impossible", "run"), at_front = FALSE,
                                 delay = NULL, at = NULL, retry = NULL, ttl = NULL,
                                 label = NULL, tags = NULL, seed = NULL,
                                 isolation = c("fork", "fresh"), capture = FALSE,
                                 controller = NULL) {
  options <- task_options(given_options(rlang::current_env()))
  given <- names(options$parents)
  task <- capture_expr(substitute(expr), parent.frame(), rlang::current_env(), given)
  handle <- queue_of(controller)
  warn_large(task$variables)
  large <- is_large(task$variables)
  payload <- list(expr = task$expr, variables = task$variables[!large])
  submit(handle, "expr", list(payload), task$variables[large], options)
}

#' @rdname rrq_task_create_expr
#' @export
rrq_task_create_call <- function(fn, args, queue = NULL, separate_process = FALSE,
                                 timeout_task_run = NULL, depends_on = NULL,
                                 on_failure = c("impossible", "run"), at_front = FALSE,
                                 delay = NULL, at = NULL, retry = NULL, ttl = NULL,
                                 label = NULL, tags = NULL, seed = NULL,
                                 isolation = c("fork", "fresh"), capture = FALSE,
                                 controller = NULL) {
  options <- task_options(given_options(rlang::current_env()))
  fn <- capture_function(substitute(fn), parent.frame(), rlang::current_env())
  args <- check_args(args)
  check_given(options, names(args), "an argument")
  handle <- queue_of(controller)
  warn_large(args)
  large <- is_large(args)
  shared <- args[large]
  names(shared) <- which(large)
  args[large] <- list(NULL)
  submit(handle, "call", list(list(fn = fn, args = args)), shared, options)
}

# Values from this size in bytes on are stored by their hash, once for all tasks that use them.
large_bytes <- 1e5

is_large <- function(values) {
  vapply(values, function(x) is.vector(x) && utils::object.size(x) > large_bytes, TRUE)
}

# Put large values, kept apart when the task was queued, back where they belong.
merge_shared <- function(payload, shared) {
  if (length(shared) == 0) {
    return(payload)
  }
  if (is.null(payload$fn)) {
    payload$variables <- c(payload$variables, shared)
  } else {
    payload$args[as.integer(names(shared))] <- shared
  }
  payload
}

check_args <- function(args, null = FALSE, arg = "args", call = caller_env()) {
  if (null && is.null(args)) {
    return(list())
  }
  if (!is.list(args) || is.data.frame(args)) {
    abort_argument(arg, "a list of arguments", args, call)
  }
  as.list(args)
}

submit <- function(handle, kind, payloads, shared, options, call = caller_env()) {
  if (is.null(names(shared))) {
    names(shared) <- rep("", length(shared))
  }
  tryCatch(
    rust_call(rs_task_submit(handle, kind, payloads, shared, options), call),
    rrq_error_dependency_failed = function(e) {
      e$task_ids <- e$ids
      rlang::cnd_signal(e)
    }
  )
}
