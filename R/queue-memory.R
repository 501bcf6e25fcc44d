#' Memory of a queue
#'
#' Shows how much a queue stores, by kind, and which tasks and objects are the biggest. It reads the
#' queue in slices and never blocks the server, but takes some seconds for a million tasks.
#'
#' The lengths of tasks and large objects are exact. What the server needs besides, and the size of
#' everything else, are estimates.
#'
#' @param n How many of the biggest tasks and objects to show.
#' @inheritParams rrq_destroy
#' @return An `rrq_memory`, which prints a summary: a list of
#'   * `by_kind`, a data frame with the columns `kind`, `count` and `bytes`. Kinds are `"pending
#'     tasks"` (also running and deferred ones), `"ended tasks"` (with their results), `"small
#'     objects"` and `"large objects"` (above 64 KB), `"logs"` (output of tasks, and logs of
#'     workers), `"messages"`, `"files"` (see [rrq_files_pack()]), `"other"`, and `"offloaded"`:
#'     objects in the offload path, which take no memory of the server;
#'   * `tasks`, a data frame with `id`, `label` and `bytes` of the biggest tasks, without the
#'     objects that they use;
#'   * `objects`, a data frame with `hash`, `label` and `bytes` of the biggest objects. The label
#'     names the task whose result the object is.
#'
#'   `as.data.frame()` returns `by_kind`.
#' @seealso [rrq_prune()] deletes old tasks; `max_bytes` of [rrq_configure()] sets a limit.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' x <- runif(1e5)
#' id <- rrq_task_create_expr(mean(x), label = "mean", controller = r)
#' rrq_memory(controller = r)
#' as.data.frame(rrq_memory(controller = r))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_memory <- function(n = 5, controller = NULL) {
  check_count(n, min = 0)
  controller <- get_controller(controller)
  memory <- rust_call(rs_queue_memory(queue_handle(controller), as.numeric(n)))
  objects <- as.data.frame(memory$objects)
  names(objects) <- c("hash", "label", "bytes")
  structure(
    list(
      queue_id = controller$queue_id, by_kind = as.data.frame(memory$parts),
      tasks = as.data.frame(memory$tasks), objects = objects
    ),
    class = "rrq_memory"
  )
}

#' @rdname rrq_memory
#' @param x An `rrq_memory`.
#' @param ... Not used.
#' @export
print.rrq_memory <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @rdname rrq_memory
#' @export
format.rrq_memory <- function(x, ...) {
  kinds <- x$by_kind
  in_server <- sum(kinds$bytes[kinds$kind != "offloaded"])
  offloaded <- kinds$bytes[kinds$kind == "offloaded"]
  outside <- if (offloaded > 0) sprintf(", and %s in files", format_size(offloaded))
  title <- sprintf(
    "<rrq_memory> %s: %s in the server%s", x$queue_id, format_size(in_server), outside %||% ""
  )
  shown <- kinds[kinds$bytes > 0, ]
  lines <- table_lines(data.frame(
    kind = shown$kind, count = sprintf("%.0f", shown$count),
    size = vapply(shown$bytes, format_size, "")
  ), getOption("width") - 2)
  fit_width(c(
    title, paste0("  ", lines),
    biggest_lines("biggest tasks", x$tasks$id, x$tasks),
    biggest_lines("biggest objects", x$objects$hash, x$objects)
  ))
}

biggest_lines <- function(title, names, items) {
  if (nrow(items) == 0) {
    return(character())
  }
  sizes <- format(vapply(items$bytes, format_size, ""), justify = "right")
  c(sprintf("  %s:", title), trimws(sprintf("    %s  %s  %s", names, sizes, items$label), "right"))
}

#' @rdname rrq_memory
#' @export
as.data.frame.rrq_memory <- function(x, ...) {
  x$by_kind
}
