# Submits the tasks of a crew controller.

crew_push_methods <- function(crew) {
  list(
    push = function(command, data = list(), globals = list(), substitute = TRUE, seed = NULL,
                    algorithm = NULL, packages = character(), library = NULL,
                    seconds_timeout = NULL, scale = TRUE, throttle = TRUE, name = NULL,
                    save_command = NULL, controller = NULL) {
      if (substitute) command <- substitute(command)
      settings <- crew_settings(seed, algorithm, packages, library)
      check_crew_data(data, globals)
      name <- check_crew_name(crew, name)
      start_crew(crew)
      id <- push_crew(crew, name, command, data, globals, settings, seconds_timeout)
      if (scale) scale_crew(crew, throttle)
      invisible(id)
    },
    walk = function(command, iterate, data = list(), globals = list(), substitute = TRUE,
                    seed = NULL, algorithm = NULL, packages = character(), library = NULL,
                    seconds_timeout = NULL, names = NULL, save_command = NULL,
                    verbose = interactive(), scale = TRUE, throttle = TRUE, controller = NULL) {
      if (substitute) command <- substitute(command)
      settings <- crew_settings(seed, algorithm, packages, library)
      check_crew_data(data, globals)
      ids <- walk_crew(crew, command, iterate, data, globals, settings, seconds_timeout, names)
      if (scale) scale_crew(crew, throttle)
      invisible(ids)
    }
  )
}

crew_settings <- function(seed, algorithm, packages, library, call = caller_env()) {
  if (!is.null(seed) && !(is.numeric(seed) && is_integer(abs(seed)))) {
    abort_argument("seed", "one whole number, or NULL", seed, call)
  }
  check_string(algorithm, null = TRUE, call = call)
  if (!is.character(packages) || anyNA(packages)) {
    abort_argument("packages", "names of packages", packages, call)
  }
  list(seed = seed, algorithm = algorithm, packages = packages, library = library)
}

check_crew_data <- function(data, globals, call = caller_env()) {
  if (!is_named_list(data)) abort_argument("data", "a named list", data, call)
  if (!is_named_list(globals)) abort_argument("globals", "a named list", globals, call)
}

is_named_list <- function(x) is.list(x) && all(nzchar(rlang::names2(x)))

check_crew_name <- function(crew, name, call = caller_env()) {
  if (is.null(name)) {
    return(paste0("task-", rust_call(rs_random_id())))
  }
  check_string(name, arg = "name", call = call)
  if (!is.null(crew$tasks[[name]])) {
    message <- c(
      sprintf("There is a task named '%s' already.", shorten(name, 60)),
      i = "Wait until it has ended, and `pop()` or `collect()` it, before you push it again."
    )
    abort("crew_name", message, class = "crew_error", call = call)
  }
  name
}

# `data` are arguments of their own, so that large ones are stored by themselves, for as long as the
# task. targets passes the environment of its pipeline with each target.
push_crew <- function(crew, name, command, data, globals, settings, timeout, call = caller_env()) {
  check_number(timeout, null = TRUE, arg = "seconds_timeout", call = call)
  packed <- pack_globals(crew, globals)
  settings <- c(settings, reset = list(crew$reset), names = list(names(data)))
  args <- c(list(command, settings, packed$shared, packed$own), unname(data))
  apart <- which(is_large(args) | vapply(args, is_large_object, NA))
  shared <- stats::setNames(args[apart], apart)
  args[apart] <- list(NULL)
  fn <- list(namespace = "rrq", name = "run_crew_task", internal = TRUE, shares = TRUE)
  options <- list(
    queue = crew$queue, label = shorten(gsub("[[:cntrl:]]", " ", name), longest_name),
    timeout_task_run = if (!is.null(timeout) && is.finite(timeout)) as.numeric(timeout)
  )
  id <- send_crew(crew, list(fn = fn, args = args), shared, options, call)
  text <- paste(deparse(command), collapse = "\n")
  task <- list(id = id, command = text, seed = settings$seed, algorithm = settings$algorithm)
  assign(name, task, crew$tasks)
  assign(id, name, crew$names)
  id
}

# Functions and environments: only their serialised form has a size.
is_large_object <- function(x) {
  is_object <- is.environment(x) || is.function(x)
  is_object && !is_lasting_environment(x) && length(serialize(x, NULL)) > large_bytes
}

# Like crew, this does not mind external pointers: a pipeline passes whatever its script has made.
send_crew <- function(crew, payload, shared, options, call) {
  old <- options(rrq.nonportable = "ignore")
  on.exit(options(old))
  handle <- queue_handle(crew$controller, call)
  crew$watch$submit(submit(handle, "call", list(payload), shared, options, call))
}

