# Aggregates the rows of all rounds and writes them: TSV, Markdown, plots.

# One row per scenario, system, measure and size. min and max are the range of the rounds'
# medians; p95 and p99 are those of all samples.
aggregate_rounds <- function(rows) {
  rows$ratio <- ratio_to_baseline(rows)
  columns <- c("scenario", "system", "measure", "workers", "n", "bytes", "unit")
  key <- do.call(paste, c(rows[columns], sep = "\t"))
  groups <- split(rows, factor(key, unique(key)))
  table <- lapply(groups, function(group) {
    samples <- unlist(group$samples)
    data.frame(
      group[1, columns],
      median = stats::median(group$value), min = min(group$value), max = max(group$value),
      p95 = quantile_of(samples, 0.95, 20), p99 = quantile_of(samples, 0.99, 100),
      ratio = stats::median(group$ratio), rounds = nrow(group)
    )
  })
  do.call(rbind, c(table, make.row.names = FALSE))
}

quantile_of <- function(samples, p, at_least) {
  if (length(samples) < at_least) NA_real_ else stats::quantile(samples, p, names = FALSE)
}

# The speed relative to PSOCK in the same round: above 1 is faster.
ratio_to_baseline <- function(rows) {
  place <- c("scenario", "round", "measure", "workers", "n", "bytes", "unit")
  at <- do.call(paste, rows[place])
  is_base <- rows$system == psock_baseline
  base <- rows$value[is_base][match(at, at[is_base])]
  is_rate <- grepl("/s$", rows$unit)
  compared <- is_rate | rows$unit %in% c("ms", "s")
  ifelse(compared, ifelse(is_rate, rows$value / base, base / rows$value), NA)
}

write_results <- function(table, context, notes, path) {
  stem <- sub("[.]tsv$", "", path)
  write_tsv(table, context, path)
  report <- markdown_report(table, context, notes)
  writeLines(report, paste0(stem, ".md"))
  images <- draw_plots(read_results(path), stem)
  cat(report, sep = "\n")
  message("Written to ", toString(c(path, paste0(stem, ".md"), images)))
}

# The context is in comments, so that one file says all. plots.R has read_results().
write_tsv <- function(table, context, path) {
  writeLines(sprintf("# %s: %s", names(context), context), path)
  numbers <- vapply(table, is.double, NA)
  table[numbers] <- lapply(table[numbers], signif, 4)
  suppressWarnings(utils::write.table(
    table, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "", append = TRUE
  ))
}

# All samples, one per line.
write_raw <- function(rows, path) {
  n <- lengths(rows$samples)
  columns <- setdiff(names(rows), c("samples", "value"))
  long <- rows[rep(seq_len(nrow(rows)), n), columns]
  long$sample <- sequence(n)
  long$value <- unlist(rows$samples)
  utils::write.table(long, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "")
  message("Samples written to ", path)
}

# --- Markdown ------------------------------------------------------------------------

markdown_report <- function(table, context, notes) {
  sections <- lapply(all_scenarios(), function(scenario) {
    rows <- table[table$scenario == scenario$name, ]
    if (nrow(rows) > 0) {
      c("", sprintf("## %s: %s", scenario$name, scenario$title), "", growth_lines(rows), body(rows))
    }
  })
  c(
    "# Benchmark of rrq", "",
    sprintf("- %s: %s", names(context), context), "",
    "Medians of the rounds [min-max]; p95 and p99 of all samples. `x PSOCK` is the speed",
    "relative to PSOCK in the same round; above 1 is faster.",
    unlist(sections), if (length(notes) > 0) c("", sprintf("Note: %s", notes))
  )
}

# A table per measure that systems share, without columns that are empty.
body <- function(rows) {
  is_main <- rows$unit != "us/task" | !is.na(rows$ratio) | rows$scenario %in% c("growth", "depth")
  main <- rows[is_main, ]
  c(markdown_table(main), if (any(!is_main)) c("", markdown_table(rows[!is_main, ])))
}

# The goals of growth: a task costs no more in a larger queue, and no script takes long.
longest_script_ms <- 5

