# Running the code of tasks. The engine calls the functions made here once per task; they never
# throw, every outcome is a list of status, value, rare attributes and whether the user interrupted.
#
# Conditions are caught by handlers that stand around the whole loop (with_task_handlers), not around
# each task: setting them up costs more than a small task does. An error leaves the task through
# the promise `leave`, which returns from the frame it was made in.

# What the handlers need to know of the running task.
new_run <- function() {
  run <- new.env(parent = emptyenv())
  run$active <- FALSE
  run
}

# The functions the engine calls. `build` makes the worker's environment anew.
evaluation_functions <- function(run, envir, identity) {
  run$envir <- envir
  run$identity <- identity
  list(
    run = function(kind, payload, template, variables, id, timeout) {
      run$frame <- new.env(parent = run$envir)
      run$id <- id
      run$warnings <- NULL
      run_call(run, kind, payload, template, variables, timeout)
    },
    failed = function(message, id) {
      run$id <- id
      list(status = "ERROR", value = task_error(run, simpleError(message), "ERROR", NULL))
    },
    answer = function(command, argument, timeout_idle, remaining) {
      answer_message(run, command, argument, timeout_idle, remaining)
    },
    report = report_lines
  )
}

run_call <- function(run, kind, payload, template, variables, timeout) {
  delayedAssign("leave", return(run$outcome))
  run$leave <- environment()
  run$active <- TRUE
  on.exit(run$active <- FALSE)
  the$task <- run
  on.exit(the$task <- NULL, add = TRUE)
  call <- prepare_call(run$frame, kind, payload, template, variables)
  if (timeout > 0) {
    run$deadline <- proc.time()[["elapsed"]] + timeout
    setTimeLimit(elapsed = timeout)
    on.exit(setTimeLimit(), add = TRUE)
  } else {
    run$deadline <- Inf
  }
  value <- eval(call, run$frame)
  list(status = "COMPLETE", value = value, extra = extra_of(run))
}

extra_of <- function(run) {
  if (!is.null(run$warnings)) list(warnings = run$warnings)
}

# Bind what a task brings in its frame and return the call to evaluate there.
prepare_call <- function(frame, kind, payload, template, variables) {
  switch(kind,
    bulk_call = {
      own <- if (is.null(template$names)) list(payload) else named(payload, template$names)
      function_call(frame, template$fn, c(own, template$args))
    },
    call = {
      payload <- merge_shared(payload, variables)
      function_call(frame, payload$fn, payload$args)
    },
    expr = {
      list2env(payload$variables, frame)
      list2env(as.list(variables), frame)
      payload$expr
    },
    bulk_expr = {
      list2env(template$variables, frame)
      list2env(named(payload, template$names), frame)
      template$expr
    }
  )
}

named <- function(values, names) {
  names(values) <- names
  values
}

# Small plain values stand in the call; others are bound in the frame and stand there by name, so
# that language objects arrive unevaluated and a traceback stays readable.
function_call <- function(frame, fn, args) {
  for (i in seq_along(args)) {
    arg <- args[[i]]
    if (!is.null(arg) && (length(arg) != 1 || !is.atomic(arg) || is.object(arg))) {
      symbol <- paste0("arg", i)
      assign(symbol, arg, frame)
      args[[i]] <- as.symbol(symbol)
    }
  }
  as.call(c(function_head(frame, fn), args))
}

function_head <- function(frame, fn) {
  if (!is.null(fn$name)) {
    operator <- if (isTRUE(fn$internal)) quote(`:::`) else quote(`::`)
    return(call(as.character(operator), as.symbol(fn$namespace), as.symbol(fn$name)))
  }
  value <- fn$value
  # The global environment of the session that sent it is not here: the worker's stands in.
  if (identical(environment(value), globalenv())) {
    environment(value) <- parent.env(frame)
  }
  assign("fn", value, frame)
  quote(fn)
}

# The handlers around a worker's loop. They act only while a task runs, and come after handlers in
# the task's own code, so what a task deals with itself is not seen here.
with_task_handlers <- function(run, code) {
  withCallingHandlers(
    code,
    error = function(e) if (run$active) leave_with_error(run, e),
    warning = function(w) if (run$active) keep_warning(run, w),
    progress = function(p) if (run$active) keep_progress(p),
    interrupt = function(i) if (run$active) leave_interrupted(run)
  )
}

leave <- function(run, outcome) {
  run$outcome <- outcome
  run$active <- FALSE
  get("leave", run$leave)
}

leave_with_error <- function(run, error) {
  late <- proc.time()[["elapsed"]] >= run$deadline
  status <- if (late && inherits(error, "simpleError")) "TIMEOUT" else "ERROR"
  trace <- tryCatch(task_trace(run), error = function(e) NULL)
  value <- task_error(run, error, status, trace)
  leave(run, list(status = status, value = value, extra = extra_of(run)))
}

leave_interrupted <- function(run) {
  error <- simpleError("the worker was interrupted while it ran this task")
  value <- task_error(run, error, "DIED", NULL)
  leave(run, list(status = "DIED", value = value, extra = NULL, interrupted = TRUE))
}

max_warnings <- 50

keep_warning <- function(run, warning) {
  if (length(run$warnings) < max_warnings) {
    run$warnings <- c(run$warnings, list(warning))
  }
  restart <- computeRestarts(warning)
  muffle <- Filter(function(r) identical(r$name, "muffleWarning"), restart)
  if (length(muffle)) {
    invokeRestart(muffle[[1]])
  }
}

keep_progress <- function(condition) {
  rrq_task_progress_update(condition$value %||% conditionMessage(condition))
}

# The backtrace in the user's own frames: below it is the worker, above it R's error machinery.
task_trace <- function(run) {
  trace <- rlang::trace_back(top = run$leave)
  calls <- vapply(trace$call, function(call) paste(deparse(call[[1]], nlines = 1), collapse = ""), "")
  first <- match("eval", calls, 0L) + 1L
  while (first <= length(calls) && calls[[first]] == "eval") {
    first <- first + 1L
  }
  machinery <- c(
    ".handleSimpleError", "h", "leave_with_error", "tryCatch", "tryCatchList", "tryCatchOne",
    "doTryCatch", "task_trace", "rlang::trace_back", "signal_abort", "signalCondition",
    "<fn>", "(function(e) if (run$active) leave_with_error(run, e))"
  )
  last <- length(calls)
  handler <- which(calls == "leave_with_error")
  if (length(handler)) {
    last <- handler[[1]] - 1L
  }
  while (last >= first && (calls[[last]] %in% machinery || grepl("leave_with_error", calls[[last]]))) {
    last <- last - 1L
  }
  if (last < first) {
    return(NULL)
  }
  keep <- seq.int(first, last)
  trace <- trace[keep, ]
  trace$parent <- pmax(0L, trace$parent - first + 1L)
  trace
}

# Lines of the process log: a time, a command and its message.
report_lines <- function(commands, messages) {
  time <- format(Sys.time(), "%Y-%m-%d %H:%M:%OS3")
  cat(trimws(sprintf("[%s] %s %s", time, commands, messages), "right"), sep = "\n")
}
