#' Worker in the current R process
#'
#' `rrq_worker$new()` registers a worker and builds its environment; `$loop()` then runs tasks until
#' the worker is told to stop, interrupted, or idle for too long. Use it to write a launcher or to
#' debug tasks; [rrq_worker_spawn()] starts workers in separate processes.
#'
#' @section Methods:
#' * `rrq_worker$new(queue_id, name_config = "localhost", worker_id = NULL, timeout_config = 0)`:
#'   `worker_id` is a random name if `NULL`; `timeout_config` is the number of seconds to wait for a
#'   queue or a configuration that does not exist yet. The server is found as by [rrq_controller()].
#' * `$loop(immediate = FALSE)`: runs tasks; with `immediate = TRUE`, it returns as soon as there is
#'   nothing to do. Returns the reason why it stopped, invisibly.
#' * `$step(immediate = FALSE)`: performs one turn of the loop; with `immediate = TRUE`, it does not
#'   wait until there is something to do. Returns, invisibly, whether anything was done, or `NA` if
#'   the worker has exited.
#' * `$id`, `$info()`: the name of the worker, and its information as from [rrq_worker_info()].
#' * `$shutdown(reason = "OK")`: exits; `reason` is the message in its log.
#' @section Errors: `rrq_error_queue_missing` or `rrq_error_config_missing` if the queue or the
#'   configuration does not exist after `timeout_config` seconds, `rrq_error_worker_exists` if a
#'   worker of that name is alive, `rrq_error_envir` if the environment cannot be built.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(1 + 1, controller = r)
#' w <- withr::with_envvar(c(RRQ_URL = server$url), rrq_worker$new("jobs"))
#' w$loop(immediate = TRUE)
#' rrq_task_result(id, controller = r)
#' w$shutdown()
#' rrq_destroy(controller = r)
#' server$stop()
rrq_worker <- R6Class(
  "rrq_worker",
  cloneable = FALSE,
  public = list(
    id = NULL,
    initialize = function(queue_id, name_config = "localhost", worker_id = NULL,
                          timeout_config = 0) {
      call <- caller_env()
      check_queue_id(queue_id, call = call)
      check_name(name_config, call = call)
      check_name(worker_id, null = TRUE, call = call)
      check_number(timeout_config, call = call)
      self$id <- worker_id %||% random_name()
      private$url <- resolve_url(NULL, call)
      private$queue_id <- queue_id
      private$config_name <- name_config
      private$register(timeout_config, call)
    },
    loop = function(immediate = FALSE) {
      check_flag(immediate)
      private$check_alive()
      private$is_running <- TRUE
      on.exit(private$is_running <- FALSE)
      reason <- with_task_handlers(private$run, rust_call(rs_worker_run(private$runner, immediate)))
      if (nzchar(reason)) private$runner <- NULL
      invisible(reason)
    },
    step = function(immediate = FALSE) {
      check_flag(immediate)
      private$check_alive()
      private$is_running <- TRUE
      on.exit(private$is_running <- FALSE)
      did <- with_task_handlers(private$run, rust_call(rs_worker_turn(private$runner, immediate)))
      if (is.na(did)) private$runner <- NULL
      invisible(did)
    },
    info = function() {
      private$describe()
    },
    shutdown = function(reason = "OK") {
      if (!is.null(private$runner)) {
        rust_call(rs_worker_exit(private$runner, reason))
        private$runner <- NULL
        private$report("STOP", reason)
      }
      invisible(self)
    },
    print = function(...) {
      state <- if (is.null(private$runner)) "stopped" else "registered"
      cat(sprintf("<rrq_worker> %s for %s: %s\n", self$id, private$queue_id, state))
      invisible(self)
    }
  ),
  private = list(
    url = NULL, queue_id = NULL, config_name = NULL, handle = NULL, runner = NULL, run = NULL,
    verbose = TRUE, place = NULL, envir_hash = NULL, is_running = FALSE,
    register = function(timeout_config, call) {
      server <- rust_call(rs_redis_open(full_url(private$url, call)), call)
      private$place <- rust_call(rs_redis_info(server), call)[c("host", "path", "port")]
      await_loading(server, call)
      config <- wait_for_config(timeout_config, function() {
        private$handle <- peek_queue(private$url, private$queue_id, call)
        rust_call(rs_config_read(private$handle, private$config_name), call)
      })
      private$verbose <- config$verbose
      prepare_task_logs(config$logdir, call)
      private$run <- new_run()
      private$run$handle <- private$handle
      identity <- list(
        queue_id = private$queue_id, url = private$url, build = private$build,
        refresh = private$refresh, log = private$log, resets = config$reset
      )
      functions <- evaluation_calls(private$run, identity)
      # Not part of `identity`, which the worker keeps: it has the password.
      functions$process <-
        isolated_command(full_url(private$url, call), private$queue_id, self$id)
      info <- private$describe(config)
      if (isTRUE(the$is_worker_process)) the$worker <- self
      private$report("HEARTBEAT", info$heartbeat_key)
      # The handler of an interrupt must know about the registration, so none comes in between.
      rust_call(suspendInterrupts(private$keep(rs_worker_register(
        full_url(private$url, call), private$queue_id, self$id, private$config_name, info,
        spawned_by(), offload_path(), functions
      ))), call)
      private$leave_at_exit(Sys.getpid())
      private$report("HEARTBEAT", "OK")
      private$log("ALIVE", "")
      private$prepare(call)
    },
    # Returns an error as it is.
    keep = function(runner) {
      if (typeof(runner) == "externalptr") private$runner <- runner
      runner
    },
    # A task that calls quit() ends the worker: report this at once, not when the lease expires. A
    # forked child that quits must not do so.
    leave_at_exit = function(pid) {
      reg.finalizer(self, onexit = TRUE, function(worker) {
        if (Sys.getpid() == pid) try(worker$shutdown("its R process ended"), silent = TRUE)
      })
    },
    # A worker counts as alive only once its environment has been built.
    prepare = function(call) {
      private$run$envir <- tryCatch(private$build(), error = function(e) {
        private$log("ENVIR", paste("error:", conditionMessage(e)))
        self$shutdown(no_envir)
        message <- c("The worker's environment could not be built.", x = conditionMessage(e))
        abort("envir", message, parent = e, call = call)
      })
      # Before it counts as alive: whoever waits for that may read this next.
      info <- private$refresh()
      private$report("QUEUE", paste(info$queue, collapse = " "))
      print_banner(info)
      rust_call(rs_worker_ready(private$runner), call)
    },
    build = function() {
      private$log("ENVIR", "new")
      stored <- rust_call(rs_envir_get(private$handle))
      if (!is.null(stored)) private$log("ENVIR", "create")
      envir <- with_system_seed(the$is_worker_process, new_environment(stored$create))
      private$envir_hash <- stored$hash
      envir
    },
    log = function(command, message) {
      rust_call(rs_worker_write_log(private$handle, self$id, command, message))
      private$report(command, message)
    },
    report = function(command, message) {
      print_line(command, message, private$verbose, private$is_running)
    },
    refresh = function() {
      info <- private$describe()
      rust_call(rs_worker_set_info(private$handle, self$id, info))
      info
    },
    # R compiles a method, whose class took it from the compiled code of the package, when it is
    # called again, unless it is as small as this one. The compiler takes 10 MB.
    describe = function(config = NULL) {
      config <- config %||% rust_call(rs_worker_config(private$runner))
      info <- describe_worker(self$id, private$queue_id, private$place, private$config_name, config)
      info["envir"] <- list(private$envir_hash)
      info
    },
    check_alive = function() {
      if (is.null(private$runner)) {
        message <- c(
          sprintf("Worker '%s' has exited.", self$id),
          i = "Start another one with `rrq_worker$new()`."
        )
        abort("worker_gone", message, ids = self$id, call = caller_env(2))
      }
    }
  )
)

