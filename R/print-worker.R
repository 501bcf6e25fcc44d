# How what is known of workers prints, and how it becomes data frames.

#' @export
format.rrq_worker_info <- function(x, ...) {
  c("<rrq_worker_info>", format_fields(x))
}

#' @export
print.rrq_worker_info <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @rdname rrq_worker_status
#' @param x What `rrq_worker_info()` returned, or one element of it.
#' @param ... Not used.
#' @export
as.data.frame.rrq_worker_info <- function(x, ...) {
  one_row(x)
}

# The fields of a list as the columns of one row.
one_row <- function(x) {
  fields <- lapply(unclass(x), function(value) {
    if (length(value) == 0) NA else if (length(value) > 1) toString(value) else value
  })
  data.frame(fields, check.names = FALSE)
}

#' @export
format.rrq_worker_infos <- function(x, ...) {
  n <- length(x)
  if (n == 1) {
    return(c(sprintf("$%s", names(x)), format(x[[1]])))
  }
  shown <- c("worker", "config", "queue", "hostname", "pid", "rrq_version", "username", "wd")
  c(
    sprintf("<rrq_worker_info> %d workers", n),
    if (n > 0) table_lines(as.data.frame(x)[shown])
  )
}

#' @export
print.rrq_worker_infos <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @export
`[.rrq_worker_infos` <- function(x, i) {
  structure(unclass(x)[i], class = "rrq_worker_infos")
}

#' @rdname rrq_worker_status
#' @export
as.data.frame.rrq_worker_infos <- function(x, ...) {
  rows <- lapply(unclass(x), one_row)
  table <- do.call(rbind, unname(rows))
  if (is.null(table)) data.frame(worker = character()) else table
}

#' @export
format.rrq_worker_config <- function(x, ...) {
  c("<rrq_worker_config>", format_fields(with_defaults(x)))
}

#' @export
print.rrq_worker_config <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# What workers use for settings that are NULL.
with_defaults <- function(config) {
  default <- list(poll_queue = 5, heartbeat_period = 3)
  for (name in names(default)) {
    config[[name]] <- config[[name]] %||% default[[name]]
  }
  config
}

#' @rdname rrq_worker_config
#' @param x An `rrq_worker_config`.
#' @param ... Not used.
#' @export
as.data.frame.rrq_worker_config <- function(x, ...) {
  one_row(with_defaults(x))
}

# One line per field, to print configurations and workers.
format_fields <- function(x) {
  text <- vapply(unclass(x), function(value) {
    if (is.null(value)) "-" else toString(value)
  }, "")
  sprintf("  %s %s", format(paste0(names(text), ":")), text)
}

#' @export
format.rrq_envir <- function(x, ...) {
  parts <- as.data.frame(x)
  if (nrow(parts) == 0) {
    return("<rrq_envir> empty")
  }
  of <- function(type) parts$name[parts$type == type]
  c("<rrq_envir>", field_lines(list(packages = of("package"), sources = of("source"))))
}

#' @export
print.rrq_envir <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @rdname rrq_envir
#' @param x What `rrq_envir()` returned.
#' @param ... Not used.
#' @export
as.data.frame.rrq_envir <- function(x, ...) {
  made <- environment(x)
  data.frame(
    type = rep(c("package", "source"), c(length(made$packages), length(made$sources))),
    name = c(made$packages, made$sources) %||% character()
  )
}
