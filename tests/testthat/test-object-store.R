local_store <- function(..., env = parent.frame()) {
  store <- object_store$new(local_redis(env), "test:", ...)
  withr::defer(store$destroy(), env, priority = "first")
  store
}

test_that("values are stored by their content and kept by tags", {
  store <- local_store()
  hash <- store$set(mtcars, "a")
  expect_match(hash, "^[0-9a-f]{32}$")
  expect_equal(store$mset(list(mtcars, 1:3), c("a", "b"))[[1]], hash)
  expect_equal(store$tags(), c("a", "b"))
  expect_length(store$list(), 2)
  expect_equal(store$get(hash), mtcars)
  expect_equal(store$mget(rev(store$mset(list(1, "x"), "c"))), list("x", 1))
  store$drop("a")
  expect_equal(store$get(hash), mtcars)
  store$drop(c("b", "c"))
  expect_equal(store$list(), character())
  expect_error(store$get(hash), hash, class = "rrq_error_object_missing")
})

test_that("values that are serialised already are stored as they are", {
  store <- local_store()
  hash <- store$set(serialize("x", NULL, xdr = FALSE), "a", serialize = FALSE)
  expect_equal(store$set("x", "a"), hash)
  expect_equal(store$get(hash), "x")
  expect_error(store$set("x", "a", serialize = FALSE), "`value`", class = "rrq_error_argument")
})

test_that("large values go to the directory, or are refused", {
  path <- withr::local_tempfile()
  offload <- object_store_offload_disk$new(path)
  store <- local_store(max_size = 1000, offload = offload)
  hashes <- store$mset(list(1:10, runif(1000)), "a")
  expect_equal(store$location(hashes), c("redis", "offload"))
  expect_length(list.files(path, recursive = TRUE), 1)
  expect_length(store$get(hashes[[2]]), 1000)
  absent <- strrep("0", 32)
  expect_error(store$location(absent), absent, class = "rrq_error_object_missing")
  expect_equal(store$location(absent, error = FALSE), NA_character_)
  store$drop("a")
  expect_length(list.files(path, recursive = TRUE), 0)
  refusing <- local_store(max_size = 1000)
  expect_error(refusing$set(runif(1000), "a"), "8031", class = "rrq_error_object_large")
  expect_equal(refusing$list(), character())
})

test_that("the store of a queue is deleted with it", {
  r <- local_queue()
  hash <- r$store$set(1:3, "a")
  expect_equal(r$store$get(hash), 1:3)
  expect_error(r$store$destroy(), "rrq_destroy", class = "rrq_error_argument")
  con <- r$con
  rrq_destroy(controller = r)
  expect_length(con$KEYS(paste0("*", r$queue_id, "*o*")), 0)
})

test_that("a store that was saved can be used", {
  store <- local_store()
  hash <- store$set("x", "a")
  path <- withr::local_tempfile()
  saveRDS(store, path)
  expect_equal(readRDS(path)$get(hash), "x")
})

test_that("arguments are checked", {
  con <- local_redis()
  expect_error(object_store$new(con, ""), "`prefix`", class = "rrq_error_argument")
  expect_error(object_store$new(con, "a:", offload = 1), "`offload`", class = "rrq_error_argument")
  store <- local_store()
  for (tag in list(NULL, 1, NA_character_, "", character())) {
    expect_error(store$set(1, tag), "`tag`", class = "rrq_error_argument")
    expect_error(store$drop(tag), "`tag`", class = "rrq_error_argument")
  }
  for (tag in list("caf\xe9", `Encoding<-`("caf\xe9", "latin1"))) {
    expect_error(store$set(1, tag), "UTF-8", class = "rrq_error_argument")
  }
  expect_error(store$get(1), "`hash`", class = "rrq_error_argument")
  expect_error(store$mset(sum, "a"), "`value`", class = "rrq_error_argument")
  expect_equal(store$list(), character())
})

test_that("stores and directories print in one line", {
  expect_output(print(local_store()), "^<object_store> test:$")
  path <- withr::local_tempfile()
  expect_output(print(object_store_offload_disk$new(path)), "^<object_store_offload_disk> /")
  expect_output(print(local_queue()$store), "^<object_store> of queue test-")
})

test_that("errors of the store name the method, its arguments and the next step", {
  url <- test_server()$url
  expect_error(object_store$new(url), "`prefix` is missing", class = "rrq_error_argument")
  error <- expect_error(object_store_offload_disk$new(), class = "rrq_error_argument")
  expect_match(deparse(error$call), "object_store_offload_disk$new", fixed = TRUE)
  error <- expect_error(object_store_offload_disk$new(3), class = "rrq_error_argument")
  expect_match(deparse(error$call), "object_store_offload_disk$new", fixed = TRUE)
  store <- object_store$new(url, "small:", max_size = 100)
  withr::defer(store$destroy())
  expect_error(store$set(1), "`tag` is missing", class = "rrq_error_argument")
  error <- expect_error(store$set(runif(100), "a"), class = "rrq_error_object_large")
  expect_match(conditionMessage(error), "larger than `max_size`, 100 bytes.*larger `max_size`")
  expect_no_match(conditionMessage(error), "offload_path")
})

test_that("a task that is too large for the queue's store is refused with its largest parts", {
  id <- paste0("small-", Sys.getpid())
  rrq_configure(id, test_server()$url, store_max_size = 1000)
  r <- rrq_controller(id, test_server()$url)
  withr::defer(rrq_destroy(controller = r))
  large <- runif(1000)
  text <- function(call) conditionMessage(tryCatch(call, rrq_error_object_large = identity))
  expect_match(text(rrq_task_create_expr(sum(large), controller = r)), "The largest: `large` \\(8")
  expect_match(text(rrq_task_create_call(sum, list(1, large), controller = r)), "argument 2 \\(8")
  expect_match(text(rrq_lapply(list(large, 1), sum, controller = r)), "element 1 \\(8")
  expect_match(text(rrq_lapply(1:2, function(i) large[i], controller = r)), "see `rrq_configure")
  expect_length(rrq_task_list(controller = r), 0)
})
