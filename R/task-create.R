#' Task creation
#'
#' `rrq_task_create_expr()` queues an expression, `rrq_task_create_call()` a function call. A worker
#' runs it; [rrq_task_wait()] waits for it and [rrq_task_result()] fetches the value.
#'
#' @section What is sent:
#' An expression is sent together with the variables it uses, which are looked up where it is
#' written. Variables that it creates itself are not sent, nor are functions: these come from the
#' worker environment (see [rrq_worker_envir_set()]) or from packages. A variable that cannot be
#' found is an error, unless it can be a column: in an index of a data frame or of an unknown
#' object, such as `dt[cyl == 4, .N]`; beside a data frame in a call; or in a call of a function
#' that quotes its arguments. If this finds too much or too little, declare the variables with
#' `globals`.
#'
#' In a call, `pkg::fn` and functions of packages are sent by name. Any other function is sent by
#' value, with the environment in which it was created. From the global environment, the current
#' values of the variables and functions that it uses are sent with it, and those that these use in
#' turn; the same applies to functions among its arguments, and to functions inside other values,
#' such as a list of functions, also in the variables of an expression. Functions of packages that
#' are attached in this session are found on the worker without attaching the packages there. On the
#' worker, what was sent takes precedence over the worker environment, where all other names are
#' looked up. What a function uses indirectly, as in `get("x")`, is not recognised: name it in
#' `globals`. Arguments arrive as they are, language objects unevaluated.
#'
#' S3 methods of the global environment are sent for the generics that a function names and for the
#' classes of the values that are sent. For the duration of the task they are bound in the worker's
#' global environment, where functions of packages find them, too. A package that defines the
#' methods of such a class, for example data.table or tibble, is loaded on the worker if it is
#' installed there.
#'
#' Connections and external pointers exist in one R process only. Objects that contain them, such as
#' a database connection or an `xml_document`, cannot be sent; of the environment in which a
#' function was created, only the variables that it uses are checked, and not those whose names are
#' used as columns, as in a formula. With
#' `options(rrq.nonportable = "warn")` this is a warning, and with `"ignore"` nothing is reported:
#' the pointers then arrive empty, which is of use only for objects that can restore them. A result
#' that contains a connection or pointer makes its task an `ERROR`; there, the option of the worker
#' applies.
#'
#' Large vectors, lists and data frames are stored separately, once for all tasks that use them. If
#' the rest of a task takes more than 10 MB, for example because of the variables in a function's
#' environment, a warning of class `rrq_warning_large` names the largest parts. More than
#' `options(rrq.max_task_size = )` bytes, by default 64 MB, are an error.
#'
#' @section What a task leaves behind:
#' Each task runs in a fresh environment, so its variables are gone when it ends. Nothing else is
#' reset: what a task changes in its R process, the next task on the same worker finds changed. That
#' holds for the working directory, options, environment variables, attached packages, open graphics
#' devices and what was assigned in the global environment. Undo such changes in the task, for
#' example with [on.exit()], or use `separate_process = TRUE`: they then end with the process of the
#' task.
#'
#' @param expr A call, a block in braces, or a symbol bound to a call. It is not evaluated here.
#' @param fn A function: `pkg::name`, a symbol or an anonymous function.
#' @param args A list of arguments, named or not.
#' @param options Options made by [rrq_task_options()], or `NULL`. Arguments of this function
#'   override those in `options`.
#' @param globals Which variables are sent with the expression or function. `TRUE`: those it uses,
#'   see below. `FALSE`: none; the worker must have everything it needs. A character vector: exactly
#'   these, including functions, looked up where the task is written. A named list: these values.
#' @inheritParams rrq_task_options
#' @inheritParams rrq_destroy
#' @return The task's id: 32 lower-case hexadecimal characters.
#' @section Errors: `rrq_error_argument` if `expr` is not a call or `fn` not a function;
#'   `rrq_error_variable` names a variable that cannot be found; `rrq_error_size` if the global
#'   variables of a function take more than `options(rrq.globals_max_size = )` bytes, by default 500
#'   MB; `rrq_error_task_large` names the largest parts of a task that takes more than
#'   `options(rrq.max_task_size = )` bytes; `rrq_error_queue_full` if the queue stores more than its
#'   `max_bytes` and `wait` is `FALSE`; `rrq_error_server_full` if the server has reached its
#'   `maxmemory`; `rrq_error_nonportable` names a variable that contains a connection or an external
#'   pointer;
#'   `rrq_error_task_missing` lists the unknown ids in `depends_on`; `rrq_error_queue_missing` if
#'   the queue has been destroyed. In all these cases nothing is queued.
#'   `rrq_error_dependency_failed` if a dependency has already failed: the new tasks are recorded as
#'   `IMPOSSIBLE`, and their ids are in the condition's `$task_ids`.
#' @seealso [rrq_task_create_bulk_call()] for many tasks at once.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#'
#' # An expression, with the variables it uses
#' x <- 3
#' id <- rrq_task_create_expr(sqrt(x), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_result(id, controller = r)
#'
#' # A call
#' id <- rrq_task_create_call(stats::quantile, list(1:9, probs = 0.25), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_result(id, controller = r)
#'
#' # A task that uses the value of another
#' a <- rrq_task_create_expr(1:10, controller = r)
#' b <- rrq_task_create_expr(mean(draws), depends_on = c(draws = a), controller = r)
#' rrq_task_wait(b, controller = r)
#' rrq_task_result(b, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_create_expr <- with_options(function(expr, options = NULL, globals = TRUE,
                                              controller = NULL) {
  frame <- rlang::current_env()
  options <- engine_options(frame)
  task <- expr_task(substitute(expr), options, globals, parent.frame(), frame)
  submit(queue_handle(controller), task$kind, list(task$payload), task$shared, options)
})

