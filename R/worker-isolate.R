# Processes for isolated tasks. A worker has threads, so it must not fork: it starts a *fork
# server*, an R process without threads that has built the worker's environment and forks one
# process per task. With isolation = "fresh" a fork server lives for one task, which builds the
# environment itself: no user code has run before the fork. On Windows, and with the environment
# variable RRQ_NO_FORK, nothing forks: either kind of isolation is then a new R process per task.

# How a worker starts a fork server, or the process of one task; the engine adds the kind of
# isolation, and for a process of one task its directory. The URL is passed in the environment,
# because everybody can see a password on a command line.
isolated_command <- function(url, queue_id, worker_id) {
  is_unix <- .Platform$OS.type == "unix"
  run <- c("-e", "rrq:::isolated_process()")
  list(
    forks = is_unix && !nzchar(Sys.getenv("RRQ_NO_FORK")),
    # On Windows Rscript is the parent of R, and ending it would leave R.
    program = file.path(R.home("bin"), if (is_unix) "Rscript" else "Rterm.exe"),
    args = c(if (is_unix) run else c("--no-echo", "--no-restart", run, "--args"), queue_id),
    env = c(
      R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), R_TESTS = "",
      RRQ_URL = url, RRQ_WORKER_ID = worker_id, RRQ_PARENT_PID = ""
    )
  )
}

# The main function of a fork server, and of the process of one task where processes do not fork.
isolated_process <- function(args = commandArgs(TRUE)) {
  identity <- list(queue_id = args[[1]], url = Sys.getenv("RRQ_URL"))
  folder <- if (length(args) > 2) args[[3]]
  run <- new_run()
  run$handle <- rust_call(rs_isolate_open(identity$url, identity$queue_id, is.null(folder)))
  rust_call(rs_worker_heed_interrupts())
  catch_quit()
  if (is.null(folder)) {
    folder <- fork_for_tasks(run, args[[2]], identity)
  }
  run_isolated(run, folder, identity)
}

# Returns in each fork, with the directory of its task.
fork_for_tasks <- function(run, isolation, identity) {
  if (isolation == "fork") {
    run$envir <- build_environment(run$handle)
    warm_up(run, identity)
  }
  home <- Sys.getenv("TMPDIR")
  # Before a fork, the server reads what its task shares with others: the next fork finds it.
  functions <- if (isolation == "fork") evaluation_calls(run, identity)
  folder <- rust_call(rs_isolate_serve(run$handle, functions))
  if (is.null(folder)) {
    # The worker is gone, perhaps without cleaning up.
    unlink(home, recursive = TRUE)
    quit(save = "no")
  }
  own_tempdir(folder)
  folder
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

# Runs the task of this process, and ends the process.
run_isolated <- function(run, folder, identity) {
  Sys.setenv(RRQ_TASK_ID = basename(folder))
  the$leaving <- leave_when_quitting()
  if (is.null(run$envir)) {
    run$envir <- build_environment(run$handle)
  }
  # Otherwise all forks would continue the random numbers of the fork server.
  seed_from_system()
  functions <- evaluation_calls(run, identity)
  with_task_handlers(run, rust_call(rs_isolate_run(run$handle, functions, folder)))
  rust_call(rs_isolate_leave(0L))
  quit(save = "no")
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
