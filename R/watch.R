#' Watch tasks in the background
#'
#' A watch tells which tasks have ended, and which events they emit while they run (see
#' [rrq_task_emit()]), without blocking the session. A thread with a connection of its own listens
#' for them, whatever R does. Asking for news costs no request, and with [later::later()] a watch
#' calls a function when there is news. This is what event loops need, such as those of Shiny and
#' plumber, and backends of other packages; to wait in a script, use [rrq_task_wait()] or
#' [rrq_task_collect()].
#'
#' All watches of a controller share one thread and one connection. While tasks are watched, the
#' thread also ends the tasks of lost workers, once a second. It reconnects by itself after a lost
#' connection, and nothing is missed then. It ends with the last watch of the controller, when that
#' is closed or garbage-collected. In a fork of the process a watch is closed.
#'
#' @section Methods:
#' * `$add(ids)`: watches tasks, with one request per 1000 ids. The end of a task that has already
#'   ended, and the events that it has emitted so far, are told at once. A retried task stands for
#'   the newest of its chain if the controller has `follow = TRUE`. Ids that are already watched
#'   are ignored.
#' * `$submit(code)`: evaluates `code` and returns its value; the tasks that it creates with the
#'   same controller are watched from the beginning, which costs no request. If `code` fails, they
#'   are not watched. Of nested calls, the innermost watch gets the tasks.
#' * `$drain()`: returns the news since the last call and sends nothing. It never blocks.
#' * `$wait(timeout = Inf)`: blocks until there is news, at most so many seconds. Returns `TRUE` if
#'   there is, and `FALSE` if not, also at once if no task is left to wait for. Ctrl-C ends it. Like
#'   every wait, it checks the workers that the session has spawned.
#' * `$on_event(fun)`: calls `fun()`, without arguments, when there is news, from the event loop
#'   that is current now (see [later::current_loop()]); also if there is some already. It is called
#'   again for what comes later only, so it should call `$drain()`, which may find nothing. It
#'   replaces the function of before; `NULL` removes it. Errors of `fun` are raised in the event
#'   loop. A watch that has a function is not garbage-collected before it is closed.
#' * `$n_open()`: how many of its tasks have not ended; `NULL` if the watch is closed.
#' * `$close()`: stops watching. What was not drained is lost; the tasks are not affected.
#'
#' @section News:
#' `$drain()` returns a list of four vectors of the same length, in the order in which things
#' happened to each task; of length 0 if there is no news:
#' * `id`: the task, by the id under which it is watched.
#' * `status`: how the task ended, such as `"COMPLETE"` (see [rrq_task_status()]), or `NA` for an
#'   event. It is `"MISSING"` if the task was deleted, or the queue destroyed. Each task ends once,
#'   and none of its events comes after that.
#' * `event`: a list with the condition that was emitted, or `NULL` for an end.
#' * `dropped`: how many events of this task were dropped before this item, because there were too
#'   many; usually 0.
#'
#' Values are not included: fetch them with [rrq_task_result()], [rrq_task_results()] or
#' [rrq_task_take()].
#'
#' @inheritParams rrq_task_status
#' @return An `rrq_watch`.
#' @section Errors: `rrq_error_task_missing` of `$add()` for unknown ids: then none of `ids` is
#'   added. `rrq_error_watch_closed` for a watch that is closed. `rrq_error_connection` of `$wait()`
#'   if the server could not be reached for some seconds; the thread goes on trying, and `$wait()`
#'   may be called again. `rrq_error_later_missing` of `$on_event()` if the package later is not
#'   installed.
#' @seealso [rrq_task_take()] to fetch and delete the tasks that have ended.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(1, controller = r)
#' watch <- rrq_watch(r)
#' ids <- watch$submit(rrq_task_create_bulk_call(sqrt, 1:2, controller = r))
#' while (watch$wait()) {
#'   news <- watch$drain()
#'   str(rrq_task_take(news$id, controller = r)$value)
#' }
#' watch$close()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_watch <- function(controller = NULL) {
  controller <- get_controller(controller)
  pointer <- rust_call(rs_watch_open(queue_handle(controller), follows(NULL, controller)))
  new_watch(pointer, controller)
}

