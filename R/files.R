#' File transfer
#'
#' `rrq_files_pack()` stores files from this session's working directory on the server and returns
#' a *pack*: their names and md5 sums. The message `PULL` makes workers write the files of a pack
#' into their working directories. The message `PUSH` makes workers store their own files; each
#' worker responds with a pack, whose files `rrq_files_unpack()` writes. See [rrq_message_send()].
#'
#' Identical content is stored once, however many packs, workers and sessions share it. It is
#' written in chunks, so files need not fit into memory. Each file expires 24 hours after it was
#' last packed or unpacked, or when the queue is destroyed. A pack is a plain value: you can save it
#' or pass it to a task, and any session or worker of the queue can unpack it. Only names and
#' contents are kept, not permissions or times.
#'
#' The total size of a pack is limited to `getOption("rrq.files_max_size")` bytes, by default 2 GB
#' (2^31). The server holds the files in memory.
#'
#' @section Names: Names are relative to the working directory and include subdirectories. A
#'   directory stands for all files below it, including hidden ones. Names that lead out of the
#'   directory are rejected: absolute paths, paths with `..`, and paths through a symbolic link to
#'   another place. Within a directory, links to directories are rejected too. The names are checked
#'   again when the files are written. Existing files are overwritten.
#'
#' @param ... Character vectors of file and directory names.
#' @param pack A `files_pack`, or a list of one, as [rrq_message_send_and_wait()] returns it for one
#'   worker.
#' @param path The directory to write the files to, a string; created if needed. The default is a
#'   new temporary directory.
#' @inheritParams rrq_destroy
#' @return `rrq_files_pack()`: a `files_pack`, a character vector of md5 sums named by file.
#'   `rrq_files_unpack()`: the path of the directory.
#' @section Errors: In each case nothing is stored or written.
#'   * `rrq_error_file_refused`: a name leads out of the directory or is not a regular file.
#'   * `rrq_error_file_absent` lists the files that do not exist.
#'   * `rrq_error_files_large` gives the total size of the files in bytes.
#'   * `rrq_error_files_missing` lists the files of a pack that are no longer stored.
#'   * `rrq_error_corrupt`: the stored content does not match its md5 sum.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' withr::with_tempdir({
#'   dir.create("data")
#'   write.csv(mtcars, "data/cars.csv")
#'   pack <- rrq_files_pack("data", controller = r)
#' })
#' pack
#' path <- rrq_files_unpack(pack, controller = r)
#' dir(path, recursive = TRUE)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_files_pack <- function(..., controller = NULL) {
  names <- check_file_names(list(...), "...")
  pack_files(queue_handle(controller), names)
}

#' @rdname rrq_files_pack
#' @export
rrq_files_unpack <- function(pack, path = tempfile(), controller = NULL) {
  if (is.list(pack) && length(pack) == 1) {
    pack <- pack[[1]]
  }
  check_files_pack(pack)
  check_string(path)
  if (file.exists(path) && !dir.exists(path)) {
    abort_argument("path", "a directory, existing or new", path, rlang::current_env())
  }
  unpack_files(queue_handle(controller), pack, path)
  path
}

# Shared by sessions and workers; each uses its own working directory.
pack_files <- function(handle, names, call = caller_env()) {
  rust_call(rs_files_check(names), call)
  absent <- names[!file.exists(names)]
  if (length(absent) > 0) {
    message <- sprintf("Files not found in '%s': %s.", getwd(), toString(absent))
    abort("file_absent", message, ids = absent, call = call)
  }
  limit <- getOption("rrq.files_max_size", 2^31)
  check_number(limit, arg = "getOption(\"rrq.files_max_size\")", call = call)
  stored <- rust_call(rs_files_store(handle, getwd(), names, limit), call)
  new_files_pack(stored$name, stored$md5)
}

unpack_files <- function(handle, pack, path, call = caller_env()) {
  path <- path.expand(path)
  rust_call(rs_files_fetch(handle, path, names(pack), as.character(pack)), call)
}

new_files_pack <- function(names, md5) {
  structure(stats::setNames(md5, names), class = "files_pack")
}

#' @export
`[.files_pack` <- function(x, i) {
  part <- unclass(x)[i]
  new_files_pack(names(part), unname(part))
}

#' @export
format.files_pack <- function(x, ...) {
  if (length(x) == 0) character() else paste(format(names(x)), unclass(x))
}

#' @export
print.files_pack <- function(x, ...) {
  cat(sprintf("<files_pack> %d file%s\n", length(x), if (length(x) == 1) "" else "s"))
  cat(sprintf("  %s\n", format(x)), sep = "")
  invisible(x)
}

check_file_names <- function(names, arg, call = caller_env()) {
  ok <- vapply(names, function(x) is.character(x) && !anyNA(x) && all(nzchar(x)), NA)
  if (length(names) == 0 || !all(ok)) {
    abort_argument(arg, "character vectors of file names", call = call)
  }
  names <- path.expand(as.character(unlist(names, use.names = FALSE)))
  check_utf8(names, arg, call)
  names
}

# A pack may come from an untrusted source, so the receiver checks the names again.
check_files_pack <- function(pack, arg = rlang::caller_arg(pack), call = caller_env()) {
  names <- names(pack)
  if (!inherits(pack, "files_pack") || !is_named_by_files(pack) || !has_sums(pack)) {
    abort_argument(arg, "a `files_pack`, see `rrq_files_pack()`", pack, call)
  }
  check_utf8(names, arg, call)
  rust_call(rs_files_check(names), call)
  invisible(pack)
}

is_named_by_files <- function(pack) {
  names <- names(pack)
  length(names) == length(pack) && !anyNA(names) && all(nzchar(names))
}

has_sums <- function(pack) {
  is.character(pack) && all(grepl("^[0-9a-f]{32}$", unclass(pack)))
}
