#' Process heartbeat
#'
#' Keeps a Redis key alive for as long as this process lives, so that others can check whether the
#' process is alive. A separate thread renews the key every `period` seconds, even while R computes.
#' Workers have their own heartbeat; this class is for other programs.
#'
#' `rrq_heartbeat_kill()` sends a signal to the process that keeps a key alive, on any machine. It
#' needs only the key: of an `rrq_heartbeat`, or of a worker (`heartbeat_key` of
#' [rrq_worker_info()]).
#'
#' The thread reconnects after a lost connection or a server failure; whether the key survives the
#' interruption depends on `expire`. When the process ends, for whatever reason, the key expires.
#'
#' The key name is used as given. `rrq_heartbeat_kill()` stores a signal in `<key>:signal`, and the
#' thread sends it to its own process. So you can interrupt a process on any machine, even if its R
#' code never contacts the server. An interrupted worker exits, and its current task ends as `DIED`.
#' Before SIGTERM and SIGKILL, a worker signs off, so that its task ends at once.
#'
#' @section Methods:
#' * `rrq_heartbeat$new(key, period, expire = 3 * period, value = expire, config = NULL,
#'   start = TRUE, timeout = 10)`: the key holds `value`, a string or a number, and expires `expire`
#'   seconds after its last renewal; `expire` must be greater than `period`. `config` is the server,
#'   as `con` of [rrq_controller()]. `timeout` is the longest time, in seconds, to try to reach the
#'   server at the start, and the longest time that `$stop()` may take.
#' * `$start()`: creates the key and starts renewing it; an error if the heartbeat is running or the
#'   key exists. `$stop()`: stops renewing the key and deletes it; an error if the heartbeat is not
#'   running. Both return the object, invisibly.
#' * `$is_running()`: whether the key is being renewed, `TRUE` or `FALSE`.
#' * `$format()`: a one-line description, as printed.
#'
#' @param con The server, as in [rrq_controller()].
#' @param key The key of a heartbeat, a string.
#' @param signal The number of a signal, see [tools::pskill()]. The default is the signal that
#'   Ctrl-C sends.
#' @return `rrq_heartbeat_kill()`: `TRUE` if the key exists and the signal was sent, otherwise
#'   `FALSE`, invisibly.
#' @section Errors: `rrq_error_heartbeat_exists` if the key is already kept alive, by this heartbeat
#'   or another process; `rrq_error_heartbeat_stopped` for `$stop()` if it is not running.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' con <- rrq_redis(server$url)
#' beat <- rrq_heartbeat$new("analysis:alive", period = 1, config = con)
#' beat
#' con$EXISTS("analysis:alive")
#' beat$stop()
#' con$EXISTS("analysis:alive")
#' server$stop()
rrq_heartbeat <- R6Class(
  "rrq_heartbeat",
  cloneable = FALSE,
  public = list(
    initialize = function(key, period, expire = 3 * period, value = expire, config = NULL,
                          start = TRUE, timeout = 10) {
      call <- caller_env()
      check_string(key, call = call)
      check_positive(period, call = call)
      check_number(expire, infinite = FALSE, call = call)
      if (expire <= period) {
        abort_argument("expire", sprintf("greater than `period` (%g s)", period), expire, call)
      }
      check_flag(start, call = call)
      check_number(timeout, call = call)
      private$key <- key
      private$period <- period
      private$expire <- expire
      private$value <- heartbeat_value(value, call)
      private$timeout <- timeout
      private$url <- resolve_url(config, call)
      if (start) private$begin(call)
    },
    start = function() {
      private$begin(caller_env())
      invisible(self)
    },
    stop = function() {
      if (!self$is_running()) {
        message <- sprintf("This heartbeat is not running: nothing keeps '%s' alive.", private$key)
        abort("heartbeat_stopped", message, ids = private$key)
      }
      rust_call(rs_heartbeat_stop(private$pointer))
      invisible(self)
    },
    is_running = function() {
      !is.null(private$pointer) && !is_dead(private$pointer) &&
        rust_call(rs_heartbeat_is_running(private$pointer))
    },
    format = function(...) {
      state <- if (self$is_running()) "running" else "stopped"
      sprintf(
        "<rrq_heartbeat> %s: %s, every %g s, expires after %g s",
        private$key, state, private$period, private$expire
      )
    },
    print = function(...) {
      cat(self$format(), "\n", sep = "")
      invisible(self)
    }
  ),
  private = list(
    key = NULL, period = NULL, expire = NULL, value = NULL, timeout = NULL, url = NULL,
    pointer = NULL,
    begin = function(call) {
      if (self$is_running()) {
        message <- sprintf("This heartbeat is already running: it keeps '%s' alive.", private$key)
        abort("heartbeat_exists", message, ids = private$key, call = call)
      }
      private$pointer <- rust_call(rs_heartbeat_start(
        full_url(private$url, call), private$key, private$value, private$period, private$expire,
        private$timeout
      ), call)
    }
  )
)

#' @rdname rrq_heartbeat
#' @export
rrq_heartbeat_kill <- function(con, key, signal = tools::SIGINT) {
  check_string(key)
  check_count(signal)
  if (signal > 64) {
    abort_argument("signal", "a signal number", signal, rlang::current_env())
  }
  url <- resolve_url(con)
  sent <- rust_call(rs_heartbeat_kill(full_url(url), key, as.integer(signal)))
  if (!sent) {
    text <- sprintf("Nothing keeps the key '%s' alive: no signal was sent.", shorten(key, 200))
    hint <- "The key of a worker is `heartbeat_key` in `rrq_worker_info()`."
    warn("heartbeat_missing", c(text, i = hint))
  }
  invisible(sent)
}

check_positive <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  check_number(x, infinite = FALSE, arg = arg, call = call)
  if (x <= 0) {
    abort_argument(arg, "a number greater than 0", x, call)
  }
  invisible(x)
}

# Formatted independently of R's options for printing numbers.
heartbeat_value <- function(value, call) {
  if (is.numeric(value) && length(value) == 1 && !is.na(value)) {
    return(format(value, digits = 15, scientific = FALSE, trim = TRUE, decimal.mark = "."))
  }
  if (!is.character(value) || length(value) != 1 || is.na(value)) {
    abort_argument("value", "a single string or number", value, call)
  }
  check_utf8(value, "value", call)
  value
}
