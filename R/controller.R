#' Queue controller
#'
#' Attaches this session to a queue, creating the queue if it does not exist. A controller creates
#' tasks, queries them and fetches results. Any number of sessions may use the same queue, at the
#' same time or later.
#'
#' @param queue_id The name of the queue: a string without braces or white space.
#' @param con The server: a URL (see [rrq_redis()]) or `"host:port"`, an [rrq_server()], an
#'   `rrq_redis` or redux connection, or `NULL`: the environment variables `RRQ_URL`, `REDIS_URL`,
#'   `REDUX_URL`, `REDIS_HOST` and `REDIS_PORT`, then 127.0.0.1:6379. If none of them is set and
#'   nothing listens there, the newest private server of this session is used; if there is none, one
#'   is started with [rrq_server()]. With the option `rrq.embedded = FALSE`, neither happens.
#' @param timeout_task_wait The default time limit of [rrq_task_wait()] in seconds; `NULL` is the
#'   option `rrq.timeout_task_wait`, by default no limit.
#' @param follow Whether queries for a retried task return the newest task of its chain; `NULL` is
#'   the option `rrq.follow`, by default `TRUE`.
#' @param check_version Whether to check that this version of the package can read the stored data.
#' @param offload_path A directory for large values, shared with the workers, or the URL of a
#'   bucket, see [rrq_configure()]. `NULL` is the environment variable `RRQ_OFFLOAD_PATH`, or else
#'   the path given to [rrq_configure()], if any. Give it where the same directory has another path
#'   on this machine.
#' @param offload_threshold_size Values of this session that are larger, in bytes, are stored in
#'   that directory; with the default `Inf`, only those larger than the `store_max_size` of the
#'   queue.
#' @param durable Whether functions that create or retry tasks return only when the tasks would
#'   survive the loss of the server: when they are on its disk, if it has an append-only file and is
#'   Redis or Valkey 7.2 or later, and on a replica, if there is one. This takes milliseconds per
#'   call. If it takes longer than 10 s, the error is `rrq_error_not_durable`; the tasks are queued,
#'   and their ids are in `$ids`. See `vignette("security-and-durability")`.
#' @section Warnings about the server:
#' Each is given once per session and server, and only to users who may ask for the settings:
#'
#' - `rrq_warning_eviction`: `maxmemory` is set, and `maxmemory-policy` is not `noeviction`, so that
#'   the server deletes data when it has no memory left;
#' - `rrq_warning_persistence`: the server writes nothing to disk, so that its queues are gone when
#'   it ends. There is no warning for the servers of [rrq_server()].
#'
#' @return An `rrq_controller` with `$queue_id`, `$con` (an [rrq_redis()] connection), `$keys` and
#'   `$store` (the [object_store] of the queue). It prints the server and the numbers of tasks and
#'   workers.
#' @section Servers that have just started:
#' A server that is still reading its data is waited for, with a message, for as long as the option
#' `rrq.timeout_loading` says, by default 600 seconds. Then the error is `rrq_error_timeout`.
#'
#' @section Errors: `rrq_error_connection`, `rrq_error_authentication`, `rrq_error_tls`,
#'   `rrq_error_server_unsuitable` (too old, a replica, a Sentinel, the wrong node of a cluster, a
#'   missing database, too many clients, or `durable` on a server that can confirm nothing) and
#'   `rrq_error_not_redis` (a web server, a server that
#'   expects TLS) name the server's address; `rrq_error_layout` names both versions if another
#'   version of rrq created the queue.
#' @seealso [rrq_default_controller_set()] for a default, so that you need not pass the controller
#'   to every function.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' r
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' rrq_queue_length(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_controller <- function(queue_id, con = NULL, timeout_task_wait = NULL, follow = NULL,
                           check_version = TRUE, offload_path = NULL,
                           offload_threshold_size = Inf, durable = FALSE) {
  check_queue_id(queue_id)
  check_number(timeout_task_wait, null = TRUE)
  check_flag(follow, null = TRUE)
  check_flag(check_version)
  check_offload_path(offload_path)
  check_number(offload_threshold_size)
  check_flag(durable)
  url <- resolve_url(con)
  settings <- list(
    timeout_task_wait = timeout_task_wait %||% getOption("rrq.timeout_task_wait", Inf),
    follow = follow %||% getOption("rrq.follow", TRUE),
    offload_path = if (is.null(offload_path)) offload_path() else expand_path(offload_path),
    offload_threshold_size = as.numeric(offload_threshold_size),
    durable = durable
  )
  new_controller(queue_id, url, settings)
}

# Attach this session to a queue.
attach_queue <- function(url, queue_id, settings, call = caller_env()) {
  watch_transfers()
  path <- settings$offload_path
  threshold <- settings$offload_threshold_size
  handle <- rust_call(
    rs_queue_attach(full_url(url, call), queue_id, describe_session(), path, threshold), call
  )
  if (settings$durable) rust_call(rs_queue_set_durable(handle), call)
  handle
}