# The environment tasks run in.
build_environment <- function(handle) {
  new_environment(rust_call(rs_envir_get(handle))$create)
}

new_environment <- function(create) {
  envir <- new.env(parent = globalenv())
  if (!is.null(create)) create(envir)
  mark_home(envir)
}

# A line of the process log. The engine writes its own lines the same way. A worker in somebody's
# own session prints only while it runs.
print_line <- function(command, message, verbose, is_running) {
  if (verbose && (isTRUE(the$is_worker_process) || is_running)) {
    time <- format(Sys.time(), "%Y-%m-%d %H:%M:%OS3")
    cat("[", time, "] ", trimws(paste(command, message), "right"), "\n", sep = "")
  }
}

print_banner <- function(info) {
  if (isTRUE(the$is_worker_process)) cat(format(info), sep = "\n")
}

prepare_task_logs <- function(logdir, call) {
  if (is.null(logdir)) {
    return()
  }
  create_private_dir(logdir)
  if (file.access(logdir, 2) != 0) {
    message <- c(
      sprintf("Cannot write to '%s', the directory for the logs of tasks.", logdir),
      i = "Change `logdir` in the worker's configuration, or the permissions of the directory."
    )
    abort("logdir", message, call = call)
  }
}

# Read a configuration; neither it nor the queue needs to exist yet.
wait_for_config <- function(timeout, read) {
  deadline <- now() + timeout
  not_yet <- function(e) if (now() >= deadline) rlang::cnd_signal(e)
  repeat {
    config <- tryCatch(
      read(), rrq_error_config_missing = not_yet, rrq_error_queue_missing = not_yet
    )
    if (!is.null(config)) {
      return(config)
    }
    Sys.sleep(0.1)
  }
}

