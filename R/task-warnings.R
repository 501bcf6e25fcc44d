# Signals the warnings of tasks in the session, as if the code had run here. Equal ones of many
# tasks are signalled once, with a count. What a task stores is described in worker-signals.R.

# Collects the warnings of `total` tasks, or of elements of a vector, or NULL if nobody wants them.
collect_signals <- function(warnings, total, unit = "task") {
  if (warnings %||% getOption("rrq.warnings", TRUE)) {
    rlang::env(groups = list(), total = total, unit = unit, more = 0)
  }
}

# Adds those of one task. `extra` is NULL if it has none; `first` is the number of the first of its
# elements. `counts` are of elements if these are counted, otherwise how often each was signalled.
add_signals <- function(signals, id, extra, first = NULL) {
  if (is.null(signals) || is.null(extra)) {
    return(invisible())
  }
  signals$more <- signals$more + sum(extra$more)
  for (i in seq_along(extra$warnings)) {
    count <- (extra$counts %||% 1)[[i]]
    element <- if (!is.null(first)) first - 1 + (extra$first %||% 1)[[i]]
    add_to_group(signals, extra$warnings[[i]], id, count, element)
  }
}

add_to_group <- function(signals, warning, id, count, element) {
  head <- head_of(warning)
  key <- paste(c(class(warning)[[1]], deparse(head, nlines = 1), text_of(warning)), collapse = "\n")
  group <- signals$groups[[key]]
  if (is.null(group) && length(signals$groups) == max_signals) {
    signals$more <- signals$more + count
    return()
  }
  group <- group %||% list(warning = warning, id = id, element = element, n = 0, times = 0)
  group$n <- group$n + if (is.null(element)) 1 else count
  group$times <- group$times + count
  # Tasks end in any order.
  group$element <- if (!is.null(element)) min(element, group$element)
  signals$groups[[key]] <- group
}

text_of <- function(condition) {
  paste(conditionMessage(condition), collapse = "\n")
}

# Signals what was collected, once.
signal_collected <- function(signals) {
  groups <- signals$groups
  more <- signals$more
  signals$groups <- list()
  signals$more <- 0
  for (group in groups) warning(group_warning(group, signals))
  if (sum(more) > 0) {
    text <- sprintf("%.0f more warning%s", more, if (more == 1) "" else "s")
    warning(new_task_warning(simpleWarning(text), list()))
  }
}

# The warning itself if it was signalled once, else one that counts.
group_warning <- function(group, signals) {
  warning <- group$warning
  origin <- list(task_id = group$id, element = group$element, count = group$n)
  if (group$n == 1 && group$times == 1) {
    return(new_task_warning(warning, origin))
  }
  if (group$n == 1) {
    warning$message <- sprintf("%s (%.0f times)", text_of(warning), group$times)
  } else {
    place <- if (is.call(warning$call)) paste(",", short_call(warning$call)) else ""
    warning$message <- sprintf(
      "Warning in %.0f of %.0f %ss: %s\n(first in %s %s%s)", group$n, signals$total, signals$unit,
      text_of(warning), signals$unit, group$element %||% group$id, place
    )
    warning["call"] <- list(NULL)
  }
  # The message has them already.
  warning$body <- NULL
  new_task_warning(warning, origin)
}

short_call <- function(call) {
  text <- deparse(call, nlines = 1)[[1]]
  if (nchar(text) > 40) paste0(substr(text, 1, 37), "...") else text
}

new_task_warning <- function(warning, origin) {
  warning[names(origin)] <- origin
  class(warning) <- unique(c("rrq_task_warning", class(warning)))
  warning
}

# Those of tasks whose outcomes were fetched together.
signal_outcomes <- function(ids, outcomes, warnings) {
  if (is.null(outcomes$extra)) {
    return(invisible())
  }
  signals <- collect_signals(warnings, length(ids))
  Map(function(id, extra) add_signals(signals, id, extra), ids, outcomes$extra)
  signal_collected(signals)
}
