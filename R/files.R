#' Send files to workers and get files from them
#'
#' `rrq_files_pack()` stores files of this session's working directory on the server and returns a
#' *pack*: their names and md5 sums. The message `PULL` makes workers write the files of a pack into
#' their working directories. The message `PUSH` makes workers store files of theirs; the answer of
#' each is a pack, which `rrq_files_unpack()` turns into files. See [rrq_message_send()].
#'
#' A content is stored once, however many packs, workers and sessions share it, and is written to
#' the server in parts, so that no file need fit into memory. The files of a pack are kept for 24
#' hours after one of them was last packed or unpacked, each by itself; they go with the queue at
#' the latest. A pack is a plain value: it can be saved, or be part of a task. Any session and any
#' worker of the queue can unpack it. Only names and contents are kept, no permissions or times.
#'
#' Together, the files of a pack have at most `getOption("rrq.files_max_size")` bytes, 2 GB (2^31)
#' unless set. Remember that the server holds them in memory.
#'
#' @section Names: Names are relative to the working directory, and keep the folders in them. Those
#'   of a folder are all files below it, hidden ones included. A name that leads out of the
#'   directory is refused: an absolute path, one with `..`, one through a symbolic link to
#'   somewhere else. So is a link to a folder inside of another. The same is looked at again where
#'   the files are written. Files that are there already are replaced.
#'
#' @param ... Names of files and folders, as character vectors.
#' @param pack A `files_pack`.
#' @param path The folder to write the files to; it is made if need be.
#' @inheritParams rrq_destroy
#' @return `rrq_files_pack()`: a `files_pack`, which is a character vector of md5 sums named by the
#'   files. `rrq_files_unpack()`: the path of the folder.
#' @section Errors: Nothing is stored, or written, when there is one of these.
#'   * `rrq_error_file_refused`: a name leads out of the directory, or is not that of a file.
#'   * `rrq_error_file_absent` lists the files that there are not.
#'   * `rrq_error_files_large` says how many bytes the files have together.
#'   * `rrq_error_files_missing` lists the files of a pack that are no longer stored.
#'   * `rrq_error_corrupt`: what is stored does not have its md5 sum.
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
  pack_files(queue_of(controller), names)
}

#' @rdname rrq_files_pack
#' @export
rrq_files_unpack <- function(pack, path = tempfile(), controller = NULL) {
  check_files_pack(pack)
  check_string(path)
  if (file.exists(path) && !dir.exists(path)) {
    abort_argument("path", "a folder, or the name of a new one", path, rlang::current_env())
  }
  unpack_files(queue_of(controller), pack, path)
  path
}

# Sessions and workers do the same, each with its working directory.
pack_files <- function(queue, names, call = caller_env()) {
  rust_call(rs_files_check(names), call)
  absent <- names[!file.exists(names)]
  if (length(absent) > 0) {
    message <- sprintf("No such file in '%s': %s.", getwd(), toString(absent))
    abort("file_absent", message, ids = absent, call = call)
  }
  limit <- getOption("rrq.files_max_size", 2^31)
  check_number(limit, arg = "getOption(\"rrq.files_max_size\")", call = call)
  stored <- rust_call(rs_files_store(queue, getwd(), names, limit), call)
  new_files_pack(stored$name, stored$md5)
}

unpack_files <- function(queue, pack, path, call = caller_env()) {
  path <- path.expand(path)
  rust_call(rs_files_fetch(queue, path, names(pack), as.character(pack)), call)
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
    abort_argument(arg, "names of files, as character vectors", call = call)
  }
  names <- path.expand(as.character(unlist(names, use.names = FALSE)))
  check_utf8(names, arg, call)
  names
}

# A pack may have come by any way: whoever gets it looks at the names again.
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
