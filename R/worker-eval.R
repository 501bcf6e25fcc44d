# Runs the code of tasks. The engine calls the functions made here once per task. They never throw:
# value, error, interrupt and time-out are all outcomes.
#
# Conditions are caught by handlers around the whole loop (with_task_handlers), not around each
# task: setting them up costs more than a small task. An error leaves the task through the promise
# `leave` (run_call).

# The state of the running task, shared by the calls below and the handlers. A run is `active` from
# when its promise `leave` exists until the task's code has returned or was left; the handlers act
# only then.
new_run <- function() {
  # R loads a function when it is first used. The handler of interrupts must load nothing.
  list(leave_interrupted, leave, now, get, sys.calls, sys.parents)
  run <- new.env(parent = emptyenv())
  run$active <- FALSE
  run$ends_sinks <- FALSE
  run
}

# The calls the engine makes, and the environment it evaluates them in: it binds their arguments
# there, because values written into a call would be evaluated if they are code, and would fill
# every traceback.
#
# `failed` follows when `run` did not return an outcome, or its value could not be sent. What
# happened shows in the run alone, and the order of the questions matters. An interrupt outside of
# the task's code set `interrupted`; a task that was being left has an `outcome`; a jump that passed
# the handlers left the run active; anything else has its own message. Each flag is cleared here,
# else the next task would inherit it: handlers would leave through a promise whose frame is gone.
evaluation_calls <- function(run, identity) {
  run$identity <- identity
  the$task <- run
  slot <- list2env(parent = emptyenv(), list(
    run = function(kind, payload, template, variables, parents, timeout, seed, logged) {
      take_outcome(
        run, run_call(run, kind, payload, template, variables, parents, timeout, seed, logged)
      )
    },
    failed = function(message, class) {
      release_methods(run)
      # Interrupted before the task's own code began.
      if (isTRUE(run$interrupted)) {
        run$interrupted <- FALSE
        run$calls <- NULL
        return(list("DIED", task_error(run, simpleError(user_interrupt), "DIED", NULL), NULL, TRUE))
      }
      # Code in on.exit() failed while the task was being left for another reason.
      if (!is.null(run$outcome) || !is.null(run$calls)) {
        return(take_outcome(run, run$outcome))
      }
      # R's last error message may be that of an earlier task.
      if (run$active) {
        run$active <- FALSE
        message <- left_by_jump
      }
      error <- simpleError(message)
      if (nzchar(class)) class(error) <- c(class, class(error))
      list("ERROR", task_error(run, error, "ERROR", NULL))
    },
    ended = function(status, message) {
      run$signals <- NULL
      list(status, task_error(run, simpleError(message), status, NULL))
    },
    travels = function(outcome) refuse_nonportable(run, outcome),
    absent = function(id, status, worker) {
      ended_without_value(id, identity$queue_id, status, worker)
    },
    answer = function(command, argument, timeout_idle, remaining) {
      answer_message(run, command, argument, timeout_idle, remaining)
    },
    stateless = is_stateless,
    keep_state = function() keep_state(run),
    restore_state = function() restore_state(run),
    report = function(text) cat(text)
  ))
  list(
    slot = slot,
    run = quote(run(kind, payload, template, variables, parents, timeout, seed, logged)),
    failed = quote(failed(message, class)),
    ended = quote(ended(status, message)),
    absent = quote(absent(id, status, worker)),
    answer = quote(answer(command, argument, timeout_idle, remaining)),
    stateless = quote(stateless(value)),
    keep_state = if (isTRUE(identity$resets)) quote(keep_state()),
    restore_state = if (isTRUE(identity$resets)) quote(restore_state()),
    travels = quote(travels(outcome)),
    report = quote(report(text))
  )
}

