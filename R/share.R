#' Values that tasks share
#'
#' `rrq_share()` stores a value in the queue and returns a handle, which stands for the value in any
#' task: each worker reads it once, however many tasks use it, and the tasks themselves stay small.
#' Equal values are stored once. A value stays until `rrq_unshare()` has been called for each handle
#' that `rrq_share()` has returned for it.
#'
#' In a task, the handle is replaced by the value wherever it is a variable, an argument, an element
#' of the data, a global variable of a function, or part of a plain list that is one of these.
#' Elsewhere, such as in an environment or an object, call `rrq_share_value()` where the value is
#' needed, in the session or in a task.
#'
#' Data that one call passes to many tasks need no handle: `args` of [rrq_task_create_bulk_call()]
#' and `...` of [rrq_lapply()] are stored once anyway.
#'
#' @param x Any value that can be sent to a worker.
#' @param handle A handle made by `rrq_share()`.
#' @inheritParams rrq_destroy
#' @return `rrq_share()`: a handle, an object of class `rrq_shared`, which can be saved and used in
#'   another session. `rrq_share_value()`: the value. `rrq_unshare()`: `NULL`, invisibly. Until it
#'   is called, or the queue is destroyed, the value stays; tasks that use the handle after that
#'   may fail.
#' @section Errors: `rrq_error_nonportable` if the value contains a connection or an external
#'   pointer; `rrq_error_object_missing` if the value is no longer stored; `rrq_error_argument` for
#'   a handle of another queue.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' m <- rrq_share(matrix(runif(1e5), 100), controller = r)
#' m
#' id <- rrq_task_create_expr(dim(m), controller = r)
#' rrq_task_wait(id, controller = r)
#' rrq_task_result(id, controller = r)
#' unlist(rrq_lapply(1:3, function(i) mean(m[i, ]), controller = r))
#' rrq_unshare(m, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_share <- function(x, controller = NULL) {
  controller <- get_controller(controller)
  if (rust_call(rs_holds_pointer(x))) {
    check_portable(list("the value" = x), NULL, rlang::current_env())
  }
  # Each handle has a tag, because others may share an equal value.
  tag <- paste0("rrq_share:", rust_call(rs_random_id()))
  hash <- controller$store$set(x, tag)
  size <- as.numeric(utils::object.size(x))
  structure(
    list(hash = hash, queue_id = controller$queue_id, size = size, what = describe(x), tag = tag),
    class = "rrq_shared"
  )
}

#' @rdname rrq_share
#' @export
rrq_share_value <- function(handle, controller = NULL) {
  check_shared(handle)
  in_task <- is.null(controller) && isTRUE(the$task$active)
  pointer <- if (in_task) the$task$handle else queue_handle(controller)
  shared_value(handle, pointer, rlang::current_env())
}

#' @rdname rrq_share
#' @export
rrq_unshare <- function(handle, controller = NULL) {
  check_shared(handle)
  controller <- get_controller(controller)
  check_own(handle, controller$queue_id, rlang::current_env())
  store <- rust_call(rs_store_of_queue(queue_handle(controller)))
  rust_call(rs_store_untag(store, handle$hash, handle$tag))
  invisible()
}

check_shared <- function(handle, call = caller_env()) {
  fields <- c("hash", "queue_id", "tag")
  if (!inherits(handle, "rrq_shared") || !all(vapply(fields, is_field, NA, handle))) {
    abort_argument("handle", "a handle made by `rrq_share()`", handle, call)
  }
}

is_field <- function(name, handle) rlang::is_string(unclass(handle)[[name]])

check_own <- function(handle, queue_id, call) {
  if (!identical(handle$queue_id, queue_id)) {
    must <- sprintf("a handle of queue '%s', not of '%s'", queue_id, handle$queue_id)
    abort_argument("handle", must, call = call)
  }
}

shared_value <- function(handle, pointer, call = caller_env()) {
  frame <- environment()
  tryCatch(
    rust_call(rs_store_shared(pointer, handle$hash, quote(is_stateless(value)), frame), call),
    rrq_error_object_missing = function(e) {
      message <- c(
        sprintf("This shared value is no longer stored: %s, %s.", handle$what, handle$hash),
        i = "`rrq_unshare()` was called for it, or the queue was destroyed."
      )
      abort("object_missing", message, ids = handle$hash, call = call)
    }
  )
}

# Values with the handles among them replaced by what they stand for, in lists at any depth.
give_shared <- function(values) {
  for (i in seq_along(values)) {
    value <- values[[i]]
    if (inherits(value, "rrq_shared")) {
      values[i] <- list(shared_value(value, the$task$handle, NULL))
    } else if (is.list(value) && !is.object(value)) {
      values[[i]] <- give_shared(value)
    }
  }
  values
}

give_shared_variables <- function(frame) {
  for (name in names(frame)) {
    value <- get(name, envir = frame)
    if (is.list(value)) assign(name, give_shared(list(value))[[1]], envir = frame)
  }
}

#' @export
print.rrq_shared <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
format.rrq_shared <- function(x, ...) {
  sprintf("<rrq_shared> %s, %s, in queue %s", x$what, format_size(x$size), x$queue_id)
}
