# The workers of a crew controller, if it has some of its own. They are started when there are
# tasks for them, and rrq_worker_spawn() replaces those that crash. What ends for good is missing
# here and started again: a worker that was idle for long, and one that was given up because tasks
# crashed it again and again; the controller counts these by task.

crew_scale_methods <- function(crew) {
  list(
    launch = function(n = 1L, controllers = NULL) {
      check_count(n)
      start_crew(crew)
      launch_crew(crew, n)
      invisible()
    },
    scale = function(throttle = TRUE, controllers = NULL) {
      start_crew(crew)
      invisible(scale_crew(crew, throttle))
    },
    autoscale = function(loop = NULL, controllers = NULL) autoscale_crew(crew, loop),
    descale = function(controllers = NULL) {
      crew$loop <- NULL
      invisible()
    },
    pids = function(controllers = NULL) {
      if (!is_crew_started(crew)) {
        return(stats::setNames(integer(), character()))
      }
      supervise(at_once = TRUE)
      children <- children_named(crew$controller, crew_workers(crew))
      pids <- vapply(children, function(child) child$process$get_pid(), 1L)
      stats::setNames(pids, child_ids(children))
    }
  )
}

crew_workers <- function(crew) unlist(lapply(crew$managers, function(manager) manager$id))

# Returns whether workers were started. `throttle` does not look for lost ones every time.
scale_crew <- function(crew, throttle, call = caller_env()) {
  if (!is.null(crew$given)) {
    return(FALSE)
  }
  wanted <- min(crew$workers, n_unresolved(crew))
  is_recent <- now() - crew$scaled < supervise_s
  if (throttle && is_recent && length(crew$alive) >= wanted) {
    return(FALSE)
  }
  crew$scaled <- now()
  note_alive(crew, call)
  n <- wanted - length(crew$alive)
  if (n > 0) launch_crew(crew, n)
  n > 0
}

launch_crew <- function(crew, n) {
  if (!is.null(crew$given)) {
    return(invisible())
  }
  config <- if (is.finite(crew$seconds_idle)) "crew" else "localhost"
  asked <- list(
    n, timeout = 0, name_config = config, restart = TRUE, progress = FALSE,
    controller = crew$controller
  )
  asked[names(crew$spawn)] <- crew$spawn
  manager <- do.call(rrq_worker_spawn, asked)
  crew$managers <- c(crew$managers, list(manager))
  crew$alive <- c(crew$alive, manager$id)
}

# A worker that was given up but has registered was able to run tasks; it is they that crash. If
# others cannot even start, there is no use in starting more.
note_alive <- function(crew, call) {
  alive <- lapply(crew$managers, function(manager) manager$is_alive())
  alive <- as.character(unlist(lapply(alive, function(x) names(x)[x])))
  gone <- setdiff(crew$alive, alive)
  crew$alive <- alive
  if (length(gone) == 0) {
    return(invisible())
  }
  known <- worker_states(queue_handle(crew$controller), call)$id
  crew$n_failed <- crew$n_failed + length(setdiff(gone, known))
  if (crew$n_failed >= crew$workers && length(alive) == 0) {
    log <- unlist(lapply(crew$managers, function(manager) manager$logs(NULL)))
    n <- count_of(length(gone), "worker", "workers")
    message <- c(
      sprintf("%s ended before a task could run.", n),
      i = "The end of a log:", stats::setNames(utils::tail(log, 5), rep(" ", min(5, length(log))))
    )
    abort("no_workers", message, call = call)
  }
  is_over <- vapply(crew$managers, function(manager) !any(manager$id %in% alive), NA)
  crew$managers <- crew$managers[!is_over]
}

autoscale_crew <- function(crew, loop, call = caller_env()) {
  if (!requireNamespace("later", quietly = TRUE)) {
    abort("later_missing", "`$autoscale()` needs the package later.", call = call)
  }
  start_crew(crew, call)
  if (!is.null(crew$loop)) {
    return(invisible())
  }
  loop <- loop %||% later::global_loop()
  crew$loop <- loop
  poll <- function() {
    if (identical(crew$loop, loop)) {
      scale_crew(crew, throttle = TRUE)
      later::later(poll, supervise_s, loop = loop)
    }
  }
  poll()
  invisible()
}