# The directory for large values on this machine, if it is another one than that of the queue.
offload_path <- function() {
  path <- Sys.getenv("RRQ_OFFLOAD_PATH")
  if (nzchar(path)) expand_path(path)
}

# Of a process started by rrq_worker_spawn(): its parent, its token, its log, and how to restart it.
spawned_by <- function() {
  parent <- Sys.getenv("RRQ_PARENT_PID")
  if (isTRUE(the$is_worker_process) && nzchar(parent)) {
    process <- basename(Sys.getenv("RRQ_WORKER_END"))
    list(
      parent = as.integer(parent), process = process, log = Sys.getenv("RRQ_WORKER_LOGFILE"),
      args = commandArgs(), tempdir = tempdir()
    )
  }
}

# As utils::osVersion, which starts processes to find this out.
operating_system <- function(file = "/etc/os-release") {
  lines <- if (file.exists(file)) readLines(file, warn = FALSE)
  name <- grep("^PRETTY_NAME=", lines, value = TRUE)
  name <- gsub("^PRETTY_NAME=|[\"']", "", name)
  if (length(name) == 1) name else utils::osVersion
}

describe_worker <- function(id, queue_id, place, config_name, config) {
  system <- Sys.info()
  logfile <- Sys.getenv("RRQ_WORKER_LOGFILE")
  structure(
    list(
      worker = id,
      config = config_name,
      rrq_version = getNamespaceVersion(topenv())[[1]],
      platform = R.version$platform,
      running = operating_system(),
      hostname = system[["nodename"]],
      username = system[["user"]],
      queue = config$queue,
      wd = getwd(),
      pid = Sys.getpid(),
      redis_host = place$host %||% place$path,
      redis_port = place$port,
      heartbeat_key = rust_call(rs_worker_heartbeat_key(queue_id, id)),
      envir = NULL,
      offload_path = offload_path(),
      logfile = if (nzchar(logfile)) logfile
    ),
    class = "rrq_worker_info"
  )
}

# adjective_animal, drawn without R's generator: the session's random numbers stay as they are.
random_name <- function() {
  pick <- function(words, digits) words[[strtoi(digits, 16L) %% length(words) + 1L]]
  hex <- rust_call(rs_random_id())
  paste0(pick(adjectives, substr(hex, 1, 6)), "_", pick(animals, substr(hex, 7, 12)))
}

adjectives <- c(
  "able", "amber", "ample", "brave", "brisk", "calm", "candid", "clever", "cosy", "crisp", "deft",
  "eager", "early", "fair", "fleet", "fond", "frank", "gentle", "glad", "golden", "grand", "happy",
  "hardy", "honest", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry",
  "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "proud", "quick",
  "quiet", "ready", "robust", "rosy", "serene", "sharp", "silent", "smart", "snug", "sober",
  "solid", "spry", "steady", "sunny", "swift", "tidy", "tranquil", "true", "vivid", "warm", "wise",
  "witty"
)

animals <- c(
  "adder", "alpaca", "badger", "beaver", "bison", "bittern", "camel", "caribou", "chamois",
  "cormorant", "cricket", "curlew", "dolphin", "dormouse", "dunlin", "egret", "elk", "ermine",
  "falcon", "ferret", "finch", "gannet", "gecko", "gibbon", "grebe", "hare", "heron", "hoopoe",
  "ibex", "ibis", "jackdaw", "jerboa", "kestrel", "kite", "lapwing", "lark", "lemur", "linnet",
  "lynx", "magpie", "marmot", "marten", "mole", "newt", "nuthatch", "okapi", "oriole", "osprey",
  "otter", "owl", "petrel", "pipit", "plover", "puffin", "quail", "raven", "robin", "salmon",
  "shrew", "siskin", "stoat", "swift", "tapir", "teal", "tern", "vole", "walrus", "weasel",
  "wren", "yak"
)
