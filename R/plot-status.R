# What the pictures of tasks have in common: colours, legend, axis of time.

# By status, of the palette of Okabe and Ito, which people with any kind of colour vision can tell
# apart.
status_colours <- c(
  PENDING = "#D0D0D0", DEFERRED = "#E69F00", RUNNING = "#56B4E9", COMPLETE = "#0072B2",
  ERROR = "#D55E00", TIMEOUT = "#CC79A7", DIED = "#000000", CANCELLED = "#808080",
  IMPOSSIBLE = "#F0E442", MOVED = "#009E73", MISSING = "#FFFFFF"
)

# The colour of text on a ground of each status.
status_ink <- ifelse(
  names(status_colours) %in% c("COMPLETE", "ERROR", "DIED", "CANCELLED", "MOVED"), "white", "black"
)
names(status_ink) <- names(status_colours)

# Entries for the statuses that occur, each with how many tasks have it.
status_entries <- function(status) {
  counts <- table(factor(status, names(status_colours)))
  counts <- counts[counts > 0]
  colours <- status_colours[names(counts)]
  stats::setNames(colours, sprintf("%s (%d)", names(counts), as.integer(counts)))
}

# How many of these texts fit beside each other above a plot, with their boxes.
legend_columns <- function(texts) {
  # Some widths of a character are for the box and the gap.
  width <- max(nchar(texts) + 4, 1) * graphics::par("cin")[[1]] * 0.75 * legend_cex
  max(1, min(length(texts), floor(graphics::par("din")[[1]] / width)))
}

legend_cex <- 0.8

legend_lines <- function(texts) {
  ceiling(length(texts) / legend_columns(texts))
}

# Draws it in the margin above the plot, so that it hides nothing.
draw_legend <- function(colours) {
  if (length(colours) == 0) {
    return(invisible())
  }
  texts <- names(colours)
  columns <- legend_columns(texts)
  top <- graphics::grconvertY(graphics::grconvertY(1, "npc", "inches") + 0.05, "inches", "user")
  graphics::legend(
    graphics::grconvertX(0.5, "ndc", "user"), top, texts,
    fill = colours, border = "grey40", bty = "n", cex = legend_cex, ncol = columns, xpd = NA,
    xjust = 0.5, yjust = 0, x.intersp = 0.6
  )
}

# The unit in which to show a time of so many seconds: its name, and how many seconds it has.
time_unit <- function(seconds) {
  units <- c(ms = 1e-3, s = 1, min = 60, h = 3600, days = 86400)
  # An axis from 0 to 3 minutes says less than one from 0 to 180 seconds.
  fits <- units[units * c(0, 1, 3, 3, 3) <= seconds]
  fits[length(fits)]
}

# An empty picture that says why it is empty.
draw_nothing <- function(text) {
  graphics::plot.new()
  graphics::box(col = "grey70")
  graphics::text(0.5, 0.5, text, col = "grey30")
}

# Texts of at most `n` characters, which are at least 4.
shorten <- function(texts, n) {
  n <- max(4, floor(n))
  is_long <- !is.na(texts) & nchar(texts) > n
  texts[is_long] <- paste0(substr(texts[is_long], 1, n - 3), "...")
  texts
}

# The same, but the end stays: it tells workers apart.
shorten_middle <- function(texts, n) {
  n <- max(8, floor(n))
  is_long <- nchar(texts) > n
  long <- texts[is_long]
  n_end <- floor((n - 3) / 2)
  end <- substring(long, nchar(long) - n_end + 1)
  texts[is_long] <- paste0(substr(long, 1, n - 3 - n_end), "...", end)
  texts
}

# How many characters of this size fit into so many inches.
fitting_characters <- function(inches, cex) {
  # On average a character is narrower than R says.
  inches / (graphics::par("cin")[[1]] * cex * 0.65)
}

# Margins that leave too little of a small picture become narrower.
with_par <- function(mar, code) {
  inches <- graphics::par("csi") * mar
  room <- graphics::par("din") * 0.6
  shrink <- pmin(1, room / c(sum(inches[c(2, 4)]), sum(inches[c(1, 3)])))
  old <- graphics::par(mar = mar * shrink[c(2, 1, 2, 1)])
  on.exit(graphics::par(old))
  force(code)
}
