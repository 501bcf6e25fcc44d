# Other R sessions, to be interrupted and killed.

# Tests may run in the background, with SIGINT ignored.
heed_interrupts <- "invisible(rrq:::rust_call(rrq:::rs_worker_heed_interrupts()))"

# Runs `code`, into which values are put with `!!`. It ends with the test at the latest.
local_session <- function(code, envvar = character(), env = parent.frame()) {
  testthat::skip_on_os("windows")
  lines <- c("library(rrq)", heed_interrupts, deparse(rlang::enexpr(code)))
  script <- withr::local_tempfile(lines = lines, fileext = ".R", .local_envir = env)
  paths <- c("R_LIBS" = paste(.libPaths(), collapse = .Platform$path.sep), "R_TESTS" = "")
  session <- processx::process$new(
    file.path(R.home("bin"), "Rscript"), script,
    stdout = withr::local_tempfile(.local_envir = env),
    stderr = withr::local_tempfile(.local_envir = env),
    env = c("current", paths, envvar)
  )
  withr::defer(session$kill(), env)
  session
}

# What a session has printed so far, on stdout and on stderr.
session_out <- function(session) {
  readLines(session$get_output_file(), warn = FALSE)
}

session_err <- function(session) {
  readLines(session$get_error_file(), warn = FALSE)
}

# Not `process$signal()`: it reaps a process that dies at once, without keeping its exit status.
send_signal <- function(process, signal) {
  tools::pskill(process$get_pid(), signal)
}

# Wait until a session has ended; its exit status.
session_status <- function(session) {
  wait_until(!session$is_alive())
  session$get_exit_status()
}

# A killed process whose parent does not ask for its status is as good as gone.
process_is_alive <- function(pid) {
  stat <- sprintf("/proc/%d/stat", as.integer(pid))
  if (!dir.exists("/proc/self")) {
    return(tools::pskill(pid, 0))
  }
  file.exists(stat) &&
    !isTRUE(tryCatch(
      grepl(") Z ", suppressWarnings(readLines(stat)), fixed = TRUE), error = function(e) TRUE
    ))
}

# No server is configured for what runs here or is started from here.
local_unconfigured <- function(env = parent.frame()) {
  withr::local_envvar(no_server, .local_envir = env)
}

no_server <- c(
  RRQ_URL = "", REDIS_URL = "", REDUX_URL = "", REDIS_HOST = "", REDIS_PORT = ""
)

# A private server is started by itself only where there is none at the usual place.
skip_without_embedding <- function() {
  testthat::skip_if_not(can_run_examples(), "there is no redis-server")
  testthat::skip_if(is_listening(default_url), "there is a server on port 6379")
}