new_watch <- function(pointer, controller) {
  # One that was saved and read back, or sent to another process, has lost its thread.
  opened <- function(call = caller_env()) {
    if (is_dead(pointer)) abort_watch_closed(call)
    pointer
  }
  key <- next_watch()
  methods <- list(
    add = function(ids) {
      rust_call(rs_watch_add(opened(), queue_handle(controller), check_ids(ids)))
      invisible()
    },
    submit = function(code) submit_watched(opened(), queue_handle(controller), code),
    drain = function() rust_call(rs_watch_drain(opened())),
    wait = function(timeout = Inf) {
      check_number(timeout)
      wait_for_news(opened(), controller, timeout)
    },
    on_event = function(fun) {
      if (!is.null(fun) && !is.function(fun)) abort_argument("fun", "a function or NULL", fun)
      call_on_event(opened(), key, fun)
      invisible()
    },
    n_open = function() if (!is_dead(pointer)) rust_call(rs_watch_n_open(pointer)),
    close = function() {
      # Also if the server has ended.
      if (!is_dead(pointer)) close_watch(pointer, key, controller$pointer)
      invisible()
    }
  )
  structure(methods, class = "rrq_watch")
}

# A function of its own: see keep_server().
next_watch <- function() {
  the$n_watches <- the$n_watches + 1
}

#' @export
print.rrq_watch <- function(x, ...) {
  n <- x$n_open()
  state <- if (is.null(n)) "closed" else paste(count_of(n, "task", "tasks"), "not ended")
  cat(sprintf("<rrq_watch> %s\n", state))
  invisible(x)
}

abort_watch_closed <- function(call) {
  abort("watch_closed", c("This watch is closed.", i = hints$watch_closed), call = call)
}

# `code` is a promise: it is evaluated in between.
submit_watched <- function(pointer, handle, code, call = caller_env()) {
  rust_call(rs_watch_capture(pointer, handle), call)
  done <- FALSE
  on.exit(rust_call(rs_watch_end_capture(handle, done), call))
  value <- withVisible(code)
  done <- TRUE
  if (value$visible) value$value else invisible(value$value)
}

wait_for_news <- function(pointer, controller, timeout, call = caller_env()) {
  deadline <- now() + timeout
  repeat {
    supervise()
    left <- max(0, deadline - now())
    state <- rust_call(rs_watch_wait(pointer, min(left, supervise_pause())), call)
    if (state == "failing") {
      # This either fails in the same way, or the thread will soon connect, too.
      rust_call(rs_queue_length(queue_handle(controller, call), default_queue), call)
      Sys.sleep(brief_s)
    } else if (state != "waiting") {
      return(state == "news")
    }
    if (left <= 0) {
      return(FALSE)
    }
  }
}

close_watch <- function(pointer, key, handle, call = caller_env()) {
  the$watches[[as.character(key)]] <- NULL
  rust_call(rs_watch_close(pointer, handle), call)
}

call_on_event <- function(pointer, key, fun, call = caller_env()) {
  name <- as.character(key)
  the$watches[[name]] <- NULL
  if (is.null(fun)) {
    return(rust_call(rs_watch_on_event(pointer, key, NULL), call))
  }
  if (!requireNamespace("later", quietly = TRUE)) {
    abort("later_missing", "`$on_event()` needs the package later.", call = call)
  }
  loop <- later::current_loop()
  the$watches[[name]] <- list(pointer = pointer, fun = fun, loop = loop)
  if (can_wake_loops()) {
    rust_call(rs_watch_on_event(pointer, key, loop$id), call)
  } else {
    poll_watch(key, the$watches[[name]])
  }
}

# later has a C function for it, at least since version 1.1.
can_wake_loops <- function() {
  rust_call(rs_later_find(watch_woken))
}

# Without that function.
poll_watch <- function(key, watch) {
  if (identical(the$watches[[as.character(key)]], watch)) {
    if (rust_call(rs_watch_wait(watch$pointer, 0)) == "news") watch_woken(key)
    later::later(function() poll_watch(key, watch), 0.05, loop = watch$loop)
  }
}

# C code of later calls this on the main thread: nothing may be thrown here, so that is left to the
# event loop.
watch_woken <- function(key) {
  watch <- the$watches[[as.character(key)]]
  if (!is.null(watch)) {
    rethrow <- function(condition) {
      later::later(function() rethrow_condition(condition), loop = watch$loop)
    }
    tryCatch(
      {
        rust_call(rs_watch_answer(watch$pointer))
        watch$fun()
      },
      error = rethrow,
      interrupt = rethrow
    )
  }
}

rethrow_condition <- function(condition) {
  if (inherits(condition, "interrupt")) rlang::interrupt() else stop(condition)
}
