# Socket clusters of the package parallel, which is part of R.

psock_baseline <- "PSOCK clusterApplyLB"

# `chunk.size = 1` and clusterApplyLB() send one message per element, like a task
# queue. parLapplyLB() with default chunks is included for comparison with functions
# that map over chunks; chunks hide the cost of a message.
psock_system <- function() {
  list(
    name = psock_baseline,
    start = function(workers) parallel::makePSOCKcluster(workers),
    stop = function(pool) parallel::stopCluster(pool),
    latency = function(pool, x) parallel::clusterApplyLB(pool, x, identity)[[1]],
    bulk = stats::setNames(
      list(psock_apply, psock_one, psock_chunks),
      c(psock_baseline, "PSOCK parLapplyLB, size 1", "PSOCK parLapplyLB, chunks")
    )
  )
}

psock_apply <- function(pool, x) {
  phases(all = parallel::clusterApplyLB(pool, x, identity))
}

psock_one <- function(pool, x) {
  phases(all = parallel::parLapplyLB(pool, x, identity, chunk.size = 1))
}

psock_chunks <- function(pool, x) {
  phases(all = parallel::parLapplyLB(pool, x, identity))
}
