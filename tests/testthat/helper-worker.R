# Spawned workers that are soon taken for lost when they go silent.
local_fast <- function(controller, n = 1, env = parent.frame()) {
  fast <- rrq_worker_config(heartbeat_period = 0.3)
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
