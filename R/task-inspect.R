# What the engine asks R about a value that it has serialised, before it sends it: whether it holds
# external pointers, and for a large one whether to warn or to refuse it. Other values cost nothing.

# Stands in the frame of `submit()`, where the engine binds the value, its size, whether there are
# pointers, and the position of its task, 0 for what tasks share. A jump out of here could not pass
# through the engine, so errors, warnings and interrupts are kept for `submit()`.
inspect_call <- quote(inspect_sent(frame, value, bytes, pointers, position))

inspect_sent <- function(frame, value, bytes, pointers, position) {
  keep_warning <- function(w) {
    frame$warnings <- c(frame$warnings, list(w))
    invokeRestart("muffleWarning")
  }
  refuse <- function(e) {
    frame$refused <- e
    FALSE
  }
  tryCatch(
    withCallingHandlers(
      {
        parts <- sent_parts(frame, value, position)
        if (pointers) {
          # Of a bulk, what the tasks share has the variables; else the task has them.
          is_code <- startsWith(frame$kind, "bulk") == (position == 0)
          collected <- if (is_code) names(collected_parts(value))
          check_portable(if (is_code) needed_parts(parts, value) else parts, collected, frame$call)
        }
        if (position > 0 && bytes > max_task_size()) {
          refuse_large(parts, bytes, frame$call)
        }
        if (bytes > large_task && is.null(frame$job$warned)) {
          frame$job$warned <- warn_large(parts, bytes, position, frame$kind)
        }
        TRUE
      },
      warning = keep_warning
    ),
    error = refuse, interrupt = refuse
  )
}

large_task <- 10e6

# The values that the user gave, in a list named by what to call them.
sent_parts <- function(frame, value, position) {
  bulk <- startsWith(frame$kind, "bulk")
  if (bulk && position > 0) {
    element_parts(frame, value, position)
  } else if (!bulk && position == 0) {
    stored_part(frame, value)
  } else if (is.null(value$fn)) {
    collected_parts(value)
  } else {
    args <- value$args
    names(args) <- argument_labels(args)
    c(list("the function" = sent_with(value$fn, "value")), collected_parts(value), args)
  }
}

# A large value of one task, which is stored by itself.
stored_part <- function(frame, value) {
  at <- Position(function(x) identical(x, value), frame$shared)
  name <- names(frame$shared)[[at]]
  if (frame$kind == "call" && !startsWith(name, "=")) {
    label <- argument_labels(frame$payloads[[1]]$args)[[as.integer(name)]]
  } else {
    label <- paste0("`", sub("=", "", name, fixed = TRUE), "`")
  }
  rlang::set_names(list(value), label)
}

element_parts <- function(frame, value, position) {
  template <- frame$shared[[1]]
  if (!is.null(template$chunk)) {
    chunk_parts(template$chunk, value, frame$job$first + (position - 1) * frame$job$chunk_size)
  } else if (!is.null(template$names)) {
    rlang::set_names(value, sprintf("`%s` in row %d", template$names, position))
  } else {
    rlang::set_names(list(value), sprintf("element %d", position))
  }
}

# The elements of a chunk of a map, the first of which is at `first` in the user's vector.
chunk_parts <- function(kind, value, first) {
  if (kind == "lapply") {
    return(stats::setNames(value, name_elements_at(first, value)))
  }
  parts <- Map(function(vector, label) {
    stats::setNames(as.list(vector), paste(label, "of", name_elements_at(first, vector)))
  }, unname(value), argument_labels(value))
  unlist(parts, recursive = FALSE)
}

name_elements_at <- function(first, elements) {
  sprintf("element %.0f", first + seq_along(elements) - 1)
}

# The values that the task was found to use.
collected_parts <- function(value) {
  variables_of(c(value$variables, sent_with(value$fn, "globals"), value$about$along$globals))
}

variables_of <- function(values) {
  stats::setNames(values, if (length(values) > 0) sprintf("`%s`", names(values)))
}

argument_labels <- function(args) {
  names <- rlang::names2(args)
  ifelse(nzchar(names), sprintf("`%s`", names), sprintf("argument %d", seq_along(args)))
}

# Size -------------------------------------------------------------------------------------

# What tasks share is stored and read once, and is not worth a warning; but an environment that a
# function brings is read again for each task.
warn_large <- function(parts, bytes, position, kind) {
  is_bulk <- startsWith(kind, "bulk")
  if (position == 0 && !is_bulk) {
    return(NULL)
  }
  sizes <- part_sizes(parts, position > 0)
  brought <- sizes[attr(sizes, "brought")]
  if (length(sizes) == 0 || (is_bulk && max(sum(brought), sizes) <= large_task)) {
    return(NULL)
  }
  biggest <- biggest_parts(sizes)
  each <- name_parts(biggest)
  only_brought <- length(brought) > 0 && names(biggest)[[1]] %in% names(brought)
  hint <- if (only_brought) {
    "A function is sent with all variables of the environment in which it was created. Create it
     elsewhere, and pass what it needs as arguments."
  } else {
    "Send only what is needed, or let the worker read the data from a file."
  }
  subject <- if (position > 0) "This task takes up" else "The data shared by all tasks take up"
  cli::cli_warn(
    c("{subject} {format_size(bytes)}.", i = "The largest: {each}.", i = hint),
    class = c("rrq_warning_large", "rrq_warning")
  )
  TRUE
}

