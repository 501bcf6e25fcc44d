#' Private Redis server
#'
#' Starts a `redis-server` or `valkey-server` for this R session. It listens on a unix socket and on
#' a port of the loopback interface, requires a random password, and ends with the session, even if
#' the session is killed.
#'
#' [rrq_controller()] starts one automatically if no server is configured and none listens at the
#' default address.
#'
#' @param dir A directory for the data, which then outlive the session (in an append-only file,
#'   written every second). `NULL` keeps no data.
#' @param port The loopback port; `NULL` chooses a free one.
#' @return An `rrq_server` with `$url` (for [rrq_controller()] and other processes on this machine),
#'   `$tcp_url`, `$port`, `$socket`, `$pid`, `$is_alive()` and `$stop()`.
#' @section Errors: `rrq_error_server_missing` if no server program is on the `PATH` or in the
#'   environment variable `RRQ_REDIS_SERVER`; `rrq_error_server_start`, with the end of the server's
#'   log, if the server does not start.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' server
#' server$is_alive()
#' server$stop()
rrq_server <- function(dir = NULL, port = NULL) {
  check_string(dir, null = TRUE)
  if (!is.null(port)) {
    check_count(port)
    if (port > 65535) {
      abort_argument("port", "a port number, at most 65535", port, rlang::current_env())
    }
  }
  new_server(dir, port)
}

new_server <- function(dir = NULL, port = NULL, call = caller_env()) {
  dir <- if (!is.null(dir)) normalizePath(dir, mustWork = FALSE)
  pointer <- rust_call(rs_server_start(dir, if (!is.null(port)) as.integer(port)), call)
  keep_server(pointer)
  methods <- list(
    is_alive = function() rust_call(rs_server_is_alive(pointer)),
    stop = function() stop_server(pointer)
  )
  structure(c(server_fields(pointer), methods, pointer = pointer), class = "rrq_server")
}

# Not in the frame that the methods keep.
server_fields <- function(pointer) {
  rust_call(rs_server_info(pointer))[c("port", "socket", "pid")]
}

# The URLs have the password, which must not show in str() or in a saved file.
#' @export
`$.rrq_server` <- function(x, name) {
  fields <- unclass(x)
  if (!name %in% c("url", "tcp_url")) {
    return(fields[[name]])
  }
  rust_call(rs_server_info(fields$pointer))[[name]]
}

#' @export
`[[.rrq_server` <- function(x, i, ...) {
  if (is.character(i)) `$.rrq_server`(x, i) else unclass(x)[[i]]
}

#' @importFrom utils .DollarNames
#' @export
.DollarNames.rrq_server <- function(x, pattern = "") { # nolint: object_name_linter.
  grep(pattern, c("url", "tcp_url", setdiff(names(unclass(x)), "pointer")), value = TRUE)
}

# Keeps it for the whole session, even if the user keeps only its URL. A function of its own: the
# assignment makes a local variable `the`, which the methods of the server would take along wherever
# they are sent.
keep_server <- function(pointer) {
  the$servers <- c(the$servers, list(pointer))
}

stop_server <- function(pointer) {
  desert_children(rust_call(rs_server_info(pointer)))
  rust_call(rs_server_stop(pointer))
  the$servers <- Filter(function(other) !identical(other, pointer), the$servers)
  invisible()
}

#' @export
print.rrq_server <- function(x, ...) {
  state <- if (x$is_alive()) "running" else "stopped"
  cat(sprintf("<rrq_server> %s, pid %d, 127.0.0.1:%d\n", state, x$pid, x$port))
  invisible(x)
}

default_url <- "redis://127.0.0.1:6379"

# The server's URL from the environment variables; NULL if none is set.
url_from_environment <- function() {
  for (name in c("RRQ_URL", "REDIS_URL", "REDUX_URL")) {
    url <- Sys.getenv(name)
    if (nzchar(url)) {
      return(url)
    }
  }
  host <- Sys.getenv("REDIS_HOST")
  port <- Sys.getenv("REDIS_PORT")
  if (nzchar(host) || nzchar(port)) {
    host <- if (nzchar(host)) host else "127.0.0.1"
    return(sprintf("redis://%s:%s", host, if (nzchar(port)) port else "6379"))
  }
  NULL
}

# The server's URL for `con`: given, from the environment, the default address, or a private one.
# Without its password: see mask_url().
resolve_url <- function(con, call = caller_env()) {
  if (inherits(con, "rrq_redis")) unclass(con)$state$url else mask_url(given_url(con, call), call)
}

# URLs are kept without passwords, which str() would show and saveRDS() would store. The session
# knows those of the servers that it has been connected to.
mask_url <- function(url, call = caller_env()) {
  masked <- rust_call(rs_url_mask(url), call)
  if (masked != url) the$urls[[masked]] <- url
  masked
}

