test_that("a status reply prints as a status", {
  con <- rrq_redis(test_server()$url)
  expect_output(print(con$PING()), "[Redis: PONG]", fixed = TRUE)
  expect_s3_class(con$PING(), "redis_status")
  expect_equal(as.character(con$PING()), "PONG")
})

test_that("replies become R values", {
  con <- local_redis()
  expect_null(con$GET("nothing"))
  expect_identical(con$INCR("n"), 1L)
  expect_identical(con$GET("n"), "1")
  expect_identical(con$RPUSH("l", "a"), 1L)
  expect_identical(con$LRANGE("l", 0, -1), list("a"))
  expect_identical(con$LRANGE("nothing", 0, -1), list())
  expect_identical(con$EXISTS("n"), 1L)
})

test_that("an integer too large for R's is a double", {
  con <- local_redis()
  expect_identical(con$INCRBY("n", 2^31), 2^31)
  expect_identical(con$INCRBY("n", -2^32), -2^31)
})

test_that("binary values round-trip", {
  con <- local_redis()
  bytes <- serialize(mtcars, NULL)
  con$SET("k", bytes)
  expect_identical(unserialize(con$GET("k")), mtcars)
  con$SET("k", as.raw(c(97, 0, 98)))
  expect_identical(con$GET("k"), as.raw(c(97, 0, 98)))
  con$SET("k", raw())
  expect_identical(con$GET("k"), "")
})

test_that("text is sent as UTF-8", {
  con <- local_redis()
  con$SET("k", iconv("\u00e9t\u00e9", "UTF-8", "latin1"))
  expect_identical(con$GET("k"), "\u00e9t\u00e9")
  expect_equal(con$STRLEN("k"), 5)
})

test_that("numbers are sent in full, without exponents", {
  con <- local_redis()
  sent <- function(x) con$ECHO(x)
  expect_equal(sent(1e5), "100000")
  expect_equal(sent(1e15), "1000000000000000")
  expect_equal(sent(100000L), "100000")
  expect_equal(sent(0.1 + 0.2), "0.30000000000000004")
  expect_equal(as.numeric(sent(pi)), pi)
  expect_equal(sent(TRUE), "1")
  expect_equal(sent(-5), "-5")
})

test_that("a vector counts as several arguments", {
  con <- local_redis()
  con$MSET(c("a", "1", "b", "2"))
  expect_equal(con$MGET(c("a", "b", "c")), list("1", "2", NULL))
  expect_equal(con$DEL(c("a", "b")), 2)
  con$RPUSH("l", 1:3)
  expect_equal(con$LRANGE("l", 0, -1), list("1", "2", "3"))
})

test_that("any command can be given as a list", {
  con <- local_redis()
  expect_equal(con$command(list("HSET", "h", "f", 1)), 1)
  expect_equal(con$command(c("HGET", "h", "f")), "1")
})

test_that("two-word commands are written with an underscore", {
  con <- local_redis()
  expect_match(con$CLIENT_LIST(), "addr=")
  expect_equal(con$CONFIG_GET("databases"), list("databases", "16"))
})

test_that("a pipeline returns a list of replies, including errors", {
  con <- local_redis()
  replies <- con$pipeline(list("SET", "k", "a"), list("INCR", "k"), list("GET", "k"))
  expect_length(replies, 3)
  expect_s3_class(replies[[1]], "redis_status")
  expect_s3_class(replies[[2]], "redis_error")
  expect_equal(replies[[3]], "a")
})

test_that("an empty pipeline has no replies", {
  expect_equal(local_redis()$pipeline(), list())
})

test_that("a command that the server rejects is an error", {
  con <- local_redis()
  expect_error(con$NOSUCHCOMMAND(), "NOSUCHCOMMAND", class = "rrq_error_redis")
  con$SET("k", "a")
  expect_error(con$HGET("k", "f"), "WRONGTYPE", class = "rrq_error_redis")
  expect_equal(con$GET("k"), "a")
})

