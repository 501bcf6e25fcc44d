# The same pictures for ggplot2, whose users change scales, themes and facets by adding to them. It
# is no dependency: the methods are registered when it is loaded, and all its functions are taken
# from its namespace.

# Columns of the data of a layer.
utils::globalVariables(".data")

register_autoplot <- function() {
  methods <- list(
    rrq_task_table = autoplot.rrq_task_table,
    rrq_task_graph = autoplot.rrq_task_graph,
    worker_load = autoplot.worker_load
  )
  when_loaded("ggplot2", function() register_methods("autoplot", methods, "ggplot2"))
}

#' @rdname plot.rrq_task_table
#' @usage \method{autoplot}{rrq_task_table}(object, labels = NULL, now = NULL, ...)
#' @param object As `x`.
autoplot.rrq_task_table <- function(object, labels = NULL, # nolint: object_name_linter.
                                    now = NULL, ...) {
  check_table_columns(object)
  check_flag(labels, null = TRUE)
  check_now(now)
  now <- as.numeric(now %||% attr(object, "now") %||% latest_time(object))
  object <- known_tasks(object)
  if (nrow(object) == 0) {
    return(autoplot_nothing("No tasks"))
  }
  autoplot_timeline(timeline(object, now), labels %||% (nrow(object) <= 30))
}

autoplot_timeline <- function(lanes, labels) {
  gg <- getNamespace("ggplot2")
  tasks <- lanes$tasks
  unit <- time_unit(max(tasks$end))
  start <- format(.POSIXct(lanes$origin), "%Y-%m-%d %H:%M:%S")
  picture <- gg$ggplot() +
    (if (lanes$compact) waiting_layers(gg, lanes, unit) else line_layers(gg, lanes, unit)) +
    gg$scale_fill_manual(NULL, values = c(waiting = status_colours[["PENDING"]], status_colours)) +
    gg$scale_colour_manual(values = status_colours, guide = "none") +
    gg$labs(x = sprintf("Time since %s (%s)", start, names(unit)), y = NULL) +
    gg$theme_minimal() + gg$theme(panel.grid.minor = gg$element_blank(), legend.position = "top")
  tasks <- tasks[labels & !is.na(tasks$label), ]
  if (nrow(tasks) == 0) {
    return(picture)
  }
  picture + gg$geom_text(
    gg$aes(.data$end / unit, .data$y, label = paste0(" ", shorten(.data$label, 30))), tasks,
    hjust = 0, size = 3
  ) + gg$scale_x_continuous(expand = gg$expansion(c(0.02, 0.25)))
}

# A line per task, waiting in grey and running in the colour of its status.
line_layers <- function(gg, lanes, unit) {
  tasks <- lanes$tasks
  waited <- data.frame(
    from = tasks$submitted, to = ifelse(is.na(tasks$started), tasks$end, tasks$started),
    y = tasks$y
  )
  unstarted <- is.na(tasks$started) & !tasks$status %in% c("PENDING", "DEFERRED")
  places <- as.vector(tapply(tasks$y, factor(tasks$worker, lanes$workers), mean))
  list(
    gg$geom_rect(
      gg$aes(
        xmin = .data$from / unit, xmax = .data$to / unit, ymin = .data$y - 0.25,
        ymax = .data$y + 0.25, fill = "waiting"
      ),
      waited
    ),
    run_layer(gg, tasks, unit),
    gg$geom_point(
      gg$aes(.data$end / unit, .data$y, fill = .data$status), tasks[unstarted, ],
      shape = 23, size = 2.5, show.legend = FALSE
    ),
    gg$scale_y_reverse(breaks = places, labels = lanes$workers)
  )
}

run_layer <- function(gg, tasks, unit) {
  ran <- tasks[!is.na(tasks$started), ]
  # What is rare must not be hidden by what is not.
  ran <- ran[order(ran$status != "COMPLETE"), ]
  gg$geom_rect(
    gg$aes(
      xmin = .data$started / unit, xmax = .data$end / unit, ymin = .data$y - 0.4,
      ymax = .data$y + 0.4, fill = .data$status, colour = .data$status
    ),
    ran,
    linewidth = 0.2, show.legend = TRUE
  )
}