# Evaluates one task. Its outcome is a list by position: status, value; and, only where there is
# more to report, rare attributes and whether the user interrupted.
#
# `leave` is a promise whose code is `return(run$outcome)`. Forcing it, from a handler however deep
# in the task, returns from this frame: that costs nothing until it is used, where a tryCatch() here
# would cost more than a small task. It works once, and only while this frame is on the stack. Hence
# the order: the promise exists before `active` is set, and leave() clears `active` before it forces
# it. Code in on.exit() of the task runs during that return; were the run still active, an error
# there would replace the outcome and force a promise that is being evaluated. The time limit is set
# before `active`, too: an interrupt while arguments are bound would be judged by the limit of the
# task before. Arguments are bound while the run is active, so that what fails there is an error of
# the task.
run_call <- function(run, kind, payload, template, variables, parents, timeout, seed, logged) {
  run$signals <- NULL
  run$logged <- logged
  run$timeout <- timeout
  run$deadline <- if (timeout > 0) now() + timeout else Inf
  delayedAssign("leave", return(run$outcome))
  run$leave <- environment()
  run$active <- TRUE
  if (kind == "bulk_call") {
    meet_template(run, template)
    # Without a hash table, which costs more than all variables of a call.
    frame <- new.env(FALSE, run$common)
    call <- bulk_call(run, frame, payload, template)
  } else {
    frame <- new.env(parent = run$envir)
    call <- prepare_call(run, frame, kind, payload, template, variables)
  }
  if (!is.null(parents)) {
    call <- bind_parents(frame, kind, call, lapply(parents, rehome, run$envir))
  }
  context <- if (is.null(template)) payload$otel else template$otel
  if (!is.null(context)) trace_task(run, context, environment())
  value <- if (is.null(seed)) eval(call, frame) else with_stream(seed, eval(call, frame))
  run$active <- FALSE
  if (is.null(run$signals)) {
    list("COMPLETE", value)
  } else {
    list("COMPLETE", value, extra_of(run), FALSE)
  }
}

# Of an interrupted task the handler has recorded only where it was.
take_outcome <- function(run, outcome) {
  force(outcome)
  if (run$ends_sinks && output_number() != run$output) end_sinks(run)
  if (!is.null(run$methods)) release_methods(run)
  run$outcome <- NULL
  if (is.null(run$calls)) {
    return(outcome)
  }
  calls <- run$calls
  run$calls <- NULL
  interrupted_outcome(run, calls)
}

# Binds what a task brings in its frame, and returns the call to evaluate there.
prepare_call <- function(run, frame, kind, payload, template, variables) {
  switch(kind,
    call = {
      payload <- merge_shared(payload, variables)
      fn <- payload$fn
      if (isTRUE(fn$shares)) {
        payload$args <- give_shared(payload$args)
        fn$globals <- give_shared(fn$globals)
      }
      load_namespaces(fn$class_packages)
      home <- globals_home(fn, run$envir)
      bind_methods(run, fn$methods, home)
      args <- rehome_args(payload$args, home, fn)
      as.call(c(function_head(frame, fn, home), bind_args(frame, args)))
    },
    expr = {
      list2env(payload$variables, frame)
      list2env(as.list(variables), frame)
      prepare_expr(run, payload, frame)$expr
    },
    bulk_expr = {
      list2env(template$variables, frame)
      prepared <- prepare_expr(run, template, frame, payload)
      list2env(named(prepared$row, template$names), frame)
      prepared$expr
    }
  )
}

# The expression, and the row of a bulk. Functions in them and in the variables see the variables,
# in a copy of the frame, because what stands for the global environment is not sent with results.
prepare_expr <- function(run, task, frame, row = NULL) {
  about <- task$about
  load_namespaces(about$class_packages)
  if (isTRUE(about$shares)) {
    give_shared_variables(frame)
    row <- give_shared(row)
    about$along$globals <- give_shared(about$along$globals)
  }
  if (length(setdiff(names(about), c("class_packages", "shares"))) == 0) {
    return(list(expr = task$expr, row = row))
  }
  home <- list2env(as.list(frame, all.names = TRUE), parent = globals_home(about$along, run$envir))
  rehome_bindings(about$code, frame, new_move(home, about))
  if (!is.null(about$code)) list2env(mget(about$code, envir = frame), home)
  bind_methods(run, c(about$methods, about$along$methods), home)
  expr <- task$expr
  if (isTRUE(about$expr_code)) expr <- rehome_call(expr, new_move(home, about))
  if (isTRUE(about$data_code)) row <- rehome(row, home, about)
  list(expr = expr, row = row)
}

# The values of tasks this one depends on become variables of an expression, or named arguments of
# a call.
bind_parents <- function(frame, kind, call, parents) {
  if (kind %in% c("expr", "bulk_expr")) {
    list2env(parents, frame)
    return(call)
  }
  as.call(c(as.list(call), bind_args(frame, parents, "parent")))
}

named <- function(values, names) {
  names(values) <- names
  values
}

is_plain <- function(x) {
  is.null(x) || (length(x) == 1L && is.atomic(x) && !is.object(x))
}

# Small plain values are written into the call; others are bound in the frame and written by name,
# so that language objects arrive unevaluated and tracebacks stay readable.
bind_args <- function(frame, args, prefix = "arg") {
  for (i in seq_along(args)) {
    if (!is_plain(args[[i]])) {
      symbol <- paste0(prefix, i)
      assign(symbol, args[[i]], frame)
      args[[i]] <- as.symbol(symbol)
    }
  }
  args
}

