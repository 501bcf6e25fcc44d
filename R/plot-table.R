#' Task timeline
#'
#' Draws when tasks waited and when they ran: one line per task, from the top in the order in which
#' they started, grouped by worker. Grey is the time from submission to the start of the last
#' attempt, the colour of its status the time from then on. A task that has ended without being
#' started has a mark of that colour at its end.
#'
#' @param x A table of tasks from [rrq_task_table()], or some of its rows.
#' @param labels Whether to write the label of each task beside its line. `NULL` (the default) is
#'   yes for up to 30 tasks. More than 300
#'   tasks have none, and those of a worker share one line, with the number of waiting tasks below.
#' @param now The time up to which tasks are drawn that have not ended, a `POSIXct`. `NULL` (the
#'   default) is the time of the table, by the server's clock.
#' @param main The title, a string.
#' @param ... Other graphical parameters, passed to [graphics::title()]; `autoplot()` ignores them.
#' @return `x`, invisibly. Rows of `NA` are not drawn; a message says how many. `autoplot()`, with
#'   ggplot2 attached, returns the same picture as a `ggplot`, to which you can add themes and
#'   scales.
#' @seealso [rrq_task_graph()] draws dependencies, [rrq_worker_load()] the load of workers.
#' @order 1
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, worker_id_base = "w", controller = r)
#' ids <- rrq_task_create_bulk_call(Sys.sleep, c(0.3, 0.1, 0.1, 0.2), label = letters[1:4],
#'   controller = r
#' )
#' rrq_task_wait(ids, controller = r)
#' plot(rrq_task_table(ids, controller = r))
#' w$stop()
#' rrq_destroy(controller = r)
#' server$stop()
plot.rrq_task_table <- function(x, labels = NULL, now = NULL, main = "Tasks by worker", ...) {
  check_table_columns(x)
  check_flag(labels, null = TRUE)
  check_now(now)
  x <- known_tasks(x)
  if (nrow(x) == 0) {
    draw_nothing("No tasks")
    return(invisible(x))
  }
  lanes <- timeline(x, as.numeric(now %||% attr(x, "now") %||% latest_time(x)))
  draw_timeline(lanes, labels %||% (nrow(x) <= 30), main, ...)
  invisible(x)
}

check_table_columns <- function(x, call = caller_env()) {
  needed <- c("label", "status", "worker", "submitted", "started", "ended")
  absent <- setdiff(needed, names(x))
  if (length(absent) > 0) {
    message <- sprintf(
      "A timeline needs all columns of `rrq_task_table()`. Not there: %s.", toString(absent)
    )
    abort("argument", message, argument = "x", call = call)
  }
}

check_now <- function(now, call = caller_env()) {
  is_time <- inherits(now, "POSIXct") || (is.numeric(now) && !is.object(now))
  if (!is.null(now) && !(is_time && length(now) == 1 && is.finite(now))) {
    abort_argument("now", "a single POSIXct, or NULL", now, call)
  }
}

# Rows of NA come from an index that is not in the table.
known_tasks <- function(x) {
  is_known <- !is.na(x$status) & !is.na(x$submitted)
  n <- sum(!is_known)
  if (n > 0) {
    cli::cli_inform(c("!" = "{n} row{?s} of NA {?is/are} not drawn."))
  }
  x[is_known, ]
}

latest_time <- function(x) {
  times <- c(as.numeric(x$submitted), as.numeric(x$started), as.numeric(x$ended))
  max(times, na.rm = TRUE)
}

