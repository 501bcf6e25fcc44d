# What runs the futures of a plan: a queue, and workers if the plan is to start them. Equal plans
# share one: future does not say when it no longer needs the backend of a nested plan, so that each
# outer future would start workers anew.
#
# `n` workers run the futures, NULL if they are to be counted; `n_own` of them are started here.
# Without an `address` the queue is private. `users` are the backends; the last one that leaves
# stops the pool, and the first one that uses it again starts it again.

future_pool <- function(workers = NULL, controller = NULL, queue = NULL) {
  check_name(queue, null = TRUE)
  workers <- future_workers(workers)
  if (is.null(controller) && !is_started(workers)) controller <- the$controller
  address <- if (!is.null(controller)) controller_address(controller)
  if (is.null(address)) workers <- workers %||% future::availableCores()
  n <- if (!is.null(workers)) as.integer(workers)
  find_pool(n, if (is.null(address) || is_started(workers)) n else 0L, address, queue)
}

find_pool <- function(n, n_own, address, queue) {
  place <- if (is.null(address)) private_url() else c(address$url, address$queue_id)
  key <- paste(c(n %||% "all", n_own, place, queue), collapse = " ")
  pool <- the$future_pools[[key]]
  # Not that of the parent of a fork.
  is_usable <- !is.null(pool) && pool$session == Sys.getpid()
  if (is_usable) pool else new_pool(key, n, n_own, address, queue)
}

is_started <- function(workers) !is.null(workers) && !inherits(workers, "AsIs")

future_workers <- function(workers) {
  if (is.function(workers)) workers <- workers()
  if (!is.null(workers) && !is_number(workers, 1, FALSE)) {
    must <- "a number of workers, a function that returns one, or NULL"
    abort_argument("workers", must, workers, call = NULL)
  }
  workers
}

new_pool <- function(key, n, n_own, address, queue) {
  pool <- list2env(parent = emptyenv(), list(
    key = key, n = n, n_own = n_own, address = address, queue = queue, users = character(),
    session = Sys.getpid(), controller = NULL, watch = NULL, left = character(),
    worker_ids = character(), jobs = new.env(parent = emptyenv())
  ))
  reg.finalizer(pool, stop_at_exit, onexit = TRUE)
  pool
}

# Of the server for private queues, as far as it is known.
private_url <- function() {
  the$controller$url %||% (if (!is.null(url <- url_from_environment())) mask_url(url))
}

enter_pool <- function(pool, user) {
  if (!is.null(pool$watch) && has_lost_server(pool)) stop_pool(pool, 0)
  pool$users <- union(pool$users, user)
  if (is.null(pool$watch)) open_pool(pool) else add_workers(pool)
  pool
}

# A private server of this session that has ended does not come back.
has_lost_server <- function(pool) {
  tryCatch(is.null(queue_handle(pool$controller)), rrq_error = function(e) TRUE)
}

leave_pool <- function(pool, user) {
  pool$users <- setdiff(pool$users, user)
  if (length(pool$users) == 0) stop_pool(pool)
}

open_pool <- function(pool) {
  on.exit(if (is.null(pool$watch)) stop_pool(pool))
  refuse_circle(pool)
  pool$controller <- pool_controller(pool)
  add_workers(pool)
  pool$watch <- rrq_watch(pool$controller)
  the$future_pools[[pool$key]] <- pool
}

pool_controller <- function(pool) {
  address <- pool$address
  if (is.null(address)) {
    return(rrq_controller(paste0("future-", random_name()), the$controller$url))
  }
  new_controller(address$queue_id, address$url, address$settings)
}

# In a task: whether the futures are for the queue from which the task came, or for one to which all
# workers listen. A worker that waits for its own queue may wait for ever.
is_circle <- function(pool) {
  if (pool$n_own > 0 || !isTRUE(the$task$active) ||
    !identical(the$task$identity$queue_id, pool$address$queue_id)) {
    return(FALSE)
  }
  queue <- pool$queue %||% default_queue
  queue == default_queue ||
    queue == rust_call(rs_task_info(the$task$handle, rust_call(rs_worker_task())))$queue
}

refuse_circle <- function(pool) {
  if (is_circle(pool)) {
    message <- c(
      "A future would wait for futures in its own queue, for which no worker might be left.",
      i = "Give the inner plan workers, as in `tweak(rrq_future, workers = 2)`, or another `queue`."
    )
    abort("future_circle", message, call = NULL)
  }
}

# Crashed workers are restarted; after too many crashes in a row they are given up. New ones are
# started then, because futures wait for them.
add_workers <- function(pool) {
  if (pool$n_own == 0) {
    return(invisible())
  }
  pool$worker_ids <- child_ids(children_named(pool$controller, pool$worker_ids))
  n <- pool$n_own - length(pool$worker_ids)
  if (n > 0) {
    # It is for this session alone.
    plan <- Sys.getenv("R_FUTURE_PLAN", NA)
    Sys.unsetenv("R_FUTURE_PLAN")
    on.exit(if (!is.na(plan)) Sys.setenv(R_FUTURE_PLAN = plan))
    manager <- rrq_worker_spawn(n, name_config = pool_config(pool), progress = FALSE,
      restart = TRUE, controller = pool$controller
    )
    pool$worker_ids <- c(pool$worker_ids, manager$id)
  }
}

pool_config <- function(pool) {
  if (is.null(pool$queue)) {
    return("localhost")
  }
  name <- paste0("future-", pool$queue)
  config <- rrq_worker_config(queue = pool$queue)
  rrq_worker_config_save(name, config, overwrite = FALSE, controller = pool$controller)
  name
}

# The queue must not outlive the session. Its watch may have been closed before.
stop_at_exit <- function(pool) {
  pool$watch <- NULL
  try(suppressMessages(stop_pool(pool, 0)), silent = TRUE)
}

# Also of one that could not be opened. Futures that have ended keep their values.
stop_pool <- function(pool, timeout = 5) {
  if (is.null(pool$controller) || pool$session != Sys.getpid()) {
    return(invisible())
  }
  controller <- pool$controller
  take_news(pool)
  jobs <- open_jobs(pool)
  has_ended <- vapply(jobs, function(job) !is.null(job$status), NA)
  try(take_jobs(jobs[has_ended]), silent = TRUE)
  interrupt_jobs(jobs)
  discard_left(pool)
  if (!is.null(pool$watch)) pool$watch$close()
  stop_children(controller, children_named(controller, pool$worker_ids), timeout)
  if (is.null(pool$address)) try(rrq_destroy(controller = controller), silent = TRUE)
  pool$controller <- pool$watch <- NULL
  pool$users <- pool$worker_ids <- character()
  the$future_pools[[pool$key]] <- NULL
  invisible()
}

n_workers <- function(pool, user) {
  if (!is.null(pool$n)) {
    return(pool$n)
  }
  # The plan of the session, which future < 1.40 sets on workers, too.
  if (is_circle(pool)) {
    return(1L)
  }
  enter_pool(pool, user)
  queues <- listened_queues(queue_handle(pool$controller))
  queue <- pool$queue %||% default_queue
  max(1L, sum(vapply(queues, function(names) queue %in% names, NA)))
}

# More futures may wait in the queue than there are workers.
n_free_workers <- function(pool, user) max(0, n_workers(pool, user) - n_running(pool))
