# What a task costs as tasks, workers and values grow: flat if nothing is superlinear.

measure_growth <- function(settings) {
  rbind(
    growth_of_tasks(settings), growth_of_workers(settings), growth_of_values(settings)
  )
}

# A fresh server for each size, on two workers.
growth_of_tasks <- function(settings) {
  bind_rows(lapply(settings$growth_tasks, function(n) grown(rrq_system(), 2L, n, "tasks")))
}

growth_of_workers <- function(settings) {
  n <- settings$growth_bulk
  bind_rows(lapply(settings$growth_workers, function(workers) {
    grown(rrq_system(), workers, n, "workers")
  }))
}

# Time and CPU per task, and the slowest script, which keeps others waiting.
grown <- function(system, workers, n, what) {
  with_pool(system, workers, function(pool) {
    con <- system$con(pool)
    log_slow(con, slow_from_us)
    meter <- new_meter(system, pool)
    seconds <- run_bulk(rrq_bulk, pool, n, system$name, meter)
    rows <- rbind(
      row("rrq", "time", "us/task", sum(seconds) / n * 1e6, workers = workers, n = n),
      meter$rows("rrq", workers, n, n), slowest_row(con, workers, n)
    )
    rows$measure <- sprintf("%s (%s)", rows$measure, what)
    rows
  })
}

# Below this a script is not logged, so the log costs nothing.
slow_from_us <- 500

slowest_row <- function(con, workers, n) {
  log <- read_slow(con)
  if (nrow(log) == 0) {
    return(row("rrq", "slowest script", "ms", slow_from_us / 1e3, workers = workers, n = n))
  }
  worst <- log[which.max(log$us), ]
  measure <- sprintf("slowest script, %s", worst$script)
  row("rrq", measure, "ms", worst$us / 1e3, workers = workers, n = n)
}

# A bulk whose tasks return values of this size, at most 200 MB in all.
growth_of_values <- function(settings) {
  system <- rrq_system()
  with_pool(system, 2L, function(pool) {
    bind_rows(lapply(settings$growth_bytes, function(bytes) {
      n <- as.integer(min(1000, max(2, 2e8 / bytes)))
      us <- time_of({
        sizes <- lapply(seq_len(n), function(i) c(max(1, bytes / 8), i))
        ids <- rrq::rrq_task_create_bulk_call(make_payload, sizes, controller = pool$queue)
        rrq::rrq_task_wait(ids, controller = pool$queue)
        # In parts: the session does not hold all of them at once.
        for (part in split(ids, seq_len(n) * bytes %/% 5e7)) {
          rrq::rrq_task_results(part, controller = pool$queue)
        }
      }) / n * 1e6
      system$tidy(pool)
      row("rrq", "time (values)", "us/task", us, workers = 2L, n = n, bytes = bytes)
    }))
  })
}

# --- dependencies ------------------------------------------------------------------------------

# All tasks are submitted while the queue is paused, so the time is that of running them.
measure_depth <- function(settings) {
  system <- rrq_system()
  with_pool(system, 2L, function(pool) {
    bind_rows(lapply(settings$depths, function(n) {
      con <- system$con(pool)
      log_slow(con, slow_from_us)
      rows <- rbind(
        graph_row(pool, "chain", n, chain_of),
        graph_row(pool, "fan out", n, fan_out),
        graph_row(pool, "fan in", n, fan_in),
        slowest_row(con, 2L, n)
      )
      system$tidy(pool)
      rows
    }))
  })
}

# `build(queue, n)` submits the tasks and returns the ids of the last ones.
graph_row <- function(pool, name, n, build) {
  queue <- pool$queue
  rrq::rrq_queue_pause(controller = queue)
  last <- build(queue, n)
  us <- time_of({
    rrq::rrq_queue_resume(controller = queue)
    rrq::rrq_task_wait(last, controller = queue)
  }) / n * 1e6
  row("rrq", name, "us/task", us, workers = 2L, n = n)
}

chain_of <- function(queue, n) {
  id <- rrq::rrq_task_create_call(identity, list(0L), controller = queue)
  for (i in seq_len(n - 1L)) {
    id <- rrq::rrq_task_create_call(identity, list(i), depends_on = id, controller = queue)
  }
  id
}

fan_out <- function(queue, n) {
  root <- rrq::rrq_task_create_call(identity, list(0L), controller = queue)
  rrq::rrq_task_create_bulk_call(identity, seq_len(n), depends_on = root, controller = queue)
}

fan_in <- function(queue, n) {
  ids <- rrq::rrq_task_create_bulk_call(identity, seq_len(n), controller = queue)
  rrq::rrq_task_create_call(identity, list(0L), depends_on = ids, controller = queue)
}
