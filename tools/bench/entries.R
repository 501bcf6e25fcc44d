# The entries of a round, in order. A system is a list of
#   name               its label in the tables
#   start(n), stop(pool)   n fresh workers, all usable when start() returns
#   latency(pool, x)   one task to an idle worker: submit, wait, fetch
#   bulk               named list of functions (pool, x): one task per element
#                      of x, timed with phases()

all_entries <- function() {
  list(
    entry("PSOCK", function(settings) measure_system(psock_system(), settings)),
    entry("rrq", function(settings) measure_system(rrq_system(), settings)),
    entry("mirai", function(settings) measure_system(mirai_system(TRUE), settings), "mirai"),
    entry(
      "mirai, no dispatcher",
      function(settings) measure_system(mirai_system(FALSE), settings), "mirai"
    ),
    entry("crew", function(settings) measure_system(crew_system(), settings), "crew"),
    entry("other rrq", function(settings) measure_system(other_rrq_system(), settings), "rrq"),
    entry("floor", measure_floor),
    entry("cost", measure_cost)
  )
}

# `package`: a package that the library of --peers-lib must contain.
entry <- function(label, measure, package = NULL) {
  list(label = label, measure = measure, package = package)
}

is_installed <- function(entry, settings) {
  if (is.null(entry$package)) {
    return(TRUE)
  }
  !is.null(settings$peers) && dir.exists(file.path(settings$peers, entry$package))
}

skip_note <- function(entry) {
  sprintf("%s skipped: package %s not found in --peers-lib", entry$label, entry$package)
}
