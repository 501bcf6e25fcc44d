#' A key that expires unless this process lives
#'
#' A thread of its own renews the key every `period` seconds, also while R computes, so that others
#' can tell whether this process is alive. Workers have such a heartbeat by themselves; this is for
#' other programs.
#'
#' Renewing survives a lost connection and a server that fails for a while; whether the key lasts
#' meanwhile depends on `expire`. When the process ends, however it ends, the key expires.
#'
#' The key is used as it is given, and so is `<key>:signal`: there `rrq_heartbeat_kill()` leaves
#' signals, which the thread takes and sends to its own process. So a process on any machine can be
#' interrupted, also one that does not look at the server itself.
#'
#' @section Methods:
#' * `rrq_heartbeat$new(key, period, expire = 3 * period, value = expire, config = NULL,
#'   start = TRUE, timeout = 10)`: the key holds `value`, a string or a number, and expires `expire`
#'   seconds, more than `period`, after it was renewed last. `config` says where the server is, as
#'   `con` of [rrq_controller()]. `timeout` is how many seconds to try for when the server does not
#'   answer at the start, and how many `$stop()` may take.
#' * `$start()`: take the key and begin to renew it; an error if it exists. `$stop()`: end that and
#'   delete the key. Either returns the object, invisibly.
#' * `$is_running()`: whether the key is being renewed.
#' * `$format()`: a line about it, which is printed.
#'
#' @param con The server, as in [rrq_controller()].
#' @param key A key that some process keeps alive.
#' @param signal The number of a signal, see [tools::pskill()]. The default is what Ctrl-C sends.
#' @return `rrq_heartbeat_kill()` returns, invisibly, whether there is such a key; if not, nothing
#'   is sent.
#' @section Errors: `rrq_error_heartbeat_exists` when somebody keeps that key alive already.
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
        abort_argument("expire", sprintf("more than `period`, %g s", period), expire, call)
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
      if (self$is_running()) {
        rust_call(rs_heartbeat_stop(private$pointer))
      }
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
        message <- sprintf("This heartbeat keeps '%s' alive already.", private$key)
        abort("heartbeat_exists", message, ids = private$key, call = call)
      }
      private$pointer <- rust_call(rs_heartbeat_start(
        private$url, private$key, private$value, private$period, private$expire, private$timeout
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
    abort_argument("signal", "the number of a signal", signal, rlang::current_env())
  }
  url <- resolve_url(con)
  invisible(rust_call(rs_heartbeat_kill(url, key, as.integer(signal))))
}

check_positive <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  check_number(x, infinite = FALSE, arg = arg, call = call)
  if (x <= 0) {
    abort_argument(arg, "a number above 0", x, call)
  }
  invisible(x)
}

# As text that does not depend on R's options for printing numbers.
heartbeat_value <- function(value, call) {
  if (is.numeric(value) && length(value) == 1 && !is.na(value)) {
    return(format(value, digits = 15, scientific = FALSE, trim = TRUE, decimal.mark = "."))
  }
  if (!is.character(value) || length(value) != 1 || is.na(value)) {
    abort_argument("value", "one string or number", value, call)
  }
  check_utf8(value, "value", call)
  value
}
