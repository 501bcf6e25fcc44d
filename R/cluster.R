# Clusters for the package parallel: its functions run on workers of a queue. Methods for its
# internal generics send calls to nodes and receive values from them (zzz.R registers these).
#
# A node is one worker, which listens to a queue of its own, because what a call leaves there, such
# as variables, attached packages and random numbers, must be there for the next one. All nodes of a
# cluster share a hub. The calls that a node has not answered are `open`; it runs them in order, so
# its answers come in the order in which it was asked. Nobody has asked yet for the answers of
# `ended` tasks; those of `answered` tasks were given, and these are to be deleted, soon if `large`.

#' Clusters for the package parallel
#'
#' `rrq_cluster()` starts workers that the functions of the package parallel use as a cluster, such
#' as [parallel::parLapply()], [parallel::clusterExport()] and [parallel::clusterSetRNGStream()].
#' So do packages that take such a cluster, for example doParallel and pbapply.
#' [parallel::stopCluster()] ends it. In R >= 4.5, `makeCluster(4, type = "rrq")` does the same.
#'
#' @section Nodes:
#' Each node is one worker on this machine, with a queue of its own: what a call leaves there, the
#' next call finds there. The queues belong to the cluster alone, so nodes never run other tasks,
#' and `stopCluster()` deletes them.
#'
#' A node whose process ends is not replaced, because a new process would not have the variables of
#' the old one. The call that notices it, and each later call that needs the node, is an error that
#' names it. `cl[-2]` is a cluster without the second node.
#'
#' @section What differs from PSOCK clusters:
#' * After an error of a node or Ctrl-C, the cluster remains usable: open calls are cancelled.
#' * A large argument that is the same for several calls is stored once, and read once by each node.
#' * What calls print goes to the log of the node's worker, see `logdir`.
#'
#' @param n The number of nodes.
#' @param controller An [rrq_controller()], whose server is used. `NULL` is the default one, or, if
#'   there is none, the server that [rrq_controller()] finds or starts.
#' @param ... Arguments of [rrq_worker_config()], apart from `queue` and those that restart workers.
#' @inheritParams rrq_worker_spawn
#' @return A cluster of class `rrqCluster`, for the functions of the package parallel.
#' @section Errors: Those of [rrq_controller()] and [rrq_worker_spawn()]; nothing is left running
#'   then. Of calls: `rrq_error_node_lost` names nodes that have died, in `$nodes`, and
#'   `rrq_error_cluster_stopped` follows the use of a cluster that was stopped.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' library(parallel)
#' server <- rrq_server()
#' cl <- rrq_cluster(2, rrq_controller("jobs", server$url))
#' x <- 10
#' clusterExport(cl, "x")
#' parSapply(cl, 1:4, function(i) i + x)
#' clusterSetRNGStream(cl, 1)
#' unlist(clusterEvalQ(cl, runif(1)))
#' stopCluster(cl)
#' server$stop()
rrq_cluster <- function(n = 2, controller = NULL, ..., logdir = NULL, timeout = 600) {
  check_count(n)
  check_string(logdir, null = TRUE)
  check_number(timeout)
  config <- cluster_config(list(...), rlang::current_env())
  near <- controller %||% the$controller
  if (!is.null(near)) near <- get_controller(near)
  offload_path <- near$settings$offload_path
  queue_id <- paste0("cluster-", rust_call(rs_random_id()))
  root <- rrq_controller(queue_id, near$url, offload_path = offload_path)
  hub <- list2env(parent = emptyenv(), list(
    controller = root, workers = list(), nodes = list(), ended = character(),
    answered = character(), large = character(), is_stopped = FALSE
  ))
  is_ready <- FALSE
  on.exit(if (!is_ready) try(stop_hub(hub, 0), silent = TRUE))
  # Their logs may stand beside those of other clusters.
  names <- sprintf("%s_node_%d", random_name(), seq_len(n))
  logdir <- prepare_logdir(logdir)
  hub$workers <- lapply(names, function(name) {
    new_child(name, root, name, logdir, 0, offload_path)
  })
  cluster <- start_nodes(hub, names, config, timeout, rlang::current_env())
  # The queue must not outlive a session that ends without stopCluster().
  reg.finalizer(hub, function(hub) try(stop_hub(hub, 0), silent = TRUE), onexit = TRUE)
  is_ready <- TRUE
  cluster
}

