# Runs the tests in a folder, those of foreach, with rrq as the backend:
#   Rscript tools/test-foreach.R <folder>

folder <- commandArgs(TRUE)[[1]]

# foreach's own set-up knows two backends. For its tests, this one is as the parallel one.
Sys.setenv(FOREACH_BACKEND = "PAR")
writeLines("rrq::registerDoRrq()", file.path(folder, "setup_cluster.R"))

library(foreach)
rrq::rrq_start(2)
# The tests print much; the variables that they miss must be those of foreach's namespace.
results <- as.data.frame(testthat::test_dir(folder,
  package = "foreach", load_package = "installed", reporter = "check", stop_on_failure = FALSE
))
backend <- getDoParName()
rrq::rrq_stop()

failed <- results$failed > 0 | results$error
for (test in results$test[failed]) cat("Failed:", test, "\n")
# That it was rrq.
if (!identical(backend, "doRrq")) stop("The tests ran with ", backend, ", not with rrq.")
cat(sprintf("%d expectations in %d tests\n", sum(results$nb), nrow(results)))
cat(sprintf("%d passed, %d failed\n", sum(!failed), sum(failed)))
quit(save = "no", status = if (any(failed)) 1L else 0L)