# The tasks in the order in which they are drawn, with times in seconds after the first submission,
# which is `origin`. `y` counts from the top. A task has a line of its own, with a gap between
# workers; of very many, those of a worker share one (`compact`).
timeline <- function(x, now, compact = nrow(x) > most_lines) {
  origin <- min(as.numeric(x$submitted))
  seconds <- function(time) as.numeric(time) - origin
  submitted <- seconds(x$submitted)
  started <- seconds(x$started)
  ended <- seconds(x$ended)
  end <- pmax(ifelse(is.na(ended), now - origin, ended), submitted, started, na.rm = TRUE)
  worker <- ifelse(is.na(started) | is.na(x$worker), no_worker, x$worker)
  workers <- natural_order(if (compact) setdiff(worker, no_worker) else worker)
  at <- order(match(worker, workers), ifelse(is.na(started), submitted, started), submitted)
  tasks <- data.frame(
    label = x$label, status = x$status, worker = worker,
    submitted = submitted, started = started, end = end
  )[at, ]
  lane <- match(tasks$worker, workers)
  gap <- 0.03 * nrow(x) + 0.3
  tasks$y <- if (compact) lane else seq_along(at) + gap * (lane - 1)
  list(tasks = tasks, workers = workers, origin = origin, compact = compact)
}

most_lines <- 300

no_worker <- "(no worker)"

# Distinct names with w_2 before w_10, and those without a worker last.
natural_order <- function(names) {
  names <- unique(names)
  number <- suppressWarnings(as.numeric(sub(".*?([0-9]*)$", "\\1", names, perl = TRUE)))
  names[order(names == no_worker, sub("[0-9]*$", "", names), number)]
}

draw_timeline <- function(lanes, labels, main, ...) {
  entries <- timeline_entries(lanes$tasks)
  n_legend <- legend_lines(names(entries))
  margins <- c(4.1, name_margin(c(lanes$workers, "(up to 00000)")), n_legend + 2.6, 1)
  unit <- time_unit(max(lanes$tasks$end))
  with_par(mar = margins, code = {
    if (lanes$compact) draw_compact(lanes, unit) else draw_lines(lanes, labels, unit)
    graphics::box(col = "grey50")
    start <- format(.POSIXct(lanes$origin), "%Y-%m-%d %H:%M:%S")
    graphics::title(main, line = n_legend + 1, ...)
    graphics::title(xlab = sprintf("Time since %s (%s)", start, names(unit)), line = 2.5)
    draw_legend(entries)
  })
}

# The width of the margin for these names, in lines, at most a third of the picture.
name_margin <- function(names) {
  line <- graphics::par("csi")
  inches <- max(nchar(names)) * graphics::par("cin")[[1]] * 0.65 + 1.2 * line
  min(inches, graphics::par("din")[[1]] / 3) / line
}

timeline_entries <- function(tasks) {
  entries <- status_entries(tasks$status)
  waited <- is.na(tasks$started) | tasks$started > tasks$submitted
  is_pending <- startsWith(names(entries), "PENDING")
  if (any(is_pending)) {
    names(entries)[is_pending] <- paste("waiting,", names(entries)[is_pending])
  } else if (any(waited)) {
    entries <- c(waiting = status_colours[["PENDING"]], entries)
  }
  entries
}

draw_lines <- function(lanes, labels, unit) {
  tasks <- lanes$tasks
  # Labels are written to the right of their lines.
  room <- if (labels && !all(is.na(tasks$label))) 0.25 else 0.02
  space <- max(0.8, (6 - nrow(tasks)) / 2)
  draw_frame(max(tasks$end), room, rev(range(tasks$y) + c(-space, space)), unit)
  by_worker <- function(f) as.vector(tapply(tasks$y, factor(tasks$worker, lanes$workers), f))
  n <- length(lanes$workers)
  graphics::abline(h = (by_worker(max)[-n] + by_worker(min)[-1]) / 2, col = "grey70")
  name_lanes(lanes$workers, by_worker(mean))
  draw_bars(tasks, unit)
  if (labels) {
    write_labels(tasks, unit)
  }
}

draw_frame <- function(seconds, room, ylim, unit) {
  width <- max(seconds, 1e-3) / unit
  graphics::plot.new()
  graphics::plot.window(c(0, width * (1 + room)), ylim, xaxs = "i", yaxs = "i")
  at <- pretty(c(0, width))
  at <- at[at <= width * (1 + room)]
  graphics::abline(v = at, col = "grey92")
  graphics::axis(1, at, col = "grey50")
}

