# Runs the scenarios in rounds, each on each system in a fresh R process; see README.md. The fresh
# processes also run this file, as
#   Rscript bench.R --child <entry> <settings.rds> <rows.rds>

bench_file <- normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
bench_dir <- dirname(bench_file)
root_dir <- dirname(dirname(bench_dir))
plots_file <- file.path(root_dir, "vignettes", "performance", "plots.R")
for (file in c(list.files(bench_dir, "[.]R$", full.names = TRUE), plots_file)) {
  if (basename(file) != basename(bench_file)) source(file)
}

usage <- paste(
  "usage: tools/bench/run [--quick | --large] [--only NAME,...] [--rounds N] [--peers-lib PATH]",
  "                       [--out FILE.tsv] [--raw FILE.tsv]",
  sep = "\n"
)

fail <- function(...) {
  message("Error: ", ...)
  quit(save = "no", status = 1L)
}

parse_options <- function(args) {
  options <- list(quick = FALSE, large = FALSE)
  flags <- c(`--quick` = "quick", `--large` = "large")
  names <- c(
    `--rounds` = "rounds", `--peers-lib` = "peers", `--out` = "out", `--only` = "only",
    `--raw` = "raw"
  )
  while (length(args) > 0) {
    if (args[[1]] %in% names(flags)) {
      options[[flags[[args[[1]]]]]] <- TRUE
      args <- args[-1]
    } else if (args[[1]] %in% names(names) && length(args) > 1) {
      options[[names[[args[[1]]]]]] <- args[[2]]
      args <- args[-(1:2)]
    } else {
      fail(usage)
    }
  }
  if (options$quick && options$large) fail(usage)
  options
}

# --- settings ------------------------------------------------------------------

# `budget_s` ends a series of repetitions, `limit_s` a process.
settings_for <- function(options) {
  sizes <- if (options$quick) quick_sizes() else full_sizes()
  if (options$large) sizes <- utils::modifyList(sizes, large_sizes(sizes))
  c(sizes, list(
    rounds = check_rounds(options$rounds, if (options$quick) 1L else 5L),
    only = check_only(options$only),
    peers = check_library(options$peers),
    limit_s = if (options$quick) 120 else if (options$large) 1800 else 300
  ))
}

# `repetitions` of the bulk runs decrease with their size, so that each size takes
# about the same time.
full_sizes <- function() {
  list(
    budget_s = 10, workers = 1:2, latencies = 400L, loop = 500L,
    sizes = c(1000L, 10000L), repetitions = c(5L, 1L), map_sizes = 10^(3:5),
    payloads = c(1e4, 1e6, 8e6, 1e8), shared_bytes = 5e7, shared_tasks = 1000L,
    start_workers = c(1L, 8L), depths = 10^(2:4),
    growth_tasks = 10^(2:5), growth_bulk = 10000L, growth_workers = 2^(0:4),
    growth_bytes = 10^(1:8), isolated = 100L, floor_batches = 50L, cost_tasks = 10000L
  )
}

quick_sizes <- function() {
  list(
    budget_s = 1, workers = 2L, latencies = 50L, loop = 100L,
    sizes = 1000L, repetitions = 1L, map_sizes = 10^(3:4),
    payloads = c(1e4, 8e6), shared_bytes = 5e6, shared_tasks = 100L,
    start_workers = 2L, depths = 10^(2:3),
    growth_tasks = 10^(2:4), growth_bulk = 1000L, growth_workers = c(1, 4),
    growth_bytes = 10^(1:6), isolated = 20L, floor_batches = 5L, cost_tasks = 1000L
  )
}

large_sizes <- function(sizes) {
  list(
    budget_s = 60, payloads = c(sizes$payloads, 1e9), growth_tasks = 10^(2:6),
    growth_bytes = 10^(1:9)
  )
}

check_rounds <- function(rounds, default) {
  if (is.null(rounds)) {
    return(default)
  }
  if (!grepl("^[1-9][0-9]{0,3}$", rounds)) fail("--rounds needs a number from 1 to 9999. ", usage)
  as.integer(rounds)
}

check_only <- function(only) {
  if (is.null(only)) {
    return(NULL)
  }
  only <- strsplit(only, ",", fixed = TRUE)[[1]]
  known <- vapply(all_scenarios(), function(scenario) scenario$name, "")
  unknown <- setdiff(only, known)
  if (length(unknown) > 0) {
    fail("--only: no scenario ", toString(unknown), "; there are ", toString(known))
  }
  only
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
      if (is.data.frame(found)) found <- cbind(scenario = entry$scenario, found, round = round)
      rows <- c(rows, list(found))
    }
  }
  rows
}

# The measured rows, NULL if the system does not take part, or the reason for the failure as a
# string.
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
  lines <- lines[nzchar(lines)]
  from <- grep("^Error", lines)
  at <- if (length(from) > 0) utils::tail(from, 1) + 0:4 else length(lines) - 4:0
  paste(lines[intersect(at, seq_along(lines))], collapse = "\n    ")
}

# Passed in the environment, so that the workers of a system inherit it.
environment_for <- function(entry, settings) {
  libraries <- c(if (!is.null(entry$package)) settings$peers, .libPaths())
  token <- basename(tempfile("bench"))
  c(
    "current", R_LIBS = paste(libraries, collapse = .Platform$path.sep),
    stats::setNames(token, token_variable)
  )
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
  if (is.null(out)) out <- file.path(bench_dir, format(Sys.time(), "%Y-%m-%d-%H%M.tsv"))
  entries <- all_entries(settings$only)
  present <- vapply(entries, function(entry) is_installed(entry$package, settings), NA)
  context <- c(describe_machine(settings), load = load_average())
  results <- run_rounds(entries[present], settings)
  context <- c(context, `load after` = load_average())
  failures <- unlist(Filter(is.character, results))
  rows <- bind_rows(Filter(is.data.frame, results))
  if (is.null(rows)) fail("no measurement succeeded")
  missing <- unique(unlist(lapply(entries[!present], function(entry) entry$package)))
  notes <- c(sprintf("skipped: package %s not found", missing), unique(failures))
  write_results(aggregate_rounds(rows), context, notes, out)
  if (!is.null(options$raw)) write_raw(rows, options$raw)
  quit(save = "no", status = if (length(failures) > 0) 1L else 0L)
}

args <- commandArgs(TRUE)
if (length(args) == 4 && args[[1]] == "--child") {
  run_child(args[[2]], args[[3]], args[[4]])
} else {
  run_bench(args)
}
