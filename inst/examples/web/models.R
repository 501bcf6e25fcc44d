# Sourced by each worker, see rrq_worker_envir_set(). The app and the API do not need it.
fit_model <- function(n) {
  if (n < 3) stop("a fit needs at least 3 rows, not ", n)
  x <- rnorm(n)
  y <- 2 * x + rnorm(n)
  unname(coef(lm(y ~ x))[["x"]])
}
