# Argument checks. Each reports the argument and the function the user called, and returns the
# checked value invisibly. Callers check all arguments before they send anything to the server.

abort_argument <- function(arg, must, x, call, hint = NULL) {
  got <- if (missing(x)) "" else sprintf(", not %s", describe(x))
  if (is.null(hint) && !missing(x) && inherits(x, "rrq_controller") && arg != "controller") {
    hint <- "Pass a controller by name: `controller =`."
  }
  message <- c(sprintf("`%s` must be %s%s.", arg, must, got), i = hint)
  abort("argument", message, argument = arg, call = call)
}

describe <- function(x) {
  if (is.null(x)) {
    return("NULL")
  }
  if (is.atomic(x) && length(x) == 1 && !is.object(x)) {
    return(if (is.na(x)) "NA" else shorten(deparse(x, nlines = 1), 100))
  }
  sprintf("%s of length %d", paste0("<", class(x)[[1]], ">"), length(x))
}

check_string <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  if (!is.character(x) || length(x) != 1 || is.na(x) || !nzchar(x)) {
    abort_argument(arg, "a single non-empty string", x, call)
  }
  check_utf8(x, arg, call)
  invisible(x)
}

longest_name <- 200

# Names of queues, workers and configurations: stored as lines, so they must not contain line ends.
check_name <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  check_string(x, null, arg = arg, call = call)
  if (!is.null(x) && grepl("[[:cntrl:]]", x)) {
    abort_argument(arg, "a name without control characters", x, call)
  }
  if (!is.null(x) && nchar(x, "bytes") > longest_name) {
    must <- sprintf("a name of at most %d bytes", longest_name)
    abort_argument(arg, sprintf("%s, not of %d", must, nchar(x, "bytes")), call = call)
  }
  invisible(x)
}

# Stored strings are UTF-8; a string in another encoding would not be equal when read back.
check_utf8 <- function(x, arg, call) {
  if (!all(validUTF8(x)) || any(Encoding(x) == "latin1")) {
    message <- sprintf("`%s` must be encoded in UTF-8: convert it with `enc2utf8()`.", arg)
    abort("argument", message, argument = arg, call = call)
  }
}

check_flag <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  if (!is.logical(x) || length(x) != 1 || is.na(x)) {
    abort_argument(arg, "TRUE or FALSE", x, call)
  }
  invisible(x)
}

is_number <- function(x, min, infinite) {
  is.numeric(x) && length(x) == 1 && !is.na(x) && x >= min && (infinite || is.finite(x))
}

# Times in seconds and sizes in bytes.
check_number <- function(x, min = 0, infinite = TRUE, null = FALSE,
                         arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  if (!is_number(x, min, infinite)) {
    must <- sprintf("a single %snumber of at least %s", if (infinite) "" else "finite ", min)
    abort_argument(arg, must, x, call)
  }
  invisible(x)
}

check_count <- function(x, min = 1, infinite = FALSE,
                        arg = rlang::caller_arg(x), call = caller_env()) {
  if (!is_number(x, min, infinite) || (is.finite(x) && x != round(x))) {
    abort_argument(arg, sprintf("a single whole number of at least %d", min), x, call)
  }
  invisible(x)
}

# Ids of tasks, workers or messages.
check_ids <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  if (length(x) == 0 && (is.null(x) || is.character(x))) {
    return(invisible(character()))
  }
  if (!is.character(x) || anyNA(x)) {
    abort_argument(arg, "a character vector of ids without NA", x, call)
  }
  check_utf8(c(x, names(x)), arg, call)
  invisible(x)
}

# Whether this is one id, and nothing else.
is_one_id <- function(x) {
  is.character(x) && length(x) == 1L && is.null(attributes(x)) && is_utf8(x)
}

is_utf8 <- function(x) !is.na(x) && validUTF8(x) && Encoding(x) != "latin1"

check_id <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  if (is_one_id(x)) {
    return(invisible(x))
  }
  if (!is.character(x) || length(x) != 1 || is.na(x)) {
    abort_argument(arg, "a single id", x, call)
  }
  check_utf8(x, arg, call)
  invisible(x)
}

check_names <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  ok <- is.character(x) && length(x) > 0 && !anyNA(x) && all(nzchar(x) & !grepl("[[:cntrl:]]", x))
  if (!ok) {
    abort_argument(arg, "non-empty names without control characters", x, call)
  }
  check_utf8(x, arg, call)
  invisible(x)
}

check_choice <- function(x, choices, arg = rlang::caller_arg(x), call = caller_env()) {
  if (identical(x, choices)) {
    return(choices[[1]])
  }
  if (!is.character(x) || length(x) != 1 || !x %in% choices) {
    abort_argument(arg, paste("one of", toString(dQuote(choices, FALSE))), x, call)
  }
  x
}

# The path of a directory for large values, which must exist: where a file system is not mounted,
# other machines would not see what is stored. The engine checks URLs.
check_offload_path <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  check_string(x, null = TRUE, arg = arg, call = call)
  if (!is.null(x) && !is_url(x) && !dir.exists(x)) {
    abort_argument(arg, "an existing directory", x, call)
  }
}

is_url <- function(path) grepl("://", path, fixed = TRUE)

# The path for large values as the engine needs it; a URL stays as it is.
expand_path <- function(path) {
  if (is.null(path) || is_url(path)) path else path.expand(path)
}

check_function <- function(x, null = FALSE, arg = rlang::caller_arg(x), call = caller_env()) {
  if (null && is.null(x)) {
    return(invisible(x))
  }
  if (!is.function(x)) {
    abort_argument(arg, "a function", x, call)
  }
  invisible(x)
}

# Queue ids become part of key names; braces would break the hash tag that keeps them together.
check_queue_id <- function(x, arg = rlang::caller_arg(x), call = caller_env()) {
  check_string(x, arg = arg, call = call)
  # A URL may contain a password, so it is not shown.
  if (grepl("^[a-z+]+://", x)) {
    hint <- "The server comes second: `rrq_controller(\"jobs\", con = url)`."
    abort_argument(arg, "the id of a queue, not a URL", call = call, hint = hint)
  }
  if (grepl("[{}[:space:][:cntrl:]]", x)) {
    abort_argument(arg, "a queue id without braces or white space", x, call)
  }
  invisible(x)
}
