#' Promises of tasks
#'
#' `rrq_promise()` returns a promise, as of the package promises, of the value of a task or of the
#' values of several. `rrq_async()` creates a task of an expression that can be used as a promise.
#' Both return at once. The process stays free for other users until the task has ended; the event
#' loop of Shiny, plumber or httpuv then goes on with the value. Nothing asks the server again and
#' again: a thread listens for the end of tasks, and wakes the event loop.
#'
#' All promises of a controller share one [rrq_watch()], and so one thread and one connection.
#' Values of tasks that ended together are fetched together. A promise belongs to the event loop
#' that is current when it is made, see [later::current_loop()].
#'
#' A promise cannot be cancelled, but its task can: [rrq_task_cancel()] rejects the promise, with an
#' error whose `status` is `"CANCELLED"`. The tasks stay in the queue after they have ended, so that
#' another session, or this one after a restart, finds them: set the option `ttl`, or delete them
#' with [rrq_task_delete()]. A promise that is garbage-collected does not affect its task.
#'
#' Outside of Shiny and plumber, promises make progress only while the event loop runs: at the
#' console when it is idle, in a script in [later::run_now()].
#'
#' @param task_ids A character vector of ids.
#' @param error Whether the promise is rejected if a task fails. If `FALSE`, the error is the value.
#' @inheritParams rrq_task_create_expr
#' @inheritParams rrq_task_result
#' @return `rrq_promise()`: a promise. For one id it is of the value of the task. Otherwise it is of
#'   a list of the values, in the order and with the names of `task_ids`, once all tasks have ended.
#'   Rejected, it has the error that [rrq_task_result()] throws, or for several tasks that of
#'   [rrq_task_results()], once all of them have ended.
#'
#'   `rrq_async()`: the id of the task, of class `rrq_async`. Functions for tasks take it as an id;
#'   [promises::then()], the pipes of promises, outputs of Shiny, `ExtendedTask` and plumber take it
#'   as a promise, which is rejected if the task fails.
#' @section Errors: `rrq_error_task_missing` for unknown ids; `rrq_error_promises_missing` if the
#'   package promises is not installed. For `rrq_async()` also those of [rrq_task_create_expr()].
#' @seealso [rrq_watch()], and `vignette("web")` for an app and an API.
#' @export
#' @examplesIf rrq:::can_run_examples() && requireNamespace("promises", quietly = TRUE)
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' ids <- rrq_task_create_bulk_call(sqrt, c(4, 9), controller = r)
#' done <- FALSE
#' promises::then(rrq_promise(ids, controller = r), function(values) {
#'   str(values)
#'   done <<- TRUE
#' })
#' while (!done) later::run_now(1)
#'
#' task <- rrq_async(mean(mtcars$mpg), controller = r)
#' task
#' value <- promises::then(task, print)
#' while (later::run_now(1)) NULL
#' rrq_destroy(controller = r)
#' server$stop()
rrq_promise <- function(task_ids, error = TRUE, warnings = NULL, controller = NULL) {
  task_ids <- check_ids(task_ids)
  check_flag(error)
  check_flag(warnings, null = TRUE)
  hub <- promise_hub(get_controller(controller))
  ids <- unique(as.character(task_ids))
  rust_call(rs_watch_add(hub$pointer, queue_handle(hub$controller), ids))
  promise_values(promise_outcomes(hub, ids), task_ids, error, warnings)
}

#' @rdname rrq_promise
#' @export
rrq_async <- with_options(function(expr, options = NULL, globals = TRUE, controller = NULL) {
  frame <- rlang::current_env()
  options <- engine_options(frame)
  task <- expr_task(substitute(expr), options, globals, parent.frame(), frame)
  hub <- promise_hub(get_controller(controller))
  handle <- queue_handle(hub$controller)
  id <- submit_watched(
    hub$pointer, handle, submit(handle, task$kind, list(task$payload), task$shared, options, frame)
  )
  state <- list(outcomes = promise_outcomes(hub, id), controller = hub$controller)
  attr(id, "state") <- list2env(state, parent = emptyenv())
  # Before version 1.3, promises takes no other class for a promise.
  class(id) <- c("rrq_async", "promise")
  id
})

#' @export
print.rrq_async <- function(x, ...) {
  controller <- attr(x, "state")$controller
  status <- tryCatch(
    rrq_task_status(x, controller = controller), rrq_error = function(e) "not available"
  )
  cat(sprintf("<rrq_async> %s: %s\n", as.character(x), status))
  invisible(x)
}

# The methods of a promise: then(), catch() and finally().
#' @export
`$.rrq_async` <- function(x, name) as.promise.rrq_async(x)[[name]]

