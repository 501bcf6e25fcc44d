# Socket clusters of the package parallel, which is part of R.

psock_baseline <- "PSOCK"

# `chunk.size = 1` and clusterApplyLB() send one message per element, like a task
# queue. parLapply() with its default chunks is for comparison with functions that map over
# chunks; chunks hide the cost of a message.
psock_system <- function() {
  list(
    name = psock_baseline,
    start = function(workers) parallel::makePSOCKcluster(workers),
    stop = function(pool) parallel::stopCluster(pool),
    latency = function(pool, x) parallel::clusterApplyLB(pool, x, identity)[[1]],
    call = function(pool, fn, arg) parallel::clusterApplyLB(pool, list(arg), fn)[[1]],
    bulk = list(PSOCK = psock_apply, "PSOCK, parLapplyLB" = psock_one),
    map = function(pool, x) parallel::parLapply(pool, x, identity),
    shared = psock_shared
  )
}

psock_apply <- function(pool, x) {
  phases(all = parallel::clusterApplyLB(pool, x, identity))
}

psock_one <- function(pool, x) {
  phases(all = parallel::parLapplyLB(pool, x, identity, chunk.size = 1))
}

psock_shared <- function(pool, x, shared) {
  parallel::clusterExport(pool, "shared", environment())
  parallel::clusterApplyLB(pool, x, read_global)
}
