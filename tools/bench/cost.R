# Resources used by rrq: memory, CPU time and requests of the server, memory of a worker.

measure_cost <- function(settings) {
  n <- settings$cost_tasks
  rbind(memory_rows(n), steady_rows(n), script_rows(n), process_rows(), isolation_rows(settings))
}

with_server <- function(code) {
  server <- rrq::rrq_server()
  on.exit(server$stop())
  code(rrq::rrq_controller("cost", con = server$url))
}

cost_row <- function(measure, unit, value, workers = NA_integer_, n = NA_integer_) {
  row("rrq", measure, unit, value, workers = workers, n = n)
}

# --- memory of the server ----------------------------------------------------------

# Measured after the workers have ended, which excludes the buffers of their
# connections and includes the data they leave behind, such as their logs.
memory_rows <- function(n) {
  with_server(function(queue) {
    empty <- used_memory(queue$con)
    ids <- rrq::rrq_task_create_bulk_call(identity, seq_len(n), controller = queue)
    pending <- used_memory(queue$con)
    workers <- rrq::rrq_worker_spawn(1, progress = FALSE, controller = queue)
    rrq::rrq_task_wait(ids, controller = queue)
    workers$stop()
    finished <- used_memory(queue$con)
    rbind(
      cost_row("server memory, pending", "bytes/task", (pending - empty) / n, n = n),
      cost_row("server memory, finished", "bytes/task", (finished - empty) / n, n = n)
    )
  })
}

used_memory <- function(con) as.numeric(redis_info(con, "memory")$used_memory)

# --- requests and CPU time -----------------------------------------------------------

steady_rows <- function(n) {
  with_server(function(queue) {
    workers <- rrq::rrq_worker_spawn(2, progress = FALSE, controller = queue)
    on.exit(workers$stop())
    rrq_bulk(list(queue = queue), seq_len(1000L))
    before <- usage_now(queue$con)
    ids <- rrq::rrq_task_create_bulk_call(identity, seq_len(n), controller = queue)
    submitted <- usage_now(queue$con)
    rrq::rrq_task_wait(ids, controller = queue)
    ended <- usage_now(queue$con)
    rrq::rrq_task_results(ids, controller = queue)
    usage_rows((usage_now(queue$con) - before) / n, (ended - submitted) / n, n)
  })
}

# Tasks already run during submission, so "waiting" is only a part.
usage_rows <- function(all, waiting, n) {
  cost <- function(measure, unit, value) cost_row(measure, unit, value, workers = 2L, n = n)
  rbind(
    cost("server CPU", "us/task", all[["cpu"]] * 1e6),
    cost("session CPU", "us/task", all[["session"]] * 1e6),
    cost("EVALSHA requests", "per task", all[["evalsha"]]),
    cost("EVALSHA requests, while waiting", "per task", waiting[["evalsha"]]),
    cost("other commands, including those in scripts", "per task", all[["others"]]),
    cost("network, both directions", "bytes/task", all[["bytes"]])
  )
}

usage_now <- function(con) {
  cpu <- as.numeric(redis_info(con, "cpu")[c("used_cpu_sys", "used_cpu_user")])
  net <- as.numeric(redis_info(con, "stats")[c("total_net_input_bytes", "total_net_output_bytes")])
  stats <- unlist(redis_info(con, "commandstats"))
  calls <- stats::setNames(as.numeric(sub("calls=(\\d+).*", "\\1", stats)), names(stats))
  evalsha <- sum(calls[names(calls) == "cmdstat_evalsha"])
  c(
    cpu = sum(cpu), session = sum(proc.time()[1:2]), bytes = sum(net),
    evalsha = evalsha, others = sum(calls) - evalsha
  )
}

# --- time of each script -----------------------------------------------------------------

# With a log of all commands, which slows the server by a few per cent.
script_rows <- function(n) {
  with_server(function(queue) {
    workers <- rrq::rrq_worker_spawn(2, progress = FALSE, controller = queue)
    on.exit(workers$stop())
    pool <- list(queue = queue)
    con <- queue$con
    rrq_bulk(pool, seq_len(1000L))
    log_slow(con, 0)
    rrq_bulk(pool, seq_len(n))
    bulk <- per_script(read_slow(con), "bulk", n)
    con$SLOWLOG_RESET()
    for (i in seq_len(500L)) rrq_call(pool, identity, i)
    rbind(bulk, per_script(read_slow(con), "lone", 500L))
  })
}

per_script <- function(log, kind, n) {
  by_script <- split(log$us, log$script)
  us <- vapply(by_script, sum, 0) / n
  # The others run once, or by the clock.
  bind_rows(Map(function(script, us) {
    cost_row(sprintf("%s, %s task", script, kind), "us/task", us, n = n)
  }, names(us)[us >= 0.05], us[us >= 0.05]))
}

# --- memory of processes ---------------------------------------------------------------

process_rows <- function() {
  if (!dir.exists("/proc/self")) {
    return(NULL)
  }
  rbind(
    cost_row("memory of a worker", "MB", worker_memory()),
    cost_row("memory of a bare R session", "MB", bare_memory())
  )
}

worker_memory <- function() {
  with_server(function(queue) {
    workers <- rrq::rrq_worker_spawn(1, progress = FALSE, controller = queue)
    on.exit(workers$stop())
    rrq_bulk(list(queue = queue), seq_len(100L))
    id <- rrq::rrq_task_create_call(base::Sys.getpid, list(), controller = queue)
    rrq::rrq_task_wait(id, controller = queue)
    resident_mb(rrq::rrq_task_result(id, controller = queue))
  })
}

bare_memory <- function() {
  code <- "cat('ready\\n'); Sys.sleep(600)"
  session <- processx::process$new(file.path(R.home("bin"), "Rscript"), c("-e", code), stdout = "|")
  on.exit(session$kill())
  session$poll_io(30000)
  resident_mb(session$get_pid())
}

resident_mb <- function(pid) {
  status <- readLines(sprintf("/proc/%d/status", pid))
  as.numeric(gsub("\\D", "", grep("^VmRSS:", status, value = TRUE))) / 1024
}

# --- tasks in separate processes ---------------------------------------------------------

# The overhead of such a task, from start to end by the server's clock, and for comparison a bare
# R process on the same machine at the same time.
isolation_rows <- function(settings) {
  n_fork <- settings$isolated
  n_fresh <- max(3L, n_fork %/% 10L)
  with_server(function(queue) {
    workers <- rrq::rrq_worker_spawn(1, progress = FALSE, controller = queue)
    on.exit(workers$stop())
    run_isolated(queue, 5L, "fork")
    rbind(
      cost_row("isolated task, forked", "ms", run_isolated(queue, n_fork, "fork"), 1L, n_fork),
      cost_row("isolated task, fresh", "ms", run_isolated(queue, n_fresh, "fresh"), 1L, n_fresh),
      cost_row("bare R process", "ms", bare_process(n_fresh), n = n_fresh)
    )
  })
}

run_isolated <- function(queue, n, isolation) {
  ids <- rrq::rrq_task_create_bulk_call(
    identity, seq_len(n), separate_process = TRUE, isolation = isolation, controller = queue
  )
  rrq::rrq_task_wait(ids, controller = queue)
  times <- rrq::rrq_task_times(ids, controller = queue)
  stats::median(times[, "complete"] - times[, "start"]) * 1000
}

bare_process <- function(n) {
  rscript <- file.path(R.home("bin"), "Rscript")
  once <- function(i) system.time(processx::run(rscript, c("-e", "1")))[["elapsed"]]
  stats::median(vapply(seq_len(n), once, 0)) * 1000
}
