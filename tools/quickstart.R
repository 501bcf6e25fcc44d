# Demonstrates rrq on real data: how strongly are earlier spontaneous abortions
# associated with secondary infertility (data set `infert`)? The interval comes
# from a bootstrap of a logistic regression. The replicates run as tasks on two
# workers, then in lapply() for comparison.
library(rrq)

n_replicates <- 4000L
n_workers <- 2L

# One replicate: resample the rows, refit, return the log odds ratio. With its own
# seed, it gives the same result in any process.
replicate_fit <- function(seed, data) {
  set.seed(seed)
  rows <- sample.int(nrow(data), replace = TRUE)
  fit <- stats::glm(case ~ spontaneous + induced,
    family = stats::binomial(), data = data[rows, ]
  )
  stats::coef(fit)[["spontaneous"]]
}

elapsed_since <- function(start) {
  as.numeric(difftime(Sys.time(), start, units = "secs"))
}

# Uses a private server, so that no other queue on this machine is touched. The
# server and the workers end when this returns, even after an error or Ctrl-C.
with_queue <- function(code) {
  server <- rrq_server()
  on.exit(server$stop(), add = TRUE)
  queue <- rrq_controller(paste0("quickstart-", Sys.getpid()), con = server$url)
  on.exit(rrq_destroy(timeout_worker_stop = 10, controller = queue), add = TRUE, after = FALSE)
  code(queue)
}

run_queue <- function(queue, seeds) {
  cli::cli_alert_info("Starting {n_workers} workers")
  rrq_worker_spawn(n_workers, controller = queue)
  cli::cli_alert_info("Running {length(seeds)} bootstrap replicates as tasks")
  start <- Sys.time()
  ids <- rrq_task_create_bulk_call(replicate_fit, seeds,
    args = list(data = datasets::infert), controller = queue
  )
  rrq_task_wait(ids, progress = TRUE, controller = queue)
  values <- rrq_task_results(ids, error = TRUE, controller = queue)
  list(values = values, seconds = elapsed_since(start))
}

run_lapply <- function(seeds) {
  cli::cli_alert_info("Running the same replicates with {.fn lapply}")
  start <- Sys.time()
  values <- lapply(seeds, replicate_fit, data = datasets::infert)
  list(values = values, seconds = elapsed_since(start))
}

print_estimate <- function(values) {
  interval <- exp(stats::quantile(unlist(values), c(0.025, 0.975)))
  fit <- stats::glm(
    case ~ spontaneous + induced, family = stats::binomial(), data = datasets::infert
  )
  estimate <- exp(stats::coef(fit)[["spontaneous"]])
  cat(sprintf(
    "\nOdds ratio of infertility per spontaneous abortion: %.2f (95 %% interval %.2f to %.2f)\n",
    estimate, interval[[1]], interval[[2]]
  ))
}

print_timing <- function(label, run) {
  n <- length(run$values)
  cat(sprintf("  %-18s %7.2f s %8.0f tasks/s\n", label, run$seconds, n / run$seconds))
}

print_comparison <- function(queued, plain) {
  same <- identical(queued$values, plain$values)
  cat(sprintf("\n%d bootstrap replicates\n", length(plain$values)))
  print_timing(sprintf("rrq, %d workers", n_workers), queued)
  print_timing("lapply", plain)
  cat(sprintf("  %-18s %7.2f times as fast\n", "rrq", plain$seconds / queued$seconds))
  cat(sprintf("  results %s\n", if (same) "identical" else "DIFFERENT"))
  same
}

seeds <- seq_len(n_replicates)
queued <- with_queue(function(queue) run_queue(queue, seeds))
plain <- run_lapply(seeds)
print_estimate(queued$values)
same <- print_comparison(queued, plain)
quit(save = "no", status = if (same) 0L else 1L)