function_head <- function(frame, fn, home) {
  if (!is.null(fn$name)) {
    operator <- if (isTRUE(fn$internal)) ":::" else "::"
    return(call(operator, as.symbol(fn$namespace), as.symbol(fn$name)))
  }
  assign("fn", rehome(fn$value, home, fn), frame)
  quote(fn)
}

# Whether tasks can share one copy of a value: not if one could see what another did to it.
is_stateless <- function(x) {
  if (is.environment(x)) {
    return(is_lasting_environment(x))
  }
  if (is.function(x)) {
    return(is.primitive(x) || is_lasting_environment(environment(x)))
  }
  # Attributes are such as the environment of a formula, and of a model's terms.
  holds_no_state(x) && (is.null(attributes(x)) || all(vapply(attributes(x), is_stateless, TRUE)))
}

holds_no_state <- function(x) {
  if (is.list(x)) {
    return(!inherits(x, "data.table") && all(vapply(x, is_stateless, TRUE)))
  }
  is.atomic(x) || is.null(x) || is.language(x)
}

is_lasting_environment <- function(x) {
  identical(x, globalenv()) || identical(x, baseenv()) || identical(x, emptyenv()) ||
    isNamespace(x)
}

# The handlers around a worker's loop.
#
# They are calling handlers below everything a task establishes, so R asks the task's own handlers
# first: what a task handles itself never arrives here. They act only while `run$active`; outside of
# a task, errors are the worker's and pass on. What ends the task goes through leave(), which clears
# `active` first: a handler runs on top of the task's stack, and a second condition on the way out
# must find no active run. The interrupt handler remembers one that comes outside of a task's code
# (`run$interrupted`): the jump that follows ends the engine's call, which then asks `failed` what
# happened. Exiting handlers (tryCatch) would unwind before the trace is taken.
#
# The exiting handler around all of them is for errors outside of tasks, for instance of data that R
# cannot read. It never runs: the engine ends the jump to it. But without anybody to jump to, R
# would end the process.
with_task_handlers <- function(run, code) {
  tryCatch(handle_in_task(run, code), error = stop)
}

handle_in_task <- function(run, code) {
  withCallingHandlers(
    code,
    error = function(e) if (run$active) leave_with_error(run, e),
    warning = function(w) if (run$active) keep_warning(run, w),
    message = function(m) if (run$active && run$logged) keep_message(run, m),
    progress = function(p) if (run$active) keep_progress(p),
    progression = function(p) if (run$active && is.null(run$relays)) rrq_task_emit(p),
    interrupt = function(i) if (run$active) leave_interrupted(run) else run$interrupted <- TRUE
  )
}

leave <- function(run, outcome) {
  run$outcome <- outcome
  run$active <- FALSE
  get("leave", run$leave)
}

leave_with_error <- function(run, error) {
  # There may be no stack left for either.
  trace <- tryCatch(
    {
      note_packages(run)
      task_trace(run)
    },
    error = function(e) NULL
  )
  leave(run, list("ERROR", task_error(run, error, "ERROR", trace), extra_of(run), FALSE))
}

left_by_jump <- paste(
  "its code was left past all handlers: it ran out of stack (C stack, or expressions nested too",
  "deeply, as in endless recursion), or it invoked the restart \"abort\""
)

user_interrupt <- "the worker was interrupted while it ran this task"

# R signals an interrupt in the middle of C code, where a namespace that is loaded, with all the
# memory that takes, has crashed R 4.2 in its garbage collector. So this runs as little R as it can
# and leaves the rest to interrupted_outcome(), which is called when the task has been left.
leave_interrupted <- function(run) {
  run$late <- now() >= run$deadline
  run$parents <- sys.parents()
  run$calls <- sys.calls()
  leave(run, NULL)
}

# An interrupt comes from the engine if the time limit has passed, else from the user.
interrupted_outcome <- function(run, calls) {
  status <- if (run$late) "TIMEOUT" else "DIED"
  message <- if (run$late) {
    sprintf("the task exceeded its time limit of %g s", run$timeout)
  } else {
    user_interrupt
  }
  note_packages(run)
  trace <- tryCatch(recorded_trace(as.list(calls), run$parents), error = function(e) NULL)
  list(status, task_error(run, simpleError(message), status, trace), NULL, !run$late)
}

# All fields, as a list. The call of one made by simpleCondition() is NULL and no news.
keep_progress <- function(condition) {
  fields <- unclass(condition)
  rrq_task_progress_update(fields[names(fields) != "call" | !vapply(fields, is.null, NA)])
}
