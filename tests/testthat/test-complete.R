test_that("completion of a controller offers what users may use", {
  r <- local_queue()
  expect_equal(utils::.DollarNames(r, ""), c("con", "keys", "queue_id", "store"))
  expect_equal(utils::.DollarNames(r, "^q"), "queue_id")
  for (name in utils::.DollarNames(r, "")) expect_false(is.null(r[[name]]))
})

test_that("completion of a connection offers its methods and the commands of the server", {
  r <- local_queue()
  found <- utils::.DollarNames(r$con, "")
  expect_true(all(c("command", "pipeline", "config", "version", "GET", "HGETALL") %in% found))
  expect_match(found, "^([a-z]+|[A-Z]+(_[A-Z]+)?)$")
  expect_true(all(startsWith(utils::.DollarNames(r$con, "^ZR"), "ZR")))
  expect_false(anyDuplicated(found) > 0)
})

test_that("completion of a connection to a server that has gone is no error", {
  server <- rrq_server()
  con <- rrq_redis(server$url)
  server$stop()
  expect_equal(utils::.DollarNames(con, ""), c("command", "config", "pipeline", "version"))
})
