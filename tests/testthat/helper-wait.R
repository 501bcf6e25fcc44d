# How many times longer than on an idle machine it takes to start R, at least 1. Measured once.
slowness <- function() {
  if (is.null(shared$slowness)) {
    start <- proc.time()[["elapsed"]]
    processx::run(file.path(R.home("bin"), "Rscript"), c("-e", "library(rrq)"),
      env = c("current", R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), R_TESTS = "")
    )
    shared$slowness <- max(1, (proc.time()[["elapsed"]] - start) / 0.5)
  }
  shared$slowness
}

# The time in seconds after which an event that should come soon will not come.
time_limit <- function() 30 * slowness()

# Ask until it is true; fails, saying what was never true, when time is up.
wait_until <- function(expr, timeout = time_limit()) {
  expr <- substitute(expr)
  env <- parent.frame()
  deadline <- proc.time()[["elapsed"]] + timeout
  while (!isTRUE(eval(expr, env))) {
    if (proc.time()[["elapsed"]] > deadline) {
      rlang::abort(sprintf("Not true after %g s: %s", timeout, rlang::as_label(expr)))
    }
    Sys.sleep(0.01)
  }
  invisible(TRUE)
}

# Wait until a worker has begun a task. One that is RUNNING may still be on its way to the worker,
# and goes back to the queue if the worker leaves.
wait_begun <- function(id, controller) {
  wait_until(id %in% rrq_worker_ping(controller = controller)$task_id)
}

# The results of tasks, once a worker of this process has run them.
run_results <- function(ids, controller) {
  force(ids)
  run_worker(local_worker(controller))
  rrq_task_results(ids, controller = controller)
}

run_result <- function(id, controller) {
  run_results(id, controller)[[1]]
}

# How many of everything a queue holds.
queue_sizes <- function(controller) {
  hash <- function(name) controller$con$HLEN(paste0(controller$keys$prefix, name))
  c(
    tasks = length(rrq_task_list(controller = controller)),
    waiting = rrq_queue_length(controller = controller),
    bodies = hash("b"), objects = hash("o") + hash("ox"), references = hash("oref")
  )
}

# How many clients of the test server sleep in a wait for tasks.
n_blocked <- function(controller) {
  clients <- strsplit(controller$con$CLIENT_LIST(), "\n", fixed = TRUE)[[1]]
  sum(grepl("flags=[a-zA-Z]*b[a-zA-Z]* .*cmd=xread", clients))
}

# How many commands the test server has been sent.
n_commands <- function(controller) {
  as.numeric(sub(".*total_commands_processed:([0-9]+).*", "\\1", controller$con$INFO("stats")))
}

# A bar that draws nothing, for a queue.
test_bar <- function(controller, ..., env = parent.frame()) {
  withr::local_options(cli.progress_handlers_only = "void")
  bar <- task_bar(queue_handle(controller), ..., env = env)
  bar$work_before <- 0
  bar
}

# A task that sleeps, once its code runs: it is RUNNING as soon as a worker has claimed it, and a
# worker that is interrupted before the code runs gives it back.
start_sleeper <- function(controller, env = parent.frame()) {
  begun <- withr::local_tempfile(.local_envir = env)
  sleep <- function(path) {
    file.create(path)
    Sys.sleep(60)
  }
  id <- rrq_task_create_call(sleep, list(begun), controller = controller)
  wait_until(file.exists(begun))
  id
}

# A task that ends when the file `gate` exists.
create_held <- function(gate, controller) {
  hold <- function(path) while (!file.exists(path)) Sys.sleep(0.02)
  rrq_task_create_call(hold, list(gate), controller = controller)
}

# A value that cannot be serialised: R runs out of stack on the way down.
unserialisable <- function() {
  Reduce(function(x, i) list(x), seq_len(2e5), list())
}

# The messages that code signals, without colours.
messages_of <- function(code) {
  said <- character()
  withCallingHandlers(code, message = function(m) {
    said <<- c(said, cli::ansi_strip(conditionMessage(m)))
    invokeRestart("muffleMessage")
  })
  said
}
