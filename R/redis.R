#' Redis connection
#'
#' Opens a connection with every Redis command as a method, by its upper-case name: `con$PING()`,
#' `con$HGET(key, field)`. Queues do not need it; use it to inspect the server.
#'
#' Status replies print as `[Redis: PONG]`, nil is `NULL`, and binary replies are raw vectors.
#' Arguments are strings, numbers or raw vectors; a vector counts as several arguments. Unlike the
#' requests of a queue, a command whose reply is lost is not sent again.
#'
#' @param url The server, a string: `redis://[user:password@]host[:port][/db]` or
#'   `redis+unix:///path/to/socket[?db=1&pass=password]`. `NULL` (the default) tries the environment
#'   variables `RRQ_URL`, `REDIS_URL`, `REDUX_URL`, `REDIS_HOST` and `REDIS_PORT`, then
#'   127.0.0.1:6379, then the newest private server of this session. For TLS, clusters and
#'   Sentinels see below.
#' @param tls_ca,tls_cert,tls_key Files for TLS, in the PEM format: the certificates of the
#'   authorities to trust instead of those of the system, and the certificate of this client with
#'   its key (PKCS #8). They can also be settings of the URL
#'   (`rediss://host?ca=/path&cert=/path&key=/path`) or in the environment variables `RRQ_TLS_CA`,
#'   `RRQ_TLS_CERT` and `RRQ_TLS_KEY`. Pass the connection to [rrq_controller()] to use them for a
#'   queue. The workers must have files of the same names.
#' @return An `rrq_redis` object. Besides the commands, its methods are `$command(list)` (one
#'   command as a list of its parts), `$pipeline(...)` (several such lists in one round trip;
#'   returns a list of replies), `$config()` (a list of `url`, `host`, `port`, `path`, `db`,
#'   `password`) and `$version()`.
#' @section Kinds of servers:
#' | URL | server |
#' |---|---|
#' | `redis://host:port/db` | a server; `valkey://` is the same |
#' | `rediss://host:port/db` | the same by TLS |
#' | `redis+unix:///path/to/socket?db=1` | a server on this machine |
#' | `redis+cluster://host1:port,host2:port` | a cluster; any of its nodes will do |
#' | `redis+sentinel://host1:port,host2:port/name/db` | the server of this name of Sentinels |
#' | `rediss+cluster://`, `rediss+sentinel://` | the same by TLS |
#'
#' User and password come before the first host, as in `redis://user:password@host`; those of
#' Sentinels, if they have any, are the settings `sentinel_user` and `sentinel_password` at the end,
#' behind `?`. The setting `insecure` of `rediss://` turns off the check of the server's
#' certificate: then a warning of class `rrq_warning_insecure` says so. See
#' `vignette("security-and-durability")`.
#' @section Passwords: The object does not contain the password; `$config()` asks for it. A
#'   connection or controller that was saved finds it in a later session in the environment variable
#'   `RRQ_URL`, if that names the same server, and otherwise fails with `rrq_error_authentication`.
#' @section Errors: `rrq_error_connection`, `rrq_error_authentication`, `rrq_error_not_redis` and
#'   `rrq_error_tls` name the server's address; `rrq_error_url` says what is wrong with the URL;
#'   `rrq_error_protocol` if a reply makes no sense.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' con <- rrq_redis(server$url)
#' con$PING()
#' con$SET("greeting", "hello")
#' con$GET("greeting")
#' con$pipeline(list("INCR", "n"), list("INCR", "n"))
#' server$stop()
rrq_redis <- function(url = NULL, tls_ca = NULL, tls_cert = NULL, tls_key = NULL) {
  check_string(url, null = TRUE)
  url <- url %||% url_from_environment() %||% found_url()
  new_redis(mask_url(add_tls(url, tls_ca, tls_cert, tls_key)))
}

