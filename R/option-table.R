# The options of tasks. One table drives the arguments of the functions that queue tasks, their
# checks, their documentation and what the engine is sent. To add an option, add it here and to
# `set()` in src/rust/bridge/src/submission.rs.
#
# R loads files in alphabetical order: this one must come before those that call `with_options()`.

# `check` is called with the value, `arg` and `call`; `convert` with the value, `n` (the number of
# tasks) and `call`, and returns what the engine is sent. Both are called only for values other than
# the default. `in_lapply` says whether `rrq_lapply()` supports the option.
new_option <- function(default, doc, check, convert = function(x, n, call) x, in_lapply = TRUE) {
  list(default = default, doc = doc, check = check, convert = convert, in_lapply = in_lapply)
}

as_number <- function(x, n, call) {
  if (!is.null(x)) as.numeric(x)
}

option_table <- list(
  queue = new_option(
    NULL,
    "Name of the queue that the task waits in; `NULL` is `\"default\"`, which every worker listens
    to.",
    function(x, arg, call) check_name(x, null = TRUE, arg = arg, call = call)
  ),
  separate_process = new_option(
    FALSE,
    "Whether the task runs in a separate R process, so that it cannot harm the worker. If that
    process crashes, the task ends as `DIED`. This costs about 10 ms per task.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  ),
  timeout_task_run = new_option(
    NULL,
    "Seconds the task may run before it is stopped and ends as `TIMEOUT`; `NULL` sets no limit. The
    task is interrupted as if by Ctrl-C; for code that never checks for interrupts, see
    `timeout_process_die` of [rrq_worker_config()]. A separate process is ended together with all
    processes it started.",
    function(x, arg, call) check_timeout(x, arg, call),
    function(x, n, call) if (is.finite(x)) as.numeric(x)
  ),
  depends_on = new_option(
    NULL,
    "Ids of tasks that must be complete before this one starts. It is `DEFERRED` until then, and
    then goes to the front of its queue. If an id is named, the worker passes on the value of that
    task: as a variable of that name to an expression, as an argument of that name to a call. The
    value never travels through this session.",
    function(x, arg, call) check_depends(x, arg, call),
    function(x, n, call) as_parents(x),
    in_lapply = FALSE
  ),
  on_failure = new_option(
    c("impossible", "run"),
    "What happens to the task if one of its dependencies fails. `\"impossible\"`: it never runs.
    `\"run\"`: it runs anyway, and the value of a failed dependency is an `rrq_task_error`.",
    function(x, arg, call) check_choice(x, c("impossible", "run"), arg = arg, call = call),
    in_lapply = FALSE
  ),
  at_front = new_option(
    FALSE,
    "Whether the task goes to the front of its queue. A task with `delay` or `at` goes to the back
    of its queue when its start time is reached.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  ),
  delay = new_option(
    NULL,
    "The earliest start of the task, in seconds after its submission. Until then it is `PENDING`,
    but not in its queue. `NULL` is no delay.",
    function(x, arg, call) {
      check_number(x, infinite = FALSE, null = TRUE, arg = arg, call = call)
    },
    as_number, in_lapply = FALSE
  ),
  at = new_option(
    NULL,
    "The earliest start of the task as a time (`POSIXct`) by the server's clock; an alternative to
    `delay`.",
    function(x, arg, call) check_time(x, arg, call),
    as_number, in_lapply = FALSE
  ),
  retry = new_option(
    NULL,
    "Policy for automatic retries, made by [rrq_retry()]; `NULL` is the queue's default, see
    [rrq_configure()]. Without a policy, tasks are not retried.",
    function(x, arg, call) check_retry(x, arg, call)
  ),
  ttl = new_option(
    NULL,
    "Time to live in seconds: the task and its result are deleted that long after its end, but never
    before all tasks that depend on it have ended. `NULL` is the queue's default, see
    [rrq_configure()]. Without a time to live, tasks are kept.",
    function(x, arg, call) check_number(x, null = TRUE, arg = arg, call = call),
    as_number, in_lapply = FALSE
  ),
  label = new_option(
    NULL,
    "Name of the task, shown by [rrq_task_info()] and [rrq_task_table()]. For a bulk, one name for
    all tasks or one per task.",
    function(x, arg, call) check_names(x, null = TRUE, arg = arg, call = call),
    function(x, n, call) check_label(x, n, call)
  ),
  tags = new_option(
    NULL,
    "Words by which [rrq_task_list()] and [rrq_task_table()] can find the task.",
    function(x, arg, call) check_names(x, null = TRUE, arg = arg, call = call),
    function(x, n, call) unique(x)
  ),
  seed = new_option(
    NULL,
    "Seed of the task's random numbers: a whole number, `TRUE` for one drawn from the session's
    random numbers, or a seed of the generator \"L'Ecuyer-CMRG\". Each task of a bulk gets its own
    stream, as with [parallel::clusterSetRNGStream()], so that the numbers do not depend on the
    number of workers or on earlier tasks. `NULL` leaves the worker's generator as it is: it is
    seeded from the system, so that the numbers are independent but cannot be reproduced.",
    function(x, arg, call) check_seed(x, arg, call),
    function(x, n, call) seed_state(x)
  ),
  isolation = new_option(
    c("fork", "fresh"),
    "How the task's separate process is created; setting it implies `separate_process = TRUE`.
    `\"fork\"`: it is forked from a process that has built the worker environment, and sees the
    environment as it was then. `\"fresh\"`: it is a new R process that builds the environment
    itself, which takes longer; for code that cannot run in a fork, such as code that uses threads
    or a GPU. On Windows, and if the environment variable `RRQ_NO_FORK` is set for the worker, both
    mean a new R process.",
    function(x, arg, call) check_choice(x, c("fork", "fresh"), arg = arg, call = call)
  ),
  capture = new_option(
    FALSE,
    "Whether to keep the task's output, see [rrq_task_log()]. The output of a task in a separate
    process is always kept.",
    function(x, arg, call) check_flag(x, arg = arg, call = call)
  ),
  wait = new_option(
    TRUE,
    "What happens if the queue stores more than the `max_bytes` of [rrq_configure()]. `TRUE`: a
    message says so, and the submission waits until enough tasks have been deleted or have expired;
    Ctrl-C ends the wait, and nothing is queued. `FALSE`: it is an error, and nothing is queued.",
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