register_promises <- function() {
  when_loaded("promises", function() {
    register_methods("as.promise", list(rrq_async = as.promise.rrq_async), "promises")
  })
}

# The same promise each time: the warnings of the task are signalled once.
as.promise.rrq_async <- function(x) { # nolint: object_name_linter. A method.
  state <- attr(x, "state")
  if (is.null(state$promise)) {
    state$promise <- promise_values(state$outcomes, as.character(x), TRUE, NULL)
  }
  state$promise
}

# The promise for users, of what promise_outcomes() promises. An error is thrown by this function,
# which is made while the user's call is on the stack: a rejection from elsewhere would lose the
# stack that Shiny shows.
promise_values <- function(outcomes, task_ids, error, warnings) {
  promises::then(outcomes, function(found) {
    if (!is.null(found$failure)) stop(found$failure)
    signal_outcomes(found$ids, found, warnings)
    if (length(task_ids) == 1) {
      if (error && found$status != "COMPLETE") throw_task_error(found$value[[1]])
      return(found$value[[1]])
    }
    if (error) throw_failures(found, NULL)
    stats::setNames(found$value[match(task_ids, found$ids)], names(task_ids))
  })
}

# What the promises of a controller share, for one event loop. `waiting` holds the promises of each
# task that has not ended, as `place`s: a promise and the position of the task in it. The watch has
# a function only while there are any: it would keep the controller from being garbage-collected.
promise_hub <- function(controller, call = caller_env()) {
  if (!isNamespaceLoaded("promises") && !requireNamespace("promises", quietly = TRUE)) {
    abort("promises_missing", "This needs the package promises.", call = call)
  }
  handle <- queue_handle(controller, call)
  loop <- as.character(later::current_loop()$id)
  hub <- controller$promises[[loop]]
  # In a fork, or after the controller was saved and read back, it is closed.
  if (is.null(hub) || is_dead(hub$pointer) || is.null(rust_call(rs_watch_n_open(hub$pointer)))) {
    key <- next_watch()
    hub <- rlang::env(
      controller = controller, key = key, waiting = new.env(), is_called = FALSE,
      pointer = rust_call(rs_watch_open(handle, follows(NULL, controller)), call)
    )
    controller$promises[[loop]] <- hub
  }
  hub
}

# A promise of the outcomes of these tasks, which is never rejected: if they cannot be fetched, the
# error is `failure`.
promise_outcomes <- function(hub, ids) {
  n <- length(ids)
  promise <- list2env(parent = emptyenv(), list(
    ids = ids, n_left = n, status = character(n), value = vector("list", n), extra = NULL,
    failure = NULL
  ))
  waiting <- hub$waiting
  for (at in seq_along(ids)) {
    id <- ids[[at]]
    waiting[[id]] <- c(waiting[[id]], list(list(promise = promise, at = at)))
  }
  if (n > 0 && !hub$is_called) {
    call_on_event(hub$pointer, hub$key, function() settle_promises(hub))
    hub$is_called <- TRUE
  }
  promises::promise(function(resolve, reject) {
    promise$resolve <- resolve
    if (n == 0) resolve(promise)
  })
}

settle_promises <- function(hub) {
  news <- rust_call(rs_watch_drain(hub$pointer))
  ids <- intersect(news$id[!is.na(news$status)], names(hub$waiting))
  for (first in seq.int(1, length.out = ceiling(length(ids) / batch_size), by = batch_size)) {
    batch <- ids[seq.int(first, min(first + batch_size - 1, length(ids)))]
    outcomes <- tryCatch(
      fetch_left(batch, hub$controller, follows(NULL, hub$controller)), error = identity
    )
    for (i in seq_along(batch)) {
      for (place in hub$waiting[[batch[[i]]]]) fill_place(place, outcomes, i)
    }
    rm(list = batch, envir = hub$waiting)
  }
  if (length(hub$waiting) == 0) {
    call_on_event(hub$pointer, hub$key, NULL)
    hub$is_called <- FALSE
  }
}

fill_place <- function(place, outcomes, i) {
  promise <- place$promise
  promise$n_left <- promise$n_left - 1
  if (inherits(outcomes, "condition")) {
    promise$failure <- outcomes
  } else {
    promise$status[[place$at]] <- outcomes$status[[i]]
    promise$value[place$at] <- outcomes$value[i]
    if (!is.null(outcomes$extra)) {
      promise$extra <- promise$extra %||% vector("list", length(promise$ids))
      promise$extra[place$at] <- outcomes$extra[i]
    }
  }
  if (promise$n_left == 0) promise$resolve(promise)
}
