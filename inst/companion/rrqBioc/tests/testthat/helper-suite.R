# Runs BiocParallel's unit tests with RUnit, in a process of their own, as they close all
# connections. Returns how many test functions ran, and a line for each that failed.
run_unit_tests <- function(files = suite_files()) {
  folder <- withr::local_tempdir()
  for (file in files) {
    code <- gsub("SnowParam(", "RrqParam(", readLines(file), fixed = TRUE)
    writeLines(code, file.path(folder, basename(file)))
  }
  report <- withr::local_tempfile()
  output <- withr::local_tempfile()
  withr::local_envvar(
    RRQ_URL = test_server()$url, R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep)
  )
  rscript <- file.path(R.home("bin"), "Rscript")
  args <- c(test_path("suite.R"), folder, report)
  system2(rscript, shQuote(args), stdout = output, stderr = output)
  # The parameters of each test file print much.
  if (!file.exists(report)) stop(paste(utils::tail(readLines(output), 20), collapse = "\n"))
  lines <- readLines(report)
  list(n = as.integer(lines[[1]]), failed = lines[-1])
}

# Not those of other parameters, nor those of SnowParam's host names.
suite_files <- function() {
  others <- "(BatchJobs|Batchtools|Dopar|Multicore|Serial|Snow)Param[.]R$"
  folder <- system.file("unitTests", package = "BiocParallel")
  files <- list.files(folder, "[.]R$", full.names = TRUE)
  grep(others, files, invert = TRUE, value = TRUE)
}
