# The calls of tasks that were created together.
#
# What they share (function, further arguments) is prepared by the first of them, in the environment
# `common` between the task's frame and the worker's environment. The frame is fresh for each task.
# A function sent by value never sees `common`, so that no task changes what the next one finds
# there. What it sees in place of the global environment is `home` (worker-globals.R), which is
# filled again for each task.
#
# The preparation is valid for one template in one worker environment, and both are compared each
# time: tasks of other bulks come between, and a refresh replaces the environment. That is cheap, as
# the engine keeps shared objects: identical() finds the same pointer. The template is recorded last
# and cleared first. A task can be interrupted while it prepares; recorded before, the template
# would then stand beside the function of another bulk, which the next task would call.
meet_template <- function(run, template) {
  # num.eq: 0 and -0 are different arguments.
  same <- identical(template, run$template, num.eq = FALSE, single.NA = FALSE)
  if (!same || !identical(run$envir, run$template_envir)) {
    run$template <- NULL
    prepare_bulk(run, template)
    run$template <- template
    run$template_envir <- run$envir
  }
}

# The call of one task of a bulk.
bulk_call <- function(run, frame, payload, template) {
  if (!run$is_plain) {
    # No task sees what another assigned there by `<<-`.
    if (!is.null(run$globals)) list2env(run$globals, run$home)
    if (isTRUE(template$fn$shares)) payload <- give_shared(list(payload))[[1]]
    if (!is.null(template$fn$elements_code)) payload <- rehome(payload, run$home, template$fn)
    bind_methods(run, template$fn$methods, run$home)
    if (!is.null(template$chunk)) {
      assign("chunk", payload, frame)
      return(chunk_call(run, template))
    }
    if (!is.null(template$names)) {
      own <- bind_args(frame, named(payload, template$names))
      return(as.call(c(run$head, own, run$args)))
    }
  }
  if (!is_plain(payload)) {
    assign("arg", payload, frame)
    payload <- quote(arg)
  }
  call <- run$call
  call[2] <- list(payload)
  call
}

# Whether tasks differ only in one argument, and nothing is done before each.
is_plain_bulk <- function(run, template) {
  fn <- template$fn
  special <- list(fn$shares, fn$elements_code, fn$methods, template$chunk, template$names)
  is.null(run$globals) && all(vapply(special, is.null, NA))
}

prepare_bulk <- function(run, template) {
  fn <- template$fn
  if (isTRUE(fn$shares)) {
    template$args <- give_shared(template$args)
    fn$globals <- give_shared(fn$globals)
  }
  run$common <- new.env(parent = run$envir)
  load_namespaces(fn$class_packages)
  run$home <- globals_home(fn, run$envir)
  run$globals <- if (!is.null(fn$globals)) mget(names(fn$globals), envir = run$home)
  args <- rehome_args(template$args, run$home, fn)
  run$head <- function_head(run$common, fn, run$home)
  run$args <- bind_args(run$common, args, "shared")
  # The `NULL` stands for the argument of a task.
  run$call <- as.call(c(run$head, list(NULL), run$args))
  run$is_plain <- is_plain_bulk(run, template)
  if (identical(template$chunk, "mapply")) {
    # .mapply() evaluates these arguments; code among them must arrive as it is.
    quoted <- lapply(args, function(x) if (is.language(x)) call("quote", x) else x)
    assign("more", quoted, run$common)
  }
}
