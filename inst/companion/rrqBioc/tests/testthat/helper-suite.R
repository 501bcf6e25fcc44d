# Runs each test function of BiocParallel's unit tests by itself, like RUnit, and returns how many
# have passed, and which have failed.
run_unit_tests <- function(files = suite_files()) {
  withr::local_envvar(RRQ_URL = test_server()$url)
  withr::local_dir(withr::local_tempdir())
  counts <- list(passed = 0, failed = character())
  for (file in files) {
    code <- gsub("SnowParam(", "RrqParam(", readLines(file), fixed = TRUE)
    space <- new.env(parent = asNamespace("BiocParallel"))
    for (package in c("RUnit", "rrqBioc")) {
      list2env(mget(getNamespaceExports(package), asNamespace(package)), space)
    }
    suppressMessages(eval(parse(text = code), space))
    for (name in grep("^test", ls(space), value = TRUE)) {
      reason <- run_unit_test(space[[name]])
      if (is.null(reason)) {
        counts$passed <- counts$passed + 1
      } else {
        counts$failed <- c(counts$failed, sprintf("%s of %s: %s", name, basename(file), reason))
      }
    }
  }
  counts
}

# Why it failed, or NULL. A test that RUnit would skip returns early.
run_unit_test <- function(test) {
  body(test) <- call("{", quote(DEACTIVATED <- function(...) stop("skipped")), body(test))
  reason <- NULL
  utils::capture.output(suppressMessages(suppressWarnings(
    tryCatch(test(), error = function(e) reason <<- conditionMessage(e))
  )))
  if (!identical(reason, "skipped")) reason
}

# Not those of other parameters, nor those of their host names.
suite_files <- function() {
  others <- "(BatchJobs|Batchtools|Dopar|Multicore|Serial|Snow)Param[.]R$"
  folder <- system.file("unitTests", package = "BiocParallel")
  files <- list.files(folder, "[.]R$", full.names = TRUE)
  grep(others, files, invert = TRUE, value = TRUE)
}
