#' Start a private Redis server
#'
#' Starts a `redis-server` or `valkey-server` for this R session alone. It listens on a unix socket
#' and a port of the loopback interface, asks for a random password, and ends with the session,
#' even when that is killed.
#'
#' `rrq_controller()` starts one by itself when no server is configured and none runs at the usual
#' place.
#'
#' @param dir A folder to keep the data in, so that it outlives the session (an append-only file,
#'   written every second). `NULL` keeps nothing.
#' @param port The loopback port; `NULL` takes a free one.
#' @return A handle with `$url` (for [rrq_controller()] and others on this machine), `$tcp_url`,
#'   `$port`, `$socket`, `$pid`, `$is_alive()` and `$stop()`.
#' @section Errors: `rrq_error_server_missing` when no server program is on the PATH or in the
#'   environment variable `RRQ_REDIS_SERVER`; `rrq_error_server_start`, with the server's last
#'   words, when it does not come up.
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
  # It lives as long as the session, also where only its URL is kept.
  the$servers <- c(the$servers, list(pointer))
  methods <- list(
    is_alive = function() rust_call(rs_server_is_alive(pointer)),
    stop = function() stop_server(pointer)
  )
  structure(c(rust_call(rs_server_info(pointer)), methods), class = "rrq_server")
}

stop_server <- function(pointer) {
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

# Where the user's environment says the server is; NULL when it says nothing.
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

# The server for `con`, as a URL: given, from the environment, at the usual place, or private.
resolve_url <- function(con, call = caller_env()) {
  if (inherits(con, "rrq_redis")) {
    return(con$config()$url)
  }
  if (inherits(con, "redis_api")) {
    return(url_from_redux(con))
  }
  if (!is.null(con)) {
    return(check_string(con, call = call))
  }
  url <- url_from_environment()
  if (!is.null(url)) {
    return(url)
  }
  if (embedded_is_alive()) {
    return(the$server$url)
  }
  if (is_listening(default_url)) default_url else embedded_url(call)
}

# A redux connection: its settings are taken, redux itself is not needed.
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

# Anything that answers there counts, also a server that wants a password: that is then an error
# to report, not a reason to start another.
is_listening <- function(url) {
  tryCatch(
    is.list(rust_call(rs_redis_info(rust_call(rs_redis_open(url))))),
    rrq_error_connection = function(e) FALSE,
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

# Examples need a server program.
can_run_examples <- function() {
  programs <- Sys.which(c("redis-server", "valkey-server"))
  any(nzchar(c(programs, Sys.getenv("RRQ_REDIS_SERVER"))))
}