cluster_config <- function(given, call) {
  ours <- c("queue", "reset", "max_tasks", "max_memory", "timeout_process_die")
  known <- setdiff(names(formals(rrq_worker_config)), ours)
  unknown <- setdiff(rlang::names2(given), known)
  if (length(unknown) > 0) {
    message <- sprintf("A cluster has no option `%s`.", unknown[[1]])
    abort("argument", message, argument = "...", call = call)
  }
  # A task that does not stop must not cost what the node knows.
  given$timeout_process_die <- Inf
  given
}

start_nodes <- function(hub, names, config, timeout, call) {
  root <- hub$controller
  handle <- queue_handle(root)
  for (i in seq_along(names)) {
    own <- do.call(rrq_worker_config, c(config, queue = names[[i]], reset = FALSE))
    rust_call(rs_config_save(handle, names[[i]], unclass(own), TRUE), call)
    start_child(hub$workers[[i]])
  }
  new_manager(root, hub$workers)$wait_alive(timeout, progress = FALSE, call = call)
  host <- Sys.info()[["nodename"]]
  nodes <- lapply(seq_along(names), function(i) {
    node <- list(
      rank = i, host = host, pid = hub$workers[[i]]$process$get_pid(), hub = hub,
      worker = hub$workers[[i]], options = list(queue = names[[i]]), open = character(),
      tags = list(), is_lost = FALSE, is_closed = FALSE
    )
    structure(list2env(node, parent = emptyenv()), class = "rrqNode")
  })
  hub$nodes <- nodes
  for (node in nodes) send_node(node, exec_message(prepare_node), call)
  for (node in nodes) await_answer_of(list(node), call)
  structure(nodes, class = c("rrqCluster", "cluster"))
}

exec_message <- function(fun) list(type = "EXEC", data = list(fun = fun, args = list(), tag = NULL))

# Methods for parallel ---------------------------------------------------------------------------

register_cluster <- function() {
  methods <- list(
    sendData = list(rrqNode = send_node), recvData = list(rrqNode = receive_node),
    recvOneData = list(rrqCluster = receive_any), closeNode = list(rrqNode = close_node),
    stopCluster = list(rrqCluster = stop_cluster)
  )
  when_loaded("parallel", function() {
    for (generic in names(methods)) register_methods(generic, methods[[generic]], "parallel")
    # Since R 4.5. It warns if the type is known, as when rrq is loaded again.
    register <- get0("registerClusterType", asNamespace("parallel"), inherits = FALSE)
    if (!is.null(register)) suppressWarnings(register("rrq", rrq_cluster))
  })
}

# `data` is a message of parallel: a call to run (`EXEC`), or `DONE`.
send_node <- function(node, data, call = sys.call(-1)) {
  if (data$type != "EXEC") {
    return(invisible())
  }
  hub <- usable_hub(node, call)
  is_done <- FALSE
  on.exit(if (!is_done) forget_calls(hub))
  if (node$is_lost) abort_lost(list(node), call)
  args <- c(list(data$data$fun), data$data$args)
  large <- is_large(args)
  shared <- no_values
  if (any(large)) {
    shared <- stats::setNames(args[large], which(large))
    args[large] <- list(NULL)
  }
  payload <- list(fn = node_function, args = args)
  handle <- queue_handle(hub$controller, call)
  send_anything$slot <- environment()
  # The reply is read when an answer is waited for.
  id <- rust_call(rs_task_post(handle, "call", payload, shared, node$options, send_anything), call)
  node$open <- c(node$open, id)
  node$tags <- c(node$tags, list(data$data$tag))
  if (any(large)) hub$large <- c(hub$large, id)
  is_done <- TRUE
  invisible()
}

no_values <- stats::setNames(list(), character())

# The engine evaluates these in a frame of ours, see submit(). Other clusters, too, send values
# whatever their size, and with connections and pointers, which do not work there.
send_anything <- list(
  inspect = quote((TRUE)), report_full = quote((NULL)), slot = NULL, limit = Inf
)

