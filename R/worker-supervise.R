# Workers that this session started: it is the parent of their processes, so it can tell at once
# when one ends. It checks in the slices of every wait and in every call of a manager; in between it
# does nothing, because R has a single thread. A child has crashed if its process ended without
# leaving its end file behind. The session
# 1. declares the worker lost, so that its tasks end before its lease expires;
# 2. reports the crash, unless the end was expected;
# 3. starts a new process of the same name, if requested, and unless it crashed too often in a row.

# How often a wait checks.
supervise_s <- 0.5

# A worker that has run this long did not crash because of the way it was started.
steady_s <- 60

# A child is a worker, not a process: `process`, `token`, `logs` and `started` are those of its
# current process; `tasks` are those that its last process lost. The name of the end file is the
# token with which that process registers.
new_child <- function(id, controller, name_config, logdir, max_crashes, offload_path = NULL) {
  rlang::env(
    id = id, controller = controller, name_config = name_config, logdir = logdir,
    offload_path = offload_path,
    max_crashes = max_crashes, n_crashes = 0, session = Sys.getpid(), is_expected = FALSE,
    is_awaited = FALSE, is_deserted = FALSE, logs = character(), process = NULL, end_file = NULL,
    started = NULL, tasks = character()
  )
}

start_child <- function(child) {
  n <- length(child$logs) + 1
  log <- file.path(child$logdir, paste0(child$id, if (n > 1) paste0(".", n)))
  end_dir <- file.path(tempdir(), "rrq-workers", "ends")
  create_private_dir(end_dir)
  child$end_file <- file.path(end_dir, rust_call(rs_random_id()))
  child$logs <- c(child$logs, log)
  child$process <- start_worker(
    child$id, log, child$controller, child$name_config, child$end_file, child$offload_path
  )
  child$started <- now()
  # processx ends a process when its handle is garbage-collected, but workers live as long as the
  # session, even without their manager.
  the$workers <- c(the$workers, list(child))
}

child_ids <- function(children) vapply(children, function(child) child$id, "")

last_log <- function(child) child$logs[[length(child$logs)]]

is_watched <- function(child) {
  any(vapply(the$workers, identical, NA, child))
}

unwatch <- function(child) {
  the$workers <- Filter(function(other) !identical(other, child), the$workers)
}

# They are told to end, so whatever happens to them is not a crash.
expect_end <- function(children) {
  for (child in children) child$is_expected <- TRUE
}

# Their private server is stopped. They end without it, and there is nothing left to settle; to ask
# the server would take as long as a connection is tried again.
desert_children <- function(server) {
  urls <- c(mask_url(server$url), mask_url(sub("/0$", "/", server$tcp_url)))
  for (child in the$workers) {
    if (any(startsWith(child$controller$url, urls))) child$is_deserted <- TRUE
  }
}

is_of_queue <- function(child, controller) {
  child$controller$queue_id == controller$queue_id && child$controller$url == controller$url
}

# The children among some workers of a queue.
children_named <- function(controller, ids) {
  Filter(function(child) child$id %in% ids && is_of_queue(child, controller), the$workers)
}

# The longest a wait may sleep without checking.
supervise_pause <- function() {
  if (length(the$workers)) supervise_s else Inf
}

# Returns the children found to be lost. `at_once` checks even if the last check was just now;
# `report` says of which a crash is reported here.
supervise <- function(at_once = FALSE, report = function(child) TRUE) {
  if (length(the$workers) == 0 || (!at_once && now() - the$supervised < supervise_s)) {
    return(list())
  }
  the$supervised <- now()
  # In a fork of the session, processx considers them all dead: they are not its children.
  own <- Filter(function(child) child$session == Sys.getpid(), the$workers)
  ended <- Filter(function(child) !child$process$is_alive(), own)
  Filter(function(child) child_ended(child, report(child)), ended)
}