test_that("parts that cannot be sent are errors", {
  con <- local_redis()
  for (part in list(NA_character_, NA, c(1, NA), sum, list(list(1)))) {
    expect_error(con$SET("k", part), class = "rrq_error_argument")
  }
  expect_error(con$command(list()), class = "rrq_error_argument")
})

test_that("a name that is not a command is not a method", {
  con <- local_redis()
  expect_null(con$nothing)
  expect_type(con$GET, "closure")
})

test_that("the configuration gives the server's address", {
  config <- rrq_redis(test_server()$tcp_url)$config()
  expect_equal(config$host, "127.0.0.1")
  expect_equal(config$port, test_server()$port)
  expect_equal(config$db, 0)
  expect_equal(config$url, test_server()$tcp_url)
  expect_null(config$path)
  expect_equal(rrq_redis(test_server()$url)$config()$path, test_server()$socket)
})

test_that("the server version can be compared", {
  expect_s3_class(rrq_redis(test_server()$url)$version(), "numeric_version")
  expect_true(rrq_redis(test_server()$url)$version() >= "6.2")
})

test_that("a connection prints as one line", {
  con <- rrq_redis(test_server()$tcp_url)
  expect_output(print(con), sprintf("<rrq_redis> 127.0.0.1:%d", test_server()$port), fixed = TRUE)
})

test_that("environment variables give the default server", {
  withr::local_envvar(RRQ_URL = test_server()$url)
  expect_equal(rrq_redis()$config()$path, test_server()$socket)
})

test_that("addresses are checked", {
  expect_error(rrq_redis(1), "`url`", class = "rrq_error_argument")
  expect_error(rrq_redis(NA_character_), "`url`", class = "rrq_error_argument")
  expect_error(rrq_redis("mysql://x"), "mysql", class = "rrq_error_url")
  expect_error(rrq_redis("redis://127.0.0.1:1"), "127.0.0.1:1", class = "rrq_error_connection")
})

test_that("a command to a server that has stopped is an error", {
  server <- rrq_server()
  con <- rrq_redis(server$url)
  server$stop()
  expect_error(con$PING(), class = "rrq_error_connection")
})

test_that("an invalid URL is an error of the called function", {
  error <- expect_error(rrq_redis("nonsense"), class = "rrq_error_url")
  expect_equal(as.character(conditionCall(error)[[1]]), "rrq_redis")
})

# The server keeps everybody waiting for `seconds`; meanwhile a child of this session ends.
disturb <- function(con, seconds) {
  testthat::skip_on_os("windows")
  con$CLIENT_PAUSE(1000 * seconds)
  processx::process$new("sleep", as.character(seconds / 3))
}

test_that("a child that ends while a command waits for its reply does no harm", {
  con <- local_redis()
  con$SET("n", 0)
  child <- disturb(con, 0.6)
  expect_equal(con$INCR("n"), 1)
  expect_false(child$is_alive())
  expect_equal(con$GET("n"), "1")
  child <- disturb(con, 0.6)
  expect_equal(con$pipeline(list("INCR", "n"), list("GET", "n")), list(2L, "2"))
  expect_false(child$is_alive())
})

test_that("a child that ends while a connection is opened does no harm", {
  con <- local_redis()
  for (url in list(test_server()$url, test_server()$tcp_url)) {
    child <- disturb(con, 0.6)
    expect_s3_class(rrq_redis(url), "rrq_redis")
    expect_false(child$is_alive())
  }
})

test_that("a server that has gone is an error, whatever its socket is", {
  for (i in 1:3) {
    server <- rrq_server()
    connections <- lapply(c(server$url, server$tcp_url), rrq_redis)
    r <- rrq_controller("jobs", server$url)
    tools::pskill(server$pid, tools::SIGKILL)
    wait_until(!server$is_alive())
    for (con in connections) {
      expect_error(con$PING(), class = "rrq_error_connection")
      expect_error(con$pipeline(list("PING")), class = "rrq_error_connection")
    }
    expect_error(rrq_task_list(controller = r), class = "rrq_error_connection")
    server$stop()
  }
})
