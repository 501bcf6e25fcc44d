# A controller with workers of its own, or with those of a queue.
local_crew <- function(..., env = parent.frame()) {
  withr::local_envvar(RRQ_URL = test_server()$url, .local_envir = env)
  crew <- rrq_crew_controller(...)
  withr::defer(suppressMessages(crew$terminate()), env)
  crew
}

# What targets does with a controller in `tar_make()`: the same calls with the same arguments, in
# the same order. `targets` are commands by name, `needs` the names that each one waits for. The
# environment that it returns has the `values`, and `retried`: those that were submitted again.
run_pipeline <- function(crew, targets, needs = list(), globals = list(),
                         at_iteration = function() NULL) {
  run <- list2env(list(
    crew = crew, targets = targets, needs = needs, globals = globals, values = list(),
    waiting = names(targets), running = character(), retried = character()
  ))
  crew$validate()
  crew$start()
  while (length(run$waiting) + length(run$running) > 0 || !crew$empty()) {
    at_iteration()
    iterate_pipeline(run)
  }
  run
}

iterate_pipeline <- function(run) {
  is_ready <- vapply(run$waiting, function(name) {
    all(run$needs[[name]] %in% names(run$values))
  }, NA)
  if (any(is_ready)) {
    name <- run$waiting[is_ready][[1]]
    run$waiting <- setdiff(run$waiting, name)
    run$running <- c(run$running, name)
    run_target(run, name)
    conclude_target(run)
  } else if (length(backlog <- run$crew$pop_backlog())) {
    for (name in backlog) {
      run_target(run, name)
      conclude_target(run)
    }
  } else {
    run$crew$wait(mode = "one", seconds_timeout = 0.5, scale = TRUE, throttle = TRUE)
    conclude_target(run)
  }
}

run_target <- function(run, name) {
  if (run$crew$saturated(controller = NULL)) {
    run$crew$push_backlog(name = name, controller = NULL)
    return()
  }
  data <- list(envir = "globalenv", options = list(seed = 1), code = run$targets[[name]])
  data$target <- run$values[run$needs[[name]]]
  run$crew$push(
    command = quote(list(eval(code, target, globalenv()))), data = data, globals = run$globals,
    substitute = FALSE, name = name, controller = NULL, scale = TRUE, throttle = TRUE,
    seconds_timeout = NULL
  )
}

conclude_target <- function(run) {
  result <- run$crew$pop(scale = TRUE, throttle = TRUE)
  if (is.null(result)) {
    return()
  }
  if (result$status == "crash") {
    run$retried <- c(run$retried, result$name)
    return(run_target(run, result$name))
  }
  expect_true(all(is.na(result$error)))
  run$values[result$name] <- result$result[[1]]
  run$running <- setdiff(run$running, result$name)
}

# Targets with branches: a start, 8 branches over it, and their sum.
branches <- function(code = quote(f(start) + i)) {
  names <- paste0("branch_", 1:8)
  each <- lapply(1:8, function(i) do.call(substitute, list(code, list(i = i))))
  sum <- as.call(c(quote(sum), lapply(names, as.name)))
  list(
    targets = c(list(start = quote(10)), stats::setNames(each, names), list(total = sum)),
    needs = c(stats::setNames(rep(list("start"), 8), names), list(total = names))
  )
}
