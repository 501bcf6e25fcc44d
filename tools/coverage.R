# Measures the coverage of the R code by the package tests, from the package root:
#   Rscript tools/coverage.R <least percentage>
# covr counts in every process that loads the package, also in the workers that tests
# start, and sums up. A process that is killed or replaced adds nothing.

goal <- as.numeric(commandArgs(TRUE))
library <- tempfile("coverage-")
profile <- tempfile(fileext = ".R")

# The process of an isolated task leaves without running finalizers, among them the one
# with which covr writes its counts.
writeLines(deparse(bquote(
  setHook(packageEvent("rrq", "onLoad"), function(...) {
    save <- quote(covr:::save_trace(.(library)))
    namespace <- asNamespace("rrq")
    suppressMessages(trace("rs_isolate_leave", save, print = FALSE, where = namespace))
  })
)), profile)
Sys.setenv(R_PROFILE_USER = profile)

# Only R code is counted. Cleaning would delete cargo's objects.
options(covr.flags = c(CFLAGS = ""))
covered <- covr::package_coverage(
  function_exclusions = "^rs_", install_path = library, pre_clean = FALSE, clean = FALSE
)
unlink(c(library, profile), recursive = TRUE)

files <- covr::coverage_to_list(covered)
percent <- sort(unlist(files$filecoverage))
cat(sprintf("%6.2f  %s\n", percent, names(percent)), sep = "")
cat(sprintf("%6.2f  in total\n", files$totalcoverage))
uncovered <- covr::zero_coverage(covered)
lines <- unique(sprintf("%s:%d", uncovered$filename, uncovered$line))
cat("Lines no test runs:\n", paste0("  ", lines, "\n"), sep = "")
quit(status = files$totalcoverage < goal)
