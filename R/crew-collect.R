# Waits for the tasks of a crew controller and fetches their results.

crew_collect_methods <- function(crew) {
  list(
    wait = function(mode = "all", seconds_interval = NULL, seconds_timeout = Inf, scale = TRUE,
                    throttle = TRUE, controllers = NULL) {
      check_choice(mode, c("all", "one"))
      check_number(seconds_timeout)
      wait_crew(crew, mode, seconds_timeout, scale, throttle)
    },
    pop = function(scale = TRUE, collect = NULL, throttle = TRUE, error = NULL,
                   controllers = NULL) {
      collect_crew(crew, 1, scale, throttle, error)
    },
    collect = function(scale = TRUE, throttle = TRUE, error = NULL, controllers = NULL) {
      collect_crew(crew, Inf, scale, throttle, error)
    },
    map = function(command, iterate, data = list(), globals = list(), substitute = TRUE,
                   seed = NULL, algorithm = NULL, packages = character(), library = NULL,
                   seconds_interval = NULL, seconds_timeout = NULL, names = NULL,
                   save_command = NULL, error = "stop", warnings = TRUE, verbose = interactive(),
                   scale = TRUE, throttle = TRUE, controller = NULL) {
      if (substitute) command <- substitute(command)
      check_choice(error, c("stop", "warn", "silent"))
      settings <- crew_settings(seed, algorithm, packages, library)
      check_crew_data(data, globals)
      if (length(crew$tasks) > 0) {
        abort("crew_name", "`map()` needs a controller without tasks.", class = "crew_error")
      }
      ids <- walk_crew(crew, command, iterate, data, globals, settings, seconds_timeout, names)
      map_crew(crew, names(ids), error, warnings, scale, throttle)
    },
    cancel = function(names = character(), all = FALSE) {
      check_flag(all)
      names <- if (all) names(crew$tasks) else intersect(names, names(crew$tasks))
      ids <- vapply(names, function(name) crew$tasks[[name]]$id, "")
      if (length(ids) > 0) {
        rrq_task_cancel(unname(ids), FALSE, ended = "ignore", controller = crew$controller)
      }
      invisible()
    }
  )
}

n_unresolved <- function(crew) length(crew$tasks) - length(crew$resolved)

# Which tasks have ended since the last time.
hear_crew <- function(crew) {
  if (!is_crew_started(crew)) {
    return(invisible())
  }
  news <- crew$watch$drain()
  ids <- news$id[!is.na(news$status)]
  if (length(ids) > 0) {
    crew$resolved <- c(crew$resolved, vapply(ids, function(id) crew$names[[id]], ""))
    crew$n_resolved <- crew$n_resolved + length(ids)
    crew$n_failed <- 0
  }
}

wait_crew <- function(crew, mode, timeout, scale, throttle, call = caller_env()) {
  if (length(crew$tasks) == 0) {
    return(mode == "all")
  }
  deadline <- now() + timeout
  repeat {
    hear_crew(crew)
    if (if (mode == "all") n_unresolved(crew) == 0 else length(crew$resolved) > 0) {
      return(invisible(TRUE))
    }
    left <- deadline - now()
    if (left <= 0) {
      return(invisible(FALSE))
    }
    if (scale) scale_crew(crew, throttle, call)
    crew$watch$wait(min(left, supervise_s))
  }
}

# Up to `n` results, or NULL.
collect_crew <- function(crew, n, scale, throttle, error, call = caller_env()) {
  if (!is.null(error)) check_choice(error, c("stop", "warn", "silent"), call = call)
  if (!is_crew_started(crew)) {
    return(NULL)
  }
  if (scale) scale_crew(crew, throttle, call)
  hear_crew(crew)
  names <- utils::head(crew$resolved, n)
  if (length(names) == 0) {
    return(NULL)
  }
  results <- take_crew(crew, names, call)
  failed <- which(results$status != "success")
  if (length(failed) > 0) {
    signal_crew(error, results$error[[failed[[1]]]], call)
  }
  results
}