# Returns whether the worker was lost.
child_ended <- function(child, is_to_report) {
  # First, because a handler of the messages below may wait itself.
  unwatch(child)
  if (file.exists(child$end_file)) {
    unlink(child$end_file)
    return(FALSE)
  }
  if (child$is_deserted) {
    return(FALSE)
  }
  last <- last_words(child)
  child$tasks <- last$tasks
  if (!child$is_expected && !last$is_expected) {
    report_crash(child, last, is_to_report)
  }
  identical(last$state, "LOST")
}

# Declare the worker lost if it did not leave, and read from its log what became of its tasks. If
# the server cannot be reached, that is left to others.
last_words <- function(child) {
  last <- list(state = NULL, tasks = character(), is_expected = FALSE, did_work = FALSE)
  tryCatch(
    {
      handle <- queue_handle(child$controller)
      last$state <- rust_call(rs_worker_lose(handle, child$id, basename(child$end_file)))
      # Fails if the queue was destroyed.
      rust_call(rs_config_read(handle, child$name_config))
      if (is.null(last$state)) {
        return(last)
      }
      utils::modifyList(last, read_life(rust_call(rs_worker_log(handle, child$id, Inf))))
    },
    rrq_error_config_missing = function(e) utils::modifyList(last, list(is_expected = TRUE)),
    rrq_error_queue_missing = function(e) utils::modifyList(last, list(is_expected = TRUE)),
    rrq_error = function(e) last
  )
}

# What the log of a worker that has ended says about its last process: the tasks it held, named by
# id, whether somebody killed it on purpose, and whether it had done any work.
read_life <- function(log) {
  # Processes of isolated tasks have lines of their own.
  ends <- which(log$command %in% c("LOST", "STOP") & is.na(log$child))
  if (length(ends) == 0) {
    # Deleted in the meantime.
    return(list())
  }
  end <- ends[[length(ends)]]
  begin <- if (length(ends) > 1) ends[[length(ends) - 1]] + 1 else 1
  life <- seq.int(begin, end)
  # What it held was ended in the same transition.
  ended <- log$command[life] %in% c("TASK_DIED", "TASK_CANCELLED", "TASK_RETRY")
  held <- life[log$time[life] == log$time[[end]] & ended]
  list(
    tasks = stats::setNames(sub("^TASK_", "", log$command[held]), log$message[held]),
    is_expected = log$command[[end]] == "STOP" && log$message[[end]] == "killed",
    did_work = any(log$command[life] %in% c("TASK_COMPLETE", "TASK_ERROR"))
  )
}

report_crash <- function(child, last, is_to_report) {
  if (last$did_work || now() - child$started >= steady_s) {
    child$n_crashes <- 0
  }
  child$n_crashes <- child$n_crashes + 1
  text <- crash_text(child, last$tasks)
  if (child$max_crashes == 0) {
    # If somebody waits for it, an error shows its log.
    if (is_to_report && !child$is_awaited) cli::cli_inform(c("!" = "{text}"))
  } else if (child$n_crashes >= child$max_crashes) {
    cli::cli_inform(c(
      "!" = "{text}",
      x = "Gave up after {child$n_crashes} crash{?es} in a row; see the log {last_log(child)}."
    ))
  } else {
    start_child(child)
    cli::cli_inform(c("!" = "{text}", i = "It was restarted as pid {child$process$get_pid()}."))
  }
}

crash_text <- function(child, tasks) {
  how <- describe_status(child$process$get_exit_status())
  ends <- vapply(unique(tasks), function(end) {
    ids <- names(tasks)[tasks == end]
    which <- if (length(ids) == 1) paste("its task", ids) else paste(length(ids), "of its tasks")
    paste(which, if (end == "RETRY") "will be retried" else paste("ended as", end))
  }, "")
  text <- paste(c(sprintf("Worker '%s' (pid %d) %s", child$id, child$process$get_pid(), how), ends),
    collapse = "; "
  )
  paste0(text, ".")
}

# processx returns the number of a signal as a negative status, and NA if it could not read one.
describe_status <- function(status) {
  if (is.null(status) || is.na(status)) {
    "has ended"
  } else if (status < 0) {
    sprintf("was killed by signal %d", -status)
  } else {
    sprintf("ended with exit status %d", status)
  }
}
