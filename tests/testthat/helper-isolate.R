# A test of what holds with forks and without them.
test_isolation <- function(what, code) {
  code <- substitute(code)
  for (no_fork in c("", "1")) {
    test <- bquote(test_that(.(paste0(what, if (nzchar(no_fork)) ", without forks")), {
      withr::local_envvar(RRQ_NO_FORK = .(no_fork))
      .(code)
    }))
    eval(test, parent.frame())
  }
}

# A worker in this process that runs isolated tasks. What it prints itself is kept out of the way.
local_isolating <- function(controller, ..., env = parent.frame()) {
  testthat::skip_on_os("windows")
  config <- rrq_worker_config(verbose = FALSE, timeout_process_die = 0.5, ...)
  rrq_worker_config_save("isolating", config, controller = controller)
  local_worker(controller, "isolating", env = env)
}

# Queue a function without arguments as an isolated task.
isolated <- function(fn, controller, ...) {
  rrq_task_create_call(fn, list(), separate_process = TRUE, ..., controller = controller)
}

# Run isolated tasks in a worker of this process; their results.
isolated_results <- function(worker, controller, ...) {
  ids <- vapply(list(...), isolated, "", controller)
  run_worker(worker)
  rrq_task_results(ids, controller = controller)
}

# The process of an isolated task that a spawned worker runs, once it runs.
process_of <- function(id, controller) {
  wait_until(!is.null(rrq_task_info(id, controller)$pid))
  rrq_task_info(id, controller)$pid
}

# The children of a process, and theirs, as long as they are more than entries in a table.
descendants <- function(pid) {
  testthat::skip_if_not(dir.exists("/proc/self/task"), "this system does not list children")
  path <- sprintf("/proc/%d/task/%d/children", pid, pid)
  # The process may end meanwhile.
  lines <- tryCatch(suppressWarnings(readLines(path)), error = function(e) character())
  children <- as.integer(unlist(strsplit(lines, " ")))
  unlist(c(children, lapply(children, descendants)))
}
