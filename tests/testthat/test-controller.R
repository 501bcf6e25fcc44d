test_that("attaching creates the queue", {
  r <- local_queue()
  expect_s3_class(r, "rrq_controller")
  expect_s3_class(r$con, "rrq_redis")
  expect_equal(r$keys$prefix, sprintf("{%s}:", r$queue_id))
  expect_equal(rrq_worker_config_list(r), "localhost")
  expect_equal(rrq_queue_length(controller = r), 0)
})

test_that("attaching again is to the same queue", {
  r <- local_queue()
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  rrq_worker_config_save("localhost", rrq_worker_config(timeout_idle = 5), controller = r)
  again <- rrq_controller(r$queue_id, r$con)
  expect_equal(rrq_task_list(controller = again), id)
  expect_equal(rrq_worker_config_read("localhost", controller = again)$timeout_idle, 5)
})

test_that("queues of different names are apart", {
  a <- local_queue()
  b <- local_queue()
  rrq_task_create_expr(sqrt(4), controller = a)
  expect_equal(rrq_task_list(controller = b), character())
})

test_that("a controller prints as one line", {
  r <- local_queue()
  withr::local_options(width = 200)
  hide <- function(lines) {
    lines <- gsub(r$con$config()$address, "<address>", lines, fixed = TRUE)
    gsub(r$queue_id, "<queue>", lines, fixed = TRUE)
  }
  expect_snapshot(print(r), transform = hide)
  rrq_task_create_bulk_call(sqrt, list(4, "a"), controller = r)
  run_worker(local_worker(r))
  rrq_task_create_expr(sqrt(4), controller = r)
  expect_snapshot(print(r), transform = hide)
})

test_that("a controller with long names prints within the width, and a destroyed queue says so", {
  local_plain()
  server <- test_server()
  r <- rrq_controller(strrep("long-", 60), server$url)
  long <- strrep("q", 150)
  rrq_task_create_expr(sqrt(1), queue = long, controller = r)
  expect_lte(max(nchar(printed(r))), 80)
  expect_match(printed(r)[[1]], "1 PENDING; 0 workers$")
  rrq_destroy(controller = r)
  expect_match(printed(r), ": destroyed$")
  expect_lte(max(nchar(printed(r))), 80)
})

test_that("a private server that has ended is an error at once", {
  dir <- withr::local_tempdir()
  server <- rrq_server(dir)
  withr::defer(server$stop())
  r <- rrq_controller("kept", server)
  id <- rrq_task_create_expr(sqrt(1), controller = r)
  tools::pskill(server$pid, tools::SIGKILL)
  # Gone, and no zombie any longer.
  wait_until(!tools::pskill(server$pid, 0L))
  withr::local_options(rrq.retry_timeout = 3600)
  expect_error(rrq_task_list(controller = r), "has ended", class = "rrq_error_connection")
  expect_match(printed(r)[[1]], "not available")
})

test_that("printing a controller does not show the password", {
  server <- test_server()
  r <- rrq_controller("printed", server$tcp_url)
  withr::defer(rrq_destroy(controller = r))
  password <- r$con$config()$password
  expect_gt(nchar(password), 10)
  expect_no_match(utils::capture.output(print(r), print(r$con)), password, fixed = TRUE)
})

test_that("the default controller is set and cleared, the previous one returned", {
  withr::defer(rrq_default_controller_clear())
  a <- local_queue()
  b <- local_queue()
  expect_equal(withVisible(rrq_default_controller_set(a)), list(value = NULL, visible = FALSE))
  expect_identical(rrq_default_controller_set(b), a)
  expect_identical(rrq_default_controller_set(NULL), b)
  expect_null(rrq_default_controller_set(a))
  expect_identical(rrq_default_controller_clear(), a)
  expect_null(rrq_default_controller_clear())
})

test_that("the default controller is used where none is given", {
  withr::defer(rrq_default_controller_clear())
  r <- local_queue()
  rrq_default_controller_set(r)
  id <- rrq_task_create_expr(sqrt(4))
  expect_equal(rrq_task_list(controller = r), id)
  expect_equal(rrq_queue_length(), 1)
})

test_that("without a default controller the error says how to set one", {
  rrq_default_controller_clear()
  for (ask in list(rrq_task_list, rrq_queue_length, rrq_worker_list, rrq_destroy)) {
    err <- expect_error(ask(), class = "rrq_error_no_controller")
    expect_match(conditionMessage(err), "rrq_default_controller_set()", fixed = TRUE)
  }
  err <- expect_error(rrq_task_wait("a"), class = "rrq_error_no_controller")
  expect_equal(err$call[[1]], quote(rrq_task_wait))
})

test_that("what is not a controller is an error", {
  expect_error(rrq_task_list(controller = "a"), "`controller`", class = "rrq_error_argument")
  expect_error(rrq_default_controller_set(1), "`controller`", class = "rrq_error_argument")
})