# The files are settings of the URL, which goes wherever the server is needed.
add_tls <- function(url, ca, cert, key, call = caller_env()) {
  files <- list(ca = ca, cert = cert, key = key)
  for (name in names(files)) {
    arg <- paste0("tls_", name)
    path <- files[[name]]
    check_string(path, null = TRUE, arg = arg, call = call)
    if (is.null(path)) next
    if (!file.exists(path)) {
      abort_argument(arg, "the path of a file that exists", path, call)
    }
    path <- utils::URLencode(normalizePath(path), reserved = TRUE)
    url <- paste0(url, if (grepl("?", url, fixed = TRUE)) "&" else "?", name, "=", path)
  }
  url
}

# As for a controller, but no server is started.
found_url <- function() {
  if (embedded_is_alive()) {
    the$server$url
  } else if (is_listening(default_url)) {
    default_url
  } else {
    own_server_url() %||% default_url
  }
}

new_redis <- function(url, call = caller_env()) {
  state <- rlang::env(url = url, pointer = rust_call(rs_redis_open(full_url(url, call)), call))
  warn_insecure(url)
  address <- rust_call(rs_redis_info(state$pointer))$address
  structure(list(state = state, address = address), class = "rrq_redis")
}

# Reported once for each server.
warn_insecure <- function(url) {
  if (grepl("[?&]insecure(=true)?(&|$)", url) && !url %in% the$insecure) {
    the$insecure <- c(the$insecure, url)
    warn("insecure", c(
      sprintf("Anybody on the way to %s can read and change what is sent.", url),
      i = "`insecure` turns off the check of the server's certificate. Use `tls_ca` instead."
    ))
  }
}

# A connection object that was saved and loaded has a dead pointer: reconnect.
live_pointer <- function(state, call) {
  if (is_dead(state$pointer)) {
    state$pointer <- rust_call(rs_redis_open(full_url(state$url, call)), call)
  }
  state$pointer
}

#' @export
`$.rrq_redis` <- function(x, name) {
  fields <- unclass(x)
  switch(name,
    command = function(command) redis_command(fields$state, command),
    pipeline = function(...) redis_pipeline(fields$state, list(...)),
    config = function() rust_call(rs_redis_info(live_pointer(fields$state, caller_env()))),
    version = function() redis_version(fields$state),
    if (grepl("^[A-Z_]+$", name)) {
      # Two-word commands use an underscore: con$CLIENT_LIST().
      words <- as.list(strsplit(name, "_", fixed = TRUE)[[1]])
      function(...) redis_command(fields$state, c(words, list(...)))
    }
  )
}

#' @export
print.rrq_redis <- function(x, ...) {
  cat(sprintf("<rrq_redis> %s\n", unclass(x)$address))
  invisible(x)
}

#' @export
print.redis_status <- function(x, ...) {
  cat(sprintf("[Redis: %s]\n", unclass(x)))
  invisible(x)
}

redis_command <- function(state, command, call = caller_env()) {
  rust_call(rs_redis_command(live_pointer(state, call), redis_parts(command, call)), call)
}

redis_pipeline <- function(state, commands, call = caller_env()) {
  parts <- lapply(commands, redis_parts, call = call)
  rust_call(rs_redis_pipeline(live_pointer(state, call), parts), call)
}

redis_parts <- function(command, call) {
  parts <- unlist(lapply(as.list(command), redis_part, call), recursive = FALSE)
  if (length(parts) == 0) {
    abort("argument", "A Redis command must have a name.", call = call)
  }
  parts
}

# R's default formatting would turn 1e5 into "1e+05".
redis_part <- function(x, call) {
  if (is.raw(x)) {
    return(list(x))
  }
  if (!is.atomic(x) || is.null(x) || is.complex(x) || anyNA(x)) {
    message <- "Parts of a Redis command must be strings, numbers or raw vectors."
    abort("argument", message, call = call)
  }
  if (is.logical(x)) {
    x <- as.integer(x)
  }
  if (is.numeric(x)) {
    x <- vapply(x, format, "", digits = 17, scientific = FALSE, trim = TRUE)
  }
  as.list(enc2utf8(as.character(x)))
}

redis_version <- function(state) {
  info <- strsplit(redis_command(state, list("INFO", "server")), "\r?\n")[[1]]
  numeric_version(sub("^redis_version:", "", grep("^redis_version:", info, value = TRUE)))
}
