# Progress of the package progressr. What a task signals to it is emitted as an event of the task
# (worker-eval.R); a session that waits for the task signals it again at once, for the handlers of
# with_progress(). It listens to events only while progressr is loaded: no task, and no other wait,
# pays for it.

relays_progress <- function() isNamespaceLoaded("progressr")

# What tasks emitted before is told as well.
watch_progress <- function(handle, ids, follow, call = caller_env()) {
  if (relays_progress()) {
    watch <- rust_call(rs_watch_open(handle, follow), call)
    rust_call(rs_watch_add(watch, handle, ids), call)
    watch
  }
}

# Waits for news, at most so many seconds, and signals what is progress. Returns for how long to
# wait for the end of tasks then: that of a task is told to the watch and to the wait.
relay_progress <- function(watch, pause, call = caller_env()) {
  state <- rust_call(rs_watch_wait(watch, pause), call)
  news <- rust_call(rs_watch_drain(watch), call)
  for (i in which(vapply(news$event, inherits, NA, "progression"))) {
    signal_progression(news$event[[i]], news$id[[i]])
  }
  has_ended <- !all(is.na(news$status))
  if (has_ended || !state %in% c("news", "waiting")) min(pause, brief_s) else 0
}

# As progressr does. Its handlers know an update by the process, its number there and the
# millisecond; tasks of one worker begin with the same number.
signal_progression <- function(progression, id) {
  progression$session_uuid <- paste(progression$session_uuid, id)
  withRestarts(signalCondition(progression), muffleProgression = function(p) NULL)
}

# All tasks have ended: what they emitted before is here, or on its way.
relay_last_progress <- function(watch, call = caller_env()) {
  deadline <- now() + stop_s
  repeat {
    state <- rust_call(rs_watch_wait(watch, brief_s), call)
    if (!state %in% c("news", "waiting") || now() > deadline) {
      return(invisible())
    }
    relay_progress(watch, 0, call)
  }
}
