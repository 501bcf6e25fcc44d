# Aggregates the rows of all rounds and prints the tables: medians, ranges, ratios.

# One row per system, measure, workers and n; min and max are over the rounds.
aggregate_rounds <- function(rows) {
  rows$ratio <- ratio_to_baseline(rows)
  columns <- c("system", "measure", "workers", "n", "unit")
  key <- do.call(paste, c(rows[columns], sep = "\t"))
  groups <- split(rows, factor(key, unique(key)))
  table <- lapply(groups, function(group) {
    data.frame(
      group[1, columns],
      median = stats::median(group$value), p95 = stats::median(group$p95),
      min = min(group$value), max = max(group$value),
      ratio = stats::median(group$ratio), rounds = nrow(group)
    )
  })
  do.call(rbind, c(table, make.row.names = FALSE))
}

# The speed relative to PSOCK with one element per message in the same round.
ratio_to_baseline <- function(rows) {
  at <- do.call(paste, rows[c("round", "measure", "workers", "n", "unit")])
  is_base <- rows$system == psock_baseline
  base <- rows$value[is_base][match(at, at[is_base])]
  ratio <- ifelse(rows$measure == "throughput", rows$value / base, base / rows$value)
  ifelse(rows$measure %in% c("throughput", "latency", "start"), ratio, NA)
}

write_tsv <- function(table, path) {
  utils::write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "")
  message("Written to ", path)
}

# --- printing --------------------------------------------------------------------

print_report <- function(table, settings, context, notes) {
  cat(sprintf("%s: %s\n", names(context), context), sep = "")
  cat(sprintf("%d rounds; median [min-max] of rounds\n", settings$rounds))
  print_latency(table[table$measure == "latency", ])
  print_throughput(table)
  print_start(table[table$measure == "start", ])
  print_plain("Floor", table[table$system == "floor", ], p95 = TRUE)
  common <- c("latency", "throughput", "submit", "run", "collect", "start")
  print_plain("Costs of rrq", table[table$system == "rrq" & !table$measure %in% common, ])
  if (length(notes) > 0) cat("\n", sprintf("Note: %s\n", notes), sep = "")
}

print_latency <- function(rows) {
  print_section("Latency of one task with idle workers: submit, wait, fetch (ms)", data.frame(
    system = rows$system, workers = number(rows$workers), range_columns(rows),
    p95 = number(rows$p95), `x PSOCK` = times(rows$ratio), check.names = FALSE
  )[order(rows$workers), ])
}

print_throughput <- function(table) {
  rows <- table[table$measure == "throughput", ]
  part <- function(phase) {
    parts <- table[table$measure == phase, ]
    at <- match(place_of(rows), place_of(parts))
    number(parts$median[at])
  }
  print_section("Bulk of n tasks `identity`: rate per second, phases in us per task", data.frame(
    system = rows$system, workers = number(rows$workers), n = number(rows$n),
    range_columns(rows), unit = rows$unit, `x PSOCK` = times(rows$ratio),
    submit = part("submit"), run = part("run"), collect = part("collect"), check.names = FALSE
  )[order(rows$workers, rows$n), ])
}

place_of <- function(rows) do.call(paste, rows[c("system", "workers", "n")])

print_start <- function(rows) {
  print_section("Time until workers are usable (s)", data.frame(
    system = rows$system, workers = number(rows$workers), range_columns(rows),
    `x PSOCK` = times(rows$ratio), check.names = FALSE
  )[order(rows$workers), ])
}

print_plain <- function(title, rows, p95 = FALSE) {
  columns <- data.frame(measure = rows$measure, range_columns(rows), unit = rows$unit)
  if (p95) columns$p95 <- number(rows$p95)
  print_section(title, columns)
}

range_columns <- function(rows) {
  range <- sprintf("[%s-%s]", number(rows$min), number(rows$max))
  data.frame(median = number(rows$median), range = range)
}

# Three digits exceed the precision on a noisy machine.
number <- function(x) {
  digits <- ifelse(is.na(x) | x == round(x) | abs(x) >= 100, 0, ifelse(abs(x) >= 10, 1, 2))
  text <- mapply(formatC, x, digits = digits, MoreArgs = list(format = "f"))
  ifelse(is.na(x), "", text)
}

times <- function(x) ifelse(is.na(x), "", sprintf("%.2f", x))

print_section <- function(title, columns) {
  if (nrow(columns) == 0) {
    return(invisible())
  }
  is_text <- names(columns) %in% c("system", "measure", "unit", "range")
  cells <- Map(function(name, values, left) {
    format(c(name, values), justify = if (left) "left" else "right")
  }, names(columns), lapply(columns, as.character), is_text)
  cat("\n", title, "\n", sep = "")
  cat(paste0("  ", sub(" +$", "", do.call(paste, c(unname(cells), sep = "  ")))), sep = "\n")
}

# --- machine -------------------------------------------------------------------------

describe_machine <- function() {
  c(
    date = format(Sys.time(), "%Y-%m-%d %H:%M"),
    R = as.character(getRversion()),
    rrq = as.character(utils::packageVersion("rrq")), server = server_version(),
    cores = as.character(parallel::detectCores())
  )
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