# Look at a queue without being recorded as its user. It must exist.
peek_queue <- function(url, queue_id, call = caller_env()) {
  rust_call(rs_queue_attach(full_url(url, call), queue_id, "", offload_path(), Inf), call)
}

new_controller <- function(queue_id, url, settings, call = caller_env()) {
  con <- new_redis(url, call)
  await_loading(unclass(con)$state$pointer, call)
  pointer <- attach_queue(url, queue_id, settings, call)
  controller <- rlang::env(
    queue_id = queue_id,
    con = con,
    keys = list(prefix = rust_call(rs_queue_prefix(queue_id))),
    url = url,
    settings = settings,
    server = own_server(url),
    pointer = pointer
  )
  controller$store <- queue_store$new(controller)
  warn_server(controller$con)
  structure(controller, class = "rrq_controller")
}

describe_session <- function() {
  info <- Sys.info()
  paste(info[["nodename"]], Sys.getpid(), info[["user"]])
}

# Throughout R/, `queue` is the name of a queue within a queue id, and `handle` what this returns.
# The engine's handle of a queue, for the given controller or the default one. A controller that was
# saved and read back has lost its handle and attaches again.
queue_handle <- function(controller, call = caller_env()) {
  controller <- get_controller(controller, call)
  if (!is.null(controller$server)) check_own_server(controller, call)
  if (is_dead(controller$pointer)) {
    id <- controller$queue_id
    controller$pointer <- attach_queue(controller$url, id, controller$settings, call)
    controller$con <- new_redis(controller$url, call)
  }
  controller$pointer
}

get_controller <- function(controller, call = caller_env()) {
  controller <- controller %||% the$controller
  if (is.null(controller)) {
    abort("no_controller", c("There is no default controller.", no_controller_hint()), call = call)
  }
  if (!inherits(controller, "rrq_controller")) {
    abort_argument("controller", "an rrq_controller or NULL", controller, call)
  }
  controller
}

# A worker finds its own server in RRQ_URL.
no_controller_hint <- function() {
  queue_id <- the$task$identity$queue_id
  if (!isTRUE(the$task$active) || is.null(queue_id)) {
    return(c(i = paste(
      "Pass `controller =`, set one with `rrq_default_controller_set()`, or begin with",
      "`rrq_start()`."
    )))
  }
  c(
    i = "This is the code of a task: the default controller of the session is not sent along.",
    i = sprintf("Here, pass `controller = rrq::rrq_controller(\"%s\")`.", queue_id),
    i = "A task that waits for others keeps its worker busy: start more workers than such tasks."
  )
}

# An external pointer from a file or another process is null.
is_dead <- function(pointer) {
  identical(pointer, null_pointer)
}

null_pointer <- new("externalptr")

#' @export
print.rrq_controller <- function(x, ...) {
  tryCatch(print_queue(x), rrq_error = function(e) {
    cat(sprintf("<rrq_controller> %s: not available\n", shorten_middle(x$queue_id, 40)))
    lines <- strsplit(conditionMessage(e), "\n", fixed = TRUE)[[1]]
    writeLines(strwrap(lines, getOption("width"), indent = 2, exdent = 4))
  })
  invisible(x)
}

print_queue <- function(x) {
  handle <- queue_handle(x)
  # Every queue has at least one configuration.
  if (length(rust_call(rs_config_list(handle))) == 0) {
    writeLines(queue_lines(x, "destroyed"))
    return(invisible())
  }
  counts <- task_counts(handle)
  counts <- counts[counts > 0]
  tasks <- if (length(counts)) paste(counts, names(counts), collapse = ", ") else "no tasks"
  workers <- sum(rust_call(rs_worker_states(handle))$active)
  state <- sprintf("%s; %s", tasks, count_of(workers, "worker", "workers"))
  writeLines(queue_lines(x, state))
  writeLines(fit_width(format_queues(handle)))
}

# One line if it fits, if need be without the middle of the address and of the name.
queue_lines <- function(x, state, width = getOption("width")) {
  room <- width - nchar("<rrq_controller>  at :")
  fits <- room - nchar(state) - 1 >= 16 + min(nchar(x$queue_id), 16)
  if (fits) room <- room - nchar(state) - 1
  address <- shorten_middle(unclass(x$con)$address, max(16, room - nchar(x$queue_id)))
  id <- shorten_middle(x$queue_id, max(16, room - nchar(address)))
  title <- sprintf("<rrq_controller> %s at %s:", id, address)
  fit_width(if (fits) paste(title, state) else c(title, paste0("  ", state)))
}

