# Why a wait may never end. A wait in which nothing ends asks for the reason after `stall_s`
# seconds, and then less and less often; a message reports it once, and again when it changes.

stall_s <- 2
longest_stall_s <- 10

new_stall <- function() {
  list2env(parent = emptyenv(), list(check_at = Inf, pause = stall_s, said = NULL))
}

# Called when the wait begins and when it goes on after a task has ended.
restart_stall <- function(stall) {
  stall$pause <- stall_s
  stall$check_at <- now() + stall_s
}

stall_pause <- function(stall) {
  max(0, stall$check_at - now())
}

report_stall <- function(wait, call) {
  stall <- wait$stall
  if (now() < stall$check_at) {
    return(invisible())
  }
  reason <- stall_reason(wait, call)
  if (!is.null(reason) && !identical(reason, stall$said)) {
    inform_plainly(c(reason, i = "Press Ctrl-C to stop waiting; the tasks stay in the queue."))
  }
  stall$said <- reason
  stall$pause <- min(longest_stall_s, 2 * stall$pause)
  stall$check_at <- now() + stall$pause
}

# The bullets of a message, or NULL if the tasks run or can be expected to soon.
stall_reason <- function(wait, call) {
  handle <- wait$handle
  open <- rust_call(rs_wait_for_what(handle, wait$waiter), call)
  if (open$running || length(open$queues) == 0) {
    return(NULL)
  }
  states <- worker_states(handle, call)
  active <- states[states$active, ]
  if (nrow(active) == 0) {
    return(no_worker_reason(handle, states, call))
  }
  listened <- listened_queues(handle, active$id, call)
  paused <- rust_call(rs_queue_states(handle), call)$paused
  reasons <- lapply(open$queues, function(queue) {
    listens <- vapply(listened, function(queues) queue %in% queues, NA)
    queue_reason(queue, active$state[listens], queue %in% paused, unique(unlist(listened)))
  })
  if (!any(vapply(reasons, is.null, NA))) {
    return(unlist(reasons))
  }
  # Some of the tasks can run, now or later.
  if (!open$queued) delay_reason(open$n_scheduled, open$first, wait$n_open)
}

# The engine looks at some tasks only, if there are many.
delay_reason <- function(n, first, n_open) {
  if (n == 0) {
    return(NULL)
  }
  text <- if (n < (n_open %||% 0)) {
    "Tasks start later, one of them at %s."
  } else if (n == 1) {
    "1 task starts later, at %s."
  } else {
    sprintf("%d tasks start later; the first at %%s.", n)
  }
  c("!" = sprintf(text, format_time(first)))
}

# With the date, unless that is today.
format_time <- function(seconds) {
  time <- .POSIXct(seconds)
  today <- identical(format(time, "%F"), format(Sys.time(), "%F"))
  format(time, if (today) "%H:%M:%S" else "%Y-%m-%d %H:%M:%S")
}

# `states` are those of the workers that listen to the queue, `known` all queues that have workers.
queue_reason <- function(queue, states, is_paused, known) {
  if (length(states) == 0) {
    guess <- closest(queue, known)
    return(c(
      "!" = sprintf("No worker listens to queue \"%s\", in which tasks wait.", queue),
      i = sprintf("Workers listen to %s.", toString(dQuote(sort(known), FALSE))),
      i = if (!is.null(guess)) sprintf("Did you mean \"%s\"?", guess)
    ))
  }
  if (is_paused) {
    c(
      "!" = sprintf("Queue \"%s\", in which tasks wait, is paused.", queue),
      i = sprintf("Resume it with `rrq_queue_resume(\"%s\")`.", queue)
    )
  } else if (all(states == "PAUSED")) {
    c(
      "!" = sprintf("All workers that listen to queue \"%s\" are paused.", queue),
      i = "Resume them with `rrq_message_send(\"RESUME\")`."
    )
  }
}

no_worker_reason <- function(handle, states, call) {
  n <- sum(states$state == "STARTING")
  if (n > 0) {
    is_are <- if (n == 1) "worker is" else "workers are"
    return(c("!" = sprintf("No worker is ready yet: %d %s building the environment.", n, is_are)))
  }
  ends <- lapply(utils::tail(states$id[states$exited], exits_read), read_end, handle, call)
  ends <- Filter(Negate(is.null), ends)
  last <- if (length(ends)) ends[[which.max(vapply(ends, function(end) end$time, 0))]]
  c(
    "!" = "Tasks wait, but no worker is alive.",
    x = if (!is.null(last)) sprintf("The last one, %s, left: %s.", last$id, last$reason),
    i = if (isTRUE(last$environment)) {
      "Correct the environment with `rrq_worker_envir_set()`, then start workers."
    } else {
      "Start some with `rrq_worker_spawn()`."
    }
  )
}

# Of how many exited workers the log is read, and how many lines of it.
exits_read <- 20
lines_read <- 5

# When and why a worker left, from its log.
read_end <- function(id, handle, call) {
  log <- rust_call(rs_worker_log(handle, id, lines_read), call)
  at <- which(log$command %in% c("STOP", "LOST"))
  if (length(at) == 0) {
    return(NULL)
  }
  at <- at[[length(at)]]
  failed <- log$message[log$command == "ENVIR" & startsWith(log$message, "error: ")]
  reason <- c(
    if (log$command[[at]] == "LOST") "it crashed or stopped responding" else log$message[[at]],
    if (length(failed)) sub("^error: ", "", failed[[length(failed)]])
  )
  list(
    id = id, time = log$time[[at]], reason = paste(reason, collapse = ": "),
    environment = length(failed) > 0
  )
}

# The name that a misspelt one was meant to be, or NULL.
closest <- function(name, known) {
  distance <- utils::adist(name, known, ignore.case = TRUE)
  if (length(known) && min(distance) <= 1 + nchar(name) / 4) known[[which.min(distance)]]
}

# Names, ids and texts of tasks may contain braces.
inform_plainly <- function(bullets) {
  names <- names(bullets)
  bullets <- bound_words(bullets)
  bullets <- gsub("{", "{{", gsub("}", "}}", bullets, fixed = TRUE), fixed = TRUE)
  cli::cli_inform(stats::setNames(bullets, names))
}