# A line per worker, and below how many tasks waited.
waiting_layers <- function(gg, lanes, unit) {
  tasks <- lanes$tasks
  n <- length(lanes$workers)
  waiting <- waiting_steps(tasks)
  most <- max(waiting$count, 1)
  height <- max(1, n / 4)
  base <- n + 0.6 + height
  last <- length(waiting$time)
  area <- data.frame(
    from = waiting$time[-last], to = waiting$time[-1],
    top = base - height * waiting$count[-last] / most, base = rep(base, last - 1)
  )
  names <- c(lanes$workers, sprintf("waiting\n(up to %d)", max(waiting$count)))
  list(
    run_layer(gg, tasks, unit),
    gg$geom_rect(
      gg$aes(
        xmin = .data$from / unit, xmax = .data$to / unit, ymin = .data$top, ymax = .data$base,
        fill = "waiting"
      ),
      area
    ),
    gg$scale_y_reverse(breaks = c(seq_len(n), base - height / 2), labels = names)
  )
}

#' @rdname rrq_task_graph
#' @usage \method{autoplot}{rrq_task_graph}(object, ...)
#' @param object As `x`.
autoplot.rrq_task_graph <- function(object, ...) { # nolint: object_name_linter.
  if (nrow(object$nodes) == 0) {
    return(autoplot_nothing("No tasks"))
  }
  gg <- getNamespace("ggplot2")
  places <- graph_layout(object)
  at <- seq_len(places$n)
  boxes <- data.frame(
    x = places$layer[at], y = places$y[at], status = object$nodes$status,
    text = paste0(shorten(node_names(object$nodes), 16), "\n", object$nodes$status)
  )
  gg$ggplot() +
    edge_layers(gg, places) +
    gg$geom_tile(
      gg$aes(.data$x, .data$y, fill = .data$status), boxes,
      width = 0.7, height = 0.7, colour = "grey20", linewidth = 0.2
    ) +
    gg$geom_text(
      gg$aes(.data$x, .data$y, label = .data$text, colour = .data$status), boxes,
      size = 3, lineheight = 0.9, show.legend = FALSE
    ) +
    gg$scale_fill_manual(NULL, values = status_colours) +
    gg$scale_colour_manual(values = status_ink) +
    gg$theme_void() + gg$theme(legend.position = "top")
}

# The pieces of edges; those that end at a task have a head. Between its pieces, an edge that passes
# a layer is level there.
edge_layers <- function(gg, places) {
  lines <- places$lines
  half <- 0.35
  pieces <- data.frame(
    x = places$layer[lines$from] + half, xend = places$layer[lines$to] - half,
    y = places$y[lines$from], yend = places$y[lines$to]
  )
  ends <- lines$to <= places$n
  bends <- seq_along(places$layer)[-seq_len(places$n)]
  level <- data.frame(
    x = places$layer[bends] - half, xend = places$layer[bends] + half, y = places$y[bends],
    yend = places$y[bends]
  )
  segments <- function(data, arrow = NULL) {
    gg$geom_segment(
      gg$aes(.data$x, .data$y, xend = .data$xend, yend = .data$yend), data,
      colour = "grey40", arrow = arrow
    )
  }
  # These are of grid, and ggplot2 exports them as well.
  unit <- getExportedValue("ggplot2", "unit")
  head <- getExportedValue("ggplot2", "arrow")(length = unit(2, "mm"), type = "closed")
  list(segments(rbind(pieces[!ends, ], level)), segments(pieces[ends, ], head))
}

#' @rdname rrq_worker_load
#' @usage \method{autoplot}{worker_load}(object, time = Inf, ...)
#' @param object As `x`.
autoplot.worker_load <- function(object, time = Inf, ...) { # nolint: object_name_linter.
  curve <- curve_until_now(object, time)
  if (is.null(curve)) {
    return(autoplot_nothing("No workers"))
  }
  gg <- getNamespace("ggplot2")
  unit <- time_unit(-curve$from[[1]])
  colours <- load_colours()
  steps <- rbind(curve, replace(curve[nrow(curve), ], "from", 0))
  gg$ggplot() +
    gg$geom_rect(
      gg$aes(
        xmin = .data$from / unit, xmax = .data$to / unit, ymin = 0, ymax = .data$used,
        fill = "used"
      ),
      curve
    ) +
    gg$geom_step(gg$aes(.data$from / unit, .data$available, colour = "available"), steps) +
    gg$scale_fill_manual(NULL, values = colours) +
    gg$scale_colour_manual(NULL, values = colours) +
    gg$expand_limits(y = 0:1) +
    gg$labs(x = sprintf("Time before now (%s)", names(unit)), y = "Workers") +
    gg$theme_minimal() + gg$theme(panel.grid.minor = gg$element_blank(), legend.position = "top")
}

# An empty picture that says why it is empty.
autoplot_nothing <- function(text) {
  gg <- getNamespace("ggplot2")
  gg$ggplot() + gg$annotate("text", 0, 0, label = text, colour = "grey30") + gg$theme_void()
}
