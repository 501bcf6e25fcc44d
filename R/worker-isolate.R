# Processes for isolated tasks. A worker has threads, so it must not fork: it starts a *fork
# server*, an R process without threads that has built the worker's environment and forks one
# process per task. With isolation = "fresh" a fork server lives for one task, which builds the
# environment itself: no user code has run before the fork.

# How a worker starts a fork server; the engine adds the kind of isolation. The URL is passed in the
# environment, because everybody can see a password on a command line.
isolated_command <- function(url, queue_id, worker_id) {
  list(
    program = file.path(R.home("bin"), "Rscript"),
    args = c("-e", "rrq:::isolated_process()", queue_id),
    env = c(
      R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), R_TESTS = "",
      RRQ_URL = url, RRQ_WORKER_ID = worker_id, RRQ_PARENT_PID = ""
    )
  )
}

# The main function of a fork server.
isolated_process <- function(args = commandArgs(TRUE)) {
  queue_id <- args[[1]]
  url <- Sys.getenv("RRQ_URL")
  handle <- rust_call(rs_isolate_open(url, queue_id))
  run <- new_run()
  run$handle <- handle
  if (args[[2]] == "fork") {
    run$envir <- build_environment(handle)
    warm_up(run, list(queue_id = queue_id, url = url))
  }
  rust_call(rs_worker_heed_interrupts())
  catch_quit()
  home <- Sys.getenv("TMPDIR")
  folder <- rust_call(rs_isolate_serve(handle))
  if (is.null(folder)) {
    # The worker is gone, perhaps without cleaning up.
    unlink(home, recursive = TRUE)
    quit(save = "no")
  }
  run_isolated(run, folder, list(queue_id = queue_id, url = url))
}

# R compiles a function when it is called for the second time, and a fork leaves nothing to the
# next: without this the trace of an error costs each of them 0.3 s.
warm_up <- function(run, identity) {
  evaluation_calls(run, identity)
  for (expr in rep(list(quote(warning("w")), quote(stop("e"))), 3)) {
    task <- list(expr = expr, variables = list())
    with_task_handlers(run, run_call(run, "expr", task, NULL, NULL, NULL, 0, NULL, FALSE))
  }
  the$task <- NULL
}

# The main function of a task's process: each fork returns here.
run_isolated <- function(run, folder, identity) {
  Sys.setenv(RRQ_TASK_ID = basename(folder))
  own_tempdir(folder)
  the$leaving <- leave_when_quitting()
  if (is.null(run$envir)) {
    run$envir <- build_environment(run$handle)
  }
  # Otherwise all forks would continue the random numbers of the fork server.
  seed_from_system()
  functions <- evaluation_calls(run, identity)
  with_task_handlers(run, rust_call(rs_isolate_run(run$handle, functions, folder)))
  rust_call(rs_isolate_leave(0L))
}

# Gives a fork a temporary folder of its own, which R deletes when the fork crashes. R makes a new
# one only if the current one, that of the fork server, does not exist. A link keeps the paths of
# files in it valid.
own_tempdir <- function(folder) {
  shared <- tempdir()
  kept <- paste0(shared, "-server")
  if (dir.exists(kept)) unlink(shared) else file.rename(shared, kept)
  Sys.setenv(TMPDIR = folder)
  tempdir(check = TRUE)
  file.symlink(kept, shared)
}

# A task that quits R must not run the finalizers of the fork server. Finalizers registered last run
# first: this one does, and ends the process before any other.
leave_when_quitting <- function() {
  process <- new.env()
  reg.finalizer(process, function(process) rust_call(rs_isolate_leave(1L)), onexit = TRUE)
  process
}

# Finalizers do not learn the status that a task gives to quit(), so R traces both functions. The
# fork server does this once, for all of its forks, and quits itself as usual.
catch_quit <- function() {
  tracer <- as.call(list(leave_with_status, quote(status)))
  for (name in c("quit", "q")) {
    suppressMessages(trace(name, tracer, print = FALSE, where = baseenv()))
  }
}

leave_with_status <- function(status) {
  if (!is.null(the$leaving)) {
    rust_call(rs_isolate_leave(as.integer(status)))
  }
}
