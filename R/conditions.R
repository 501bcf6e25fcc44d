# Raise an error of class rrq_error_<what> on behalf of the function the user called. The message
# is taken as it is: braces in ids, paths and server replies mean nothing.
abort <- function(what, message, ..., class = NULL, call = caller_env(), parent = NULL) {
  rlang::abort(
    message,
    class = c(class, paste0("rrq_error_", what), "rrq_error"),
    ...,
    call = call,
    parent = parent
  )
}

# What the user can do about an error of the engine.
hints <- c(
  connection = "Is the server running, and is the address right?",
  authentication = "Check the user name and password in the URL.",
  layout = "Use the version of rrq that made this queue, or another queue id.",
  queue_exists = paste(
    "Settings of a queue cannot be changed: use another queue id, or `rrq_destroy()` this one."
  ),
  task_missing = "Was it deleted, or is it a task of another queue?",
  dependency_failed = "The new tasks are recorded as IMPOSSIBLE: their ids are `$task_ids`.",
  task_unfinished = "Wait with `rrq_task_wait()`.",
  worker_missing = "See `rrq_worker_list()` for those that are alive.",
  worker_active = "Stop them first with `rrq_worker_stop()`.",
  worker_exists = "Choose another `worker_id`.",
  worker_gone = "Was the queue destroyed, or did its heartbeat lapse?",
  no_workers = "Start some with `rrq_worker_spawn()`.",
  heartbeat_exists = "Stop the other one, or choose another `key`.",
  config_missing = "See `rrq_worker_config_list()`; save one with `rrq_worker_config_save()`.",
  queue_missing = "Is the name right? `rrq_controller()` makes a new queue.",
  files_large = "Pack less, or set `options(rrq.files_max_size = )` to a number of bytes.",
  files_missing = "Pack them again: files are kept for 24 hours after they were last used.",
  server_missing = paste(
    "Install one ('apt-get install redis-server', 'dnf install redis', 'brew install redis'),",
    "name it in the environment variable RRQ_REDIS_SERVER, or set REDIS_URL."
  )
)

# The result of a call into the engine; its errors become conditions here and nowhere else.
rust_call <- function(result, call = caller_env()) {
  if (!inherits(result, "extendr_error")) {
    return(result)
  }
  error <- result$value
  if (identical(error$class, "interrupted")) {
    rlang::interrupt()
  }
  hint <- unname(hints[error$class])
  message <- c(capitalise(error$message), i = if (!is.na(hint)) hint)
  abort(error$class, message, ids = error$ids, status = error$status, call = call)
}

capitalise <- function(text) {
  paste0(toupper(substr(text, 1, 1)), substring(text, 2), if (!grepl("[.?!]$", text)) ".")
}
