#' Connect to a Redis server
#'
#' A connection whose Redis commands are methods: `con$PING()`, `con$HGET(key, field)`, any command
#' by its upper-case name. Queues do not need one; it is for looking around.
#'
#' Status replies print as `[Redis: PONG]`, nil is `NULL`, what is not text is raw. Arguments are
#' strings, numbers or raw vectors; vectors count as several arguments. Unlike the requests of a
#' queue, a command whose reply is lost is not sent again.
#'
#' @param url The server: `redis://[user:password@]host[:port][/db]` or
#'   `redis+unix:///path/to/socket[?db=1&pass=password]`. `NULL` looks at the environment variables
#'   `RRQ_URL`, `REDIS_URL`, `REDUX_URL`, `REDIS_HOST` and `REDIS_PORT`, then 127.0.0.1:6379.
#' @return An `rrq_redis` object. Beside the commands it has `$command(list)` (one command as a list
#'   of its parts), `$pipeline(...)` (several such lists, sent in one go, a list of replies),
#'   `$config()` (a list of `url`, `host`, `port`, `path`, `db`, `password`) and `$version()`.
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
  url <- url %||% url_from_environment() %||% default_url
  new_redis(url)
}

new_redis <- function(url, call = caller_env()) {
  state <- rlang::env(url = url, pointer = rust_call(rs_redis_open(url), call))
  config <- rust_call(rs_redis_info(state$pointer))
  structure(list(state = state, config = config), class = "rrq_redis")
}

# One that was saved and read back opens a connection anew.
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
      # Commands of two words are written with an underscore: con$CLIENT_LIST().
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
    abort("argument", "A Redis command needs a name.", call = call)
  }
  parts
}

# Numbers must not pass through R's formatting: 1e5 is not "100000" there.
redis_part <- function(x, call) {
  if (is.raw(x)) {
    return(list(x))
  }
  if (!is.atomic(x) || is.null(x) || is.complex(x) || anyNA(x)) {
    abort("argument", "Parts of a Redis command are strings, numbers or raw vectors.", call = call)
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