growth_lines <- function(rows) {
  if (!rows$scenario[[1]] %in% c("growth", "depth")) {
    return(NULL)
  }
  slowest <- max(rows$median[grepl("^slowest script", rows$measure)], 0)
  verdict <- if (slowest > longest_script_ms) "more than" else "at most"
  costs <- rows[rows$unit == "us/task" & !grepl("values|workers[)]", rows$measure), ]
  c(
    unname(vapply(split(costs, costs$measure), growth_line, "")),
    sprintf(
      "- The slowest script took %s ms: %s %g ms.", number(slowest), verdict, longest_script_ms
    ),
    ""
  )
}

# From 1 000 tasks on: with fewer, the fixed costs of a run dominate.
growth_line <- function(rows) {
  rows <- rows[order(rows$n), ]
  large <- if (sum(rows$n >= 1000) > 1) rows[rows$n >= 1000, ] else rows
  sprintf(
    "- %s: a task of %s costs %.2f times one of %s.", large$measure[[1]],
    count(max(large$n)), large$median[[nrow(large)]] / large$median[[1]], count(large$n[[1]])
  )
}

markdown_table <- function(rows) {
  rows <- rows[order(rows$measure, rows$workers, rows$bytes, rows$n), ]
  cells <- data.frame(
    measure = rows$measure, system = rows$system, workers = count(rows$workers),
    n = count(rows$n), size = size(rows$bytes), median = number(rows$median),
    range = sprintf("[%s-%s]", number(rows$min), number(rows$max)), unit = rows$unit,
    p95 = number(rows$p95), p99 = number(rows$p99),
    `x PSOCK` = ifelse(is.na(rows$ratio), "", sprintf("%.2f", rows$ratio)), check.names = FALSE
  )
  cells <- cells[vapply(cells, function(column) any(nzchar(column)), NA)]
  left <- names(cells) %in% c("measure", "system", "unit", "range")
  columns <- Map(function(name, values, left) {
    format(c(name, "---", values), justify = if (left) "left" else "right")
  }, names(cells), cells, left)
  lines <- sprintf("| %s |", do.call(paste, c(unname(columns), sep = " | ")))
  width <- pmax(3, vapply(columns, function(column) nchar(column[[1]]), 1L))
  rule <- ifelse(left, strrep("-", width), paste0(strrep("-", width - 1), ":"))
  lines[[2]] <- sprintf("| %s |", paste(rule, collapse = " | "))
  lines
}

count <- function(x) {
  ifelse(is.na(x), "", format(x, big.mark = " ", trim = TRUE, scientific = FALSE))
}

size <- function(bytes) {
  unit <- findInterval(bytes, c(0, 1e3, 1e6, 1e9))
  text <- paste(bytes / 1e3^(unit - 1), c("B", "kB", "MB", "GB")[unit])
  ifelse(is.na(bytes), "", text)
}

# Three digits exceed the precision on a noisy machine.
number <- function(x) {
  x <- as.numeric(x)
  digits <- ifelse(is.na(x) | x == round(x) | abs(x) >= 100, 0, ifelse(abs(x) >= 10, 1, 2))
  text <- mapply(formatC, x, digits = digits, MoreArgs = list(format = "f"))
  ifelse(is.na(x), "", text)
}

# --- machine -------------------------------------------------------------------------

describe_machine <- function(settings) {
  peers <- Filter(
    function(package) is_installed(package, settings), c("mirai", "crew", "future")
  )
  libraries <- c(settings$peers, .libPaths())
  version <- function(package) as.character(utils::packageVersion(package, libraries))
  c(
    date = format(Sys.time(), "%Y-%m-%d %H:%M"), system = utils::osVersion,
    processor = processor(), cores = as.character(parallel::detectCores()),
    R = as.character(getRversion()), rrq = version("rrq"), server = server_version(),
    vapply(stats::setNames(peers, peers), version, ""), rounds = as.character(settings$rounds)
  )
}

processor <- function() {
  if (!file.exists("/proc/cpuinfo")) {
    return("unknown")
  }
  found <- grep("^model name", readLines("/proc/cpuinfo"), value = TRUE)
  if (length(found) > 0) sub(".*: *", "", found[[1]]) else "unknown"
}

server_version <- function() {
  server <- rrq::rrq_server()
  on.exit(server$stop())
  as.character(rrq::rrq_redis(server$url)$version())
}

# The load that other processes put on the machine.
load_average <- function() {
  if (!file.exists("/proc/loadavg")) {
    return("unknown")
  }
  strsplit(readLines("/proc/loadavg"), " ")[[1]][[1]]
}
