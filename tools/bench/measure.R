# Scenarios that every system can take part in. Each function measures one system in a fresh R
# process and returns its rows, or NULL if the system has no such function.

with_pool <- function(system, workers, code) {
  pool <- system$start(workers)
  on.exit(system$stop(pool))
  warm_up(system, pool)
  code(pool)
}

# Triggers byte-compilation of the measured code, here and on the workers.
warm_up <- function(system, pool) {
  for (bulk in system$bulk) bulk(pool, seq_len(100L))
  for (i in seq_len(20L)) system$latency(pool, i)
}

each_pool <- function(system, settings, code) {
  bind_rows(lapply(settings$workers, function(workers) {
    with_pool(system, workers, function(pool) code(pool, workers))
  }))
}

# --- one task, many tasks ----------------------------------------------------------------

measure_latency <- function(system, settings) {
  each_pool(system, settings, function(pool, workers) {
    meter <- new_meter(system, pool)
    ms <- meter$run(latencies(system, pool, settings))
    rbind(
      row(system$name, "latency", "ms", ms, workers = workers, n = 1L),
      meter$rows(system$name, workers, 1L, length(ms))
    )
  })
}

latencies <- function(system, pool, settings) {
  samples(settings$latencies, settings$budget_s, function(i) {
    ms <- time_of(value <- system$latency(pool, i)) * 1e3
    check_values(value, i, system$name)
    ms
  })
}

# The rate of a loop of submit, wait and fetch: unlike a median latency, it includes the slow ones.
measure_loop <- function(system, settings) {
  n <- settings$loop
  with_pool(system, max(settings$workers), function(pool) {
    rate <- samples(3, settings$budget_s, function(i) {
      n / time_of(for (x in seq_len(n)) system$latency(pool, x))
    })
    row(system$name, "loop", "tasks/s", rate, workers = max(settings$workers), n = n)
  })
}

measure_bulk <- function(system, settings) {
  if (is.null(system$bulk)) {
    return(NULL)
  }
  each_pool(system, settings, function(pool, workers) {
    bind_rows(lapply(names(system$bulk), function(label) {
      bind_rows(Map(function(n, repetitions) {
        bulk_rows(system, pool, workers, n, repetitions, label, settings)
      }, settings$sizes, settings$repetitions))
    }))
  })
}

bulk_rows <- function(system, pool, workers, n, repetitions, label, settings) {
  seconds <- list()
  meter <- new_meter(system, pool)
  samples(repetitions, settings$budget_s, function(i) {
    seconds[[i]] <<- run_bulk(system$bulk[[label]], pool, n, label, meter)
    0
  })
  rbind(
    throughput_rows(label, workers, n, do.call(cbind, seconds)),
    meter$rows(label, workers, n, n * length(seconds))
  )
}

run_bulk <- function(bulk, pool, n, label, meter) {
  x <- sample.int(1e6L, n)
  gc(FALSE)
  done <- meter$run(bulk(pool, x))
  check_values(done$values, x, label)
  done$seconds
}

# `seconds`: a row per phase, a column per repetition. A system with a single
# phase gets no rows for the parts.
throughput_rows <- function(label, workers, n, seconds) {
  total <- row(label, "throughput", "tasks/s", n / colSums(seconds), workers = workers, n = n)
  phases <- rownames(seconds)
  parts <- lapply(if (length(phases) > 1) phases, function(phase) {
    row(label, phase, "us/task", seconds[phase, ] / n * 1e6, workers = workers, n = n)
  })
  bind_rows(c(list(total), parts))
}

measure_map <- function(system, settings) {
  if (is.null(system$map)) {
    return(NULL)
  }
  workers <- max(settings$workers)
  with_pool(system, workers, function(pool) {
    bind_rows(lapply(settings$map_sizes, function(n) {
      x <- sample.int(1e6L, n)
      rate <- samples(3, settings$budget_s, function(i) {
        seconds <- time_of(values <- system$map(pool, x))
        check_values(values, x, system$name)
        n / seconds
      })
      row(system$name, "map", "elements/s", rate, workers = workers, n = n)
    }))
  })
}

# --- data ------------------------------------------------------------------------------------

# A vector of doubles as the result of a task, and as its argument.
measure_payload <- function(system, settings) {
  with_pool(system, 1L, function(pool) {
    bind_rows(lapply(settings$payloads, function(bytes) {
      payload_rows(system, pool, bytes, settings)
    }))
  })
}

# Quick to make, but neither compact (as a sequence is) nor easy to compress.
make_payload <- function(n) sqrt(seq_len(n[[1]]) + n[[2]])

# Another value each time: equal ones may be stored already, or known to the worker.
payload_rows <- function(system, pool, bytes, settings) {
  n <- max(1, bytes %/% 8)
  ms <- function(fn, arg_for, expected) {
    samples(5, settings$budget_s, function(i) {
      arg <- arg_for(i)
      gc(FALSE)
      ms <- time_of(value <- system$call(pool, fn, arg)) * 1e3
      if (length(value) != expected) stop(system$name, ": wrong payload")
      value <- NULL
      if (!is.null(system$tidy)) system$tidy(pool)
      ms
    })
  }
  result <- ms(make_payload, function(i) c(n, i), n)
  argument <- ms(length, function(i) make_payload(c(n, i + 0.5)), 1L)
  rbind(
    row(system$name, "result", "ms", result, workers = 1L, bytes = bytes),
    row(system$name, "argument", "ms", argument, workers = 1L, bytes = bytes)
  )
}

# For comparison: what R itself takes to serialise and unserialise the same data.
measure_serialise <- function(settings) {
  bind_rows(lapply(settings$payloads, function(bytes) {
    data <- make_payload(c(max(1, bytes %/% 8), 0.5))
    ms <- samples(5, settings$budget_s, function(i) {
      gc(FALSE)
      time_of(unserialize(serialize(data, NULL, xdr = FALSE))) * 1e3
    })
    row("serialize()", "result", "ms", ms, bytes = bytes)
  }))
}

# `shared` is a global variable of the worker. The function is defined here, because one defined
# where it is used would take everything there along.
read_global <- function(i) get("shared", globalenv())[[i]]

# Tasks that each read one element of the same large value, sending it included.
measure_shared <- function(system, settings) {
  if (is.null(system$shared)) {
    return(NULL)
  }
  workers <- max(settings$workers)
  x <- seq_len(settings$shared_tasks)
  with_pool(system, workers, function(pool) {
    ms <- samples(3, settings$budget_s, function(i) {
      # Another value each time: equal ones may be stored already.
      shared <- stats::runif(settings$shared_bytes / 8)
      gc(FALSE)
      ms <- time_of(values <- system$shared(pool, x, shared)) * 1e3
      check_values(values, shared[x], system$name)
      ms
    })
    row(
      system$name, "shared", "ms", ms,
      workers = workers, n = length(x), bytes = settings$shared_bytes
    )
  })
}

# --- workers -------------------------------------------------------------------------------------

measure_start <- function(system, settings) {
  bind_rows(lapply(settings$start_workers, function(workers) {
    seconds <- time_of(pool <- system$start(workers))
    on.exit(system$stop(pool))
    row(system$name, "start", "s", seconds, workers = workers)
  }))
}