test_that("a bad queue id is an error before anything is sent", {
  con <- rrq_redis(test_server()$url)
  before <- con$DBSIZE()
  for (id in list("{a}", "a b", "", NA_character_, 1, NULL, c("a", "b"))) {
    expect_error(rrq_controller(id, con), "`queue_id`", class = "rrq_error_argument")
  }
  expect_equal(con$DBSIZE(), before)
})

test_that("the other arguments are checked", {
  url <- test_server()$url
  expect_error(rrq_controller("a", 1), "`con`", class = "rrq_error_argument")
  expect_error(rrq_controller("a", url, "soon"), class = "rrq_error_argument")
  expect_error(rrq_controller("a", url, follow = NA), class = "rrq_error_argument")
  expect_error(rrq_controller("a", url, check_version = 1), class = "rrq_error_argument")
  expect_error(rrq_controller("a", url, offload_path = "absent"), class = "rrq_error_argument")
  expect_error(rrq_controller("a", url, offload_threshold_size = -1), class = "rrq_error_argument")
})

test_that("a wrong password is an error that names the server and keeps the password", {
  url <- sprintf("redis://:sesame@127.0.0.1:%d", test_server()$port)
  err <- expect_error(rrq_controller("a", url), class = "rrq_error_authentication")
  expect_match(conditionMessage(err), sprintf("127.0.0.1:%d", test_server()$port), fixed = TRUE)
  expect_no_match(conditionMessage(err), "sesame")
  expect_equal(err$call[[1]], quote(rrq_controller))
})

test_that("no password where one is needed is an error of the same class", {
  url <- sprintf("redis://127.0.0.1:%d", test_server()$port)
  expect_error(rrq_controller("a", url), class = "rrq_error_authentication")
})

test_that("a server that cannot be reached is an error that names it", {
  err <- expect_error(rrq_controller("a", "redis://127.0.0.1:1"), class = "rrq_error_connection")
  expect_match(conditionMessage(err), "127.0.0.1:1:", fixed = TRUE)
  expect_match(conditionMessage(err), "the server is running", fixed = TRUE)
  expect_error(
    rrq_controller("a", "redis+unix:///nowhere/redis.sock"),
    "/nowhere/redis.sock", fixed = TRUE, class = "rrq_error_connection"
  )
})

test_that("a server that takes no writes cannot hold a queue, but can be inspected", {
  server <- rrq_server()
  withr::defer(server$stop())
  rrq_redis(server$url)$REPLICAOF("127.0.0.1", 1)
  err <- expect_error(rrq_controller("a", server$url), class = "rrq_error_server_unsuitable")
  expect_match(conditionMessage(err), "connect to its primary, 127.0.0.1:1", fixed = TRUE)
  expect_equal(err$ids, rrq_redis(server$url)$config()$address)
  expect_match(rrq_redis(server$url)$INFO("replication"), "role:slave")
})

test_that("what is not a URL is an error", {
  err <- expect_error(rrq_controller("a", "not a url"), class = "rrq_error_url")
  expect_match(conditionMessage(err), "not a url", fixed = TRUE)
  expect_error(rrq_controller("a", ""), class = "rrq_error_argument")
})

test_that("data laid out by another version are an error that names both", {
  r <- local_queue()
  layout <- r$con$HGET(paste0(r$keys$prefix, "cfg"), "layout")
  r$con$HSET(paste0(r$keys$prefix, "cfg"), "layout", "0")
  err <- expect_error(rrq_controller(r$queue_id, r$con), class = "rrq_error_layout")
  expect_match(conditionMessage(err), "layout 0", fixed = TRUE)
  expect_match(conditionMessage(err), paste("layout", layout), fixed = TRUE)
  expect_equal(err$ids, r$queue_id)
})

test_that("a controller that was saved and read back works again", {
  r <- local_queue(timeout_task_wait = 12)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  path <- withr::local_tempfile()
  saveRDS(r, path)
  back <- readRDS(path)
  expect_equal(rrq_task_list(controller = back), id)
  expect_output(print(back), r$queue_id, fixed = TRUE)
  expect_output(print(back$con$PING()), "PONG")
  expect_equal(back$settings$timeout_task_wait, 12)
})

test_that("the connection of a controller that was read back works at once", {
  r <- local_queue()
  back <- unserialize(serialize(r, NULL))
  expect_output(print(back$con$PING()), "PONG")
  con <- unserialize(serialize(rrq_redis(r$url), NULL))
  expect_output(print(con$PING()), "PONG")
})

test_that("a controller keeps nothing of where it was made", {
  make <- function() {
    big <- seq(0, 1, length.out = 1e6)
    rrq_controller("small", test_server()$url)
  }
  r <- make()
  withr::defer(rrq_destroy(controller = r))
  expect_lt(length(serialize(r, NULL)), 1e5)
})

