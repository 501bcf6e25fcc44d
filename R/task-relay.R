# Repeats in this session what tasks printed and the messages they signalled. The log of a task
# holds everything in the order in which it was printed, as text. The messages and warnings are also
# stored as such, and are found in the log again here. Warnings are left out: they come with the
# result.

relay_output <- function(wait, ids, follow, call = caller_env()) {
  if (length(ids) == 0) {
    return(invisible())
  }
  if (!is.null(wait$bar)) hide_bar(wait$bar)
  newest <- if (follow) newest_of(wait$handle, ids, call) else ids
  outputs <- rust_call(rs_task_outputs(wait$handle, newest), call)
  for (i in seq_along(ids)) {
    if (!is.null(outputs$log[[i]])) {
      relay_log(outputs$log[[i]]$text, outputs$extra[[i]])
      if (!is.null(wait$bar)) complete_line(outputs$log[[i]]$text)
    }
  }
}

# The bar would be drawn behind an incomplete line, and erase it.
complete_line <- function(text) {
  if (nzchar(text) && !endsWith(text, "\n")) cat("\n")
  flush(stdout())
}

relay_log <- function(text, extra) {
  for (message in extra$messages) {
    at <- find_line(text, message)
    if (at > 0) {
      relay_text(substr(text, 1, at - 1), extra$warnings)
      text <- substring(text, at + nchar(message))
    }
    message(message, appendLF = FALSE)
  }
  relay_text(text, extra$warnings)
}

# Where it begins at the beginning of a line, or 0.
find_line <- function(text, line) {
  if (startsWith(text, line)) {
    return(1)
  }
  at <- regexpr(paste0("\n", line), text, fixed = TRUE)
  if (at > 0) at + 1 else 0
}

relay_text <- function(text, warnings) {
  for (warning in warnings) {
    printed <- paste0("(?m)^Warning( in .*)?: \\Q", text_of(warning), "\\E\n")
    text <- gsub(printed, "", text, perl = TRUE)
  }
  cat(text)
}
