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
#'   127.0.0.1:6379, then the newest private server of this session.
#' @return An `rrq_redis` object. Besides the commands, its methods are `$command(list)` (one
#'   command as a list of its parts), `$pipeline(...)` (several such lists in one round trip;
#'   returns a list of replies), `$config()` (a list of `url`, `host`, `port`, `path`, `db`,
#'   `password`) and `$version()`.
#' @section Errors: `rrq_error_connection`, `rrq_error_authentication` and `rrq_error_not_redis`
#'   name the server's address.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' con <- rrq_redis(server$url)
#' con$PING()
#' con$SET("greeting", "hello")
#' con$GET("greeting")
#' con$pipeline(list("INCR", "n"), list("INCR", "n"))
#' server$stop()
rrq_redis <- function(url = NULL) {
  check_string(url, null = TRUE)
  new_redis(url %||% url_from_environment() %||% found_url())
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
  state <- rlang::env(url = url, pointer = rust_call(rs_redis_open(url), call))
  config <- rust_call(rs_redis_info(state$pointer))
  structure(list(state = state, config = config), class = "rrq_redis")
}

# A connection object that was saved and loaded has a dead pointer: reconnect.
live_pointer <- function(state, call) {
  if (is_dead(state$pointer)) {
    state$pointer <- rust_call(rs_redis_open(state$url), call)
  }
  state$pointer
}

#' @export
`$.rrq_redis` <- function(x, name) {
  fields <- unclass(x)
  switch(name,
    command = function(command) redis_command(fields$state, command),
    pipeline = function(...) redis_pipeline(fields$state, list(...)),
    config = function() fields$config,
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
  config <- unclass(x)$config
  cat(sprintf("<rrq_redis> %s\n", config$address))
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
