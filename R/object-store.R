#' Object store
#'
#' Stores R values in Redis under the hash of their content, so that equal values are stored once.
#' A value stays as long as a tag refers to it. Values above a size can go to files instead of the
#' server.
#'
#' Queues use the same kind of store for what tasks share and for large arguments and results:
#' `$store` of an [rrq_controller()]. There, a value also stays as long as a task refers to it, and
#' `$destroy()` is not possible; see [rrq_destroy()].
#'
#' Several processes may use a store at the same time. A process that ends while it stores a value
#' leaves nothing that others would read.
#'
#' @section Methods of `object_store`:
#' * `object_store$new(con, prefix, max_size = Inf, offload = NULL)`: the store whose keys in the
#'   server begin with `prefix`. Values with more than `max_size` bytes in serialised form go to
#'   `offload`; without one, they are refused before anything is stored.
#' * `$set(value, tag, serialize = TRUE)`, `$mset(value, tag, serialize = TRUE)`: store one value,
#'   or each element of a list, under one or more tags. Return the hashes, 32 lower-case hex
#'   characters. With `serialize = FALSE`, the values are raw vectors that [serialize()] has made.
#' * `$get(hash)`, `$mget(hash)`: the value, or a list of values.
#' * `$list()`, `$tags()`: all hashes; all tags.
#' * `$location(hash, error = TRUE)`: `"redis"` or `"offload"` for each hash. With `error = FALSE`,
#'   `NA` for a hash that is not stored.
#' * `$drop(tag)`: removes tags, and the values that no other tag refers to.
#' * `$destroy()`: deletes everything in the store, files included.
#'
#' @section Methods of `object_store_offload_disk`:
#' * `object_store_offload_disk$new(path)`: a directory for large values, which is created if it
#'   does not exist. It may be on a network file system. Files are written under another name,
#'   flushed and then renamed, so that no process reads an incomplete one. `path` can also be the
#'   URL of a folder in a bucket, see [rrq_configure()].
#'
#' @section Errors: `rrq_error_object_missing` lists the hashes that are not stored;
#'   `rrq_error_object_large` if a value has more than `max_size` bytes and there is no `offload`;
#'   `rrq_error_offload` names the file that cannot be written or read.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' path <- tempfile()
#' offload <- object_store_offload_disk$new(path)
#' store <- object_store$new(server$url, "cache:", max_size = 1000, offload = offload)
#' small <- store$set(1:10, "session")
#' large <- store$set(runif(1000), "session")
#' store$location(c(small, large))
#' store$get(small)
#' store$drop("session")
#' store$list()
#' store$destroy()
#' server$stop()
object_store <- R6Class(
  "object_store",
  cloneable = FALSE,
  public = list(
    initialize = function(con, prefix, max_size = Inf, offload = NULL) {
      call <- caller_env()
      check_string(prefix, call = call)
      check_number(max_size, call = call)
      if (!is.null(offload) && !inherits(offload, "object_store_offload_disk")) {
        must <- "an object_store_offload_disk, or NULL"
        abort_argument("offload", must, offload, call)
      }
      private$name <- prefix
      private$open <- function() {
        url <- full_url(resolve_url(con, call), call)
        rust_call(rs_store_new(url, prefix, as.numeric(max_size), offload$path), call)
      }
      private$pointer <- private$open()
    },
    list = function() {
      rust_call(rs_store_list(private$live()))
    },
    tags = function() {
      rust_call(rs_store_tags(private$live()))
    },
    get = function(hash) {
      check_id(hash)
      rust_call(rs_store_get(private$live(), hash))[[1]]
    },
    mget = function(hash) {
      check_ids(hash)
      rust_call(rs_store_get(private$live(), as.character(hash)))
    },
    set = function(value, tag, serialize = TRUE) {
      private$store(list(value), tag, serialize, rlang::current_env())
    },
    mset = function(value, tag, serialize = TRUE) {
      if (!is.vector(value)) {
        abort_argument("value", "a list or a vector", value, rlang::current_env())
      }
      private$store(as.list(value), tag, serialize, rlang::current_env())
    },
    location = function(hash, error = TRUE) {
      check_ids(hash)
      check_flag(error)
      places <- rust_call(rs_store_locations(private$live(), as.character(hash)))
      if (error && anyNA(places)) {
        missing <- hash[is.na(places)]
        message <- sprintf("No such object: %s.", toString(missing))
        abort("object_missing", message, ids = missing, call = rlang::current_env())
      }
      as.character(places)
    },
    drop = function(tag) {
      check_tags(tag)
      rust_call(rs_store_drop(private$live(), tag))
      invisible(self)
    },
    destroy = function() {
      if (private$is_of_queue) {
        message <- c(
          "The store of a queue can only be deleted with the queue.",
          i = "Use `$drop()` to remove what you have stored, or `rrq_destroy()`."
        )
        abort("argument", message, call = rlang::current_env())
      }
      rust_call(rs_store_destroy(private$live()))
      invisible(self)
    },
    print = function(...) {
      cat(sprintf("<object_store> %s\n", private$name))
      invisible(self)
    }
  ),
  private = list(
    pointer = NULL, open = NULL, name = NULL, is_of_queue = FALSE,
    # A store that was saved and read back has lost its pointer; that of a queue is opened when
    # needed.
    live = function() {
      if (is.null(private$pointer) || is_dead(private$pointer)) private$pointer <- private$open()
      private$pointer
    },
    store = function(values, tag, serialize, call) {
      check_tags(tag, call = call)
      check_flag(serialize, call = call)
      if (!serialize && !all(vapply(values, is.raw, NA))) {
        must <- "a raw vector made by `serialize()` where `serialize` is FALSE"
        abort_argument("value", must, values[[1]], call)
      }
      tryCatch(
        rust_call(rs_store_set(private$live(), values, tag, !serialize), call),
        rrq_error_object_large = function(e) abort_refused(e, private$is_of_queue, call)
      )
    }
  )
)

# The limits of a store that belongs to no queue have other names.
abort_refused <- function(error, is_of_queue, call) {
  if (is_of_queue) rlang::cnd_signal(error)
  message <- sub("store_max_size", "max_size", first_line(error), fixed = TRUE)
  message <- sub("offload_path", "offload", message, fixed = TRUE)
  hint <- "Make a store with a larger `max_size`, or with an `offload`."
  abort("object_large", c(message, i = hint), call = call)
}

# The store of a queue.
queue_store <- R6Class(
  "queue_store",
  inherit = object_store,
  cloneable = FALSE,
  public = list(
    initialize = function(controller) {
      private$is_of_queue <- TRUE
      private$name <- sprintf("of queue %s", controller$queue_id)
      private$open <- function() rust_call(rs_store_of_queue(queue_handle(controller)))
    }
  )
)

check_tags <- function(tag, arg = "tag", call = caller_env()) {
  if (!is.character(tag) || length(tag) == 0 || anyNA(tag) || !all(nzchar(tag))) {
    abort_argument(arg, "one or more non-empty strings", tag, call)
  }
  check_utf8(tag, arg, call)
}

#' @rdname object_store
#' @export
object_store_offload_disk <- R6Class(
  "object_store_offload_disk",
  cloneable = FALSE,
  public = list(
    path = NULL,
    initialize = function(path) {
      call <- caller_env()
      check_string(path, call = call)
      self$path <- rust_call(rs_store_open_path(expand_path(path)), call)
    },
    print = function(...) {
      cat(sprintf("<object_store_offload_disk> %s\n", self$path))
      invisible(self)
    }
  )
)