test_that("the server may be given as a connection", {
  con <- rrq_redis(test_server()$tcp_url)
  r <- rrq_controller("from-con", con)
  withr::defer(rrq_destroy(controller = r))
  expect_equal(r$con$config(), con$config())
})

test_that("the server may be given as a redux connection", {
  config <- rrq_redis(test_server()$tcp_url)$config()
  settings <- c(config[c("host", "port", "password")], list(db = 3L, path = NULL))
  redux <- structure(list(config = function() settings), class = c("redis_api", "R6"))
  r <- rrq_controller("from-redux", redux)
  withr::defer(rrq_destroy(controller = r))
  expect_equal(r$con$config()$db, 3)
  expect_equal(rrq_queue_length(controller = r), 0)
})

test_that("a redux connection to a socket is one here, too", {
  config <- rrq_redis(test_server()$url)$config()
  settings <- list(path = config$path, password = config$password, db = 2L, host = "127.0.0.1")
  redux <- structure(list(config = function() settings), class = c("redis_api", "R6"))
  r <- rrq_controller("from-redux", redux)
  withr::defer(rrq_destroy(controller = r))
  expect_equal(r$con$config()[c("path", "db")], list(path = config$path, db = 2L))
})

test_that("environment variables are looked at in order", {
  local_unconfigured()
  expect_null(url_from_environment())
  withr::local_envvar(REDIS_PORT = "1234")
  expect_equal(url_from_environment(), "redis://127.0.0.1:1234")
  withr::local_envvar(REDIS_HOST = "host")
  expect_equal(url_from_environment(), "redis://host:1234")
  withr::local_envvar(REDUX_URL = "redis://c")
  expect_equal(url_from_environment(), "redis://c")
  withr::local_envvar(REDIS_URL = "redis://b")
  expect_equal(url_from_environment(), "redis://b")
  withr::local_envvar(RRQ_URL = "redis://a")
  expect_equal(url_from_environment(), "redis://a")
})

test_that("a configured server that is not there is an error, not a reason to start one", {
  local_unconfigured()
  withr::local_envvar(REDIS_HOST = "127.0.0.1", REDIS_PORT = "1")
  expect_error(rrq_controller("a"), "127.0.0.1:1:", class = "rrq_error_connection")
})

test_that("the last ten controllers are remembered", {
  r <- local_queue()
  for (i in 1:11) rrq_controller(r$queue_id, r$con)
  packed <- r$con$HGET(paste0(r$keys$prefix, "cfg"), "controllers")
  text <- if (is.raw(packed)) rawToChar(packed[packed != 0]) else packed
  Encoding(text) <- "bytes"
  found <- gregexpr(as.character(Sys.getpid()), text, fixed = TRUE, useBytes = TRUE)[[1]]
  expect_length(found, 10)
})

# A server of its own, whose settings a test may change.
local_own_server <- function(..., env = parent.frame()) {
  testthat::skip_if_not(can_run_examples(), "there is no redis-server")
  server <- rrq_server()
  withr::defer(server$stop(), env)
  settings <- list(...)
  con <- rrq_redis(server$url)
  for (name in names(settings)) con$CONFIG_SET(name, settings[[name]])
  server
}

test_that("a server that may delete data is warned of once", {
  server <- local_own_server(maxmemory = "100mb", "maxmemory-policy" = "allkeys-lru")
  attach <- function() rrq_controller("evicted", server$url)
  expect_warning(attach(), "maxmemory-policy.*allkeys-lru", class = "rrq_warning_eviction")
  expect_silent(attach())
})

test_that("a server that deletes nothing is not warned of", {
  server <- local_own_server("maxmemory-policy" = "allkeys-lru")
  expect_silent(rrq_controller("unlimited", server$url))
  server <- local_own_server(maxmemory = "100mb")
  expect_silent(rrq_controller("refusing", server$url))
})

test_that("a server that may delete data is warned of also if its settings cannot be read", {
  server <- local_own_server(maxmemory = "100mb", "maxmemory-policy" = "allkeys-lru")
  rrq_redis(server$url)$command(list("ACL", "SETUSER", "default", "-config"))
  expect_warning(rrq_controller("restricted", server$url), class = "rrq_warning_eviction")
})

test_that("a server that has no memory left refuses tasks, and nothing is queued", {
  server <- local_own_server()
  r <- rrq_controller("full", server$url)
  r$con$CONFIG_SET("maxmemory", "1")
  error <- expect_error(
    rrq_task_create_expr(sqrt(1), controller = r), "reached its `maxmemory`",
    class = "rrq_error_server_full"
  )
  expect_match(conditionMessage(error), "rrq_prune", fixed = TRUE)
  r$con$CONFIG_SET("maxmemory", "0")
  expect_length(rrq_task_list(controller = r), 0)
})