#' @rdname rrq_task_create_expr
#' @export
rrq_task_create_call <- with_options(function(fn, args = NULL, options = NULL, globals = TRUE,
                                              controller = NULL) {
  frame <- rlang::current_env()
  options <- engine_options(frame)
  task <- call_task(substitute(fn), args, options, globals, parent.frame(), frame)
  submit(queue_handle(controller), task$kind, list(task$payload), task$shared, options)
})

# What is sent for an expression: the task itself and the large values that are stored separately.
expr_task <- function(expr, options, globals, envir, call) {
  task <- capture_expr(expr, envir, call, names(options$depends_on), globals)
  large <- is_large(task$variables)
  payload <- list(expr = task$expr, variables = task$variables[!large])
  # Code that is written here holds no functions, but code that was stored may.
  built <- if (is.symbol(expr)) task$expr
  payload$about <- describe_variables(task$variables, globals, expr = built, call = call)
  list(kind = "expr", payload = payload, shared = task$variables[large])
}

# The same for a call.
call_task <- function(fn_expr, args, options, globals, envir, call) {
  fn <- capture_function(fn_expr, envir, call)
  args <- check_args(args, null = TRUE, call = call)
  check_given(options, names(args), "an argument", call)
  fn <- capture_along(fn, args, globals, envir, call = call)
  large <- is_large(args)
  shared <- list()
  if (any(large)) {
    shared <- args[large]
    names(shared) <- which(large)
    args[large] <- list(NULL)
  }
  large <- is_large(fn$globals)
  if (any(large)) {
    shared <- c(shared, rlang::set_names(fn$globals[large], paste0("=", names(fn$globals)[large])))
    fn$globals <- fn$globals[!large]
  }
  list(kind = "call", payload = list(fn = pack_function(fn), args = args), shared = shared)
}

# A function that is sent by name alone, in half the bytes.
pack_function <- function(fn) {
  if (is.null(fn$name) || length(fn) > 3) {
    return(fn)
  }
  c(fn$namespace, fn$name, if (fn$internal) "internal")
}

