#' Task graph
#'
#' Finds the dependencies between tasks, to print, draw or export them.
#'
#' @param task_ids A character vector of task ids. The graph has these, everything that they depend
#'   on and everything that depends on them, directly or not.
#' @inheritParams rrq_destroy
#' @param x An `rrq_task_graph`.
#' @param type The language: `"mermaid"`, for example for R Markdown and GitHub, or `"dot"`, for
#'   Graphviz.
#' @param main The title, a string.
#' @param ... Other graphical parameters, passed to [graphics::title()]; not used otherwise.
#' @return `rrq_task_graph()`: an `rrq_task_graph`, a list of two data frames.
#'   * `nodes` has one row per task, dependencies before their dependants: `id`, `label` (`NA` if
#'     there is none) and `status`, which is `MISSING` for a deleted task.
#'   * `edges` has one row per dependency: `from`, `to`, and `name`, the name under which the task
#'     `to` uses the value of `from`, or `NA`.
#'
#'   `format()`: a character vector, the lines of the graph in that language. `as.data.frame()`: the
#'   edges. `plot()` draws a box per task, from left to right, in the colour of its status;
#'   `autoplot()` returns that picture as a `ggplot`, if ggplot2 is attached.
#' @section Errors: `rrq_error_task_missing` lists the unknown ids.
#' @seealso `depends_on` of [rrq_task_create_expr()].
#' @order 1
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' a <- rrq_task_create_expr(rnorm(10), label = "draws", controller = r)
#' b <- rrq_task_create_expr(mean(draws), depends_on = c(draws = a), label = "mean",
#'   controller = r
#' )
#' graph <- rrq_task_graph(c(a, b), controller = r)
#' graph
#' cat(format(graph), sep = "\n")
#' plot(graph)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_graph <- function(task_ids, controller = NULL) {
  task_ids <- unique(check_ids(task_ids))
  handle <- queue_handle(controller)
  edges <- edges_of(handle, task_ids)
  ids <- unique(c(edges$from, edges$to, task_ids))
  found <- rust_call(rs_task_table(handle, ids, list()))
  at <- match(ids, found$id)
  nodes <- data.frame(
    id = ids,
    label = replace(found$label[at], !nzchar(found$label[at]), NA),
    status = ifelse(is.na(at), "MISSING", found$status[at])
  )
  new_graph(nodes, edges)
}

new_graph <- function(nodes, edges) {
  layer <- node_layers(nodes$id, edges)
  nodes <- nodes[order(layer), , drop = FALSE]
  row.names(nodes) <- NULL
  structure(list(nodes = nodes, edges = edges), class = "rrq_task_graph")
}

# All dependencies of and between these tasks, once each.
edges_of <- function(handle, ids, call = caller_env()) {
  found <- rust_call(rs_task_edges(handle, ids), call)
  up <- data.frame(found$up)
  up$name[!nzchar(up$name)] <- NA
  # Those with a name come first and win.
  edges <- rbind(up[!is.na(up$name), ], up[is.na(up$name), ])
  down <- data.frame(found$down, name = rep(NA_character_, length(found$down$from)))
  edges <- rbind(edges, down)
  is_known <- duplicated(paste(edges$from, edges$to)) & is.na(edges$name) |
    duplicated(paste(edges$from, edges$to, edges$name))
  edges <- edges[!is_known, ]
  row.names(edges) <- NULL
  edges
}

# How many tasks must end one after the other before each of them: 1 is none.
node_layers <- function(ids, edges) {
  from <- match(edges$from, ids)
  to <- match(edges$to, ids)
  layer <- rep(1L, length(ids))
  children <- split(to, factor(from, seq_along(ids)))
  n_open <- tabulate(to, length(ids))
  # A layer at a time: the tasks whose last dependency was in the one before.
  ready <- which(n_open == 0)
  number <- 1L
  while (length(ready) > 0) {
    layer[ready] <- number
    below <- unlist(children[ready], use.names = FALSE)
    closed <- rle(sort(as.integer(below)))
    n_open[closed$values] <- n_open[closed$values] - closed$lengths
    ready <- closed$values[n_open[closed$values] == 0]
    number <- number + 1L
  }
  layer
}

# What to call tasks: their labels, or the ids without what all of them begin with.
node_names <- function(nodes) {
  ifelse(is.na(nodes$label), short_ids(nodes$id), nodes$label)
}

# The last characters of ids, as many as tell them apart, but at least 6.
short_ids <- function(ids) {
  for (n in 6:32) {
    short <- substring(ids, pmax(nchar(ids) - n + 1, 1))
    if (!anyDuplicated(short)) break
  }
  short
}

