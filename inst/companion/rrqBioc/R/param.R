# The class that users pass as `BPPARAM`. Its fields beside those of every parameter: the queue, and
# `backend`, which is there between bpstart() and bpstop().

.rrq_prototype <- c(
  list(controller = NULL, queue = NULL, spawn = list(), backend = NULL),
  .BiocParallelParam_prototype
)

.RrqParam <- setRefClass("RrqParam",
  contains = "BiocParallelParam",
  fields = list(controller = "ANY", queue = "ANY", spawn = "list", backend = "ANY"),
  methods = list(
    show = function() {
      callSuper()
      where <- if (is.null(controller)) "its own" else controller$queue_id
      cat("  rrq queue: ", where, "\n", sep = "")
    }
  )
)

# nolint start: object_name_linter. The names of BiocParallel.
RrqParam <- function(workers = snowWorkers(), controller = NULL, queue = NULL, tasks = 0L,
                     stop.on.error = TRUE, progressbar = FALSE, RNGseed = NULL,
                     timeout = NA_integer_, exportglobals = TRUE, exportvariables = TRUE,
                     log = FALSE, threshold = "INFO", logdir = NA_character_,
                     resultdir = NA_character_, jobname = "BPJOB", force.GC = FALSE,
                     fallback = TRUE, ...) {
  # nolint end
  if (!is.null(controller) && !inherits(controller, "rrq_controller")) {
    stop("'controller' must be made by rrq_controller(), or NULL")
  }
  if (!is.null(controller) && ...length() > 0) {
    stop("'...' is for workers that bpstart() starts, so it does not go with 'controller'")
  }
  # As for other parameters: so many that a bar can move.
  if (progressbar && missing(tasks)) tasks <- .Machine$integer.max
  prototype <- .prototype_update(
    .rrq_prototype,
    workers = check_workers(workers), controller = controller, queue = queue, spawn = list(...),
    tasks = as.integer(tasks), stop.on.error = stop.on.error, progressbar = progressbar,
    RNGseed = if (!is.null(RNGseed)) as.integer(RNGseed), timeout = as.integer(timeout),
    exportglobals = exportglobals, exportvariables = exportvariables, log = log,
    threshold = threshold, logdir = logdir, resultdir = resultdir, jobname = jobname,
    force.GC = force.GC, fallback = fallback
  )
  param <- do.call(.RrqParam, prototype)
  validObject(param)
  param
}

check_workers <- function(workers) {
  if (!is.numeric(workers) || length(workers) != 1 || is.na(workers) || workers < 1) {
    stop("'workers' must be a single number of at least 1")
  }
  as.integer(workers)
}

setReplaceMethod("bpworkers", c("RrqParam", "numeric"), function(x, value) {
  if (bpisup(x)) stop("the number of workers cannot change between bpstart() and bpstop()")
  x$workers <- check_workers(value)
  x
})

setMethod("bpbackend", "RrqParam", function(x) x$backend)

setReplaceMethod("bpbackend", "RrqParam", function(x, value) {
  x$backend <- value
  x
})

setMethod("bpisup", "RrqParam", function(x) !is.null(x$backend))

# nolint start: object_name_linter. The name of BiocParallel.
setMethod("bpstart", "RrqParam", function(x, lenX = bpnworkers(x)) {
  # nolint end
  if (bpisup(x)) stop("cluster already started")
  n <- min(bpnworkers(x), lenX)
  if (n < 1) stop("cluster not started; no workers specified")
  x$backend <- if (is.null(x$controller)) start_own(n, x$spawn) else use_queue(x)
  .bpstart_impl(x)
})

setMethod("bpstop", "RrqParam", function(x) {
  if (bpisup(x)) {
    x <- .bpstop_impl(x)
    backend <- x$backend
    x$backend <- NULL
    stop_own(backend)
  }
  invisible(x)
})

# Somebody else's workers, however many there are: `workers` is how many tasks they get at a time.
use_queue <- function(x) {
  list(controller = x$controller, capacity = bpnworkers(x), workers = NULL)
}

start_own <- function(n, spawn) {
  controller <- rrq::rrq_controller(paste0("bioc-", basename(tempfile(""))))
  is_ready <- FALSE
  on.exit(if (!is_ready) rrq::rrq_destroy(controller = controller))
  given <- list(n, restart = TRUE, progress = FALSE, controller = controller)
  given[names(spawn)] <- spawn
  workers <- do.call(rrq::rrq_worker_spawn, given)
  is_ready <- TRUE
  list(controller = controller, capacity = n, workers = workers)
}

stop_own <- function(backend) {
  if (!is.null(backend$workers)) {
    backend$workers$stop()
    rrq::rrq_destroy(controller = backend$controller)
  }
}
