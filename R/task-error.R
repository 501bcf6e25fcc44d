# Failed tasks as values: conditions with the classes and fields of the original, and their origin.

task_error <- function(run, error, status, trace) {
  fields <- list(
    queue_id = run$identity$queue_id, task_id = rust_call(rs_worker_task()), status = status,
    trace = trace, warnings = run$signals$warnings
  )
  fields$element <- element_of(run)
  new_task_error(without_worker_call(error), fields)
}

new_task_error <- function(error, fields) {
  classes <- class(error)
  error <- unclass(error)
  if (!is.null(error$address)) {
    # It was thrown in a task: it gets the address of that one, and must not lose its own.
    error$message <- paste(c(error$message, error$address), collapse = "\n")
    error$address <- error$body <- NULL
  }
  error$message <- error$message %||% ""
  error[names(fields)] <- fields
  missing <- setdiff(names(fields), names(error))
  error <- c(error, stats::setNames(vector("list", length(missing)), missing))
  structure(error, class = unique(c("rrq_task_error", classes, "error", "condition")))
}

# Adds what the session knows of a failed task. The worker does not know its label.
add_origin <- function(error, label, worker, attempt) {
  error["label"] <- list(if (nzchar(label)) label)
  error["worker"] <- list(if (nzchar(worker)) worker)
  error["attempt"] <- list(if (attempt > 0) attempt)
  error
}

# The value of a task that is impossible because another one failed, whose error is `cause`.
impossible_value <- function(id, queue_id, cause) {
  error <- ended_without_value(id, queue_id, "IMPOSSIBLE", "")
  what <- sprintf("%s, %s: %s", name_task(cause), cause$status, first_line(cause))
  error$message <- paste("a task this one depends on failed:", what)
  error$parent <- cause
  error
}

# A task by its id and label.
name_task <- function(error) {
  paste0(error$task_id, if (!is.null(error$label)) sprintf(" (%s)", error$label))
}

# Throws the error of a task. Its message then also says where it comes from: of an uncaught error,
# the user sees nothing else.
throw_task_error <- function(error) {
  address <- sprintf("Task %s", name_task(error))
  if (!is.null(error$worker)) {
    address <- sprintf("%s, attempt %d on worker %s", address, error$attempt, error$worker)
  }
  # At a console, rlang shows message and body of any error; conditionMessage() shows the body of
  # those of rlang only.
  if (is.null(error$body) || is.character(error$body)) error$body <- c(error$body, i = address)
  if (!inherits(error, "rlang_error")) error$address <- address
  rlang::cnd_signal(error)
}

# The value of a task whose end its worker did not report.
ended_without_value <- function(id, queue_id, status, worker, poison = FALSE) {
  message <- switch(status,
    DIED = paste0(
      sprintf("the worker '%s' was lost while it ran this task", worker),
      if (poison) {
        "; it is not retried because this happened too often, see `max_lost` of `rrq_retry()`"
      }
    ),
    CANCELLED = "the task was cancelled",
    TIMEOUT = "the task exceeded its time limit",
    IMPOSSIBLE = "a dependency of the task failed",
    MOVED = "the task was retried under another id",
    MISSING = "the task was deleted before its result was fetched",
    ERROR = sprintf(
      paste0(
        "what is stored for this task cannot be read: field '%1$s' of key '{%2$s}:t', '{%2$s}:r' ",
        "or of an object. See `rrq_doctor()`"
      ),
      id, queue_id
    ),
    "the task ended without a value"
  )
  fields <- list(
    queue_id = queue_id, task_id = id, status = status, trace = NULL, warnings = NULL
  )
  error <- simpleError(message)
  if (status == "ERROR") class(error) <- c("rrq_error_corrupt", class(error))
  new_task_error(error, fields)
}

#' @export
print.rrq_task_error <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}

#' @export
format.rrq_task_error <- function(x, ...) {
  from <- if (!is.null(x$call)) deparse(x$call, nlines = 1)
  missing <- missing_hint(x)
  hint <- c(
    if (!is.null(missing)) paste("*", missing),
    if (!is.null(x$trace)) "* To see where it happened: `x$trace`",
    if (inherits(x$parent, "rrq_task_error")) "* For the error of the task that failed: `x$parent`",
    if (length(x$warnings)) "* For the warnings before it: `x$warnings`",
    "* To throw it here: `stop(x)`"
  )
  c(
    "<rrq_task_error>",
    if (!is.null(from)) paste("  from:  ", from),
    paste("  error: ", error_text(x)),
    paste("  queue: ", x$queue_id),
    paste("  task:  ", name_task(x)),
    if (!is.null(x$worker)) sprintf("  worker: %s, attempt %d", x$worker, x$attempt),
    paste("  status:", x$status),
    if (inherits(x$parent, "rrq_task_error")) paste("  cause: ", name_task(x$parent)),
    hint
  )
}

