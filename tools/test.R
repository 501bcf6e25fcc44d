# Runs the tests of the package against its installed copy, from its root:
#   Rscript tools/test.R <file for the counts> [<filter>]
# Writes "passed failed skipped" to that file: tests, not expectations.

# Snapshots and slow tests are skipped where this is not set.
Sys.setenv(NOT_CRAN = "true")
# The default gives up after ten failures, which would leave no counts.
options(testthat.progress.max_fails = Inf)

run_tests <- function(filter) {
  testthat::test_dir("tests/testthat",
    filter = if (nzchar(filter)) filter,
    package = "rrq", load_package = "installed",
    reporter = testthat::ProgressReporter$new(show_praise = FALSE, update_interval = Inf),
    stop_on_failure = FALSE
  )
}

# One row per test; code outside test_that() has a row of its own if it failed.
count <- function(tests) {
  failed <- tests$failed > 0 | tests$error
  skipped <- tests$skipped & !failed
  c(sum(!failed & !skipped), sum(failed), sum(skipped))
}

args <- c(commandArgs(TRUE), "")
counts <- count(as.data.frame(run_tests(args[[2]])))
cat(counts, "\n", file = args[[1]])
quit(save = "no", status = if (counts[[2]] > 0) 1L else 0L)
