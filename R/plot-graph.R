# Draws the graph of dependencies: tasks in layers from left to right, each in the layer after the
# last of its dependencies.

#' @rdname rrq_task_graph
#' @export
plot.rrq_task_graph <- function(x, main = "Task dependencies", ...) {
  if (nrow(x$nodes) == 0) {
    draw_nothing("No tasks")
    return(invisible(x))
  }
  entries <- status_entries(x$nodes$status)
  places <- graph_layout(x)
  with_par(mar = c(1, 1, legend_lines(names(entries)) + 2.6, 1), code = {
    graphics::plot.new()
    graphics::plot.window(
      c(0.5, max(places$layer) + 0.5), c(-0.5, 0.5) * (diff(range(places$y)) + 1),
      xaxs = "i", yaxs = "i"
    )
    style <- box_style(x$nodes, places)
    draw_edges(places, style)
    draw_boxes(x$nodes, places, style)
    graphics::title(main, line = legend_lines(names(entries)) + 1, ...)
    draw_legend(entries)
  })
  invisible(x)
}

# Where the tasks are, first, and the bends of lines that pass a layer: `layer` from the left, `y`
# from below. `lines` are the pieces of edges between neighbouring layers, as positions.
graph_layout <- function(x) {
  ids <- x$nodes$id
  layer <- node_layers(ids, x$edges)
  from <- match(x$edges$from, ids)
  to <- match(x$edges$to, ids)
  pieces <- split_edges(from, to, layer)
  y <- order_layers(pieces$layer, pieces$lines)
  list(n = length(ids), layer = pieces$layer, y = y, lines = pieces$lines)
}

# How many bends there may be; other lines are straight.
most_bends <- 3000

split_edges <- function(from, to, layer) {
  edges <- unique(data.frame(from, to))
  span <- layer[edges$to] - layer[edges$from]
  if (sum(span - 1) > most_bends) {
    return(list(layer = layer, lines = edges))
  }
  bent <- edges[span > 1, ]
  n_bends <- span[span > 1] - 1
  first <- length(layer) + cumsum(c(0, n_bends))[seq_along(n_bends)]
  pieces <- lapply(seq_along(n_bends), function(i) {
    stops <- c(bent$from[[i]], first[[i]] + seq_len(n_bends[[i]]), bent$to[[i]])
    data.frame(from = stops[-length(stops)], to = stops[-1])
  })
  passed <- unlist(lapply(seq_along(n_bends), function(i) {
    layer[[bent$from[[i]]]] + seq_len(n_bends[[i]])
  }))
  lines <- do.call(rbind, c(list(edges[span <= 1, ]), pieces))
  list(layer = c(layer, passed), lines = lines)
}

# Places in each layer, from above, such that few lines cross: a few times in both directions, each
# layer is sorted by the mean place of the neighbours in the last one.
order_layers <- function(layer, lines) {
  place <- stats::ave(seq_along(layer), layer, FUN = function(at) centred(seq_along(at)))
  last <- max(layer)
  for (sweep in 1:4) {
    forward <- sweep %% 2 == 1
    near <- if (forward) lines$from else lines$to
    own <- if (forward) lines$to else lines$from
    for (i in if (forward) seq_len(last)[-1] else rev(seq_len(last - 1))) {
      at <- which(layer == i)
      of <- own %in% at
      means <- tapply(place[near[of]], factor(own[of], at), mean)
      means[is.na(means)] <- place[at][is.na(means)]
      place[at] <- centred(rank(means, ties.method = "first"))
    }
  }
  -place
}

centred <- function(rank) {
  rank - (length(rank) + 1) / 2
}

# Half the width and height of boxes, the size of text, and how many characters fit in a box.
box_style <- function(nodes, places) {
  pin <- graphics::par("pin")
  usr <- graphics::par("usr")
  unit <- c(pin[[1]] / (usr[[2]] - usr[[1]]), pin[[2]] / (usr[[4]] - usr[[3]]))
  longest <- max(nchar(node_names(nodes)), nchar(nodes$status))
  width <- min(0.72, (longest + 3) * graphics::par("cin")[[1]] * 0.8 / unit[[1]])
  cex <- min(0.85, unit[[2]] * 0.75 / (2.6 * graphics::par("csi")))
  height <- min(0.75, 3 * graphics::par("csi") * 0.85 / unit[[2]])
  list(
    x = width / 2, y = height / 2, cex = cex, unit = unit,
    characters = fitting_characters(width * unit[[1]], cex)
  )
}

draw_edges <- function(places, style) {
  lines <- places$lines
  n <- nrow(lines)
  if (n == 0) {
    return(invisible())
  }
  x0 <- places$layer[lines$from] + style$x
  x1 <- places$layer[lines$to] - style$x
  y0 <- places$y[lines$from]
  y1 <- places$y[lines$to]
  colour <- if (n > 300) "#00000030" else "grey40"
  graphics::segments(x0, y0, x1, y1, col = colour)
  # A line that passes a layer is level there, as wide as the boxes, so that it hits none.
  bends <- seq_along(places$layer)[-seq_len(places$n)]
  x <- places$layer[bends]
  graphics::segments(x - style$x, places$y[bends], x + style$x, places$y[bends], col = colour)
  # The heads of very many arrows would be a blot.
  ends <- lines$to <= places$n
  if (n <= 300) {
    length <- min(0.08, style$unit[[2]] * 0.2)
    draw_heads(x0[ends], y0[ends], x1[ends], y1[ends], length, style$unit, colour)
  }
}

# The heads of arrows from (x0, y0) to (x1, y1), so many inches long.
draw_heads <- function(x0, y0, x1, y1, length, unit, colour) {
  dx <- (x1 - x0) * unit[[1]]
  dy <- (y1 - y0) * unit[[2]]
  size <- sqrt(dx^2 + dy^2)
  dx <- dx / size * length
  dy <- dy / size * length
  xs <- rbind(x1, x1 - (dx - dy / 2) / unit[[1]], x1 - (dx + dy / 2) / unit[[1]], NA)
  ys <- rbind(y1, y1 - (dy + dx / 2) / unit[[2]], y1 - (dy - dx / 2) / unit[[2]], NA)
  graphics::polygon(as.vector(xs), as.vector(ys), col = colour, border = NA)
}

draw_boxes <- function(nodes, places, style) {
  at <- seq_len(places$n)
  x <- places$layer[at]
  y <- places$y[at]
  graphics::rect(
    x - style$x, y - style$y, x + style$x, y + style$y,
    col = status_colours[nodes$status], lwd = 0.7,
    border = if (style$y * style$unit[[2]] > 0.03) "grey20" else NA
  )
  # Smaller text cannot be read. The colour tells the status, too, if its name is too long.
  if (style$cex >= 0.3 && style$characters >= 4) {
    text <- shorten(node_names(nodes), style$characters)
    if (max(nchar(nodes$status)) <= style$characters) {
      text <- paste0(text, "\n", nodes$status)
    }
    graphics::text(x, y, text, cex = style$cex, col = status_ink[nodes$status])
  }
}
