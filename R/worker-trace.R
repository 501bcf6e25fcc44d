# Where a failed task was: the calls on the stack, as rlang::trace_back() returns them.

# The backtrace, cut to the user's frames: the worker is below them, R's error machinery above.
task_trace <- function(run) {
  cut_trace(rlang::trace_back(top = run$leave))
}

cut_trace <- function(trace) {
  heads <- vapply(trace$call, function(call) deparse(call[[1]], nlines = 1)[[1]], "")
  own <- user_frames(heads)
  if (length(own) == 0) {
    return(NULL)
  }
  trace <- trace[own, ]
  trace$parent <- pmax(0L, trace$parent - own[[1]] + 1L)
  trace
}

# The same for calls that were on the stack earlier.
recorded_trace <- function(calls, parents) {
  own <- seq_along(calls) > max(which(vapply(calls, is_run_call, NA)))
  trace <- rlang::trace_back()[rep(1L, sum(own)), ]
  trace$call <- lapply(calls[own], zap_values)
  trace$parent <- pmax(0L, parents[own] - sum(!own))
  trace$visible <- TRUE
  trace$namespace <- trace$scope <- NA_character_
  cut_trace(trace)
}

is_run_call <- function(call) identical(call[[1]], quote(run_call))

# A call with values in it, as do.call() makes them, says what they are.
zap_values <- function(call) {
  for (i in seq_along(call)) {
    if (rlang::is_missing(call[[i]])) next
    part <- call[[i]]
    if (is.call(part)) {
      call[[i]] <- zap_values(part)
    } else if (!is_plain_code(part)) {
      call[[i]] <- as.symbol(if (is.function(part)) "<fn>" else paste0("<", class(part)[[1]], ">"))
    }
  }
  call
}

is_plain_code <- function(part) {
  is.symbol(part) || is.pairlist(part) || is_plain(part)
}

error_machinery <- c(".handleSimpleError", "h", "signal_abort", "signalCondition", "<fn>")

# The functions of the worker that may stand between its own frames and those of the user.
own_heads <- c("eval", "rrq:::run_chunk", "run_in_time")

# The frames after the worker's eval(), up to where the handler was called.
user_frames <- function(heads) {
  first <- match("eval", heads, 0L)
  while (first <= length(heads) && heads[[first]] %in% own_heads) {
    first <- first + 1L
  }
  last <- match(TRUE, heads %in% c("leave_with_error", "leave_interrupted")) - 1L
  is_handler <- heads %in% error_machinery | startsWith(heads, "(function(")
  while (last >= first && is_handler[[last]]) {
    last <- last - 1L
  }
  if (last >= first) seq.int(first, last)
}
