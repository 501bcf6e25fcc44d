# The arguments that all functions which queue tasks have in common: what is asked for of a task
# beside what it runs.

task_defaults <- list(
  queue = NULL, separate_process = FALSE, timeout_task_run = NULL, depends_on = NULL,
  on_failure = c("impossible", "run"), at_front = FALSE, delay = NULL, at = NULL,
  retry = NULL, ttl = NULL, label = NULL, tags = NULL, seed = NULL, isolation = c("fork", "fresh"),
  capture = FALSE
)

# Those arguments as the user gave them to the function whose frame this is.
given_options <- function(frame) {
  mget(names(task_defaults), envir = frame)
}

plain_task <- list(
  queue = "default", timeout = 0, parents = stats::setNames(character(), character()),
  isolation = "none"
)

# What the engine is told for `n` tasks, from arguments as the user gave them.
task_options <- function(given, n = 1, call = caller_env()) {
  if (identical(given, task_defaults)) {
    # A task that asks for nothing should not cost a dozen checks.
    return(plain_task)
  }
  given <- utils::modifyList(task_defaults, given, keep.null = TRUE)
  check_task_options(given, call)
  timeout <- given$timeout_task_run %||% Inf
  on_failure <- check_choice(
    given$on_failure, c("impossible", "run"),
    arg = "on_failure", call = call
  )
  isolation <- check_choice(given$isolation, c("fork", "fresh"), arg = "isolation", call = call)
  list(
    queue = given$queue %||% "default",
    timeout = if (is.finite(timeout)) as.numeric(timeout) else 0,
    parents = check_depends(given$depends_on, call),
    run_on_failure = on_failure == "run",
    at_front = given$at_front,
    delay = if (!is.null(given$delay)) as.numeric(given$delay),
    at = if (!is.null(given$at)) as.numeric(given$at),
    retry = given$retry,
    ttl = if (!is.null(given$ttl)) as.numeric(given$ttl),
    label = check_label(given$label, n, call),
    tags = unique(given$tags),
    seed = seed_state(given$seed, call),
    # One that was chosen is asked for, also without `separate_process`.
    isolation = if (given$separate_process || length(given$isolation) == 1) isolation else "none",
    capture = given$capture
  )
}

check_task_options <- function(given, call) {
  check_name(given$queue, null = TRUE, arg = "queue", call = call)
  check_flag(given$separate_process, arg = "separate_process", call = call)
  check_number(given$timeout_task_run, null = TRUE, arg = "timeout_task_run", call = call)
  if (identical(as.numeric(given$timeout_task_run), 0)) {
    abort_argument("timeout_task_run", "more than 0 seconds, or NULL for no limit", call = call)
  }
  check_flag(given$at_front, arg = "at_front", call = call)
  check_start(given$delay, given$at, call)
  check_retry(given$retry, call = call)
  check_number(given$ttl, null = TRUE, arg = "ttl", call = call)
  check_names(given$tags, null = TRUE, arg = "tags", call = call)
  check_flag(given$capture, arg = "capture", call = call)
}

check_start <- function(delay, at, call) {
  check_number(delay, infinite = FALSE, null = TRUE, arg = "delay", call = call)
  if (is.null(at)) {
    return()
  }
  if (!inherits(at, "POSIXct") || length(at) != 1 || !is.finite(at)) {
    abort_argument("at", "one POSIXct time", at, call)
  }
  if (!is.null(delay)) {
    abort_argument("at", "NULL where `delay` is given", at, call)
  }
}

check_label <- function(label, n, call) {
  check_names(label, null = TRUE, arg = "label", call = call)
  if (length(label) > 1 && length(label) != n) {
    must <- if (n == 1) "one name" else sprintf("one name or %d, one for each task", n)
    abort_argument("label", must, label, call)
  }
  label
}

# What tasks hand over by name must not be there already.
check_given <- function(options, names, what, call = caller_env()) {
  twice <- intersect(names(options$parents), names[nzchar(names)])
  if (length(twice) > 0) {
    must <- sprintf("named otherwise than %s: there is a `%s` already", what, twice[[1]])
    abort_argument("depends_on", must, call = call)
  }
}

check_depends <- function(depends_on, call) {
  check_ids(depends_on, arg = "depends_on", call = call)
  names <- rlang::names2(depends_on)
  given <- names[nzchar(names)]
  if (anyDuplicated(given) || any(make.names(given) != given | is_dots(given))) {
    abort_argument("depends_on", "named by different syntactic names, if at all", call = call)
  }
  parents <- stats::setNames(as.character(depends_on), names)
  # Named and not, the same task is waited for once.
  parents[nzchar(names) | !(parents %in% parents[nzchar(names)] | duplicated(parents))]
}