#' @rdname rrq_task_graph
#' @export
format.rrq_task_graph <- function(x, type = c("mermaid", "dot"), ...) {
  type <- check_choice(type[[1]], c("mermaid", "dot"))
  nodes <- x$nodes
  nodes$name <- node_names(nodes)
  nodes$node <- sprintf("n%d", seq_len(nrow(nodes)))
  edges <- x$edges
  edges$from <- nodes$node[match(edges$from, nodes$id)]
  edges$to <- nodes$node[match(edges$to, nodes$id)]
  statuses <- intersect(names(status_colours), nodes$status)
  if (type == "mermaid") format_mermaid(nodes, edges, statuses) else format_dot(nodes, edges)
}

format_mermaid <- function(nodes, edges, statuses) {
  arrow <- ifelse(is.na(edges$name), "-->", sprintf("-->|\"%s\"|", mermaid_text(edges$name)))
  c(
    "graph LR",
    sprintf(
      "  %s[\"%s<br>%s\"]:::%s", nodes$node, mermaid_text(nodes$name), nodes$status, nodes$status
    ),
    sprintf("  %s %s %s", edges$from, arrow, edges$to),
    sprintf(
      "  classDef %s fill:%s,color:%s,stroke:#444444", statuses,
      status_colours[statuses], status_ink[statuses]
    )
  )
}

# Mermaid knows no other escapes than numbers of characters.
mermaid_text <- function(text) {
  text <- gsub("#", "#35;", enc2utf8(as.character(text)), fixed = TRUE)
  for (character in c("\"", "<", ">", "&", "`", "|", "\\")) {
    text <- gsub(character, sprintf("#%d;", utf8ToInt(character)), text, fixed = TRUE)
  }
  gsub("[\r\n]+", " ", text)
}

format_dot <- function(nodes, edges) {
  label <- ifelse(is.na(edges$name), "", sprintf(" [label=\"%s\"]", dot_text(edges$name)))
  c(
    "digraph tasks {",
    "  rankdir=LR;",
    "  node [shape=box, style=filled];",
    sprintf(
      "  %s [label=\"%s\\n%s\", fillcolor=\"%s\", fontcolor=\"%s\"];", nodes$node,
      dot_text(nodes$name), nodes$status, status_colours[nodes$status], status_ink[nodes$status]
    ),
    sprintf("  %s -> %s%s;", edges$from, edges$to, label),
    "}"
  )
}

dot_text <- function(text) {
  text <- gsub("\\", "\\\\", enc2utf8(as.character(text)), fixed = TRUE)
  gsub("[\r\n]+", " ", gsub("\"", "\\\"", text, fixed = TRUE))
}

#' @rdname rrq_task_graph
#' @export
as.data.frame.rrq_task_graph <- function(x, ...) {
  x$edges
}

#' @export
print.rrq_task_graph <- function(x, ...) {
  nodes <- x$nodes
  counts <- table(factor(nodes$status, names(status_colours)))
  counts <- counts[counts > 0]
  of_status <- if (length(counts)) paste0(": ", paste(counts, names(counts), collapse = ", "))
  title <- sprintf(
    "<rrq_task_graph> %s, %s%s", count_of(nrow(nodes), "task", "tasks"),
    count_of(nrow(x$edges), "dependency", "dependencies"), of_status %||% ""
  )
  writeLines(strwrap(title, getOption("width"), exdent = 2))
  writeLines(fit_width(graph_lines(x)))
  invisible(x)
}

# One line per task, up to `max` of them.
graph_lines <- function(x, max = 20) {
  shown <- utils::head(x$nodes, max)
  if (nrow(shown) == 0) {
    return(character())
  }
  names <- node_names(x$nodes)
  parents <- split(names[match(x$edges$from, x$nodes$id)], factor(x$edges$to, shown$id))
  after <- vapply(parents, function(names) toString(unique(names)), "")
  name <- pad(shorten(utils::head(names, max), 32))
  status <- format(shown$status)
  more <- nrow(x$nodes) - nrow(shown)
  lines <- sprintf("  %s  %s%s", name, status, ifelse(nzchar(after), paste("  after", after), ""))
  c(trimws(lines, "right"), if (more > 0) sprintf("  ... and %d more", more))
}

# Unlike format(), this takes a backslash for one character.
pad <- function(texts) {
  width <- nchar(texts, "width")
  paste0(texts, strrep(" ", max(width, 0) - width))
}

# Cuts lines to the width of the console.
fit_width <- function(lines) {
  shorten(lines, getOption("width"))
}

count_of <- function(n, one, many) {
  paste(n, if (n == 1) one else many)
}
