# Measures all systems in rounds, one after the other, each in a fresh R process:
#   Rscript bench.R [--quick] [--rounds N] [--peers-lib PATH] [--out FILE]
# The fresh processes also run this file, as
#   Rscript bench.R --child <entry> <settings.rds> <rows.rds>

bench_file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
for (file in list.files(dirname(bench_file), "[.]R$", full.names = TRUE)) {
  if (basename(file) != basename(bench_file)) source(file)
}

usage <- "usage: tools/bench/run [--quick] [--rounds N] [--peers-lib PATH] [--out FILE]"

fail <- function(...) {
  message("Error: ", ...)
  quit(save = "no", status = 1L)
}

parse_options <- function(args) {
  options <- list(quick = FALSE, rounds = NULL, peers = NULL, out = NULL)
  names <- c(`--rounds` = "rounds", `--peers-lib` = "peers", `--out` = "out")
  while (length(args) > 0) {
    if (args[[1]] == "--quick") {
      options$quick <- TRUE
      args <- args[-1]
    } else if (args[[1]] %in% names(names) && length(args) > 1) {
      options[[names[[args[[1]]]]]] <- args[[2]]
      args <- args[-(1:2)]
    } else {
      fail(usage)
    }
  }
  options
}

# `repetitions` of the bulk runs decrease with their size, so that each size takes
# about the same time.
settings_for <- function(options) {
  quick <- options$quick
  list(
    rounds = check_rounds(options$rounds, if (quick) 1L else 5L),
    peers = check_library(options$peers),
    workers = 1:2,
    start_workers = 4L,
    sizes = if (quick) c(200L, 1000L) else c(1000L, 10000L),
    repetitions = if (quick) c(1L, 1L) else c(5L, 1L),
    latencies = if (quick) 30L else 200L,
    floor_batches = if (quick) 10L else 50L,
    cost_tasks = if (quick) 1000L else 10000L,
    limit_s = 900
  )
}

check_rounds <- function(rounds, default) {
  if (is.null(rounds)) {
    return(default)
  }
  if (!grepl("^[1-9][0-9]{0,3}$", rounds)) fail("--rounds needs a number from 1 to 9999. ", usage)
  as.integer(rounds)
}

check_library <- function(path) {
  if (is.null(path)) {
    return(NULL)
  }
  if (!dir.exists(path)) fail("--peers-lib: directory not found: ", path)
  normalizePath(path)
}

# --- rounds --------------------------------------------------------------------

# Every other round runs in reverse order, to spread any drift evenly over the systems.
run_rounds <- function(entries, settings) {
  rows <- list()
  for (round in seq_len(settings$rounds)) {
    order <- if (round %% 2 == 0) rev(entries) else entries
    for (entry in order) {
      message(sprintf("round %d of %d: %s", round, settings$rounds, entry$label))
      found <- run_entry(entry, settings)
      if (is.data.frame(found)) found$round <- round
      rows <- c(rows, list(found))
    }
  }
  rows
}

# The measured rows, or the reason for the failure as a string.
run_entry <- function(entry, settings) {
  files <- tempfile(c("settings", "rows"), fileext = ".rds")
  on.exit(unlink(files))
  saveRDS(settings, files[[1]])
  child <- processx::run(
    file.path(R.home("bin"), "Rscript"), c(bench_file, "--child", entry$label, files),
    env = environment_for(entry, settings), error_on_status = FALSE,
    stderr_to_stdout = TRUE, timeout = settings$limit_s, cleanup_tree = TRUE
  )
  if (file.exists(files[[2]])) {
    return(readRDS(files[[2]]))
  }
  reason <- if (child$timeout) "time-out" else tail_of(child$stdout)
  message("  failed: ", reason)
  sprintf("%s failed: %s", entry$label, reason)
}

tail_of <- function(text) {
  lines <- strsplit(text, "\n", fixed = TRUE)[[1]]
  paste(utils::tail(lines[nzchar(lines)], 5), collapse = "\n    ")
}

# Passed in the environment, so that the workers of a system inherit it.
environment_for <- function(entry, settings) {
  libraries <- c(if (!is.null(entry$package)) settings$peers, .libPaths())
  c("current", R_LIBS = paste(libraries, collapse = .Platform$path.sep))
}

run_child <- function(label, settings_file, rows_file) {
  entry <- Filter(function(entry) entry$label == label, all_entries())[[1]]
  saveRDS(entry$measure(readRDS(settings_file)), rows_file)
}

# --- main ----------------------------------------------------------------------

run_bench <- function(args) {
  options <- parse_options(args)
  settings <- settings_for(options)
  out <- options$out
  if (is.null(out)) {
    out <- file.path(dirname(bench_file), format(Sys.time(), "%Y-%m-%d-%H%M.tsv"))
  }
  entries <- all_entries()
  missing <- Filter(function(entry) !is_installed(entry, settings), entries)
  context <- c(describe_machine(), load = load_average())
  results <- run_rounds(setdiff(entries, missing), settings)
  context <- c(context, `load after` = load_average())
  is_rows <- vapply(results, is.data.frame, NA)
  notes <- c(vapply(missing, skip_note, ""), unlist(results[!is_rows]))
  if (!any(is_rows)) fail("no measurement succeeded")
  table <- aggregate_rounds(do.call(rbind, results[is_rows]))
  print_report(table, settings, context, unique(notes))
  write_tsv(table, out)
  quit(save = "no", status = if (all(is_rows)) 0L else 1L)
}

args <- commandArgs(TRUE)
if (length(args) == 4 && args[[1]] == "--child") {
  run_child(args[[2]], args[[3]], args[[4]])
} else {
  run_bench(args)
}
