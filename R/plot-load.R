# Draws how many workers there were, and how many of them ran a task.

#' @rdname rrq_worker_load
#' @param main The title, a string.
#' @export
plot.worker_load <- function(x, time = Inf, main = "Worker load", ...) {
  curve <- curve_until_now(x, time)
  if (is.null(curve)) draw_nothing("No workers") else draw_load(curve, main, ...)
  invisible(x)
}

# The curve of the last so many minutes, or NULL without workers.
curve_until_now <- function(x, time, call = caller_env()) {
  if (!is_number(time, shortest_plot, infinite = TRUE)) {
    abort_argument("time", "a single number of minutes of at least 1/60", time, call)
  }
  now <- attr(x, "now")
  periods <- attr(x, "periods")
  first <- unlist(lapply(periods, function(worker) worker$alive$from))
  if (length(first) > 0) {
    load_curve(periods, max(now - 60 * time, min(now - 1, first)), now)
  }
}

load_colours <- function() {
  c(used = status_colours[["RUNNING"]], available = status_colours[["DEFERRED"]])
}

# One second: there is little to see in less.
shortest_plot <- 1 / 60

# Means over short spans of time: `from` in seconds before now (negative), `used` and `available`.
load_curve <- function(periods, begin, now, n = 240) {
  breaks <- seq(begin, now, length.out = n + 1)
  mean_of <- function(name) {
    seconds <- lapply(periods, function(worker) diff(time_until(worker[[name]], breaks)))
    Reduce(`+`, seconds) / diff(breaks)
  }
  data.frame(
    from = breaks[-(n + 1)] - now, to = breaks[-1] - now,
    used = mean_of("busy"), available = mean_of("alive")
  )
}

# For how long at least one of the intervals was open until each time.
time_until <- function(intervals, times) {
  if (nrow(intervals) == 0) {
    return(rep(0, length(times)))
  }
  intervals <- intervals[order(intervals$from), ]
  to <- cummax(intervals$to)
  # What the intervals before have covered already.
  from <- pmax(intervals$from, c(-Inf, to[-length(to)]))
  length <- pmax(to - from, 0)
  points <- as.vector(rbind(to - length, to))
  covered <- as.vector(rbind(cumsum(length) - length, cumsum(length)))
  stats::approx(points, covered, times, rule = 2, ties = "max")$y
}

draw_load <- function(curve, main, ...) {
  unit <- time_unit(-curve$from[[1]])
  steps <- function(name) c(curve[[name]], curve[[name]][[nrow(curve)]])
  time <- c(curve$from, 0) / unit
  colours <- load_colours()
  with_par(mar = c(4.1, 4.1, 3.6, 1), code = {
    graphics::plot.new()
    graphics::plot.window(range(time), c(0, max(curve$available, 1) * 1.06), xaxs = "i", yaxs = "i")
    at <- unique(floor(pretty(c(0, max(curve$available, 1)))))
    graphics::abline(h = at, col = "grey92")
    area <- function(values) {
      n <- length(values)
      list(x = rep(time, each = 2)[-c(1, 2 * n)], y = rep(values, each = 2)[-c(2 * n - 1, 2 * n)])
    }
    used <- area(steps("used"))
    graphics::polygon(
      c(used$x[[1]], used$x, 0), c(0, used$y, 0), col = colours[["used"]], border = NA
    )
    available <- area(steps("available"))
    graphics::lines(available$x, available$y, col = colours[["available"]], lwd = 2)
    graphics::axis(1, col = "grey50")
    graphics::axis(2, at, las = 1, col = "grey50")
    graphics::box(col = "grey50")
    graphics::title(main, line = 2, ...)
    graphics::title(xlab = sprintf("Time before now (%s)", names(unit)), ylab = "Workers")
    draw_legend(colours)
  })
}
