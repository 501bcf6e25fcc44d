#' Worker environment
#'
#' Tasks run in an environment that each worker builds when it starts. By default it is empty, on
#' top of the global environment. `rrq_worker_envir_set()` stores a function that fills it, for
#' example with packages, functions from files, or data that is read only once; `rrq_envir()` makes
#' such a function. `rrq_worker_envir_refresh()` makes workers rebuild their environment. If the
#' function fails on a worker, the worker logs the error and exits.
#'
#' Afterwards each worker, and each process of an isolated task, seeds its random numbers from the
#' system, so that they are independent even if the environment calls `set.seed()`. For
#' reproducible numbers, use `seed` of [rrq_task_create_expr()] and [rrq_lapply()].
#'
#' @param packages A character vector of packages to attach on the worker, in this order.
#' @param sources A character vector of R files to source on the worker. The files are not sent:
#'   workers on other machines must find them under the same absolute path.
#' @param create A function of one argument, the environment to fill, for example made by
#'   `rrq_envir()`. It is sent by value, with the contents of its own environment. `NULL` removes
#'   the stored function.
#' @param notify Whether active workers rebuild their environment now. If `FALSE`, only workers
#'   started from now on use the function.
#' @param worker_ids A character vector of worker ids; `NULL` (the default) is all active workers.
#' @inheritParams rrq_destroy
#' @return `rrq_envir()`: a function of one argument, which prints its packages and files.
#'   `as.data.frame()` has a row for each of them, with the columns `type` and `name`. The others
#'   return, invisibly, the id of the
#'   `REFRESH` message, a string, or `NULL` if none was sent; see [rrq_message_get_response()].
#' @section Errors: `rrq_error_argument` names the files that do not exist.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' path <- tempfile(fileext = ".R")
#' writeLines("double <- function(x) 2 * x", path)
#' rrq_worker_envir_set(rrq_envir(packages = "stats", sources = path), controller = r)
#' w <- rrq_worker_spawn(1, controller = r)
#' id <- rrq_task_create_expr(double(21), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_result(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_envir <- function(packages = NULL, sources = NULL) {
  check_no_library(substitute(packages))
  check_names(packages, null = TRUE)
  check_names(sources, null = TRUE)
  absent <- sources[!utils::file_test("-f", as.character(sources))]
  if (length(absent) > 0) {
    message <- sprintf("`sources` must be existing files. Files not found: %s.", toString(absent))
    abort("argument", message, argument = "sources")
  }
  # A minimal environment, because the function is sent to every worker.
  create <- rlang::new_function(
    rlang::set_names(list(rlang::missing_arg()), "envir"),
    quote({
      for (package in packages) {
        library(package, character.only = TRUE)
      }
      for (path in sources) {
        # Like sys.source(), but an error names the line.
        lines <- vapply(attr(parse(path, keep.source = TRUE), "srcref"), `[[`, 0L, 1L)
        code <- parse(path, keep.source = FALSE)
        for (i in seq_along(code)) {
          withCallingHandlers(eval(code[[i]], envir), error = function(e) {
            stop(sprintf("%s:%d: %s", path, lines[[i]], conditionMessage(e)), call. = FALSE)
          })
        }
      }
      invisible(envir)
    }),
    rlang::new_environment(
      list(packages = packages, sources = normalizePath(as.character(sources))),
      baseenv()
    )
  )
  structure(create, class = c("rrq_envir", "function"))
}

#' @rdname rrq_envir
#' @export
rrq_worker_envir_set <- function(create, notify = TRUE, controller = NULL) {
  check_create(create)
  check_takes_one_argument(create)
  check_flag(notify)
  handle <- queue_handle(controller)
  rust_call(rs_envir_set(handle, if (!is.null(create)) strip_function_source(create)))
  invisible(if (notify) refresh_workers(handle, NULL))
}

#' @rdname rrq_envir
#' @export
rrq_worker_envir_refresh <- function(worker_ids = NULL, controller = NULL) {
  worker_ids <- check_ids(worker_ids, null = TRUE)
  handle <- queue_handle(controller)
  invisible(refresh_workers(handle, worker_ids))
}

# Having no active worker is not an error: workers that start later build the new environment.
refresh_workers <- function(handle, worker_ids, call = caller_env()) {
  worker_ids <- worker_ids %||% active_workers(handle, call)
  if (length(worker_ids) > 0) {
    rust_call(rs_message_send(handle, "REFRESH", NULL, worker_ids), call)
  }
}

# `library(stats)` attaches the package here, and its value is the names of all attached packages.
check_no_library <- function(expr, call = caller_env()) {
  if (rlang::is_call(expr, c("library", "require", "requireNamespace", "source"))) {
    name <- rlang::as_label(expr[[1]])
    arg <- if (name == "source") "sources" else "packages"
    value <- if (length(expr) > 1) as.character(expr[[2]])[[1]] else "name"
    message <- c(
      sprintf("`packages` must be names of packages, not a call of `%s()`.", name),
      i = sprintf("Write `rrq_envir(%s = \"%s\")`.", arg, shorten(value, 60))
    )
    abort("argument", message, argument = "packages", call = call)
  }
}

check_create <- function(create, call = caller_env()) {
  if (is.null(create) || is.function(create)) {
    return(invisible())
  }
  hint <- if (is.character(create) && length(create) > 0 && !anyNA(create)) {
    arg <- if (grepl("[.][rR]$|/", create[[1]])) "sources" else "packages"
    sprintf("Make one with `rrq_envir(%s = \"%s\")`.", arg, shorten(create[[1]], 60))
  } else {
    "Make one with `rrq_envir()`."
  }
  abort_argument("create", "a function of one argument, an environment", create, call, hint)
}

check_takes_one_argument <- function(create, call = caller_env()) {
  if (is.null(create)) {
    return(invisible())
  }
  params <- as.list(formals(args(create)))
  required <- vapply(params, rlang::is_missing, NA) & names(params) != "..."
  if (length(params) == 0 || sum(required) > 1 || any(which(required) > 1)) {
    message <- "`create` must be a function of one argument, an environment."
    abort("argument", message, argument = "create", call = call)
  }
}
