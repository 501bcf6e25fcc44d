# What str(), format() and print() of an object show, and what a file of it contains.
shown <- function(x) {
  file <- withr::local_tempfile()
  saveRDS(x, file, compress = FALSE)
  bytes <- readBin(file, "raw", file.size(file))
  bytes[bytes == 0] <- as.raw(1)
  listed <- if (is.environment(x)) utils::capture.output(print(utils::ls.str(x, all.names = TRUE)))
  c(
    utils::capture.output(print(x)), utils::capture.output(utils::str(x)),
    tryCatch(format(x), error = function(e) ""), listed, rawToChar(bytes)
  )
}

test_that("no object shows or saves a password", {
  server <- rrq_server()
  withr::defer(server$stop())
  password <- sub(".*pass=", "", server$url)
  password <- sub(".*:(.*)@.*", "\\1", password)
  r <- rrq_controller("jobs", server$url)
  withr::local_envvar(RRQ_URL = server$url)
  worker <- rrq_worker$new("jobs")
  objects <- list(
    server = server, con = rrq_redis(server$tcp_url), controller = r, store = r$store,
    worker = worker,
    heartbeat = rrq_heartbeat$new("jobs:beat", 10, start = FALSE, config = server$url),
    watch = rrq_watch(controller = r)
  )
  for (name in names(objects)) {
    text <- shown(objects[[name]])
    expect_false(any(grepl(password, text, fixed = TRUE, useBytes = TRUE)), info = name)
  }
  expect_match(r$con$config()$url, password, fixed = TRUE)
  expect_match(server$url, password, fixed = TRUE)
  expect_match(server[["url"]], password, fixed = TRUE)
  worker$shutdown()
  rrq_destroy(controller = r)
})

test_that("a saved controller finds its password in the environment, or says that it lacks it", {
  skip_if_not_installed("callr")
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  r <- local_queue()
  url <- server_url(r)
  file <- withr::local_tempfile()
  saveRDS(r, file)
  code <- function(file) {
    r <- readRDS(file)
    tryCatch(rrq::rrq_queue_length(controller = r), error = function(e) class(e)[[1]])
  }
  run <- function(url) {
    callr::r(code, list(file), env = c(RRQ_URL = url, R_LIBS = libraries))
  }
  expect_equal(run(url), 0)
  expect_equal(run(""), "rrq_error_authentication")
})

test_that("errors of calls with a literal URL do not show its password", {
  errors <- list(
    rlang::catch_cnd(rrq_controller("jobs", "redis://:sesame@127.0.0.1:1")),
    rlang::catch_cnd(rrq_redis("redis://ann:sesame@127.0.0.1:1/2")),
    rlang::catch_cnd(rrq_redis("redis+unix:///no/such/socket?pass=sesame")),
    rlang::catch_cnd(rrq_redis("redis://:sesame")),
    rlang::catch_cnd(rrq_redis("redis://:ses?ame@127.0.0.1:x")),
    rlang::catch_cnd(rrq_redis("redis//:sesame@127.0.0.1"))
  )
  for (error in errors) {
    expect_s3_class(error, "rrq_error")
    text <- c(
      conditionMessage(error), deparse(conditionCall(error)), utils::capture.output(print(error)),
      utils::capture.output(print(error$trace)), unlist(lapply(error$trace$call, deparse))
    )
    expect_false(any(grepl("sesame|ses[?]ame", text)))
  }
})

test_that("a URL without a password stays as it is", {
  expect_equal(mask_url("redis://127.0.0.1:6379/1"), "redis://127.0.0.1:6379/1")
  expect_equal(full_url("redis://127.0.0.1:6379/1"), "redis://127.0.0.1:6379/1")
  expect_equal(mask_url("redis://ann:pw@h"), "redis://ann:***@h")
  expect_equal(full_url("redis://ann:***@h"), "redis://ann:pw@h")
})