unpack_function <- function(packed) {
  list(name = packed[[2]], namespace = packed[[1]], internal = length(packed) > 2)
}

# What is sent with a function; nothing with a name alone.
sent_with <- function(fn, what) if (is.list(fn)) fn[[what]]

# Values of at least this size in bytes are stored by their hash, once for all tasks that use them.
large_bytes <- 1e5

is_large <- function(values) {
  large <- logical(length(values))
  for (i in seq_along(values)) {
    x <- values[[i]]
    # object.size() takes longer than all else here.
    if (!is_short_number(x) && (is.atomic(x) || is.list(x))) {
      large[[i]] <- utils::object.size(x) > large_bytes
    }
  }
  large
}

is_short_number <- function(x) {
  length(x) < 1000 && (is.numeric(x) || is.logical(x)) && is.null(attributes(x))
}

# Puts the large values, which were stored separately, back into the payload: arguments by their
# position, what goes along with the function by its name after `=`.
merge_shared <- function(payload, shared) {
  if (is.character(payload$fn)) payload$fn <- unpack_function(payload$fn)
  if (length(shared) == 0) {
    return(payload)
  }
  if (is.null(payload$fn)) {
    payload$variables <- c(payload$variables, shared)
  } else {
    is_global <- startsWith(names(shared), "=")
    payload$args[as.integer(names(shared)[!is_global])] <- shared[!is_global]
    names(shared) <- sub("=", "", names(shared), fixed = TRUE)
    if (any(is_global)) payload$fn$globals <- c(payload$fn$globals, shared[is_global])
  }
  payload
}

check_args <- function(args, null = FALSE, arg = "args", call = caller_env()) {
  if (null && is.null(args)) {
    return(list())
  }
  if (!is.list(args) || is.data.frame(args)) {
    abort_argument(arg, "a list of arguments", args, call)
  }
  as.list(args)
}

# `job` remembers for several submissions that the user was warned. `send` has the engine queue the
# tasks and returns their ids.
submit <- function(handle, kind, payloads, shared, options, call = caller_env(),
                   job = new.env(parent = emptyenv()), send = send_tasks) {
  if (is.null(names(shared))) {
    names(shared) <- rep("", length(shared))
  }
  frame <- environment()
  if (!is.null(the$otel)) {
    context <- trace_submission(kind, length(payloads), frame)
    if (!kind %in% c("expr", "call")) {
      shared[[1]]$otel <- context
    } else {
      payloads[[1]]$otel <- context
    }
  }
  refused <- NULL
  warnings <- list()
  ask <- list(
    inspect = inspect_call, report_full = full_call, slot = frame, limit = max_task_size(call)
  )
  failed <- function(failure) fail_submission(failure, frame, call)
  ids <- send(handle, kind, payloads, shared, options, ask, call, failed)
  if (length(warnings) > 0) warn_submission(warnings, handle, ids, call)
  ids
}

send_tasks <- function(handle, kind, payloads, shared, options, ask, call, failed) {
  rust_call(rs_task_submit(handle, kind, payloads, shared, options, ask), call, failed)
}

# `frame` is that of submit().
fail_submission <- function(failure, frame, call) {
  tryCatch(
    rust_call(failure, call),
    rrq_error_dependency_failed = function(e) {
      e$task_ids <- e$ids
      rlang::cnd_signal(e)
    },
    rrq_error_object_large = function(e) abort_too_large(e, frame),
    rrq_error = function(e) {
      if (inherits(frame$refused, "interrupt")) rlang::interrupt()
      rlang::cnd_signal(frame$refused %||% e)
    }
  )
}

# A warning may leave this function: the options or a handler of the user may make it an error. Then
# nobody has the ids.
warn_submission <- function(warnings, handle, ids, call) {
  is_returned <- FALSE
  on.exit(if (!is_returned) rust_call(rs_task_discard(handle, ids, 0), call))
  for (w in warnings) warning(w)
  is_returned <- TRUE
}
