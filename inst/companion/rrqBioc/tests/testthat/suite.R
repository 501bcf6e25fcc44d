# Rscript suite.R FOLDER REPORT: runs the unit tests in a folder, each file for itself.
library(BiocParallel)
library(RUnit)
library(rrqBioc)

args <- commandArgs(TRUE)
n <- 0
failed <- character()
for (file in list.files(args[[1]], full.names = TRUE)) {
  results <- runTestFile(file, rngKind = "default", rngNormalKind = "default", verbose = 0)
  for (test in results[[1]]$sourceFileResults[[1]]) {
    if (test$kind == "deactivated") next
    n <- n + 1
    if (test$kind != "success") {
      failed <- c(failed, paste(basename(file), gsub("\\s+", " ", paste(test$msg, collapse = " "))))
    }
  }
  # Some define test functions only where they can run.
  rm(list = ls(globalenv(), pattern = "^test_"))
}
writeLines(c(n, failed), args[[2]])
