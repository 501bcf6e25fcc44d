# Raise an error of class rrq_error_<what> on behalf of the function the user called. The message
# is not interpolated, because ids, paths and server replies may contain braces.
abort <- function(what, message, ..., class = NULL, call = caller_env(), parent = NULL) {
  trace <- NULL
  if (any(vapply(sys.calls(), shows_password, NA))) {
    trace <- rlang::trace_back()
    trace$call <- lapply(trace$call, mask_passwords)
    call <- mask_passwords(if (is.environment(call)) rlang::frame_call(call) else call)
  }
  rlang::abort(
    bound_words(message),
    class = c(class, paste0("rrq_error_", what), "rrq_error"),
    ...,
    call = call,
    trace = trace,
    parent = parent
  )
}

# What is surely none of a URL, and where one stands in it.
no_password <- "^[a-z+]+://[^:@?]*(:[0-9]+)?(,[^:@?]*(:[0-9]+)?)*([?][^:@=]*)?$"
password <- "(://[^/@:]*:)[^@]+(@)|([?&](sentinel_)?pass(word)?=)[^&]+"

# Whether code contains a URL with a password, as in `rrq_controller("jobs",
# "redis://:secret@host")`.
shows_password <- function(code) !identical(code, mask_passwords(code))

mask_passwords <- function(code) {
  if (is.call(code)) {
    for (i in seq_along(code)) {
      part <- code[[i]]
      if (!missing(part) && (is.call(part) || is.character(part))) code[[i]] <- mask_passwords(part)
    }
  } else if (is.character(code) && length(code) == 1) {
    code[] <- mask_text(code)
  }
  code
}

# Of what looks like a URL without looking like a proper one, nothing is shown.
mask_text <- function(text) {
  if (!grepl("^(redis|valkey|unix)[a-z+]*[:/]", text) || grepl(no_password, text)) {
    return(text)
  }
  masked <- gsub(password, "\\1\\3***\\2", text, perl = TRUE)
  if (masked == text) "redis://***" else masked
}

# A very long name would hide the rest of a message. Paths are shorter.
bound_words <- function(text) {
  long <- nchar(text) > 250
  text[long] <- gsub("(\\S{200})\\S{50,}", "\\1...", text[long], perl = TRUE)
  text
}

# The same for warnings. They are of what may be meant but is more often a slip.
warn <- function(what, message) {
  rlang::warn(bound_words(message), class = c(paste0("rrq_warning_", what), "rrq_warning"))
}

# Ids that stand for no task, where that is not an error.
warn_missing_tasks <- function(ids) {
  n <- length(ids)
  if (n > 0) {
    shown <- paste0(shorten(utils::head(ids, 3), 40), collapse = ", ")
    more <- if (n > 3) sprintf(" and %d more", n - 3)
    message <- c(sprintf("No such %s: %s%s.", if (n == 1) "task" else "tasks", shown, more %||% ""))
    warn("task_missing", c(message, i = hints$task_missing[[if (n == 1) 1 else 2]]))
  }
}

# The user's next step after an engine error, by class. Of two texts, the second is for several ids.
hints <- list(
  connection = "Check that the server is running and that the address is correct.",
  authentication = "Check the user name and password in the URL.",
  tls = "See the section on kinds of servers in `?rrq_redis`.",
  protocol = "Something between this session and the server may change what is sent.",
  layout = "Use the version of rrq that created this queue, or another queue id.",
  queue_exists = paste(
    "Settings of a queue cannot be changed: use another queue id, or delete this queue with",
    "`rrq_destroy()`."
  ),
  task_missing = c(
    "It may have been deleted, or belong to another queue.",
    "They may have been deleted, or belong to another queue."
  ),
  dependency_failed = "The new tasks are IMPOSSIBLE; their ids are in `$task_ids`.",
  task_unfinished = c(
    "Wait for it with `rrq_task_wait()`.",
    "Wait for them with `rrq_task_wait()`."
  ),
  worker_missing = "`rrq_worker_list()` lists the active workers.",
  worker_active = c(
    "Stop it first with `rrq_worker_stop()`.",
    "Stop them first with `rrq_worker_stop()`."
  ),
  worker_exists = "Choose another `worker_id`.",
  worker_gone = "Its lease may have expired, or the queue may have been destroyed.",
  no_workers = "Start some with `rrq_worker_spawn()`.",
  watch_closed = "Open another one with `rrq_watch()`, also in a fork of the process.",
  event_large = "Emit less, or store it with `rrq_share()` and emit what refers to it.",
  heartbeat_exists = "Stop the other one, or choose another `key`.",
  config_missing = "See `rrq_worker_config_list()`, or save it with `rrq_worker_config_save()`.",
  queue_missing = "Check the queue id, or create the queue with `rrq_controller()`.",
  server_full = paste(
    "Free memory with `rrq_prune()`, or raise the server's `maxmemory`. `rrq_memory()` shows what",
    "the queue stores."
  ),
  queue_full = paste(
    "Nothing was queued. Try again when tasks have been deleted or have expired, or use",
    "`wait = TRUE`. `rrq_memory()` shows what the queue stores."
  ),
  files_large = "Pack fewer files, or raise `options(rrq.files_max_size = )`, in bytes.",
  files_missing = "Pack them again: files expire 24 hours after their last use.",
  object_large = paste(
    "Store less, or configure another queue with an `offload_path` or a larger `store_max_size`,",
    "see `rrq_configure()`."
  ),
  offload = paste(
    "The directory must exist on this machine, with free space, and with permission to read and",
    "write."
  ),
  offload_path = "See `offload_path` in `?rrq_configure`.",
  offload_unknown = "See `offload_path` in `?rrq_configure`.",
  server_missing = paste(
    "Install one ('apt-get install redis-server', 'dnf install redis', 'brew install redis'),",
    "set its path in the environment variable RRQ_REDIS_SERVER, or set REDIS_URL."
  )
)

# Return the result of an engine call. Only this function raises engine errors as R conditions. With
# `failed`, an error is left to that function, which passes it on to this one.
rust_call <- function(result, call = caller_env(), failed = NULL) {
  if (!inherits(result, "extendr_error")) {
    return(result)
  }
  if (!is.null(failed)) {
    return(failed(result))
  }
  error <- result$value
  if (identical(error$class, "interrupted")) {
    rlang::interrupt()
  }
  hint <- hints[[error$class]]
  if (length(hint) > 1) hint <- hint[[if (length(error$ids) > 1) 2 else 1]]
  message <- c(capitalise(error$message), i = hint)
  abort(error$class, message, ids = error$ids, status = error$status, call = call)
}

# The message of an error without its hints.
first_line <- function(error) {
  sub("\n.*", "", conditionMessage(error))
}

capitalise <- function(text) {
  paste0(toupper(substr(text, 1, 1)), substring(text, 2), if (!grepl("[.?!]$", text)) ".")
}
