# How what is known of tasks prints, and how it becomes data frames.

# Colours are those of the terminal; cli leaves them out where there are none and with NO_COLOR.
paint_status <- function(text, status = trimws(text)) {
  paint <- list(
    COMPLETE = cli::col_blue, RUNNING = cli::col_cyan, ERROR = cli::col_red,
    TIMEOUT = cli::col_red, DIED = cli::col_red, IMPOSSIBLE = cli::col_red,
    BUSY = cli::col_cyan, PAUSED = cli::col_yellow, LOST = cli::col_red
  )
  for (name in intersect(names(paint), status)) {
    at <- status == name
    text[at] <- as.character(paint[[name]](text[at]))
  }
  text
}

# One line per field that has a value. The names are those of the list.
field_lines <- function(fields) {
  fields <- fields[lengths(fields) > 0]
  text <- vapply(fields, toString, "")
  lines <- sprintf("  %s %s", pad(paste0(names(fields), ":", recycle0 = TRUE)), one_line(text))
  fit_width(lines)
}

one_line <- function(text) {
  gsub("[[:space:]]+", " ", text)
}

# A table of as many columns as fit, from the left; of one for which 12 characters are left, the
# beginning.
table_lines <- function(table, width = getOption("width")) {
  cells <- lapply(names(table), function(name) {
    column <- table[[name]]
    text <- if (inherits(column, "POSIXct")) format(column, "%H:%M:%S") else as.character(column)
    pad(c(name, one_line(ifelse(is.na(column), "-", text))))
  })
  if (length(cells) == 0) {
    return(character())
  }
  ends <- cumsum(vapply(cells, function(cell) nchar(cell[[1]], "width"), 1L) + 2)
  before <- c(-Inf, ends[-length(ends)])
  fits <- ends <= width | before + 14 <= width
  lines <- do.call(paste0, lapply(cells[fits], function(cell) paste0("  ", cell)))
  shorten(trimws(lines, "right"), width)
}

#' @export
format.rrq_task_overview <- function(x, ...) {
  counts <- unlist(x)
  counts <- counts[counts > 0]
  n <- format(sum(counts), scientific = FALSE)
  title <- sprintf("<rrq_task_overview> %s task%s", n, if (n == "1") "" else "s")
  number <- format(counts, scientific = FALSE)
  c(title, sprintf("  %s  %s", paint_status(pad(names(counts))), number))
}

#' @export
print.rrq_task_overview <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

#' @rdname rrq_task_overview
#' @param x An `rrq_task_overview`.
#' @param ... Not used.
#' @export
as.data.frame.rrq_task_overview <- function(x, ...) {
  data.frame(status = names(x), count = unlist(x, use.names = FALSE))
}

# Counts are integers, unless there are more of them than R's integers reach.
new_overview <- function(counts) {
  if (all(counts <= .Machine$integer.max)) {
    storage.mode(counts) <- "integer"
  }
  structure(as.list(counts), class = "rrq_task_overview")
}

#' @export
format.rrq_task_info <- function(x, ...) {
  name <- paste0(x$id, if (!is.null(x$label)) sprintf(" (%s)", x$label))
  fields <- unclass(x)[c("status", "queue", "worker", "pid", "attempt", "tags")]
  fields$separate_process <- if (x$separate_process) TRUE
  fields$timeout <- if (!is.null(x$timeout)) paste(x$timeout, "s")
  fields$ttl <- if (!is.null(x$ttl)) paste(x$ttl, "s")
  fields$retry <- if (!is.null(x$retry)) summarise_retry(x$retry)
  fields$seed <- if (!is.null(x$seed)) "set"
  fields$warnings <- if (length(x$warnings)) length(x$warnings)
  fields[["depends$up"]] <- count_tree(x$depends$up, x$id)
  fields[["depends$down"]] <- count_tree(x$depends$down, x$id)
  fields[["moved$up"]] <- x$moved$up
  fields[["moved$down"]] <- x$moved$down
  lines <- field_lines(fields)
  lines <- sub(x$status, paint_status(x$status), lines, fixed = TRUE)
  c(fit_width(paste("<rrq_task_info>", one_line(name))), lines, attempt_lines(x$attempts))
}

# The neighbours of a task, and how many more tasks there are beyond them.
count_tree <- function(tree, id) {
  if (is.null(tree)) {
    return(NULL)
  }
  near <- unname(tree[[id]])
  beyond <- length(setdiff(unlist(tree), near))
  c(short_ids(near), if (beyond > 0) sprintf("and %d beyond", beyond))
}

attempt_lines <- function(attempts) {
  if (length(attempts) == 0) {
    return(character())
  }
  table <- attempt_table(attempts)
  lines <- table_lines(data.frame(
    status = table$status, worker = table$worker, start = format(table$start),
    seconds = ifelse(is.na(table$seconds), "-", sprintf("%.3g", table$seconds)),
    error = table$error
  ), getOption("width") - 2)
  c("  attempts:", paste0("  ", lines))
}

attempt_table <- function(attempts) {
  pick <- function(name) vapply(attempts, function(attempt) as.numeric(attempt[[name]]), 0)
  error <- vapply(attempts, function(attempt) {
    if (inherits(attempt$error, "condition")) conditionMessage(attempt$error) else NA_character_
  }, "")
  data.frame(
    status = vapply(attempts, function(attempt) attempt$status, ""),
    worker = vapply(attempts, function(attempt) attempt$worker, ""),
    start = .POSIXct(pick("start")), end = .POSIXct(pick("end")),
    seconds = pick("end") - pick("start"), error = error
  )
}

#' @export
print.rrq_task_info <- function(x, ...) {
  writeLines(format(x))
  invisible(x)
}

# A part of the information is a plain list.
#' @export
`[.rrq_task_info` <- function(x, i) {
  unclass(x)[i]
}

#' @rdname rrq_task_info
#' @param x An `rrq_task_info`.
#' @param ... Not used.
#' @export
as.data.frame.rrq_task_info <- function(x, ...) {
  last <- utils::tail(x$attempts, 1)
  time <- function(name) .POSIXct(if (length(last)) as.numeric(last[[1]][[name]]) else NA_real_)
  data.frame(
    id = x$id, label = x$label %||% NA_character_, status = x$status, queue = x$queue,
    worker = x$worker %||% NA_character_, pid = x$pid %||% NA_integer_, attempt = x$attempt,
    started = time("start"), ended = time("end"), separate_process = x$separate_process,
    timeout = x$timeout %||% NA_real_, ttl = x$ttl %||% NA_real_,
    tags = if (length(x$tags)) toString(x$tags) else NA_character_,
    warnings = length(x$warnings)
  )
}
