#' rrq: task queues for R on Redis
#'
#' rrq runs R code in other R processes. A session puts *tasks* into a *queue*, which a Redis or
#' Valkey server keeps; *workers*, on this machine or others, run them and store the results, and
#' any session that can reach the server fetches them by id. [rrq_start()] begins with one call, and
#' `vignette("rrq")` is an introduction.
#'
#' @section Functions by task:
#'
#' * Begin and end: [rrq_start()], [rrq_stop()]
#' * Queues and servers: [rrq_controller()], [rrq_default_controller_set()],
#'   [rrq_default_controller_clear()], [rrq_configure()], [rrq_server()], [rrq_redis()],
#'   [rrq_acl()], [rrq_destroy()]
#' * Run a call or an expression and wait for its value: [rrq_call()], [rrq_eval()]
#' * Apply a function to many elements: [rrq_lapply()], [rrq_mapply()]
#' * The same as in purrr: [rrq_map()], [rrq_map_lgl()], [rrq_map_int()], [rrq_map_dbl()],
#'   [rrq_map_chr()], [rrq_map_dfr()], [rrq_map2()], [rrq_map2_lgl()], [rrq_map2_int()],
#'   [rrq_map2_dbl()], [rrq_map2_chr()], [rrq_map2_dfr()], [rrq_pmap()], [rrq_pmap_lgl()],
#'   [rrq_pmap_int()], [rrq_pmap_dbl()], [rrq_pmap_chr()], [rrq_pmap_dfr()]
#' * Create tasks: [rrq_task_create_expr()], [rrq_task_create_call()],
#'   [rrq_task_create_bulk_expr()], [rrq_task_create_bulk_call()]; with [rrq_task_options()],
#'   [rrq_retry()]
#' * Wait, and fetch results: [rrq_task_wait()], [rrq_task_wait_any()], [rrq_task_result()],
#'   [rrq_task_results()], [rrq_task_collect()], [rrq_task_iterator()], [rrq_task_take()]
#' * Go on when tasks end, in an event loop: [rrq_promise()], [rrq_async()], [rrq_watch()]
#' * Other packages on rrq: [rrq_future()] for future, [registerDoRrq()] for foreach,
#'   [rrq_cluster()] for parallel, [rrq_crew_controller()] for targets and crew; `RrqParam()` of the
#'   companion package rrqBioc for BiocParallel
#' * Query tasks: [rrq_task_status()], [rrq_task_overview()], [rrq_task_table()],
#'   [rrq_task_graph()],
#'   [rrq_task_list()], [rrq_task_exists()], [rrq_task_info()], [rrq_task_data()],
#'   [rrq_task_times()], [rrq_deferred_list()]
#' * Output and progress: [rrq_task_log()], [rrq_task_progress()], [rrq_task_progress_update()],
#'   [rrq_task_emit()], [rrq_task_events()]
#' * Retry, cancel and delete: [rrq_task_retry()], [rrq_task_cancel()], [rrq_task_delete()]
#' * Named queues: [rrq_queue_length()], [rrq_queue_list()], [rrq_queue_remove()],
#'   [rrq_queue_pause()], [rrq_queue_resume()], [rrq_task_position()], [rrq_task_preceeding()]
#' * Start and stop workers: [rrq_worker_spawn()], [rrq_worker_script()], [rrq_worker],
#'   [rrq_worker_wait()], [rrq_worker_stop()]
#' * What workers need: [rrq_envir()], [rrq_worker_envir_set()], [rrq_worker_envir_refresh()],
#'   [rrq_worker_config()], [rrq_worker_config_save()], [rrq_worker_config_read()],
#'   [rrq_worker_config_list()]
#' * Query workers: [rrq_worker_list()], [rrq_worker_len()], [rrq_worker_exists()],
#'   [rrq_worker_list_exited()], [rrq_worker_status()], [rrq_worker_task_id()],
#'   [rrq_worker_info()], [rrq_worker_table()], [rrq_worker_load()], [rrq_worker_ping()],
#'   [rrq_worker_log_tail()], [rrq_worker_process_log()]
#' * Lost workers: [rrq_worker_detect_exited()], [rrq_worker_delete_exited()], [rrq_heartbeat],
#'   [rrq_heartbeat_kill()]
#' * Large values: [rrq_share()], [rrq_share_value()], [rrq_unshare()], [object_store],
#'   [object_store_offload_disk], and `store_max_size` of [rrq_configure()]
#' * Housekeeping: [rrq_memory()], [rrq_prune()], [rrq_doctor()], and `max_bytes` of
#'   [rrq_configure()]
#' * Messages and files: [rrq_message_send()], [rrq_message_send_and_wait()],
#'   [rrq_message_get_response()], [rrq_message_has_response()], [rrq_message_response_ids()],
#'   [rrq_files_pack()], [rrq_files_unpack()]
#'
#' @section Options:
#' Set these with [options()], for example in `~/.Rprofile`. Arguments of functions override them.
#'
#' * `rrq.embedded` (`TRUE`): whether [rrq_controller()] and [rrq_start()] start a private server if
#'   no server is configured and none listens at the default address.
#' * `rrq.progress` (not set): whether waits show a progress bar. If it is not set, they do in
#'   interactive sessions, except in knitr and on CI services.
#' * `rrq.warnings` (`TRUE`): whether the warnings of tasks are signalled again in the session, see
#'   [rrq_task_result()].
#' * `rrq.timeout_task_wait` (`Inf`): the time limit of waits in seconds, for new controllers.
#' * `rrq.timeout_loading` (600): how many seconds to wait for a server that is still reading its
#'   data, see [rrq_controller()].
#' * `rrq.follow` (`TRUE`): whether queries for a retried task return its newest retry, for new
#'   controllers.
#' * `rrq.nonportable` (`"error"`): what happens if a task or a result contains a connection or an
#'   external pointer: `"error"`, `"warn"` or `"ignore"`. For results, the worker's option applies.
#' * `rrq.globals_max_size` (`500e6`): the largest total size, in bytes, of the global variables
#'   sent with a function.
#' * `rrq.max_task_size` (`64e6`): the largest size of a task in bytes, without what is stored once
#'   for all tasks that use it. A larger one is an error, see [rrq_task_create_expr()].
#' * `rrq.files_max_size` (`2^31`): the largest total size, in bytes, of the files in
#'   [rrq_files_pack()].
#'
#' @section Environment variables:
#' * `RRQ_URL`, `REDIS_URL`, `REDUX_URL`: the URL of the server, see [rrq_redis()]. The first one
#'   that is set is used.
#' * `REDIS_HOST` (`127.0.0.1`), `REDIS_PORT` (`6379`): the server's address if no URL is set.
#' * `RRQ_TLS_CA`, `RRQ_TLS_CERT`, `RRQ_TLS_KEY` (not set): files for TLS, see [rrq_redis()].
#' * `RRQ_REDIS_SERVER` (not set): the program of private servers. By default it is `redis-server`,
#'   or else `valkey-server`, on the `PATH`.
#' * `RRQ_OFFLOAD_PATH` (not set): the directory for large values on this machine, if it is another
#'   one than that given to [rrq_configure()]; for sessions and workers.
#' * `RRQ_NO_FORK` (not set): if it is set for a worker, to any text, tasks in separate processes
#'   get a new R process instead of a fork.
#' * `CI` (not set): if it is `true` or `1`, waits show no progress bar by default.
#'
#' Tasks in separate processes find their id in `RRQ_TASK_ID` and the worker's name in
#' `RRQ_WORKER_ID`. Other variables that begin with `RRQ_` are internal.
#'
#' @section Other packages:
#' Nothing of this is needed, and none of it costs anything unless the other package is loaded.
#'
#' * promises: [rrq_promise()] and [rrq_async()], for Shiny and plumber, see `vignette("web")`.
#' * progressr: what tasks signal as progress is signalled in the session that waits for them, see
#'   [rrq_task_wait()].
#' * logger: what a task logs is in its log, see [rrq_task_log()].
#' * otel: while a tracer is enabled in this session, queueing tasks is a span, `rrq submit`, and
#'   each task runs in a span, `rrq task`, that is a child of it, if the worker has otel, too. Load
#'   otel first.
#'
#' @section Errors:
#' Each error of the package has the class `rrq_error` and a class of its own, such as
#' `rrq_error_timeout`, listed on the pages of the functions. A task that fails is not an error of
#' the package: its result is an object of class `rrq_task_error`.
#'
#' @seealso `vignette(package = "rrq")` lists the vignettes. `vignette("questions")` answers common
#'   questions; `vignette("coming-from")` compares rrq with parallel, future, mirai and crew, and
#'   `vignette("ecosystem")` runs code for these and other packages on it.
#' @examplesIf rrq:::can_run_examples()
#' rrq_start(2)
#'
#' # As lapply(), on two workers
#' unlist(rrq_lapply(1:4, function(x) x^2))
#'
#' # One task; the session stays free until it fetches the result
#' id <- rrq_task_create_expr(mean(mtcars$mpg))
#' rrq_task_wait(id)
#' rrq_task_result(id)
#'
#' # A task that fails returns its error
#' id <- rrq_task_create_call(function(x) stop("no such model: ", x), list("cubic"))
#' rrq_task_wait(id) rrq_task_result(id)
#'
#' rrq_stop()
#' @importFrom methods new
#' @importFrom R6 R6Class
"_PACKAGE"

# The only mutable environment of the package.
the <- new.env(parent = emptyenv())
the$controller <- NULL
the$started <- NULL
the$server <- NULL
the$servers <- list()
the$workers <- list()
the$transfers <- NULL
the$supervised <- -Inf
the$unknown_queues <- character()
the$known_servers <- character()
the$insecure <- character()
the$urls <- list()
the$watches <- list()
the$n_watches <- 0
the$otel <- NULL
the$future_pools <- list()
the$task <- NULL
the$is_worker_process <- FALSE
the$worker <- NULL
the$code <- NULL
the$sent <- NULL
the$last_sent <- NULL
# The code of functions that packages make, see name_at_home().
the$homeless <- NULL
the$functions <- new.env(parent = emptyenv())
