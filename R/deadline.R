# A server that does not respond must not delay a time-out. Until the caller returns, requests fail
# with `rrq_error_timeout` that are not answered a little after the limit. So whoever waits for
# something else can say so first, and with a limit of 0 a server that is merely busy can still
# answer.
local_deadline <- function(handle, limit, frame = caller_env()) {
  if (!is.finite(limit)) {
    return(invisible())
  }
  before <- rust_call(rs_queue_deadline(handle, Inf))
  rust_call(rs_queue_deadline(handle, min(before, limit + max(0.2, 1 - limit))))
  restore <- function() rust_call(rs_queue_deadline(handle, if (is.finite(before)) before else Inf))
  do.call(on.exit, list(bquote(.(restore)()), add = TRUE), envir = frame)
}