receive_node <- function(node) await_answer_of(list(node), sys.call(-1))$value

receive_any <- function(cl) await_answer_of(unclass(cl), sys.call(-1))

close_node <- function(node) close_nodes(list(node))

stop_cluster <- function(cl) close_nodes(unclass(cl))

# What a node runs. A small value comes with the news that the task has ended. So it is sent alone,
# without all that parallel expects beside it.
node_function <- list(name = "run_for_node", namespace = "rrq", internal = TRUE)

# The function comes first, without a name, which one of its arguments may have.
run_for_node <- function(...) {
  call <- list(...)
  tryCatch(do.call(call[[1]], call[-1], quote = TRUE), error = function(e) {
    node_error(conditionMessage(e))
  })
}

node_error <- function(message) structure(message, class = c("snow-try-error", "try-error"))

# The first call by a cluster.
prepare_node <- function() options(rrq.nonportable = "ignore")

# Answers ----------------------------------------------------------------------------------------

# The next answer of whichever of the nodes is the first to have one, and the place of this node.
# After an error or an interrupt, here or in send_node(), no node has anything open: otherwise, a
# later call would receive the answers to this one.
await_answer_of <- function(nodes, call) {
  hub <- usable_hub(nodes[[1]], call)
  is_done <- FALSE
  on.exit(if (!is_done) forget_calls(hub))
  heads <- first_open(nodes)
  outcome <- NULL
  if (!any(hub$ended %in% heads)) {
    if (all(is.na(heads))) abort("argument", "The nodes have nothing to answer.", call = call)
    outcome <- wait_for_answer(hub, nodes[!is.na(heads)], heads[!is.na(heads)], call)
  }
  id <- hub$ended[[match(TRUE, hub$ended %in% heads)]]
  hub$ended <- hub$ended[hub$ended != id]
  place <- match(id, heads)
  node <- nodes[[place]]
  tag <- node$tags[[1]]
  node$open <- node$open[-1]
  node$tags <- node$tags[-1]
  value <- take_answer(hub, node, id, outcome, call)
  is_done <- TRUE
  # Only snow, with its timing, looks at the time.
  answer <- list(
    type = "VALUE", value = value, success = !inherits(value, "snow-try-error"), time = no_time,
    tag = tag
  )
  list(node = place, value = answer)
}

no_time <- structure(rep(NA_real_, 5), names = names(proc.time()), class = "proc_time")

first_open <- function(nodes) vapply(nodes, function(node) node$open[1], "")

# Waits until one of these nodes has answered its first call, one of `heads`, and returns the
# outcome. A node that has died will not answer. What other nodes answer meanwhile is noted, too:
# the engine tells the end of a task once.
wait_for_answer <- function(hub, nodes, heads, call) {
  handle <- hub$controller$pointer
  is_over <- FALSE
  repeat {
    others <- open_beside(hub, heads)
    found <- rust_call(rs_wait_first(handle, heads, others, supervise_s), call)
    hub$ended <- c(hub$ended, found$ended)
    if (!is.null(found$outcome)) {
      return(found$outcome)
    }
    if (length(found$ended) > 0) next
    dead <- Filter(function(node) !node$worker$process$is_alive(), nodes)
    # Its death may just have ended what it ran.
    if (is_over && length(dead) > 0) abort_lost(dead, call)
    supervise(at_once = TRUE)
    is_over <- length(dead) > 0
  }
}

# What nodes that are not waited for run.
open_beside <- function(hub, heads) {
  if (length(heads) == length(hub$nodes)) {
    return(character())
  }
  open <- first_open(hub$nodes)
  open[!is.na(open) & !open %in% c(heads, hub$ended)]
}

