# The plots of a benchmark: of vignette("performance"), and of tools/bench/run.

read_results <- function(path) {
  utils::read.delim(path, comment.char = "#", na.strings = "", check.names = FALSE, quote = "")
}

# What the comments of the file say of the run: a named character vector.
read_context <- function(path) {
  lines <- grep("^# ", readLines(path), value = TRUE)
  stats::setNames(sub("^# [^:]*: ", "", lines), sub("^# ([^:]*):.*", "\\1", lines))
}

# Okabe and Ito's colours; a system has the same one in all plots.
system_colours <- c(
  rrq = "#D55E00", `rrq tcp` = "#E69F00", PSOCK = "#0072B2", mirai = "#009E73",
  `mirai, no dispatcher` = "#56B4E9", crew = "#CC79A7", future = "#999999",
  `serialize()` = "#000000"
)

colour_of <- function(systems) {
  colours <- system_colours[systems]
  ifelse(is.na(colours), "#555555", colours)
}

# --- the plots: each takes the results, and draws nothing if it has no rows ---------------------

plot_latency <- function(results) {
  rows <- results[results$scenario == "latency" & results$measure == "latency", ]
  rows <- rows[rows$workers == suppressWarnings(min(rows$workers)), ]
  plot_points(rows, "ms per task: median, with a line to the 99th percentile", rows$p99)
}

plot_bulk <- function(results) {
  rows <- results[results$scenario == "bulk" & results$measure == "throughput", ]
  is_last <- function(x) x == suppressWarnings(max(x))
  rows <- rows[is_last(rows$n), ]
  rows <- rows[is_last(rows$workers), ]
  plot_points(rows, "tasks per second: median, with a line to the best round", rows$max)
}

plot_payload <- function(results) {
  rows <- results[results$scenario == "payload" & results$measure == "result", ]
  plot_lines(rows, rows$bytes, "bytes", "ms, result of one task")
}

plot_map <- function(results) {
  rows <- results[results$scenario == "map", ]
  plot_lines(rows, rows$n, "elements", "elements per second")
}

plot_growth <- function(results) {
  rows <- results[results$scenario == "growth" & grepl("[(]tasks[)]", results$measure), ]
  rows <- rows[rows$unit == "us/task", ]
  rows$system <- sub(" [(]tasks[)]", "", rows$measure)
  plot_lines(rows, rows$n, "tasks", "microseconds per task", palette = "Dark 3")
}

plot_workers <- function(results) {
  rows <- results[results$scenario == "growth" & grepl("[(]workers[)]", results$measure), ]
  rows <- rows[rows$unit == "us/task", ]
  rows$system <- sub(" [(]workers[)]", "", rows$measure)
  plot_lines(rows, rows$workers, "workers", "microseconds per task", palette = "Dark 3")
}

plot_depth <- function(results) {
  rows <- results[results$scenario == "depth" & results$unit == "us/task", ]
  rows$system <- rows$measure
  plot_lines(rows, rows$n, "tasks", "microseconds per task", palette = "Dark 3")
}

all_plots <- list(
  latency = plot_latency, bulk = plot_bulk, map = plot_map, payload = plot_payload,
  growth = plot_growth, workers = plot_workers, depth = plot_depth
)

# --- how they are drawn --------------------------------------------------------------------------

# A point per system, on a logarithmic axis, with a line to `to`.
plot_points <- function(rows, label, to) {
  if (nrow(rows) == 0) {
    return(invisible())
  }
  order <- order(rows$median, decreasing = TRUE)
  rows <- rows[order, ]
  ends <- pmax(to[order], rows$median, na.rm = TRUE)
  old <- graphics::par(mar = c(4.5, 11, 1, 1), las = 1)
  on.exit(graphics::par(old))
  at <- seq_len(nrow(rows))
  graphics::plot(
    rows$median, at, log = "x", pch = 19, cex = 1.6, col = colour_of(rows$system),
    xlim = range(rows$median, ends), ylim = range(at) + c(-0.5, 0.5), xlab = label, ylab = "",
    axes = FALSE
  )
  log_axis(1, c(rows$median, ends))
  graphics::axis(2, at, rows$system, tick = FALSE)
  graphics::segments(rows$median, at, ends, at, col = colour_of(rows$system), lwd = 2)
}

# A line per system, both axes logarithmic. `palette` is for lines that are no systems.
plot_lines <- function(rows, x, x_label, y_label, palette = NULL) {
  if (nrow(rows) == 0) {
    return(invisible())
  }
  systems <- unique(rows$system)
  colours <- if (is.null(palette)) {
    colour_of(systems)
  } else {
    grDevices::hcl.colors(length(systems), palette)
  }
  old <- graphics::par(mar = c(4.5, 4.5, 1, 12), las = 1, xpd = TRUE)
  on.exit(graphics::par(old))
  graphics::plot(
    x, rows$median, log = "xy", type = "n", xlab = x_label, ylab = y_label, axes = FALSE
  )
  log_axis(1, x)
  log_axis(2, rows$median)
  for (i in seq_along(systems)) {
    of_system <- rows$system == systems[[i]]
    at <- order(x[of_system])
    graphics::lines(
      x[of_system][at], rows$median[of_system][at], type = "o", pch = 19, lwd = 2,
      col = colours[[i]]
    )
  }
  graphics::legend(
    10^graphics::par("usr")[[2]], 10^graphics::par("usr")[[4]], systems,
    col = colours, lwd = 2, pch = 19, bty = "n"
  )
}

# Labels at powers of ten; if there are few of them, also between.
log_axis <- function(side, x) {
  powers <- 10^(floor(log10(min(x))):ceiling(log10(max(x))))
  steps <- if (length(powers) > 3) 1 else c(1, 2, 5)
  at <- sort(as.vector(outer(powers, steps)))
  range <- 10^graphics::par("usr")[if (side == 1) 1:2 else 3:4]
  at <- at[at >= range[[1]] & at <= range[[2]]]
  graphics::axis(side, at, tick_label(at))
}

tick_label <- function(x) {
  x <- ifelse(is.na(x), 0, x)
  unit <- findInterval(x, c(0, 1e3, 1e6, 1e9))
  paste0(format(x / 1e3^(unit - 1), drop0trailing = TRUE, trim = TRUE, scientific = FALSE),
    c("", " k", " M", " G")[unit]
  )
}

# One PNG per plot that has data: <stem>-<name>.png. Returns their paths.
draw_plots <- function(results, stem) {
  has_rows <- vapply(names(all_plots), function(name) {
    scenario <- if (name == "workers") "growth" else name
    any(results$scenario == scenario)
  }, NA)
  paths <- sprintf("%s-%s.png", stem, names(all_plots)[has_rows])
  device <- png_device()
  if (is.null(device)) {
    message("No plots: this R can draw no PNG")
    return(character())
  }
  Map(function(plot, path) {
    device(path)
    on.exit(grDevices::dev.off())
    plot(results)
  }, all_plots[has_rows], paths)
  unname(paths)
}

# Without a display, png() needs cairo.
png_device <- function() {
  if (requireNamespace("ragg", quietly = TRUE)) {
    return(function(path) ragg::agg_png(path, 900, 500, res = 110))
  }
  if (capabilities("cairo")) {
    return(function(path) grDevices::png(path, 900, 500, res = 110, type = "cairo"))
  }
  NULL
}