# A task may have so many bytes of its own.
max_task_size <- function(call = NULL) {
  limit <- getOption("rrq.max_task_size")
  if (is.null(limit)) {
    return(64e6)
  }
  check_number(limit, arg = "getOption(\"rrq.max_task_size\")", call = call)
  as.numeric(limit)
}

refuse_large <- function(parts, bytes, call) {
  biggest <- biggest_parts(part_sizes(parts, TRUE))
  text <- "This task takes up %s; the limit is %s. Nothing was queued."
  abort("task_large", c(
    sprintf(text, format_size(bytes), format_size(max_task_size())),
    i = if (length(biggest) > 0) sprintf("The largest: %s.", toString(name_parts(biggest))),
    i = paste(
      "Pass large data as an argument of its own, as one of the shared `args` of a bulk, or by",
      "`rrq_share()`: it is then stored once. Or let the worker read it from a file."
    ),
    i = "`options(rrq.max_task_size = )` is the limit in bytes."
  ), call = call)
}

# An error of the queue's store, which refuses a value: names the largest that the user gave.
abort_too_large <- function(error, frame) {
  given <- c(
    lapply(frame$shared, function(value) sent_parts(frame, value, 0)),
    lapply(seq_along(frame$payloads), function(i) sent_parts(frame, frame$payloads[[i]], i))
  )
  biggest <- biggest_parts(part_sizes(do.call(c, unname(given)), TRUE))
  largest <- if (length(biggest) > 0) sprintf("The largest: %s.", toString(name_parts(biggest)))
  message <- c(first_line(error), i = largest, i = hints$object_large)
  abort("object_large", message, ids = error$ids, call = frame$call)
}

# The sizes of the values that a task or shared data consist of, by what to call them. Of a
# function, these are the variables that it brings; other values count only in the task itself.
part_sizes <- function(parts, is_own) {
  is_function <- vapply(parts, is.function, NA)
  brought <- unlist(lapply(unname(parts[is_function]), environment_sizes))
  sizes <- c(numeric(), brought, if (is_own) vapply(parts[!is_function], value_size, 0))
  structure(sizes, brought = seq_along(brought))
}

biggest_parts <- function(sizes) {
  biggest <- utils::head(sort(sizes, decreasing = TRUE), 3)
  biggest[biggest > max(biggest, 0) / 100]
}

name_parts <- function(sizes) {
  sprintf("%s (%s)", names(sizes), vapply(sizes, format_size, ""))
}

# The variables of the environments that are sent with a function.
environment_sizes <- function(fn) {
  frames <- list()
  envir <- if (!is.primitive(fn)) environment(fn) else globalenv()
  while (is.environment(envir) && !is_lasting_environment(envir)) {
    frames <- c(frames, envir)
    envir <- parent.env(envir)
  }
  walk <- new_walk()
  # What else the variables refer to is theirs, but not these.
  for (frame in frames) is_seen(rlang::obj_address(frame), walk)
  values <- unlist(lapply(frames, function(frame) values_of(eager_names(frame), frame)), FALSE)
  sizes <- vapply(values, value_size, 0, walk)
  stats::setNames(sizes, sprintf("`%s` in the function's environment", names(values)))
}

# With what functions and environments in it refer to, each environment once.
value_size <- function(x, walk = new_walk(), depth = 10) {
  as.numeric(utils::object.size(x)) + size_referred(x, walk, depth)
}

size_referred <- function(x, walk, depth) {
  if (depth == 0) {
    return(0)
  }
  size <- 0
  if (is.list(x)) {
    inner <- Filter(is.recursive, unclass(x))
    size <- sum(vapply(inner, size_referred, 0, walk, depth - 1))
  }
  envir <- if (is.environment(x)) x else if (is.function(x)) environment(x)
  while (is.environment(envir) && !is_lasting_environment(envir)) {
    if (is_seen(rlang::obj_address(envir), walk)) break
    values <- values_of(eager_names(envir), envir)
    size <- size + sum(vapply(values, value_size, 0, walk, depth - 1))
    envir <- parent.env(envir)
  }
  size
}

# Stands in the frame of `submit()`, as `inspect_call`, where the engine binds both sizes. Evaluated
# once before a submission waits for room in the queue.
full_call <- quote(report_full(bytes, limit))

report_full <- function(bytes, limit) {
  text <- "The queue stores %s, more than its `max_bytes` of %s."
  inform_plainly(c(
    i = sprintf(text, format_size(bytes), format_size(limit)),
    i = "Waiting until enough tasks have been deleted or have expired. Ctrl-C ends the wait."
  ))
}

format_size <- function(bytes) {
  format(structure(bytes, class = "object_size"), units = "auto", standard = "SI")
}
