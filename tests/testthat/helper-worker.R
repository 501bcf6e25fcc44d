# Spawned workers that are soon taken for lost when they go silent.
local_fast <- function(controller, n = 1, env = parent.frame()) {
  fast <- rrq_worker_config(heartbeat_period = 0.3 * slowness())
  rrq_worker_config_save("fast", fast, controller = controller)
  local_spawned(controller, n, name_config = "fast", env = env)
}

# How often the test server was asked for each command, by name.
command_counts <- function(controller) {
  lines <- strsplit(controller$con$INFO("commandstats"), "\r?\n")[[1]]
  lines <- grep("^cmdstat_", lines, value = TRUE)
  calls <- as.numeric(sub("^[^:]+:calls=([0-9]+),.*", "\\1", lines))
  stats::setNames(calls, sub("^cmdstat_([^:]+):.*", "\\1", lines))
}

# How many tasks a worker may hold at once.
n_held <- 64

# How many tasks workers have started in this queue.
n_started <- function(controller) {
  log <- rrq_worker_log_tail(n = Inf, controller = controller)
  sum(log$command == "TASK_START")
}

# A task that is for some seconds, or for a minute, in C code that never looks for interrupts: a
# Fourier transform of prime length takes the square of it.
task_in_c <- function(controller, how = c("long", "short"), ...) {
  n <- c(long = 199999, short = 59999)[[match.arg(how)]]
  rrq_task_create_call(stats::fft, list(seq_len(n)), ..., controller = controller)
}

ping_columns <- c("worker_id", "round_trip", "busy", "task_id", "task_age", "rss", "uptime")

# Spawned workers whose lease lapses only after minutes.
local_patient <- function(controller, n = 1, ..., env = parent.frame()) {
  patient <- rrq_worker_config(heartbeat_period = 60)
  rrq_worker_config_save("patient", patient, controller = controller)
  local_spawned(controller, n, name_config = "patient", ..., env = env)
}

# Kill workers of this session as somebody else would, not by way of their manager; their process
# ids.
kill_hard <- function(controller, ids) {
  processes <- lapply(children_named(controller, ids), function(child) child$process)
  pids <- vapply(processes, function(process) process$get_pid(), 1L)
  tools::pskill(pids, tools::SIGKILL)
  for (process in processes) process$wait()
  pids
}

# Kill workers whose end this session does not notice by itself, as if another had spawned them.
kill_unseen <- function(controller, ids) {
  for (child in children_named(controller, ids)) {
    unwatch(child)
    child$process$kill()
  }
}

# Whether a thread, the main one unless told otherwise, is not sent SIGPIPE. It has number 13, the
# fourth digit from the right of the mask.
blocks_sigpipe <- function(status = "/proc/self/status") {
  mask <- grep("^SigBlk:", readLines(status), value = TRUE)
  strtoi(substr(mask, nchar(mask) - 3, nchar(mask) - 3), 16) %% 2 == 1
}

# The signals that each thread of a process blocks: a logical matrix with a row per thread and a
# column per signal.
blocked_signals <- function(pid) {
  threads <- list.files(sprintf("/proc/%d/task", pid))
  masks <- vapply(threads, function(thread) {
    status <- readLines(sprintf("/proc/%d/task/%s/status", pid, thread))
    sub("SigBlk:\\s*", "", grep("^SigBlk", status, value = TRUE))
  }, "")
  bits <- function(mask) {
    digits <- rev(strtoi(strsplit(mask, "")[[1]], 16))
    as.logical(unlist(lapply(digits, function(digit) bitwAnd(digit, c(1, 2, 4, 8)) > 0)))
  }
  t(vapply(masks, bits, logical(64)))
}
