#' Worker script
#'
#' Writes the executable `rrq_worker`, which runs a worker until it is told to stop. Use it to start
#' workers on other machines, in cluster jobs, or under a service manager.
#'
#' ```
#' rrq_worker [--config=NAME] [--worker-id=ID] [--timeout-config=SECONDS] <id>
#' ```
#'
#' `<id>` is the id of the queue. `--config` names the worker's configuration (default:
#' `localhost`), see [rrq_worker_config_save()]. `--worker-id`, or `--name`, is the worker's name
#' (default: a random one). `--timeout-config` is the number of seconds to wait for a queue or a
#' configuration that does not exist yet. `--help` shows a summary. Options can be written as
#' `--config=NAME` or `--config NAME`.
#'
#' The server comes from the environment variables `RRQ_URL`, `REDIS_URL`, `REDUX_URL`, or
#' `REDIS_HOST` and `REDIS_PORT`; it is 127.0.0.1:6379 if none of them is set. The script works from
#' any directory, which becomes the worker's working directory.
#'
#' The exit status is 0 if the worker was told to stop, reached its idle time limit, or its queue
#' was destroyed. It is also 0 after SIGTERM and Ctrl-C: the worker exits at once, and the task that
#' it was running ends as `DIED`. A second SIGTERM ends the process immediately. The status is 1,
#' with a message on stderr, if the queue or the configuration does not exist, the server does not
#' respond, the name is taken, or the environment cannot be built; it is 2 for invalid options.
#'
#' @param path The directory for the script. It is created if necessary, and an existing script is
#'   replaced.
#' @param versioned If `FALSE` (the default), the script runs the `Rscript` on the `PATH`, with the
#'   packages of the user who runs it. If `TRUE`, it runs this R with this session's library paths,
#'   whatever the environment.
#' @return The path of the script, invisibly.
#' @export
#' @examplesIf .Platform$OS.type == "unix"
#' path <- rrq_worker_script(tempfile())
#' system2(path, "--help")
rrq_worker_script <- function(path, versioned = FALSE) {
  check_string(path)
  check_flag(versioned)
  if (!dir.exists(path) && !create_private_dir(path)) {
    abort("io", sprintf("Cannot create the directory '%s'.", path))
  }
  to <- file.path(normalizePath(path), "rrq_worker")
  template <- readLines(system.file("rrq_worker.sh", package = "rrq", mustWork = TRUE))
  writeLines(gsub("@RSCRIPT@", script_rscript(versioned), template, fixed = TRUE), to)
  Sys.chmod(to, "0700", use_umask = FALSE)
  invisible(to)
}

script_rscript <- function(versioned) {
  if (!versioned) {
    return("Rscript")
  }
  rscript <- file.path(R.home("bin"), "Rscript")
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  paste("env", shQuote(paste0("R_LIBS=", libraries)), shQuote(rscript))
}

script_usage <- "Usage:
  rrq_worker [options] <id>
  rrq_worker --help

Runs a worker of the queue <id> until it is told to stop.

Options:
  --config=NAME             The worker's configuration [default: localhost].
  --worker-id=ID            The worker's name [default: a random one].
  --name=NAME               Another name for --worker-id.
  --timeout-config=SECONDS  How long to wait for a queue or a configuration that
                            does not exist yet [default: 0].
  --help                    Show this help.

The server comes from RRQ_URL, REDIS_URL, REDUX_URL, or REDIS_HOST and
REDIS_PORT; it is 127.0.0.1:6379 if none of them is set."

# What the script runs.
worker_script <- function(args = commandArgs(TRUE)) {
  # R puts an `--args` of its own before that of the script.
  options <- tryCatch(parse_script(args[-1]), rrq_error_argument = function(e) {
    quit_with_error(paste0(conditionMessage(e), "\n", "Try 'rrq_worker --help'."), 2)
  })
  if (options$help) {
    cat(script_usage, "\n", sep = "")
    return(invisible())
  }
  # Set if a task of a spawned worker runs this script.
  Sys.unsetenv(c("RRQ_PARENT_PID", "RRQ_WORKER_LOGFILE", "RRQ_WORKER_END"))
  # Nobody would ever create a queue on a private server.
  options(rrq.embedded = FALSE)
  rust_call(rs_worker_end_on_term())
  run_worker_process(options$id, options$config, options$name, options$timeout_config)
}

parse_script <- function(args) {
  found <- list(help = FALSE, config = "localhost", timeout_config = "0")
  while (length(args) > 0) {
    arg <- args[[1]]
    args <- args[-1]
    if (arg %in% c("--help", "-h")) {
      return(list(help = TRUE))
    }
    if (!startsWith(arg, "-")) {
      found$id <- c(found$id, arg)
      next
    }
    key <- script_options[sub("=.*", "", arg)]
    if (is.na(key)) {
      abort("argument", sprintf("unknown option '%s'.", arg))
    }
    if (!grepl("=", arg, fixed = TRUE)) {
      if (length(args) == 0) {
        abort("argument", sprintf("option '%s' needs a value.", arg))
      }
      found[[key]] <- args[[1]]
      args <- args[-1]
    } else {
      found[[key]] <- sub("^[^=]*=", "", arg)
    }
  }
  check_script(found)
}

script_options <- c(
  "--config" = "config", "--worker-id" = "name", "--name" = "name",
  "--timeout-config" = "timeout_config"
)

check_script <- function(options) {
  if (length(options$id) != 1) {
    abort("argument", sprintf("expected one queue id, got %d.", length(options$id)))
  }
  check_queue_id(options$id, arg = "<id>")
  check_name(options$config, arg = "--config")
  check_name(options$name, null = TRUE, arg = "--worker-id")
  seconds <- suppressWarnings(as.numeric(options$timeout_config))
  if (!is_number(seconds, 0, TRUE)) {
    abort_argument("--timeout-config", "a number of seconds", options$timeout_config, NULL)
  }
  options$timeout_config <- seconds
  options
}