# One line per queue that has waiting tasks, is paused, or is not the default one.
format_queues <- function(handle) {
  states <- rust_call(rs_queue_states(handle))
  waiting <- stats::setNames(states$length, states$name)
  worked <- table(unlist(listened_queues(handle)))
  names <- sort(unique(c(names(waiting)[waiting > 0], states$paused, names(worked))))
  if (identical(names, default_queue) && length(states$paused) == 0) {
    return(character())
  }
  vapply(names, function(name) {
    shown <- shorten_middle(name, max(16, getOption("width") - 60))
    tasks <- if (name %in% names(waiting)) waiting[[name]] else 0
    workers <- if (name %in% names(worked)) worked[[name]] else 0
    paused <- if (name %in% states$paused) "; paused" else ""
    alone <- if (tasks > 0 && workers == 0) " - no worker listens to it" else ""
    plural <- if (workers == 1) "" else "s"
    sprintf("  %s: %g waiting, %d worker%s%s%s", shown, tasks, workers, plural, paused, alone)
  }, "", USE.NAMES = FALSE)
}

# The queues that each of these workers listens to.
listened_queues <- function(handle, worker_ids = active_workers(handle), call = caller_env()) {
  infos <- rust_call(rs_worker_info(handle, worker_ids), call)
  lapply(infos, function(info) info$queue)
}

# A worker to be killed must receive that order before it is deleted with the queue, so this waits
# for it even without a time-out, but not for ever.
stop_for_good <- function(controller, type, timeout, delete) {
  stop <- function(timeout) {
    rrq_worker_stop(type = type, timeout = timeout, progress = FALSE, controller = controller)
  }
  if (isFALSE(delete) || type != "kill" || timeout > 0) {
    stop(timeout)
  } else {
    tryCatch(stop(5), rrq_error_timeout = function(e) NULL)
  }
}

#' Default controller
#'
#' Sets or clears the controller used by functions that are called without `controller`.
#'
#' @param controller An [rrq_controller()]; `NULL` clears the default.
#' @return `rrq_default_controller_set()` returns the previous one, invisibly.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' rrq_default_controller_set(rrq_controller("jobs", server$url))
#' rrq_queue_length()
#' rrq_destroy()
#' server$stop()
rrq_default_controller_set <- function(controller) {
  if (!is.null(controller)) {
    get_controller(controller)
  }
  previous <- the$controller
  the$controller <- controller
  invisible(previous)
}

#' @rdname rrq_default_controller_set
#' @export
rrq_default_controller_clear <- function() {
  rrq_default_controller_set(NULL)
}

#' Queue deletion
#'
#' Stops the workers of a queue and deletes everything stored for it, and nothing else.
#'
#' @param delete `TRUE` deletes at once, `FALSE` only stops the workers, and a number lets
#'   everything expire after that many seconds, including what is stored until then. A controller
#'   here is taken as `controller`.
#' @param worker_stop_type,timeout_worker_stop How to stop the workers, and how many seconds to wait
#'   for them; see [rrq_worker_stop()]. With `"kill"` and 0, the queue is deleted as soon as all
#'   workers have received the order, or after 5 s.
#' @param controller An [rrq_controller()]; `NULL` is the default one, see
#'   [rrq_default_controller_set()].
#' @return `NULL`, invisibly. The default controller is cleared if it was this one. Other
#'   controllers of the queue, in this session or another, get `rrq_error_queue_missing` if they
#'   then try to store something; their queries find nothing.
#' @section Errors: `rrq_error_offload` or `rrq_error_offload_path` if files in the offload path
#'   cannot be deleted. The queue is deleted all the same.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_destroy <- function(delete = TRUE, worker_stop_type = "message", timeout_worker_stop = 0,
                        controller = NULL) {
  if (inherits(delete, "rrq_controller") && is.null(controller)) {
    controller <- delete
    delete <- TRUE
  }
  if (is.character(delete)) {
    hint <- "Pass the controller of the queue to delete, not its name: `rrq_destroy(controller)`."
    must <- "TRUE, FALSE or a number of seconds"
    abort_argument("delete", must, delete, rlang::current_env(), hint)
  }
  if (!rlang::is_bool(delete)) {
    check_number(delete, infinite = FALSE)
  }
  check_choice(worker_stop_type, c("message", "kill", "kill_local"))
  check_number(timeout_worker_stop)
  controller <- get_controller(controller)
  handle <- queue_handle(controller)
  if (!all(rust_call(rs_worker_states(handle))$exited)) {
    stop_for_good(controller, worker_stop_type, timeout_worker_stop, delete)
  }
  if (!isFALSE(delete)) {
    delete_queue(handle, if (!isTRUE(delete)) as.numeric(delete), controller)
  }
  clear_default(controller)
  invisible()
}

delete_queue <- function(handle, after, controller, call = caller_env()) {
  abort_files_left <- function(error) {
    clear_default(controller)
    what <- sub("rrq_error_", "", class(error)[[1]], fixed = TRUE)
    left <- "The queue is deleted, but files of it are left there."
    abort(what, c(first_line(error), i = left), ids = error$ids, call = call)
  }
  tryCatch(
    rust_call(rs_queue_destroy(handle, after), call),
    rrq_error_offload = abort_files_left,
    rrq_error_offload_path = abort_files_left
  )
}

clear_default <- function(controller) {
  if (identical(the$controller, controller)) {
    the$controller <- NULL
  }
}