#' @export
conditionMessage.rrq_task_error <- function(c) {
  paste(c(error_text(c), missing_hint(c)), collapse = "\n")
}

error_text <- function(c) {
  # An rlang error keeps its bullets in other fields, which its own method combines.
  if (inherits(c, "rlang_error")) {
    original <- c
    class(original) <- setdiff(class(original), "rrq_task_error")
    return(conditionMessage(original))
  }
  paste(c(c$message, c$address), collapse = "\n")
}

# What to do where the worker has not what the session has.
missing_hint <- function(error) {
  if (!identical(error$status, "ERROR")) {
    return(NULL)
  }
  text <- error_text(error)
  name <- name_in_message(text, c(
    "could not find function \"%s\"", "object '%s' not found",
    "object '%s' of mode '%s' was not found"
  ))
  class <- name_in_message(gsub("[\u201c\u201d]", "\"", text), c(
    "undefined class \"%s\"", "\"%s\" is not a defined class"
  ))
  if (!is.na(name)) {
    package <- package_of(name)
    sprintf(
      paste0(
        "The worker has no `%1$s`: send it with `globals = \"%1$s\"`, define it in the worker ",
        "environment (see `?rrq_worker_envir_set`), or write `%2$s::%1$s`%3$s."
      ),
      name, package %||% "package", if (is.null(package)) " if a package has it" else ""
    )
  } else if (!is.na(class)) {
    sprintf(
      paste0(
        "The worker has no class `%s`: classes are not sent. Define it in the worker environment ",
        "(see `?rrq_worker_envir_set`), or in a package."
      ),
      class
    )
  }
}

# The attached package of this session that has a function of that name.
package_of <- function(name) {
  fn <- get0(name, globalenv(), mode = "function")
  envir <- if (is.function(fn) && !is.primitive(fn)) topenv(environment(fn))
  if (!is.null(envir) && isNamespace(envir)) getNamespaceName(envir)[[1]]
}

# What stands for the first `%s` of the first pattern that fits.
name_in_message <- function(text, patterns) {
  patterns <- unique(c(patterns, gettext(patterns, domain = "R")))
  for (pattern in gsub("%s", "([^\"']+)", patterns, fixed = TRUE)) {
    name <- regmatches(text, regexec(pattern, text))[[1]][2]
    if (!is.na(name)) {
      return(name)
    }
  }
  NA_character_
}

# If any of the outcomes of `n` tasks are failures, throws one error that counts and lists them.
throw_failures <- function(outcomes, call, n = length(outcomes$status)) {
  errors <- outcomes$value[outcomes$status != "COMPLETE"]
  if (length(errors) == 0) {
    return(invisible())
  }
  shown <- utils::head(errors, 5)
  lines <- vapply(shown, function(e) sprintf("%s: %s", name_task(e), first_line(e)), "")
  more <- length(errors) - length(shown)
  message <- c(
    sprintf("%d/%d task%s failed.", length(errors), n, if (n == 1) "" else "s"),
    stats::setNames(lines, rep("x", length(lines))),
    i = if (more > 0) sprintf("and %d more, see `$errors`", more)
  )
  ids <- vapply(errors, function(e) e$task_id, "")
  abort(
    "tasks_failed", message, errors = errors, task_ids = ids,
    class = c("rrq_task_error_group", "rrq_task_error"), call = call
  )
}

#' @export
format.rrq_task_error_group <- function(x, ...) {
  c(
    "<rrq_task_error_group>",
    paste("  error:", first_line(x)),
    paste("  queue:", x$errors[[1]]$queue_id),
    vapply(utils::head(x$errors, n_members), format_member, ""),
    if (length(x$errors) > n_members) sprintf("  and %d more", length(x$errors) - n_members),
    "* For each of them: `x$errors`",
    "* To throw it here: `stop(x)`"
  )
}

# So many are printed.
n_members <- 20

format_member <- function(error) {
  sprintf("  - %s %s: %s", name_task(error), error$status, first_line(error))
}
