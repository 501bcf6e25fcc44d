# What the functions of map.R have in common. R loads files in alphabetical order: this one comes
# before that one.

# A function for this kind of input and type of value.
new_map <- function(kind, type) {
  fn <- function() {
    # Here, so that an error in them names this function.
    args <- list(...)
    map_elements(kind, type, substitute(.f), args, rlang::current_env(), parent.frame())
  }
  formals(fn) <- c(
    formals(map_inputs[[kind]]),
    if (type == "dfr") list(.id = NULL),
    list(.progress = NULL, .chunk_size = NULL, .timeout = NULL, .options = NULL),
    list(.controller = NULL)
  )
  fn
}

map_inputs <- list(
  map = function(.x, .f, ...) NULL,
  map2 = function(.x, .y, .f, ...) NULL,
  pmap = function(.l, .f, ...) NULL
)

# `frame` has the arguments of the function that the user called from `envir`.
map_elements <- function(kind, type, fn_expr, args, frame, envir) {
  fn <- capture_function(fn_expr, envir, frame, ".f")
  options <- lapply_options(frame$.options, list(), frame, ".options")
  how <- map_settings(frame)
  check_map_type(type, frame)
  if (kind == "map") {
    check_elements(frame$.x, ".x", frame)
    names <- names(frame$.x)
    values <- apply_to_elements(frame$.x, fn, args, TRUE, envir, options, how, frame)
  } else {
    vectors <- if (kind == "map2") list(frame$.x, frame$.y) else check_list(frame$.l, frame)
    n <- common_length(vectors, kind, frame)
    names <- if (length(vectors) > 0) rep_len_names(names(vectors[[1]]), n)
    how$names <- names
    values <- apply_to_vectors(vectors, n, fn, args, TRUE, envir, options, how, frame)
  }
  as_map_type(unname(values), type, names, frame)
}

map_settings <- function(frame) {
  check_number(frame$.timeout, null = TRUE, arg = ".timeout", call = frame)
  if (!is.null(frame$.chunk_size)) {
    check_count(frame$.chunk_size, arg = ".chunk_size", call = frame)
  }
  progress <- frame$.progress
  if (rlang::is_string(progress)) progress <- TRUE
  check_flag(progress, null = TRUE, arg = ".progress", call = frame)
  list(
    chunk_size = frame$.chunk_size, timeout = frame$.timeout, progress = progress, cancel = TRUE,
    relay = FALSE, warnings = NULL, controller = frame$.controller
  )
}

check_list <- function(x, call) {
  if (!is.list(x)) abort_argument(".l", "a list of vectors or a data frame", x, call)
  as.list(x)
}

# Only vectors of one element are recycled.
common_length <- function(vectors, kind, call) {
  labels <- if (kind == "map2") c(".x", ".y") else sprintf(".l[[%d]]", seq_along(vectors))
  for (i in seq_along(vectors)) check_elements(vectors[[i]], labels[[i]], call)
  n <- lengths(vectors, use.names = FALSE)
  longer <- unique(n[n != 1])
  if (length(longer) > 1) {
    at <- match(longer[1:2], n)
    message <- sprintf(
      "`%s` has length %d and `%s` has length %d: only vectors of length 1 are recycled.",
      labels[[at[[1]]]], longer[[1]], labels[[at[[2]]]], longer[[2]]
    )
    abort("argument", message, argument = if (kind == "map2") ".y" else ".l", call = call)
  }
  c(longer, min(1, length(n)))[[1]]
}

rep_len_names <- function(names, n) {
  if (!is.null(names)) rep_len(names, n)
}

check_map_type <- function(type, frame) {
  if (type == "dfr") {
    check_string(frame$.id, null = TRUE, arg = ".id", call = frame)
    if (!requireNamespace("vctrs", quietly = TRUE)) {
      abort("vctrs_missing", "This needs the package vctrs.", call = frame)
    }
  }
}

as_map_type <- function(values, type, names, frame) {
  if (type == "list") {
    return(stats::setNames(values, names))
  }
  if (type == "dfr") {
    if (is.null(frame$.id)) {
      return(vctrs::vec_rbind(!!!values))
    }
    return(vctrs::vec_rbind(!!!stats::setNames(values, names), .names_to = frame$.id))
  }
  fits <- vapply(values, function(x) length(x) == 1 && !is.object(x) && fits_type(x, type), NA)
  if (!all(fits)) abort_map_type(values, which(!fits)[[1]], type, names, frame)
  convert <- switch(type,
    lgl = as.logical, int = as.integer, dbl = as.double, chr = as.character
  )
  values <- vapply(values, function(x) convert(x), convert(NA))
  stats::setNames(values, names)
}

# Without loss. NA fits any.
fits_type <- function(x, type) {
  is_lgl <- is.logical(x)
  switch(type,
    lgl = is_lgl || is.numeric(x) && x %in% c(0, 1, NA),
    int = is_lgl || is.integer(x) || is.double(x) && is_whole(x),
    dbl = is_lgl || is.numeric(x),
    chr = is.character(x) || is_lgl && is.na(x)
  )
}

is_whole <- function(x) is.na(x) || abs(x) <= .Machine$integer.max && x == round(x)

abort_map_type <- function(values, at, type, names, call) {
  noun <- c(lgl = "logical", int = "integer", dbl = "number", chr = "string")[[type]]
  message <- sprintf(
    "`.f` must return one %s for each element. For %s it returned %s.", noun,
    name_elements(c(at, at), names), describe(values[[at]])
  )
  abort("map_type", message, element = at, call = call)
}