map_crew <- function(crew, names, error, warnings, scale, throttle, call = caller_env()) {
  wait_crew(crew, "all", Inf, scale, throttle, call)
  results <- take_crew(crew, names, call)
  warned <- which(!is.na(results$warnings))
  if (warnings && length(warned) > 0) {
    text <- "%s had warnings. Those of the first one: \"%s\"."
    counted <- count_of(length(warned), "task", "tasks")
    signal_crew("warn", sprintf(text, counted, results$warnings[[warned[[1]]]]), call)
  }
  failed <- which(results$status != "success")
  if (length(failed) > 0) {
    if (error == "stop") crew$error <- results
    text <- sprintf(
      "%s not successful. The first error: \"%s\".",
      count_of(length(failed), "task was", "tasks were"), results$error[[failed[[1]]]]
    )
    more <- if (error == "stop") "All results are in the field `error` of the controller."
    signal_crew(error, c(text, i = more), call)
  }
  results
}

signal_crew <- function(how, message, call) {
  if (identical(how, "stop")) {
    abort("crew_task", message, class = "crew_error", call = call)
  } else if (identical(how, "warn")) {
    rlang::warn(message, class = c("crew_warning", "rrq_warning_crew_task", "rrq_warning"))
  }
}

# The results of tasks that have ended. They are no tasks of the controller any more when an error
# about crashes is raised.
take_crew <- function(crew, names, call) {
  tasks <- unname(mget(names, envir = crew$tasks))
  ids <- vapply(tasks, function(task) task$id, "")
  taken <- rrq_task_take(ids, warnings = FALSE, controller = crew$controller)
  crew$resolved <- crew$resolved[!crew$resolved %in% names]
  rm(list = names, envir = crew$tasks)
  rm(list = ids, envir = crew$names)
  ends <- Map(crew_end, taken$status, taken$value)
  results <- crew_frame(crew, names, tasks, unname(ends))
  count_ends(crew, results)
  release_globals(crew)
  for (i in seq_along(names)) count_crash(crew, names[[i]], results$status[[i]], call)
  results
}

# How a task has ended, in crew's words and codes.
crew_end <- function(status, value) {
  if (status == "COMPLETE") {
    return(value)
  }
  end <- list(
    result = NA, error = conditionMessage(value), trace = NA_character_,
    warnings = NA_character_, seconds = NA_real_
  )
  how <- switch(status,
    DIED = list(status = "crash", code = 19L),
    CANCELLED = list(status = "cancel", code = 20L),
    TIMEOUT = list(status = "error", code = 5L),
    list(status = "error", code = -1L)
  )
  c(end, how)
}

crew_frame <- function(crew, names, tasks, ends) {
  column <- function(items, field, default) {
    vapply(items, function(item) item[[field]] %||% default, default)
  }
  as_tibble_frame(list(
    name = unname(names),
    command = column(tasks, "command", NA_character_),
    result = lapply(ends, function(end) end$result),
    status = column(ends, "status", NA_character_),
    error = column(ends, "error", NA_character_),
    code = column(ends, "code", NA_integer_),
    trace = column(ends, "trace", NA_character_),
    warnings = column(ends, "warnings", NA_character_),
    seconds = column(ends, "seconds", NA_real_),
    seed = column(tasks, "seed", NA_real_),
    algorithm = column(tasks, "algorithm", NA_character_),
    controller = rep(crew$name, length(names))
  ))
}

count_ends <- function(crew, results) {
  counts <- table(factor(results$status, c("success", "error", "crash", "cancel")))
  more <- c(
    seconds = sum(results$seconds, na.rm = TRUE), counts, warning = sum(!is.na(results$warnings))
  )
  crew$summary <- crew$summary + more[names(crew$summary)]
}

count_crash <- function(crew, name, status, call) {
  if (status != "crash") {
    if (!is.null(crew$crashes[[name]])) rm(list = name, envir = crew$crashes)
    return(invisible())
  }
  n <- (crew$crashes[[name]] %||% 0L) + 1L
  assign(name, n, crew$crashes)
  if (n > crew$crashes_max) {
    message <- c(
      sprintf("The worker of task '%s' was lost %d times in a row.", shorten(name, 60), n),
      i = "It may need more memory than there is. See `crashes_max` of `rrq_crew_controller()`."
    )
    abort("crew_crashes", message, class = "crew_error", call = call)
  }
}
