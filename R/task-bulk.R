#' Bulk task creation
#'
#' Queues one task per row of a data frame or per element of a vector. Data that the tasks share is
#' stored once, and each worker reads it once.
#'
#' @param expr An expression that uses the columns of `data`. Other variables are looked up where
#'   the expression is written; columns take precedence. `!!x` inserts the value of `x`.
#' @param fn A function: `pkg::name`, a symbol or an anonymous function.
#' @param data A data frame: one task per row, with the columns as variables of `expr` or as named
#'   arguments of `fn`. For `fn` also a list or vector: one task per element, its first argument.
#' @param args A list of further arguments, the same for all tasks.
#' @section Failures while tasks are being queued:
#' Tasks are queued in chunks, and workers may start the first ones before the last one is sent. If
#' an element is too large, cannot be serialised or cannot be sent, or the server rejects a chunk,
#' the whole bulk is withdrawn: waiting tasks are deleted; running tasks are stopped, then deleted.
#' If the session is killed during the call, or loses its connection, nothing can be withdrawn: the
#' tasks queued so far run, and [rrq_task_list()] lists them. Give the bulk a tag to find them.
#'
#' @inheritParams rrq_task_create_expr
#' @return A character vector with the ids of the tasks, in the order of `data`.
#' @section Errors: Those of [rrq_task_create_expr()]; `rrq_error_argument` if `data` is empty;
#'   `rrq_error_corrupt` if an element cannot be serialised.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
#' rrq_task_wait(ids, controller = r)
#' unlist(rrq_task_results(ids, controller = r))
#'
#' # One task per row; the columns are variables of the expression
#' grid <- expand.grid(n = c(10, 100), sd = 1:2)
#' ids <- rrq_task_create_bulk_expr(sd / sqrt(n), grid, controller = r)
#' rrq_task_wait(ids, controller = r)
#' cbind(grid, error = unlist(rrq_task_results(ids, controller = r)))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_task_create_bulk_expr <- with_options(function(expr, data, options = NULL, globals = TRUE,
                                                   controller = NULL) {
  options <- engine_options(rlang::current_env(), NROW(data))
  if (!is.data.frame(data)) {
    abort_argument("data", "a data frame", data, rlang::current_env())
  }
  check_data(data)
  check_given(options, names(data), "a column of `data`")
  expr <- inject_expr(substitute(expr), parent.frame())
  given <- c(names(data), names(options$depends_on))
  task <- capture_bulk(expr, given, parent.frame(), rlang::current_env(), globals)
  handle <- queue_handle(controller)
  template <- list(expr = task$expr, variables = task$variables, names = names(data))
  template$about <- describe_variables(task$variables, globals, data, task$expr)
  submit(handle, "bulk_expr", rows(data), list(template), options)
})

#' @rdname rrq_task_create_bulk_expr
#' @export
rrq_task_create_bulk_call <- with_options(function(fn, data, args = NULL, options = NULL,
                                                   globals = TRUE, controller = NULL) {
  options <- engine_options(rlang::current_env(), NROW(data))
  fn <- capture_function(substitute(fn), parent.frame(), rlang::current_env())
  if (!is_elements(data)) {
    abort_argument("data", "a data frame, a list or a vector", data, rlang::current_env())
  }
  check_data(data)
  args <- check_args(args, null = TRUE)
  check_given(options, c(names(args), if (is.data.frame(data)) names(data)), "an argument")
  fn <- capture_along(fn, args, globals, parent.frame(), data)
  handle <- queue_handle(controller)
  is_frame <- is.data.frame(data)
  template <- list(fn = fn, args = args, names = if (is_frame) names(data))
  submit(handle, "bulk_call", if (is_frame) rows(data) else as.list(data), list(template), options)
})

# Whether each element becomes a task. Dates, times and factors are vectors; objects made of a list,
# such as a fitted model, are not.
is_elements <- function(x) {
  is.data.frame(x) || is.vector(x) || (is.atomic(x) && !is.null(x) && is.null(dim(x)))
}

check_data <- function(data, call = caller_env()) {
  if (NROW(data) == 0 || length(data) == 0) {
    abort("argument", "`data` must not be empty.", argument = "data", call = call)
  }
  if (is.data.frame(data) && (anyDuplicated(names(data)) || !all(nzchar(names(data))))) {
    abort_argument("data", "a data frame with unique, non-empty column names", call = call)
  }
  invisible(data)
}

# The rows of a data frame as unnamed lists. A list column yields its element; factors stay factors.
rows <- function(data) {
  columns <- lapply(data, function(column) {
    if (is.data.frame(column) || is.matrix(column)) {
      lapply(seq_len(nrow(column)), function(i) column[i, ])
    } else {
      as.list(column)
    }
  })
  do.call(mapply, c(list(FUN = list, SIMPLIFY = FALSE, USE.NAMES = FALSE), unname(columns)))
}
