# The warnings and messages of a task, stored with its end for the session to signal again.
#
# `run$signals` is NULL until a task signals something: tasks that do not must not pay for it. Later
# it is a list, bounded in length: `warnings`, those that differ; `counts`, how often each was
# signalled (in how many elements, if the task is a chunk); `first` and `last`, the first and last
# element that did so; `more`, how many others there were; and `messages`, kept only if the task's
# output is.

max_signals <- 50
max_signal_chars <- 1000
max_signal_bytes <- 4000

# What is stored of it.
extra_of <- function(run) {
  signals <- run$signals
  if (!is.null(signals)) {
    signals[intersect(c("warnings", "counts", "first", "more", "messages"), names(signals))]
  }
}

keep_warning <- function(run, warning) {
  warning <- without_worker_call(warning)
  if (run$logged) print_warning(warning)
  run$signals <- add_warning(run$signals, warning, element_of(run))
  restart <- computeRestarts(warning)
  muffle <- Filter(function(r) identical(r$name, "muffleWarning"), restart)
  if (length(muffle)) {
    invokeRestart(muffle[[1]])
  }
}

add_warning <- function(signals, warning, element) {
  text <- short_text(conditionMessage(warning))
  element <- element %||% NA_real_
  at <- match_warning(signals, text, warning)
  if (!is.na(at)) {
    if (is.na(element) || element != signals$last[[at]]) {
      signals$counts[[at]] <- signals$counts[[at]] + 1
      signals$last[[at]] <- element
    }
  } else if (length(signals$warnings) == max_signals) {
    signals$more <- sum(signals$more, 1)
  } else {
    signals$warnings <- c(signals$warnings, list(short_condition(warning, text)))
    signals$texts <- c(signals$texts, text)
    signals$counts <- c(signals$counts, 1)
    signals$first <- c(signals$first, element)
    signals$last <- c(signals$last, element)
  }
  signals
}

# Which one has the same text and comes from the same function.
match_warning <- function(signals, text, warning) {
  head <- head_of(warning)
  same <- which(signals$texts == text)
  same <- Filter(function(at) identical(head_of(signals$warnings[[at]]), head), same)
  if (length(same)) same[[1]] else NA
}

head_of <- function(condition) {
  if (is.call(condition$call)) condition$call[[1]]
}

short_text <- function(text) {
  substr(paste(text, collapse = "\n"), 1, max_signal_chars)
}

# The condition itself if it is small. The data that others carry stay behind.
short_condition <- function(condition, text) {
  if (is_short(condition)) {
    return(condition)
  }
  call <- if (is_short(condition$call)) condition$call
  structure(class = class(condition), list(message = text, call = call))
}

# An environment counts as large, whatever is in it.
is_short <- function(x) {
  if (utils::object.size(x) > 2 * max_signal_bytes) {
    return(FALSE)
  }
  short <- TRUE
  bytes <- serialize(x, NULL, refhook = function(environment) {
    short <<- FALSE
    ""
  })
  short && length(bytes) <= max_signal_bytes
}

keep_message <- function(run, message) {
  if (length(run$signals$messages) < max_signals) {
    run$signals$messages <- c(run$signals$messages, short_text(conditionMessage(message)))
  }
}

# As R would, so that the log of a task shows a warning where it was raised.
print_warning <- function(warning) {
  place <- if (!is.null(warning$call)) paste(" in", deparse(warning$call, nlines = 1)[[1]])
  cat("Warning", place, ": ", conditionMessage(warning), "\n", sep = "", file = stderr())
}

# A condition raised at the top of a task carries the worker's own call of eval().
without_worker_call <- function(condition) {
  if (identical(condition$call, quote(eval(call, frame)))) {
    condition["call"] <- list(NULL)
  }
  condition
}

# The place in its chunk of the element that is being worked on; NULL if this is not known. It is
# read from the stack, because counting would cost each element something.
element_of <- function(run) {
  tryCatch(find_element(run$leave), error = function(e) NULL)
}

find_element <- function(frame) {
  chunk <- if (identical(frame$kind, "bulk_call")) frame$template$chunk
  frames <- sys.frames()
  at <- which(vapply(frames, identical, NA, frame))
  if (is.null(chunk) || length(at) == 0) {
    return(NULL)
  }
  loop <- switch(chunk, lapply = base::lapply, mapply = base::.mapply)
  before <- 0
  while (at <= length(frames)) {
    if (identical(sys.function(at), run_in_time)) {
      before <- frames[[at]]$done
    } else if (identical(sys.function(at), loop)) {
      place <- if (chunk == "lapply") frames[[at]]$i else last_index(sys.call(at + 1))
      # There is none before the first element. R may go on counting in this very object.
      return(if (!is.null(place)) before + place)
    }
    at <- at + 1
  }
}

# .mapply() calls the function as `fn(dots[[1L]][[2L]], ...)` for the second element.
last_index <- function(call) {
  call[[2]][[3]]
}