# The outcome is NULL if the task ended while another one was waited for.
take_answer <- function(hub, node, id, outcome, call) {
  if (is.null(outcome)) {
    outcome <- rust_call(rs_task_outcomes(hub$controller$pointer, id, FALSE), call)
  }
  hub$answered <- c(hub$answered, id)
  if (length(hub$answered) >= many_answers || id %in% hub$large || is_large(outcome$value)) {
    delete_answered(hub, call)
  }
  if (outcome$status == "COMPLETE") {
    return(outcome$value[[1]])
  }
  # A process that ends may have said so before.
  if (outcome$status == "DIED") node$worker$process$wait(1000)
  if (!node$worker$process$is_alive()) abort_lost(list(node), call)
  outcome <- complete_outcomes(id, outcome, hub$controller, FALSE, call)
  node_error(error_text(outcome$value[[1]]))
}

# Tasks are deleted so many at a time, unless one is large.
many_answers <- 100

delete_answered <- function(hub, call) {
  rust_call(rs_task_delete(queue_handle(hub$controller, call), hub$answered, FALSE), call)
  hub$large <- setdiff(hub$large, hub$answered)
  hub$answered <- character()
}

abort_lost <- function(nodes, call) {
  for (node in nodes) node$is_lost <- TRUE
  numbers <- vapply(nodes, function(node) node$rank, 1)
  pids <- vapply(nodes, function(node) node$pid, 1)
  message <- c(
    sprintf("Node %.0f of the cluster (process %.0f) has died.", numbers, pids),
    i = "What it had, such as variables, is gone, so it is not replaced.",
    i = sprintf(
      "Go on without it, as in `cl[-%.0f]`, or start another cluster.", numbers[[1]]
    )
  )
  abort("node_lost", message, nodes = numbers, call = call)
}

# Runs while an error or an interrupt is on its way.
forget_calls <- function(hub) {
  open <- unlist(lapply(hub$nodes, function(node) node$open))
  for (node in hub$nodes) {
    node$open <- character()
    node$tags <- list()
  }
  hub$ended <- character()
  if (length(open) > 0 && !hub$is_stopped) {
    try(rust_call(rs_task_discard(queue_handle(hub$controller), open, 0)), silent = TRUE)
  }
}

usable_hub <- function(node, call) {
  hub <- node$hub
  if (hub$is_stopped || node$is_closed) {
    abort("cluster_stopped", "This cluster, or this node of it, was stopped.", call = call)
  }
  hub
}

# The end ----------------------------------------------------------------------------------------

close_nodes <- function(nodes, timeout = 10) {
  open <- Filter(function(node) !node$is_closed && !node$hub$is_stopped, nodes)
  if (length(open) > 0) {
    hub <- open[[1]]$hub
    for (node in open) node$is_closed <- TRUE
    if (all(vapply(hub$nodes, function(node) node$is_closed, NA))) {
      stop_hub(hub, timeout)
    } else {
      stop_children(hub$controller, lapply(open, function(node) node$worker), timeout)
    }
  }
  invisible()
}

stop_hub <- function(hub, timeout) {
  if (hub$is_stopped) {
    return(invisible())
  }
  forget_calls(hub)
  hub$is_stopped <- TRUE
  started <- Filter(function(worker) !is.null(worker$process), hub$workers)
  stop_children(hub$controller, started, timeout)
  # If the server has gone, so has the queue; stopping the workers has said so.
  tryCatch(rrq_destroy(controller = hub$controller), rrq_error_connection = function(e) NULL)
  invisible()
}

#' @export
print.rrqCluster <- function(x, ...) { # nolint: object_name_linter.
  hub <- x[[1]]$hub
  state <- if (hub$is_stopped) "stopped" else count_of(length(x), "node", "nodes")
  cat(sprintf("<rrqCluster> %s\n", state))
  if (!hub$is_stopped) for (node in unclass(x)) cat(" ", describe_node(node), "\n", sep = " ")
  invisible(x)
}

#' @export
print.rrqNode <- function(x, ...) { # nolint: object_name_linter.
  cat("<rrqNode> ", describe_node(x), "\n", sep = "")
  invisible(x)
}

describe_node <- function(node) {
  state <- if (node$is_closed || node$hub$is_stopped) {
    "stopped"
  } else if (node$is_lost || !node$worker$process$is_alive()) {
    "died"
  } else {
    "alive"
  }
  sprintf("node %d on %s, pid %d, %s", node$rank, node$host, node$pid, state)
}
