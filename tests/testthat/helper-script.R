# The script asks for Rscript on the PATH, where R CMD check puts one that refuses to run.
path_with_r <- function() {
  paste(c(R.home("bin"), Sys.getenv("PATH")), collapse = .Platform$path.sep)
}

# Run the script to its end, as a shell would; the result has status, stdout and stderr.
run_script <- function(args, url = test_server()$url, versioned = FALSE, wd = NULL) {
  path <- rrq_worker_script(withr::local_tempdir(), versioned)
  # One that knows its libraries by itself must not be told of them.
  libraries <- if (versioned) "" else paste(.libPaths(), collapse = ":")
  env <- c("current", no_server, PATH = path_with_r(), R_LIBS = libraries, R_TESTS = "")
  env[["RRQ_URL"]] <- url
  processx::run(path, args, error_on_status = FALSE, env = env, wd = wd, timeout = 60)
}

# Start it; what it prints goes to a file.
local_script <- function(r, args, command = character(), env = parent.frame()) {
  path <- rrq_worker_script(withr::local_tempdir(.local_envir = env))
  line <- c(command, path, args)
  out <- withr::local_tempfile(.local_envir = env)
  variables <- c(
    "current", PATH = path_with_r(), R_LIBS = paste(.libPaths(), collapse = ":"), R_TESTS = "",
    RRQ_URL = server_url(r)
  )
  process <- processx::process$new(line[[1]], line[-1],
    stdout = out, stderr = "2>&1", wd = "/", env = variables
  )
  withr::defer(process$kill(), env)
  process
}