# With the password, for the engine. In another session it may be that of RRQ_URL.
full_url <- function(masked, call = caller_env()) {
  if (!grepl("***", masked, fixed = TRUE)) {
    return(masked)
  }
  url <- the$urls[[masked]]
  if (is.null(url)) {
    url <- url_from_environment()
    if (is.null(url) || !identical(mask_url(url, call), masked)) {
      message <- c(
        sprintf("The password of %s is not known in this session: it is not saved.", masked),
        i = "Set the environment variable RRQ_URL, or connect again with `rrq_controller()`."
      )
      abort("authentication", message, call = call)
    }
  }
  url
}

given_url <- function(con, call) {
  if (inherits(con, "rrq_server")) {
    return(con$url)
  }
  if (inherits(con, "redis_api")) {
    return(url_from_redux(con))
  }
  if (is.null(con)) {
    return(default_server(call))
  }
  if (!is.character(con)) {
    must <- "a URL such as \"localhost:6379\", or made by `rrq_server()` or `rrq_redis()`"
    hint <- if (inherits(con, "rrq_controller")) "The server of a controller is its `$con`."
    abort_argument("con", must, con, call, hint)
  }
  complete_url(check_string(con, call = call))
}

# "localhost:6379" and "localhost" are meant as addresses.
complete_url <- function(url) {
  if (grepl("^[A-Za-z0-9_.-]+(:[0-9]+)?$", url)) paste0("redis://", url) else url
}

default_server <- function(call) {
  url <- url_from_environment()
  if (!is.null(url)) {
    return(url)
  }
  if (embedded_is_alive()) {
    return(the$server$url)
  }
  if (is_listening(default_url)) default_url else own_server_url() %||% embedded_url(call)
}

# The newest private server that this session has started and not stopped.
own_server_url <- function() {
  for (pointer in if (isTRUE(getOption("rrq.embedded", TRUE))) rev(the$servers)) {
    if (!is_dead(pointer) && rust_call(rs_server_is_alive(pointer))) {
      return(rust_call(rs_server_info(pointer))$url)
    }
  }
  NULL
}

# The private server of this session with this URL: its process id and URL; NULL if there is none.
own_server <- function(url) {
  for (pointer in if (.Platform$OS.type == "unix") rev(the$servers)) {
    if (!is_dead(pointer)) {
      info <- rust_call(rs_server_info(pointer))
      if (url %in% c(mask_url(info$url), mask_url(info$tcp_url))) {
        return(list(pid = info$pid, owner = Sys.getpid()))
      }
    }
  }
  NULL
}

# The engine tries for some seconds to reach a server, which may come back. One that this session
# started does not, unless the user starts another one with the same address.
check_own_server <- function(controller, call = caller_env()) {
  server <- controller$server
  if (server$owner != Sys.getpid() || tools::pskill(server$pid, 0L)) {
    return(invisible())
  }
  controller$server <- own_server(controller$url)
  if (is.null(controller$server) || !tools::pskill(controller$server$pid, 0L)) {
    controller$server <- server
    message <- c(
      sprintf("The private server of this session (process %d) has ended.", server$pid),
      i = "Its queues are gone, unless it was started with `dir`: then start it again.",
      i = "Begin anew with `rrq_start()`, or with `rrq_server()` and `rrq_controller()`."
    )
    abort("connection", message, call = call)
  }
}

# Uses the settings of a redux connection, without redux itself.
url_from_redux <- function(con) {
  config <- con$config()
  password <- config$password %||% ""
  if (length(config$path) == 1 && nzchar(config$path)) {
    query <- c(
      if (nzchar(password)) paste0("pass=", utils::URLencode(password, reserved = TRUE)),
      if (length(config$db) == 1) paste0("db=", config$db)
    )
    query <- paste(query, collapse = "&")
    return(paste0("redis+unix://", config$path, if (nzchar(query)) "?", query))
  }
  login <- if (nzchar(password)) paste0(":", utils::URLencode(password, reserved = TRUE), "@")
  sprintf("redis://%s%s:%s/%s", login %||% "", config$host, config$port, config$db %||% 0)
}

# Any Redis server that responds counts, even if it requires a password: that is an error to report,
# not a reason to start another server.
is_listening <- function(url) {
  tryCatch(
    is.list(rust_call(rs_redis_info(rust_call(rs_redis_open(full_url(url)))))),
    rrq_error_connection = function(e) FALSE,
    rrq_error_not_redis = function(e) FALSE,
    rrq_error = function(e) TRUE
  )
}

embedded_is_alive <- function() {
  !is.null(the$server) && the$server$is_alive()
}

embedded_url <- function(call) {
  if (!isTRUE(getOption("rrq.embedded", TRUE))) {
    rust_call(rs_redis_open(default_url), call)
  }
  the$server <- new_server(call = call)
  cli::cli_inform(c(
    i = "No Redis server is configured: started a private one (pid {the$server$pid})."
  ))
  the$server$url
}

# The examples need a server program.
can_run_examples <- function() {
  programs <- Sys.which(c("redis-server", "valkey-server"))
  any(nzchar(c(programs, Sys.getenv("RRQ_REDIS_SERVER"))))
}
