# Draws to a file that is deleted; returns the value of `expr`.
draw <- function(expr, ...) {
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file, ...)
  withr::defer(grDevices::dev.off())
  force(expr)
}

# A table of `n` tasks by two workers; the last three are running, waiting and cancelled.
example_table <- function(n, label = "t") {
  start <- 1.7e9 + seq_len(n)
  table <- list(
    id = sprintf("id%d", seq_len(n)), label = rep(label, n), status = rep("COMPLETE", n),
    queue = rep("default", n), worker = rep_len(c("w_10", "w_2"), n), attempt = rep(1L, n),
    times = list(submit = rep(1.7e9, n), start = start, end = start + 2)
  )
  last <- utils::tail(seq_len(n), 3)
  table$status[last] <- utils::tail(c("CANCELLED", "PENDING", "RUNNING"), length(last))
  table$times$end[table$status %in% c("PENDING", "RUNNING")] <- NA
  table$times$start[table$status %in% c("PENDING", "CANCELLED")] <- NA
  new_task_table(table, 1.7e9 + n + 3)
}

# Two workers, the second of which came later: intervals in seconds until 100.
example_load <- function() {
  spans <- function(...) data.frame(from = c(...)[c(TRUE, FALSE)], to = c(...)[c(FALSE, TRUE)])
  periods <- list(
    list(busy = spans(0, 10, 5, 20, 90, 100), alive = spans(0, 100)),
    list(busy = spans(50, 60), alive = spans(50, 100))
  )
  loads <- data.frame(worker_id = c("a", "b"))
  structure(loads, periods = periods, now = 100, class = c("worker_load", "data.frame"))
}
