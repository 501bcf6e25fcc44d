#' Worker load
#'
#' Returns the fraction of their time that workers spend on tasks, computed from their logs.
#'
#' @inheritParams rrq_worker_status
#' @param x A `worker_load`.
#' @param time A numeric vector of minutes; `Inf` is all the time that the logs cover.
#' @param ... Not used.
#' @return `rrq_worker_load()`: a `worker_load`, a data frame with one row per worker. The column
#'   `worker_id` is its id; `minutes_1`, `minutes_5` and `minutes_15` are the fractions (0 to 1) of
#'   the last 1, 5 and 15 minutes in which the worker ran tasks, however they ended. If the worker
#'   is younger, or its log does not reach back that far, they are fractions of the time that the
#'   log covers.
#'
#'   `mean()`: a matrix with one column per `time`, named by it. The row `used` is how many of the
#'   workers ran a task, `available` how many there were, on average over the last so many minutes.
#'   The time before the first of them started does not count.
#'
#'   `plot()` draws both over the last `time` minutes and returns `x`, invisibly. `autoplot()`
#'   returns that picture as a `ggplot`, if ggplot2 is attached.
#' @section Errors: `rrq_error_worker_missing` lists unknown ids.
#' @order 1
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' ids <- rrq_task_create_bulk_call(Sys.sleep, rep(0.1, 4), controller = r)
#' rrq_task_wait(ids, controller = r)
#' load <- rrq_worker_load(controller = r)
#' load
#' mean(load)
#' mean(load, time = 1)
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker_load <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  states <- worker_states(handle)
  check_workers(worker_ids, states$id)
  worker_ids <- worker_ids %||% states$id[states$active]
  call <- rlang::current_env()
  logs <- lapply(worker_ids, function(id) rust_call(rs_worker_log(handle, id, Inf), call))
  running <- states$task[match(worker_ids, states$id)]
  new_load(worker_ids, logs, running, server_time(controller))
}

# `running` is the task that each worker runs now, or NA.
new_load <- function(worker_ids, logs, running, now) {
  periods <- Map(function(log, running) load_periods(log, running, now), logs, running)
  fractions <- vapply(periods, load_of, load_windows, now)
  structure(
    data.frame(worker_id = worker_ids, t(fractions), row.names = NULL),
    periods = unname(periods), now = now,
    class = c("worker_load", "data.frame")
  )
}

#' @rdname rrq_worker_load
#' @export
mean.worker_load <- function(x, time = c(1, 5, 15, Inf), ...) {
  if (!is.numeric(time) || anyNA(time) || any(time <= 0)) {
    abort_argument("time", "numbers of minutes greater than 0", time, rlang::current_env())
  }
  periods <- attr(x, "periods")
  now <- attr(x, "now")
  first <- min(now, unlist(lapply(periods, function(worker) worker$alive$from)))
  means <- vapply(time, function(minutes) {
    begin <- max(now - 60 * minutes, first)
    mean_of <- function(name) {
      within <- vapply(periods, function(worker) time_within(worker[[name]], begin, now), 0)
      sum(within) / max(now - begin, 1e-6)
    }
    c(used = mean_of("busy"), available = mean_of("alive"))
  }, c(used = 0, available = 0))
  colnames(means) <- as.character(time)
  means
}

# Some of the workers are a load as well. Some of the columns are a plain data frame, which does not
# have what `mean()` needs.
#' @export
`[.worker_load` <- function(x, ...) {
  plain <- structure(x, periods = NULL, now = NULL, class = "data.frame")
  part <- plain[...]
  if (!is.data.frame(part) || !identical(names(part), names(x))) {
    return(part)
  }
  at <- match(part$worker_id, x$worker_id)
  if (anyNA(at)) {
    return(part)
  }
  structure(part, periods = attr(x, "periods")[at], now = attr(x, "now"), class = class(x))
}

load_windows <- c(minutes_1 = 60, minutes_5 = 300, minutes_15 = 900)

load_of <- function(periods, now) {
  vapply(load_windows, function(seconds) {
    begin <- max(now - seconds, min(now, periods$alive$from))
    time_within(periods$busy, begin, now) / max(now - begin, 1e-6)
  }, 0)
}

# When a worker ran tasks, and when it was there. One that has exited was there until its last line.
load_periods <- function(log, running, now) {
  n <- length(log$time)
  if (n == 0) {
    none <- data.frame(from = numeric(), to = numeric())
    return(list(busy = none, alive = none))
  }
  has_left <- log$command[[n]] %in% c("STOP", "LOST")
  list(
    busy = busy_intervals(log, running, now),
    alive = data.frame(from = log$time[[1]], to = if (has_left) log$time[[n]] else now)
  )
}

# When each task in the log was started and when it ended, however it ended. A batch logs the starts
# of all its tasks together, then their ends, so intervals overlap. Tasks of a batch that were
# handed back have a start and no end: they do not count.
busy_intervals <- function(log, running, now) {
  is_task <- startsWith(log$command, "TASK_")
  id <- log$message[is_task]
  time <- log$time[is_task]
  is_start <- log$command[is_task] == "TASK_START"
  # A stable order: the events of a task stay as they are in the log.
  by_task <- order(id, method = "radix")
  previous <- c(NA, by_task[-length(by_task)])[order(by_task)]
  previous[id != id[previous]] <- NA
  # The log is capped: where it lacks the start of a task, that was before its first line.
  from <- ifelse(is.na(previous), log$time[1], time[previous])
  counts <- !is_start & (is.na(previous) | is_start[previous])
  last <- utils::tail(which(id %in% running), 1)
  open <- if (length(last) == 1 && is_start[[last]]) time[[last]]
  data.frame(
    from = c(from[counts], open),
    to = c(time[counts], rep(now, length(open)))
  )
}

# For how long between two times at least one of the intervals was open.
time_within <- function(intervals, begin, end) {
  intervals <- intervals[order(intervals$from), ]
  from <- pmax(intervals$from, begin)
  to <- pmin(intervals$to, end)
  covered <- c(-Inf, utils::head(cummax(to), -1))[seq_along(to)]
  sum(pmax(0, to - pmax(from, covered)))
}

server_time <- function(controller) {
  time <- as.numeric(unlist(controller$con$TIME()))
  time[[1]] + time[[2]] / 1e6
}
