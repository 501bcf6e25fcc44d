# future < 1.40: the plan is a function that makes futures, and these launch themselves.

legacy_methods <- function() {
  list(
    run = list(RrqFuture = launch_legacy),
    getExpression = list(RrqFuture = legacy_expression),
    nbrOfWorkers = list(rrq_future = count_legacy_workers),
    nbrOfFreeWorkers = list(rrq_future = count_free_legacy_workers)
  )
}

new_legacy_future <- function(..., spec, envir) {
  pool <- legacy_pool(spec)
  # Asked for when the plan is set. It need not go to a worker, and there might be none.
  if (identical(list(...)$label, "future-plan-test")) {
    return(from_future("ConstantFuture")(NA, substitute = FALSE))
  }
  future <- future::MultiprocessFuture(..., envir = envir)
  class(future) <- c("RrqFuture", class(future))
  future[["rrq_pool"]] <- pool
  if (!future[["lazy"]]) future <- future::run(future)
  invisible(future)
}

# Others with workers of their own belong to plans that have ended.
legacy_pool <- function(spec) {
  pool <- do.call(future_pool, spec)
  for (other in as.list(the$future_pools)) {
    if (!identical(other, pool) && other$n_own > 0) leave_pool(other, "legacy")
  }
  enter_pool(pool, "legacy")
}

# Futures on a queue of the user's own go on.
end_legacy_plan <- function() {
  for (pool in as.list(the$future_pools)) {
    if (pool$n_own > 0) leave_pool(pool, "legacy")
  }
}

launch_legacy <- function(future, ...) {
  if (future[["state"]] != "created") {
    message <- sprintf(
      "A future ('%s') can only be launched once.", future[["label"]] %||% "<none>"
    )
    stop(future::FutureError(message, future = future))
  }
  from_future("assertOwner")(future)
  data <- list(expr = future::getExpression(future), seeded = is.numeric(future[["seed"]]))
  as_future_errors(future, {
    pool <- enter_pool(future[["rrq_pool"]], "legacy")
    launch_future(pool, future, "run_legacy_future", data, future[["globals"]])
  })
}

# As future does it for its own backends: what is signalled at once is muffled, and recorded as
# signalled. The names of the arguments matter to NextMethod().
# nolint start: object_name_linter.
legacy_expression <- function(future, expr = future[["expr"]],
                              conditionClasses = future[["conditions"]],
                              immediateConditions = TRUE, mc.cores = 1L, ...) {
  kept <- attributes(conditionClasses)
  conditionClasses <- unique(c(conditionClasses, "immediateCondition"))
  for (name in names(kept)) attr(conditionClasses, name) <- kept[[name]]
  expr <- bquote(withCallingHandlers(.(expr), immediateCondition = .(emit_and_muffle)))
  NextMethod(
    expr = expr, conditionClasses = conditionClasses, immediateConditions = immediateConditions,
    mc.cores = mc.cores
  )
}
# nolint end

emit_and_muffle <- function(condition) {
  emit_immediately(condition)
  from_future("muffleCondition")(condition)
}

# The arguments of a plan that may have been tweaked several times.
plan_spec <- function(plan) {
  spec <- list(workers = NULL, controller = NULL, queue = NULL)
  repeat {
    given <- lapply(formals(plan)[names(spec)], eval, baseenv())
    missing <- names(spec)[vapply(spec, is.null, NA)]
    spec[missing] <- given[missing]
    if (!inherits(plan, "tweaked")) {
      return(spec)
    }
    plan <- environment(plan)$strategy
  }
}

count_legacy_workers <- function(evaluator) {
  n_workers(do.call(future_pool, plan_spec(evaluator)), "legacy")
}

count_free_legacy_workers <- function(evaluator, background = FALSE, ...) {
  n_free_workers(do.call(future_pool, plan_spec(evaluator)), "legacy")
}
