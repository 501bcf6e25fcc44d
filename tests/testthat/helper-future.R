# A plan of futures on the test server, until the end.
local_plan <- function(..., env = parent.frame()) {
  testthat::skip_if_not_installed("future")
  withr::local_envvar(RRQ_URL = test_server()$url, .local_envir = env)
  withr::defer(end_plan(), env)
  plan <- list(...)
  if (is.null(names(plan)) && length(plan) > 0) {
    future::plan(plan)
  } else {
    future::plan(rrq_future, ...)
  }
}

# future < 1.34 does not tell that a plan has ended.
end_plan <- function() {
  future::plan("sequential")
  for (pool in the$future_pools) stop_pool(pool)
}

# Of the only plan there is.
plan_controller <- function() the$future_pools[[1]]$controller

# What `code` signals while it is evaluated, as texts.
signalled <- function(code) {
  said <- character()
  keep <- function(condition) said <<- c(said, trimws(conditionMessage(condition)))
  withCallingHandlers(
    code,
    message = function(m) {
      keep(m)
      invokeRestart("muffleMessage")
    },
    warning = function(w) {
      keep(w)
      invokeRestart("muffleWarning")
    },
    immediateCondition = keep
  )
  said
}

immediately <- function(message, class = NULL) {
  class <- c(class, "immediateCondition", "condition")
  structure(class = class, list(message = message, call = NULL))
}