# Names in the left margin; of those that would overlap, axis() leaves some out.
name_lanes <- function(names, at) {
  room <- fitting_characters(graphics::par("mai")[[2]] - graphics::par("csi"), 0.9)
  texts <- shorten_middle(names, room)
  graphics::axis(2, at, texts, las = 1, tick = FALSE, line = -0.5, cex.axis = 0.9)
}

draw_bars <- function(tasks, unit) {
  thin <- nrow(tasks) > 60
  # Thin lines have no gap between them.
  half <- if (thin) 0.5 else 0.4
  waits_until <- ifelse(is.na(tasks$started), tasks$end, tasks$started) / unit
  half_wait <- if (thin) half else half / 2
  graphics::rect(
    tasks$submitted / unit, tasks$y - half_wait, waits_until, tasks$y + half_wait,
    col = status_colours[["PENDING"]], border = NA
  )
  draw_runs(tasks, half, unit, border = if (!thin) "grey20")
  unstarted <- is.na(tasks$started) & !tasks$status %in% c("PENDING", "DEFERRED")
  graphics::points(
    tasks$end[unstarted] / unit, tasks$y[unstarted],
    pch = 23, bg = status_colours[tasks$status[unstarted]], col = "grey20", cex = 0.9
  )
}

draw_runs <- function(tasks, half, unit, border = NULL) {
  ran <- tasks[!is.na(tasks$started), ]
  # What is rare must not be hidden by what is not.
  ran <- ran[order(ran$status != "COMPLETE"), ]
  colours <- status_colours[ran$status]
  # The border keeps visible what ran for a moment.
  graphics::rect(
    ran$started / unit, ran$y - half, ran$end / unit, ran$y + half,
    col = colours, border = border %||% colours, lwd = 0.5
  )
}

write_labels <- function(tasks, unit) {
  tasks <- tasks[!is.na(tasks$label), ]
  if (nrow(tasks) > 0) {
    end <- tasks$end / unit
    edge <- graphics::par("usr")[[2]]
    room <- (edge - end) * graphics::par("pin")[[1]] / edge
    texts <- mapply(shorten, tasks$label, fitting_characters(room, 0.75) - 2)
    graphics::text(end, tasks$y, texts, pos = 4, cex = 0.75, offset = 0.4)
  }
}

# A line per worker, and below how many tasks waited.
draw_compact <- function(lanes, unit) {
  tasks <- lanes$tasks
  n <- length(lanes$workers)
  height <- max(1, n / 4)
  base <- n + 0.6 + height
  draw_frame(max(tasks$end), 0.02, c(base + 0.1, 0.4), unit)
  draw_runs(tasks[!is.na(tasks$started), ], 0.4, unit)
  waiting <- waiting_steps(tasks)
  most <- max(waiting$count)
  top <- base - (height - 0.2) * waiting$count / max(most, 1)
  last <- length(top)
  graphics::polygon(
    rep(waiting$time, each = 2)[-1] / unit, c(base, rep(top[-last], each = 2)),
    col = status_colours[["PENDING"]], border = "grey50"
  )
  graphics::abline(h = n + 0.6, col = "grey70")
  name_lanes(
    c(lanes$workers, "waiting", sprintf("(up to %d)", most)),
    c(seq_len(n), base - height / 2 + c(-0.12, 0.12) * height)
  )
}

# How many tasks waited from each time on.
waiting_steps <- function(tasks) {
  until <- ifelse(is.na(tasks$started), tasks$end, tasks$started)
  time <- c(tasks$submitted, until)
  change <- rep(c(1, -1), each = nrow(tasks))
  at <- order(time)
  count <- cumsum(change[at])
  is_last <- !duplicated(time[at], fromLast = TRUE)
  list(time = time[at][is_last], count = count[is_last])
}
