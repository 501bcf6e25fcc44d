# Sends the tasks of one bplapply() or bpiterate(), and receives their values. What tasks have in
# common, the function and its arguments, is stored once.

setClass("RrqManager", contains = "environment")

setMethod(".manager", "RrqParam", function(BPPARAM) {
  backend <- BPPARAM$backend
  manager <- new("RrqManager", new.env(parent = emptyenv()))
  manager$controller <- backend$controller
  manager$capacity <- backend$capacity
  manager$queue <- BPPARAM$queue
  manager$label <- BPPARAM$jobname
  # The tasks that were not received: how many elements each has, and its number.
  manager$tasks <- list()
  manager$constants <- NULL
  manager$nodes <- character()
  manager
})

setMethod(".manager_capacity", "RrqManager", function(manager) manager$capacity)

setMethod(".manager_flush", "RrqManager", function(manager) manager)

setMethod(".manager_send", "RrqManager", function(manager, value, ...) {
  if (!identical(value$type, "EXEC")) {
    return(invisible(TRUE))
  }
  constants <- share_constants(manager, .task_const(value))
  id <- submit(manager, list(serialize(.task_dynamic(value), NULL), constants))
  manager$tasks[[id]] <- list(tag = value$data$tag, n = length(value$data$args$X))
  invisible(TRUE)
})

# Workers are stopped by bpstop(); to send each of them a task is not needed for anything else.
setMethod(".manager_send_all", "RrqManager", function(manager, value) {
  for (i in seq_len(manager$capacity)) .manager_send(manager, value)
})

setMethod(".manager_recv", "RrqManager", function(manager) {
  repeat {
    news <- manager$watch$drain()
    ids <- news$id[!is.na(news$status)]
    if (length(ids) > 0) {
      return(receive(manager, ids))
    }
    if (!manager$watch$wait() && manager$watch$n_open() == 0) {
      stop("there is no task to receive")
    }
  }
})

setMethod(".manager_recv_all", "RrqManager", function(manager) {
  received <- list()
  while (length(manager$tasks) > 0) received <- c(received, .manager_recv(manager))
  received
})

# Also after an error or Ctrl-C: what still runs is cancelled.
setMethod(".manager_cleanup", "RrqManager", function(manager) {
  ids <- names(manager$tasks)
  manager$tasks <- list()
  if (!is.null(manager$watch)) manager$watch$close()
  if (length(ids) > 0) {
    rrq::rrq_task_cancel(ids, ended = "ignore", controller = manager$controller)
    rrq::rrq_task_delete(ids, check = FALSE, controller = manager$controller)
  }
  if (!is.null(manager$constants)) {
    rrq::rrq_unshare(manager$constants$handle, controller = manager$controller)
    manager$constants <- NULL
  }
  manager
})

# All tasks of a loop have the same ones.
share_constants <- function(manager, constants) {
  if (is.null(constants)) {
    return(NULL)
  }
  if (is.null(manager$constants) || !identical(constants, manager$constants$value)) {
    if (!is.null(manager$constants)) {
      rrq::rrq_unshare(manager$constants$handle, controller = manager$controller)
    }
    handle <- rrq::rrq_share(serialize(constants, NULL), controller = manager$controller)
    manager$constants <- list(value = constants, handle = handle)
  }
  manager$constants$handle
}

# Values are sent as R serialises them, as other backends do: with the environments of functions,
# and without looking for pointers.
submit <- function(manager, args) {
  if (is.null(manager$watch)) manager$watch <- rrq::rrq_watch(manager$controller)
  manager$watch$submit(
    rrq::rrq_task_create_call(
      rrqBioc::run_task, args, queue = manager$queue, label = manager$label, globals = FALSE,
      controller = manager$controller
    )
  )
}

receive <- function(manager, ids) {
  taken <- rrq::rrq_task_take(ids, warnings = FALSE, controller = manager$controller)
  tasks <- manager$tasks[ids]
  manager$tasks[ids] <- NULL
  Map(function(task, status, value) {
    if (status != "COMPLETE") {
      return(list(node = NA_integer_, value = lost_value(task, value)))
    }
    list(node = node_of(manager, value$worker), value = unserialize(value$value))
  }, unname(tasks), taken$status, taken$value)
}

# Nodes are numbered in the order in which they are heard of.
node_of <- function(manager, worker) {
  manager$nodes <- union(manager$nodes, worker)
  match(worker, manager$nodes)
}

# A task without a value, for instance because its worker was lost: each of its elements has failed.
lost_value <- function(task, error) {
  failed <- .error_worker_comm(error, "worker evaluation failed")
  list(
    type = "VALUE", tag = task$tag, value = rep(list(failed), max(1, task$n)), success = FALSE,
    time = proc.time() - proc.time(), log = NULL, sout = NULL
  )
}
