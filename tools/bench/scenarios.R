# What can be measured, and on what. A system is a list of
#   name               its label in the tables
#   package            the package it needs besides rrq and R; NULL for none
#   start(n), stop(pool)   n fresh workers, all usable when start() returns
#   latency(pool, x)   one task identity(x) to an idle worker: submit, wait, fetch
#   call(pool, fn, arg)    the same for any function of one argument
#   bulk               named list of functions (pool, x): one task per element
#                      of x, timed with phases()
#   map(pool, x)       identity() of each element, in chunks as the system likes
#   shared(pool, x, shared)   a task per element i of x that returns shared[[i]]
#   tidy(pool)         deletes what tasks left behind
#   server_pid(pool), con(pool)   its server
# All but the first five are optional.

all_systems <- function() {
  list(
    psock_system(), rrq_system(), rrq_system("rrq tcp", tcp_address),
    mirai_system(TRUE), mirai_system(FALSE), crew_system(), future_system(), other_rrq_system()
  )
}

# `measure(system, settings)` for each system, or `measure(settings)` for rrq alone.
all_scenarios <- function() {
  list(
    scenario("latency", "One task to idle workers: submit, wait, fetch", measure_latency),
    scenario("loop", "A loop of submit, wait and fetch", measure_loop),
    scenario("bulk", "A bulk of n tasks `identity`", measure_bulk),
    scenario("map", "n elements `identity`, in chunks", measure_map),
    scenario("payload", "A vector of doubles as result and as argument", measure_payload),
    scenario("shared", "n tasks over one large value", measure_shared),
    scenario("start", "Until all workers are usable", measure_start),
    scenario("growth", "Cost of a task as tasks, workers, values grow", measure_growth, FALSE),
    scenario("depth", "Cost of a task in chains and fans", measure_depth, FALSE),
    scenario("network", "Round trips of 0.5 ms", measure_network, FALSE),
    scenario("cost", "Resources used by rrq", measure_cost, FALSE),
    scenario("floor", "Lower bounds for any task", measure_floor, FALSE)
  )
}

scenario <- function(name, title, measure, compares = TRUE) {
  list(name = name, title = title, measure = measure, compares = compares)
}

# What is run in a fresh process: a scenario on a system.
all_entries <- function(only = NULL) {
  chosen <- Filter(function(s) is.null(only) || s$name %in% only, all_scenarios())
  entries <- lapply(chosen, function(scenario) {
    systems <- if (scenario$compares) all_systems() else list(rrq_system())
    lapply(systems, function(system) entry(scenario, system))
  })
  extra <- if (is.null(only) || "payload" %in% only) list(serialise_entry())
  c(unlist(entries, recursive = FALSE), extra)
}

entry <- function(scenario, system) {
  measure <- function(settings) {
    if (scenario$compares) scenario$measure(system, settings) else scenario$measure(settings)
  }
  list(
    label = paste0(scenario$name, ", ", system$name), scenario = scenario$name,
    package = system$package, measure = measure
  )
}

serialise_entry <- function() {
  list(label = "payload, serialize()", scenario = "payload", measure = measure_serialise)
}

# The packages of --peers-lib may need others that R's own libraries have. Another rrq cannot be
# found there.
is_installed <- function(package, settings) {
  if (is.null(package)) {
    return(TRUE)
  }
  libraries <- c(settings$peers, if (package != "rrq" && !is.null(settings$peers)) .libPaths())
  any(dir.exists(file.path(libraries, package)))
}
