# The progress bar of waits for tasks, on the error stream. The wait itself does not know which
# tasks are running, nor their progress: the bar asks the server at most every `time_poll` seconds.
# It looks up the current task of each worker, so the cost does not depend on the number of tasks.

# `total` may count smaller units than tasks: each task is then `bar$size` units, and earlier tasks
# account for `bar$before` units.
task_bar <- function(handle, ids, time_poll = 1, total = length(ids), what = "tasks",
                     env = caller_env()) {
  rlang::env(
    id = NULL, env = env, handle = handle, ids = ids, time_poll = time_poll, total = total,
    what = what, size = 1, before = 0, n_failed = 0, n_complete = 0, began = NULL,
    work_before = NULL, drawn = -Inf, asked = -Inf, n_running = 0, progress = list(),
    summed_up = FALSE
  )
}

# Runs a wait that draws `bar`, if there is one. Whatever else is printed, above all an error that
# ends the wait, must not appear behind the bar, on its line. So the bar goes first. On an interrupt
# it goes last: cli fails now and then if its functions are called on top of interrupted code.
with_bar <- function(bar, code) {
  if (is.null(bar)) {
    return(code)
  }
  on.exit(end_bar(bar))
  # What cli prints, such as the bar itself, it keeps apart from the bar.
  hide <- function(condition) if (!inherits(condition, "cliMessage")) hide_bar(bar)
  end <- function(condition) end_bar(bar)
  withCallingHandlers(code, error = end, message = hide, warning = hide)
}

# The next update draws it again.
#
# Whatever calls cli for a bar suspends interrupts, here and for other bars: one in the middle
# leaves cli with half a bar, and its clean-up then fails in place of the interrupt.
hide_bar <- function(bar) {
  suspendInterrupts({
    if (!is.null(bar$id)) cli::cli_progress_done(bar$id, .envir = bar$env)
    bar$id <- NULL
  })
}

end_bar <- function(bar) {
  hide_bar(bar)
  if (!bar$summed_up && !is.null(bar$began)) {
    bar$summed_up <- TRUE
    text <- bar_summary(bar)
    bullet <- if (bar$n_failed > 0) "x" else if (bar$n_complete < bar$total) "!" else "v"
    cli::cli_inform(stats::setNames("{text}", bullet))
  }
}

# What came out. The elements of a task that failed are left, except one.
bar_summary <- function(bar) {
  left <- bar$total - bar$n_complete - bar$n_failed
  elapsed <- now() - bar$began
  parts <- c(
    sprintf("%.0f of %.0f done", bar$n_complete, bar$total),
    count_text(bar$n_failed, "failed"),
    count_text(left, "left"),
    if (elapsed >= 1) paste("in", format_seconds(elapsed))
  )
  paste(parts, collapse = ", ")
}

# The same bar for more tasks of `size` units each, after `before` units are done.
reuse_bar <- function(bar, ids, before, size) {
  bar$ids <- ids
  bar$before <- before
  bar$size <- size
  bar
}

# What is known to be done after a wave of tasks.
settle_bar <- function(bar, done) {
  bar$n_complete <- done
  draw_bar(bar, done, 0)
}

# The first slice of a wait takes no time, so that the bar appears at once.
bar_pause <- function(bar) {
  if (is.null(bar$began)) 0 else bar$time_poll
}

min_draw_s <- 0.1

update_bar <- function(bar, ended) {
  complete <- ended$status == "COMPLETE"
  bar$n_failed <- bar$n_failed + sum(!complete)
  # The last task may have fewer units.
  bar$n_complete <- min(bar$total, bar$n_complete + bar$size * sum(complete))
  done <- min(bar$total, bar$before + bar$size * (length(bar$ids) - ended$open))
  if (is.null(bar$began)) {
    bar$began <- now()
  }
  if (now() - bar$drawn < min_draw_s && ended$open > 0) {
    return(invisible())
  }
  if (now() - bar$asked >= 0.9 * bar$time_poll && ended$open > 0) {
    ask_running(bar)
  }
  draw_bar(bar, done, ended$open)
}

draw_bar <- function(bar, done, n_open) {
  progress <- if (n_open > 0) bar$progress
  work <- done + bar$size * sum(vapply(progress, function(x) x$fraction, 0))
  work <- min(work, bar$total)
  bar$work_before <- bar$work_before %||% work
  parts <- bar_parts(bar, done, work, if (n_open > 0) bar$n_running else 0, progress)
  text <- paste(blocks(work / bar$total), fit_parts(parts, cli::console_width() - n_blocks - 2))
  bar$drawn <- now()
  suspendInterrupts({
    if (is.null(bar$id)) open_bar(bar)
    cli::cli_progress_update(
      set = work, extra = list(text = text), force = TRUE, id = bar$id, .envir = bar$env
    )
  })
}

