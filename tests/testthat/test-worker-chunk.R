in_time <- function(chunk, f, seconds, kind = "lapply") {
  frame <- rlang::env(chunk = chunk, f = f)
  call <- switch(kind,
    lapply = quote(base::lapply(chunk, f)),
    mapply = quote(base::.mapply(f, chunk, NULL))
  )
  run_in_time(call, kind, seconds, frame)
}

test_that("all elements are run that fit into the time, in order", {
  expect_identical(in_time(1:1000, identity, 1000), as.list(1:1000))
  f <- function(x, y) if (x > 3) c(x, y)
  values <- in_time(list(1:9, letters[1:9]), f, 1000, "mapply")
  expect_identical(values, .mapply(f, list(1:9, letters[1:9]), NULL))
  expect_identical(in_time(list(NULL, 2), identity, 1000), list(NULL, 2))
})

test_that("when the time is over, the values so far are returned, at least one", {
  slow <- function(i) {
    Sys.sleep(0.01)
    i
  }
  expect_identical(in_time(1:5, slow, 1e-3), list(1L))
  values <- in_time(as.list(1:1000), slow, 0.05)
  expect_lt(length(values), 1000)
  expect_identical(values, as.list(seq_along(values)))
})

test_that("values of all types come back as they are", {
  r <- local_queue()
  local_spawned(r)
  x <- list(1:20, c(1.5, NA, NaN, -0), c("a", NA, "\u00e9"), c(TRUE, NA), as.raw(1:3), 1i)
  mixed <- list(1, 2L, NULL, "a", c(1, 2), list(3), c(a = 1), as.Date("2024-02-29"), quote(a))
  for (values in c(x, list(mixed))) {
    expect_identical(rrq_lapply(values, identity, controller = r), lapply(values, identity))
  }
  days <- function(i) as.Date("2024-02-28") + i
  expect_identical(rrq_lapply(1:3, days, controller = r), lapply(1:3, days))
  expect_identical(rrq_mapply(`+`, 1:20, 1, SIMPLIFY = FALSE, controller = r), as.list(1:20 + 1))
})

test_that("values that stay in the queue are lists", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 4) stop("four") else i
  expect_error(
    suppressMessages(rrq_lapply(1:4, f, chunk_size = 2, cancel = FALSE, controller = r)), "four"
  )
  ids <- rrq_task_list(controller = r)
  done <- ids[rrq_task_status(ids, controller = r) == "COMPLETE"]
  expect_equal(rrq_task_results(done, controller = r), list(list(1L, 2L)))
})

test_that("the trace of an element begins with the user's frames", {
  r <- local_queue()
  local_spawned(r)
  f <- function(i) if (i == 7) stop("seven")
  for (chunk_size in list(NULL, 8)) {
    err <- expect_error(rrq_lapply(1:8, f, chunk_size = chunk_size, controller = r), "element 7")
    expect_equal(err$trace$call[[1]][[1]], quote(base::lapply))
    expect_equal(err$trace$parent[[1]], 0L)
  }
})
