test_that("a task sees its data, global variables, packages and random numbers", {
  crew <- local_crew(1)
  crew$push(
    c(paste0("a", x, .crew_y), title(), sample.int(1e9, 1)),
    data = list(x = "b"), globals = list(.crew_y = "c", title = function() toTitleCase("word")),
    seed = 0L, algorithm = "L'Ecuyer-CMRG", packages = "tools", name = "first"
  )
  crew$push(exists(".crew_y"))
  expect_true(crew$wait())
  results <- crew$collect()
  withr::with_seed(0, expected <- sample.int(1e9, 1), .rng_kind = "L'Ecuyer-CMRG")
  expect_identical(results$result[[1]], c("abc", "Word", as.character(expected)))
  expect_identical(results$seed, c(0, NA))
  expect_identical(results$algorithm, c("L'Ecuyer-CMRG", NA))
  expect_identical(results$result[[2]], FALSE)
})

test_that("a command may be a constant, a symbol or a call in a variable", {
  crew <- local_crew(1)
  code <- quote(a + 1)
  crew$push(code, data = list(a = 1), substitute = FALSE)
  crew$push(a, data = list(a = quote(b + c)))
  crew$push("text")
  crew$wait()
  results <- crew$collect()
  expect_identical(results$result, list(2, quote(b + c), "text"))
  expect_identical(results$command, c("a + 1", "a", "\"text\""))
})

test_that("global variables are sent once, however many tasks use them", {
  r <- local_queue()
  local_spawned(r)
  crew <- local_crew(4, controller = r)
  globals <- list(big = runif(1e5), f = function(i) big[[i]], small = 1:3)
  environment(globals$f) <- globalenv()
  crew$push(f(1), globals = globals)
  before <- r$con$INFO("stats")
  stored <- r$store$list()
  for (i in 2:20) crew$push(f(i), data = list(i = i), globals = globals)
  received <- function(text) as.numeric(sub(".*total_net_input_bytes:([0-9]+).*", "\\1", text))
  expect_lt(received(r$con$INFO("stats")) - received(before), 8e5)
  expect_setequal(r$store$list(), stored)
  crew$wait()
  expect_setequal(unlist(crew$collect()$result), globals$big[1:20])
})

test_that("equal values of another list are stored once, and what nobody needs is dropped", {
  r <- local_queue()
  local_spawned(r)
  crew <- local_crew(4, controller = r)
  for (i in 1:3) crew$push(length(x), globals = list(x = as.numeric(1:3e4)))
  expect_length(r$store$list(), 1)
  crew$push(length(x), globals = list(x = as.numeric(1:4e4)))
  crew$wait()
  expect_identical(unlist(crew$collect()$result), c(30000L, 30000L, 30000L, 40000L))
  wait_until(length(r$store$list()) == 1)
})

test_that("a global variable with a state is sent as it is at the time", {
  crew <- local_crew(1)
  counter <- new.env()
  for (i in 1:3) {
    counter$n <- i
    crew$push(counter$n <- counter$n * 10, globals = list(counter = counter))
  }
  crew$wait()
  expect_identical(unlist(crew$collect()$result), c(10, 20, 30))
})

test_that("large data and environments travel with their task and go with it", {
  r <- local_queue()
  local_spawned(r)
  crew <- local_crew(4, controller = r)
  space <- list2env(list(x = runif(1e5)))
  crew$push(sum(space$x) + sum(y), data = list(y = runif(1e5), space = space))
  crew$wait()
  expect_identical(crew$pop()$status, "success")
  wait_until(all(queue_sizes(r) == 0))
})

test_that("global variables with pointers do not stop a pipeline", {
  crew <- local_crew(1)
  con <- file(withr::local_tempfile(lines = "x"), "r")
  withr::defer(close(con))
  crew$push(1 + 1, globals = list(con = con), data = list(other = con))
  crew$wait()
  expect_identical(crew$pop()$result[[1]], 2)
})

test_that("names must not be in use, and arguments are checked", {
  crew <- local_crew(1)
  crew$push(1, name = "one")
  expect_error(crew$push(1, name = "one"), class = "rrq_error_crew_name")
  expect_error(crew$push(1, data = list(1)), class = "rrq_error_argument")
  expect_error(crew$push(1, globals = 1), class = "rrq_error_argument")
  expect_error(crew$push(1, seed = "a"), class = "rrq_error_argument")
  expect_error(crew$walk(i, list(1:3)), class = "rrq_error_argument")
  expect_error(crew$walk(i, list(i = 1:3, j = 1)), class = "rrq_error_argument")
  expect_error(crew$walk(i, list(i = c("a", "a")), names = "i"), class = "rrq_error_argument")
  expect_identical(crew$size(), 1L)
})

test_that("the tasks of walk() differ in what is iterated over, and in their random numbers", {
  crew <- local_crew(1)
  ids <- crew$walk(
    c(i, j, runif(1)), list(i = 1:2, name = c("x", "y")), data = list(j = 5), seed = 3L,
    names = "name"
  )
  expect_named(ids, c("x", "y"))
  crew$wait()
  results <- crew$collect()
  expect_identical(results$name, c("x", "y"))
  values <- do.call(rbind, results$result)
  expect_identical(values[, 1:2], cbind(c(1, 2), c(5, 5)))
  expect_false(values[1, 3] == values[2, 3])
})
