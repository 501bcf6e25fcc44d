# The bar on the error stream while tasks are waited for. It asks the server for what the wait
# itself does not learn, which tasks run and how far they are, at most every `time_poll` seconds,
# whatever the number of tasks: each worker says which task it is at.

# `total` may count smaller things than tasks: each task then is `bar$size` of them, and
# `bar$before` of them were done by other tasks.
task_bar <- function(queue, ids, time_poll = 1, total = length(ids), what = "tasks",
                     env = caller_env()) {
  id <- cli::cli_progress_bar(
    format = "{cli::pb_extra$text}", total = total, extra = list(text = ""), clear = TRUE,
    auto_terminate = FALSE, .envir = env
  )
  rlang::env(
    id = id, env = env, queue = queue, ids = ids, time_poll = time_poll, total = total,
    what = what, size = 1, before = 0, n_failed = 0, began = NULL, work_before = NULL,
    drawn = -Inf, asked = -Inf, n_running = 0, told = list()
  )
}

# The same bar for further tasks, of `size` things each, when `before` things are done.
reuse_bar <- function(bar, ids, before, size) {
  bar$ids <- ids
  bar$before <- before
  bar$size <- size
  bar
}

# The first turn of a wait takes no time: so the bar is there at once.
bar_pause <- function(bar) {
  if (is.null(bar$began)) 0 else bar$time_poll
}

min_draw_s <- 0.1

update_bar <- function(bar, ended) {
  bar$n_failed <- bar$n_failed + sum(ended$status != "COMPLETE")
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
  told <- if (n_open > 0) bar$told
  work <- done + bar$size * sum(vapply(told, function(x) x$fraction, 0))
  work <- min(work, bar$total)
  bar$work_before <- bar$work_before %||% work
  parts <- bar_parts(bar, done, work, if (n_open > 0) bar$n_running else 0, told)
  text <- paste(blocks(work / bar$total), fit_parts(parts, cli::console_width() - n_blocks - 2))
  bar$drawn <- now()
  cli::cli_progress_update(
    set = work, extra = list(text = text), force = TRUE, id = bar$id, .envir = bar$env
  )
}

n_blocks <- 12

blocks <- function(fraction) {
  n <- round(n_blocks * fraction)
  paste0(strrep(cli::symbol$square, n), strrep(cli::symbol$line, n_blocks - n))
}

# How many running tasks are asked for their progress, and of how many it is shown.
max_asked <- 32
max_told <- 3

ask_running <- function(bar) {
  bar$asked <- now()
  states <- rust_call(rs_worker_states(bar$queue))
  running <- intersect(states$task[states$active], bar$ids)
  bar$n_running <- length(running)
  ids <- utils::head(running, max_asked)
  values <- tryCatch(
    rust_call(rs_task_progress(bar$queue, ids)),
    # One of them has ended and was deleted in between.
    rrq_error_task_missing = function(e) NULL
  )
  told <- stats::setNames(lapply(values, read_progress), if (length(values)) ids)
  bar$told <- Filter(Negate(is.null), told)
}

# Progress that can be shown: a fraction, and how it is written.
read_progress <- function(value) {
  if (length(value) != 1) {
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

bar_parts <- function(bar, done, work, n_running, told) {
  running <- min(bar$size * n_running, bar$total - done)
  c(
    done = sprintf("%.0f/%.0f %s", done, bar$total, bar$what),
    failed = count_text(bar$n_failed, "failed"),
    running = count_text(running, "running"),
    waiting = count_text(bar$total - done - running, "waiting"),
    told = told_text(told, length(bar$ids) > 1),
    rate_parts(work - bar$work_before, bar$total - work, now() - bar$began)
  )
}

# On one line: where it is too short, what can be guessed from the rest goes first.
fit_parts <- function(parts, width) {
  for (name in c("waiting", "rate", "running")) {
    if (nchar(paste(parts, collapse = " | ")) > width) parts <- parts[names(parts) != name]
  }
  paste(parts, collapse = " | ")
}

count_text <- function(n, what) {
  if (n > 0) sprintf("%.0f %s", n, what)
}

# Before that much time a rate says nothing.
min_rate_s <- 0.5

# Things done per second since the wait began, and how long the rest takes at that rate.
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

told_text <- function(told, with_ids) {
  shown <- utils::head(told, max_told)
  texts <- vapply(shown, function(x) x$text, "")
  if (with_ids) texts <- paste(substr(names(shown), 1, 8), texts)
  if (length(shown)) paste(texts, collapse = ", ")
}
