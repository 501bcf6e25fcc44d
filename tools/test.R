# Runs the package tests against the installed copy, from the package root:
#   Rscript tools/test.R <file for the counts> [<filter>]
# Writes "passed failed skipped" to that file, counting tests, not expectations.

# Without this, snapshots and slow tests are skipped.
Sys.setenv(NOT_CRAN = "true")
# Test files run side by side. They mostly wait, so there may be more of them than processors.
if (is.na(Sys.getenv("TESTTHAT_CPUS", NA))) {
  Sys.setenv(TESTTHAT_CPUS = 2 * parallel::detectCores())
}
# By default the reporter stops after ten failures and would write no counts.
options(testthat.progress.max_fails = Inf)

run_tests <- function(filter) {
  testthat::test_dir("tests/testthat",
    filter = if (nzchar(filter)) filter,
    package = "rrq", load_package = "installed",
    reporter = testthat::ProgressReporter$new(show_praise = FALSE, update_interval = Inf),
    stop_on_failure = FALSE
  )
}

# There is one row per test, and one for failed code outside test_that().
count <- function(tests) {
  failed <- tests$failed > 0 | tests$error
  skipped <- tests$skipped & !failed
  c(sum(!failed & !skipped), sum(failed), sum(skipped))
}

args <- c(commandArgs(TRUE), "")
counts <- count(as.data.frame(run_tests(args[[2]])))
cat(counts, "\n", file = args[[1]])
quit(save = "no", status = if (counts[[2]] > 0) 1L else 0L)
