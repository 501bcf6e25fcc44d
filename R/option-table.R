# The options of tasks: what is asked for beside the code to run. One table drives the arguments of
# the functions that queue tasks, their checks, their documentation and what the engine is sent. To
# add an option, add it here and to `set()` in src/rust/bridge/src/submission.rs.
#
# R loads files in alphabetical order: this one must come before those that call `with_options()`.

# `check` is called with the value, `arg` and `call`; `convert` with the value, `n` (the number of
# tasks) and `call`, and returns what the engine is sent. Both are called for values other than the
# default only. `in_lapply` says whether `rrq_lapply()` takes the option.
new_option <- function(default, doc, check, convert = function(x, n, call) x, in_lapply = TRUE) {
  list(default = default, doc = doc, check = check, convert = convert, in_lapply = in_lapply)
}

as_number <- function(x, n, call) {
  if (!is.null(x)) as.numeric(x)
}

option_table <- list(
  queue = new_option(
    NULL,
    "Name of the queue within the queue id that the task waits in; `NULL` is `\"default\"`, which
    every worker listens to.",
    function(x, arg, call) check_name(x, null = TRUE, arg = arg, call = call)
  ),
  separate_process = new_option(
    FALSE,
    "Whether the task runs in an R process of its own, so that nothing it does harms the worker. If
    that process crashes, the task ends as `DIED`. This costs about 10 ms per task.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  ),
  timeout_task_run = new_option(
    NULL,
    "Seconds the task may run before it ends as `TIMEOUT`; `NULL` sets no limit. The task is stopped
    as by Ctrl-C; for code that never checks for interrupts see `timeout_process_die` of
    [rrq_worker_config()]. A task in a process of its own is ended with all processes it started.",
    function(x, arg, call) check_timeout(x, arg, call),
    function(x, n, call) if (is.finite(x)) as.numeric(x)
  ),
  depends_on = new_option(
    NULL,
    "Ids of tasks that must be complete before this one starts. It is `DEFERRED` until then, and
    then goes to the front of its queue. If an id is named, the value of that task is handed over on
    the worker, never through this session: as a variable of that name to an expression, as an
    argument of that name to a call.",
    function(x, arg, call) check_depends(x, arg, call),
    function(x, n, call) as_parents(x),
    in_lapply = FALSE
  ),
  on_failure = new_option(
    c("impossible", "run"),
    "What happens to the task when one it depends on fails: `\"impossible\"`, it never runs; or
    `\"run\"`, it runs all the same, and a named value is then an `rrq_task_error`.",
    function(x, arg, call) check_choice(x, c("impossible", "run"), arg = arg, call = call),
    in_lapply = FALSE
  ),
  at_front = new_option(
    FALSE,
    "Whether the task goes before all others in its queue. A task with `delay` or `at` goes to the
    back of its queue when its time has come.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  ),
  delay = new_option(
    NULL,
    "Seconds after its submission before which the task does not start. Until then it is `PENDING`,
    but not in its queue. `NULL` is no delay.",
    function(x, arg, call) {
      check_number(x, infinite = FALSE, null = TRUE, arg = arg, call = call)
    },
    as_number, in_lapply = FALSE
  ),
  at = new_option(
    NULL,
    "Time (`POSIXct`), by the server's clock, before which the task does not start; instead of
    `delay`.",
    function(x, arg, call) check_time(x, arg, call),
    as_number, in_lapply = FALSE
  ),
  retry = new_option(
    NULL,
    "Policy by which the task is tried again, see [rrq_retry()]; `NULL` is the one of
    [rrq_configure()], by default none.",
    function(x, arg, call) check_retry(x, arg, call)
  ),
  ttl = new_option(
    NULL,
    "Seconds after its end when the task is deleted with its result, but never while a task that
    depends on it has not ended. `NULL` is the time of [rrq_configure()], by default never.",
    function(x, arg, call) check_number(x, null = TRUE, arg = arg, call = call),
    as_number, in_lapply = FALSE
  ),
  label = new_option(
    NULL,
    "Name of the task, shown by [rrq_task_info()] and [rrq_task_table()]. Of many tasks each can
    have a name of its own.",
    function(x, arg, call) check_names(x, null = TRUE, arg = arg, call = call),
    function(x, n, call) check_label(x, n, call)
  ),
  tags = new_option(
    NULL,
    "Words to find the task by with [rrq_task_list()] and [rrq_task_table()].",
    function(x, arg, call) check_names(x, null = TRUE, arg = arg, call = call),
    function(x, n, call) unique(x)
  ),
  seed = new_option(
    NULL,
    "Where the task's random numbers start: a whole number, `TRUE` for one drawn from the session's
    random numbers, or a seed of the generator \"L'Ecuyer-CMRG\". Each of many tasks gets a stream
    of its own, as by [parallel::clusterSetRNGStream()], so that the numbers do not depend on how
    many workers there are or what they ran before. `NULL` leaves the worker's generator as it is.",
    function(x, arg, call) check_seed(x, arg, call),
    function(x, n, call) seed_state(x)
  ),
  isolation = new_option(
    c("fork", "fresh"),
    "Where the process of an isolated task comes from; setting it implies `separate_process = TRUE`.
    `\"fork\"`: it is forked from one in which the worker's environment was built before, and sees
    it as it was then. `\"fresh\"`: it is a new R process, which takes as long as R takes to start
    and the environment to build; for code that cannot run in a fork, such as some that uses threads
    or a GPU.",
    function(x, arg, call) check_choice(x, c("fork", "fresh"), arg = arg, call = call)
  ),
  capture = new_option(
    FALSE,
    "Whether to keep what the task prints, see [rrq_task_log()]. The output of a task in a process
    of its own is always kept.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  )
)

option_names <- names(option_table)
option_defaults <- lapply(option_table, function(option) option$default)

# Adds the options to the arguments of a function, before its argument `options`.
with_options <- function(fn) {
  own <- formals(fn)
  as_code <- function(x) if (length(x) > 1) as.call(c(quote(c), as.list(x))) else x
  at <- match("options", names(own), nomatch = length(own) + 1)
  formals(fn) <- append(own, lapply(option_defaults, as_code), at - 1)
  fn
}

# The roxygen tags of these arguments.
document_options <- function() {
  docs <- vapply(option_table, function(option) paste(strwrap(option$doc, 90), collapse = "\n"), "")
  paste("@param", option_names, docs)
}