walk_crew <- function(crew, command, iterate, data, globals, settings, timeout, names,
                      call = caller_env()) {
  names <- check_iterate(crew, iterate, names, call)
  start_crew(crew)
  # As in crew: each task has a seed of its own.
  first <- settings$seed
  step <- if (isTRUE(first > 0)) -1 else 1
  ids <- vapply(seq_along(names), function(i) {
    data[names(iterate)] <- lapply(iterate, function(values) values[[i]])
    if (!is.null(first)) settings$seed <- first + step * i
    push_crew(crew, names[[i]], command, data, globals, settings, timeout, call)
  }, "")
  stats::setNames(ids, names)
}

check_iterate <- function(crew, iterate, names, call) {
  n <- unique(lengths(iterate))
  if (!is_named_list(iterate) || length(n) != 1 || n == 0) {
    must <- "a named list of vectors of the same length, which is at least 1"
    abort_argument("iterate", must, iterate, call)
  }
  if (is.null(names)) {
    return(paste0("task-", rust_call(rs_random_id()), "-", seq_len(n)))
  }
  names <- names_to_iterate(iterate, names, call)
  for (name in names) check_crew_name(crew, name, call)
  names
}

names_to_iterate <- function(iterate, names, call) {
  if (!is.character(names) || length(names) != 1 || !names %in% names(iterate)) {
    abort_argument("names", "the name of an element of `iterate`, or NULL", names, call)
  }
  names <- as.character(iterate[[names]])
  if (anyDuplicated(names)) {
    abort_argument("names", "an element of `iterate` without duplicates", call = call)
  }
  names
}

# Global variables --------------------------------------------------------------------------
#
# Each push of targets passes the whole global environment of the pipeline, so what does not change
# must be neither sent nor serialised again. R changes no object that somebody else refers to, apart
# from those that have a state. So while the reference is kept, the same address means the same
# value, and the handle of its stored copy is used again.
#
# 1. A large value without a state: a handle (`shared`).
# 2. All small ones together: one handle.
# 3. What has a state is serialised for each task (`own`), and stored once as long as it is equal.

pack_globals <- function(crew, globals) {
  if (length(globals) == 0) {
    return(list(shared = list(), own = list()))
  }
  addresses <- vapply(globals, rlang::obj_address, "")
  if (!identical(addresses, crew$packed$addresses)) {
    # With `globals`, whose addresses may not be used again.
    crew$packed <- c(list(addresses = addresses, globals = globals), split_globals(globals))
  }
  packed <- crew$packed
  large <- which(packed$large)
  keys <- addresses[large]
  shared <- lapply(large, function(i) share_globals(crew, globals[i], addresses[[i]]))
  if (any(packed$small)) {
    key <- paste(c(names(globals)[packed$small], addresses[packed$small]), collapse = " ")
    keys <- c(keys, key)
    shared <- c(shared, list(share_globals(crew, globals[packed$small], key)))
  }
  crew$used <- unname(keys)
  list(shared = unname(shared), own = globals[!packed$large & !packed$small])
}

split_globals <- function(globals) {
  lasting <- vapply(globals, is_stateless, NA)
  large <- lasting & is_large(globals)
  list(large = large, small = lasting & !large)
}

# The handle of some variables; `key` tells of them that they are the same as before.
share_globals <- function(crew, variables, key) {
  if (is.null(crew$shared[[key]])) {
    tag <- paste0("rrq_share:", rust_call(rs_random_id()))
    hash <- crew$controller$store$set(variables, tag)
    handle <- structure(
      list(hash = hash, queue_id = crew$controller$queue_id, tag = tag, what = "global variables"),
      class = "rrq_shared"
    )
    crew$shared[[key]] <- list(handle = handle, variables = variables)
  }
  crew$shared[[key]]$handle
}

# Those that no task needs, once there is none: a pipeline has always the same.
release_globals <- function(crew) {
  if (length(crew$tasks) == 0 && length(crew$shared) > length(crew$used)) {
    unshare_globals(crew, crew$controller, setdiff(names(crew$shared), crew$used))
  }
}

unshare_globals <- function(crew, controller, keys = names(crew$shared)) {
  tags <- vapply(crew$shared[keys], function(entry) entry$handle$tag, "")
  if (length(tags) > 0) controller$store$drop(unname(tags))
  crew$shared[keys] <- NULL
}