open_bar <- function(bar) {
  bar$id <- cli::cli_progress_bar(
    format = "{cli::pb_extra$text}", total = bar$total, extra = list(text = ""), clear = TRUE,
    auto_terminate = FALSE, .envir = bar$env
  )
}

n_blocks <- 12

blocks <- function(fraction) {
  n <- round(n_blocks * fraction)
  paste0(strrep(cli::symbol$square, n), strrep(cli::symbol$line, n_blocks - n))
}

# For how many running tasks progress is fetched, and for how many it is shown.
max_asked <- 32
max_shown <- 3

ask_running <- function(bar) {
  bar$asked <- now()
  states <- rust_call(rs_worker_states(bar$handle))
  running <- intersect(states$task[states$active], bar$ids)
  bar$n_running <- length(running)
  ids <- utils::head(running, max_asked)
  values <- tryCatch(
    rust_call(rs_task_progress(bar$handle, ids)),
    # One of them was deleted in the meantime.
    rrq_error_task_missing = function(e) NULL
  )
  progress <- stats::setNames(lapply(values, read_progress), if (length(values)) ids)
  bar$progress <- Filter(Negate(is.null), progress)
}

# Progress that can be shown: a fraction and its text.
read_progress <- function(value) {
  if (is.list(value)) {
    field <- function(name) if (is.atomic(value[[name]])) read_progress(value[[name]])
    field("value") %||% field("message")
  } else if (length(value) != 1) {
    NULL
  } else if (is.double(value)) {
    read_fraction(value)
  } else if (is.character(value)) {
    read_counts(value)
  }
}

read_fraction <- function(value) {
  if (isTRUE(value >= 0 && value <= 1)) {
    list(fraction = as.numeric(value), text = sprintf("%d%%", floor(100 * value)))
  }
}

read_counts <- function(value) {
  counts <- "^\\s*([0-9]+)\\s*(/|of)\\s*([0-9]+)\\s*$"
  if (grepl(counts, value)) {
    at <- as.numeric(sub(counts, "\\1", value))
    of <- as.numeric(sub(counts, "\\3", value))
    list(fraction = if (of > 0) min(1, at / of) else 0, text = sprintf("%.0f/%.0f", at, of))
  }
}

bar_parts <- function(bar, done, work, n_running, progress) {
  running <- min(bar$size * n_running, bar$total - done)
  c(
    done = sprintf("%.0f/%.0f %s", done, bar$total, bar$what),
    failed = count_text(bar$n_failed, "failed"),
    running = count_text(running, "running"),
    waiting = count_text(bar$total - done - running, "waiting"),
    progress = progress_text(progress, length(bar$ids) > 1),
    rate_parts(work - bar$work_before, bar$total - work, now() - bar$began)
  )
}

# On one line; if it is too narrow, parts that follow from the others are dropped first.
fit_parts <- function(parts, width) {
  for (name in c("waiting", "rate", "running")) {
    if (nchar(paste(parts, collapse = " | ")) > width) parts <- parts[names(parts) != name]
  }
  paste(parts, collapse = " | ")
}

count_text <- function(n, what) {
  if (n > 0) sprintf("%.0f %s", n, what)
}

# A rate over less time would be meaningless.
min_rate_s <- 0.5

# Units per second since the wait began, and the remaining time at that rate.
rate_parts <- function(done, left, elapsed) {
  if (done <= 0 || elapsed < min_rate_s) {
    return(NULL)
  }
  rate <- done / elapsed
  digits <- if (rate < 10) 1 else 0
  c(
    rate = if (rate < 0.1) sprintf("%.1f/min", 60 * rate) else sprintf("%.*f/s", digits, rate),
    eta = if (left > 0) paste("ETA", format_seconds(left / rate))
  )
}

format_seconds <- function(seconds) {
  seconds <- ceiling(seconds)
  if (seconds < 60) {
    sprintf("%.0fs", seconds)
  } else if (seconds < 3600) {
    sprintf("%.0fm %.0fs", seconds %/% 60, seconds %% 60)
  } else {
    sprintf("%.0fh %.0fm", seconds %/% 3600, seconds %% 3600 %/% 60)
  }
}

progress_text <- function(progress, with_ids) {
  shown <- utils::head(progress, max_shown)
  texts <- vapply(shown, function(x) x$text, "")
  if (with_ids) texts <- paste(substr(names(shown), 1, 8), texts)
  if (length(shown)) paste(texts, collapse = ", ")
}
