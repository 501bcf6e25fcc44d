# Futures on their way to a worker, and there.

# Large globals are arguments of their own, so that the store keeps them once. `head` is what else
# the function of this package called `name` takes.
launch_future <- function(pool, future, name, head, globals) {
  discard_left(pool)
  args <- c(list(head, names(globals)), unname(as.list(globals)))
  large <- c(FALSE, FALSE, is_large(globals))
  shared <- args[large]
  names(shared) <- which(large)
  args[large] <- list(NULL)
  fn <- list(name = name, namespace = "rrq", internal = TRUE)
  options <- future_options(pool, future)
  # What a future may hold is for future to decide, see its options future.globals.onReference and
  # future.globals.maxSize.
  old <- options(rrq.nonportable = "ignore", rrq.max_task_size = Inf)
  on.exit(options(old))
  id <- suppressWarnings(classes = "rrq_warning_large", pool$watch$submit(
    submit(queue_handle(pool$controller), "call", list(list(fn = fn, args = args)), shared, options)
  ))
  register_job(pool, id, future)
  count_futures(future, "launched")
  future
}

# A label that is none for rrq is left out.
future_options <- function(pool, future) {
  given <- list(queue = pool$queue, tags = "future")
  label <- future[["label"]]
  if (rlang::is_string(label) && nzchar(label) && nchar(label) <= 200) given$label <- label
  tryCatch(
    convert_options(given, 1, NULL),
    rrq_error_argument = function(e) convert_options(given[c("queue", "tags")], 1, NULL)
  )
}

# Of where globals come from, future on the worker asks only whether it is the global or the empty
# environment; other environments would be sent for nothing.
bare_globals <- function(globals) {
  where <- attr(globals, "where")
  is_asked <- vapply(where, function(x) identical(x, globalenv()) || identical(x, emptyenv()), NA)
  list(where = as.list(where)[is_asked])
}

# On the worker: future >= 1.40 does all of it. What is immediate is emitted here, not by the
# worker.
run_future <- function(data, keys, ...) {
  the$task$relays <- "future"
  on.exit(the$task$relays <- NULL)
  data$core$globals <- structure(list(...), names = keys, where = data$core$globals$where)
  result <- from_future("evalFuture")(data)
  last <- utils::tail(result$conditions, 1)
  # It is that of the task: cancelled, or out of time.
  if (length(last) > 0 && inherits(last[[1]]$condition, "interrupt")) leave_interrupted(the$task)
  with_unsent(result)
}

# Before, the code itself keeps the state of the session, apart from the globals.
run_legacy_future <- function(data, keys, ...) {
  the$task$relays <- "future"
  envir <- globalenv()
  all <- ls(envir, all.names = TRUE)
  hidden <- mget(all[all %in% keys], envir)
  on.exit({
    the$task$relays <- NULL
    rm(list = setdiff(ls(envir, all.names = TRUE), c(all, ".Random.seed")), envir = envir)
    list2env(hidden, envir)
  })
  list2env(structure(list(...), names = keys), envir)
  with_unsent(if (data$seeded) with_own_random(eval(data$expr, envir)) else eval(data$expr, envir))
}

# Conditions of class immediateCondition, signalled in a future: sent at once. Returns TRUE, which
# tells future to record them as signalled.
emit_immediately <- function(condition) {
  sent <- tryCatch(rrq_task_emit(condition), rrq_error = function(e) FALSE)
  if (!sent) the$task$unsent <- c(the$task$unsent, list(condition))
  sent
}

# Too large for an event, say. They come with the result.
with_unsent <- function(result) {
  force(result)
  unsent <- lapply(the$task$unsent, function(condition) list(condition = condition, signaled = 0L))
  the$task$unsent <- NULL
  if (length(unsent) > 0) result$conditions <- c(unsent, result$conditions)
  result
}
