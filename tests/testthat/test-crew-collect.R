test_that("errors and warnings of a task are in its result", {
  crew <- local_crew(1, "mine")
  fail <- function(x) {
    warning("one")
    warning("two")
    stop("no ", x)
  }
  crew$push(fail("way"), globals = list(fail = fail), name = "failed")
  crew$wait()
  result <- crew$pop()
  expect_named(result, c(
    "name", "command", "result", "status", "error", "code", "trace", "warnings", "seconds",
    "seed", "algorithm", "controller"
  ))
  expect_identical(
    unlist(result[c("name", "status", "error", "warnings", "controller")], use.names = FALSE),
    c("failed", "error", "no way", "one. two", "mine")
  )
  expect_identical(result$code, -1L)
  expect_match(result$trace, "fail(\"way\")", fixed = TRUE)
  expect_identical(crew$summary()$warning, 1L)
})

test_that("an unsuccessful task can be raised as an error or a warning", {
  crew <- local_crew(1)
  crew$push(stop("bad"))
  crew$push(stop("worse"))
  crew$wait()
  failure <- expect_error(crew$pop(error = "stop"), "bad", class = "rrq_error_crew_task")
  expect_s3_class(failure, "crew_error")
  expect_warning(crew$collect(error = "warn"), "worse", class = "crew_warning")
  expect_null(crew$collect(error = "stop"))
})

test_that("cancelled tasks, and those that take too long, say so", {
  crew <- local_crew(1)
  crew$push(Sys.sleep(60), name = "runs")
  crew$push(Sys.sleep(60), name = "waits")
  crew$push(Sys.sleep(60), name = "slow", seconds_timeout = 0.1)
  crew$cancel(c("waits", "unknown"))
  crew$wait("one")
  expect_identical(crew$pop()[c("name", "status", "code")] |> unlist(use.names = FALSE), c(
    "waits", "cancel", "20"
  ))
  crew$cancel("runs")
  crew$wait()
  results <- crew$collect()
  expect_identical(results$name, c("runs", "slow"))
  expect_identical(results$status, c("cancel", "error"))
  expect_match(results$error[[2]], "time limit")
  crew$walk(Sys.sleep(60), list(i = 1:3))
  crew$cancel(all = TRUE)
  crew$wait()
  expect_identical(crew$collect()$status, rep("cancel", 3))
})

test_that("waits return whether what they wait for has happened", {
  crew <- local_crew(1)
  expect_true(crew$wait())
  expect_false(crew$wait("one"))
  gate <- withr::local_tempfile()
  crew$push(while (!file.exists(gate)) Sys.sleep(0.01), data = list(gate = gate))
  expect_false(crew$wait(seconds_timeout = 0.1))
  expect_null(crew$pop())
  crew$push(1)
  expect_identical(crew$unresolved(), 2L)
  file.create(gate)
  expect_true(crew$wait("one"))
  expect_true(crew$wait())
  expect_identical(crew$resolved(), 2L)
  expect_identical(crew$size(), 2L)
  expect_identical(nrow(crew$collect()), 2L)
})

test_that("map() returns the results in order, and keeps them if it fails", {
  crew <- local_crew(2)
  results <- crew$map(x + y, list(x = 1:4, n = letters[1:4]), data = list(y = 1), names = "n")
  expect_identical(results$name, letters[1:4])
  expect_identical(unlist(results$result), c(2, 3, 4, 5))
  fail <- quote(if (x == 2) stop("not two") else x)
  expect_error(crew$map(fail, list(x = 1:3), substitute = FALSE), class = "rrq_error_crew_task")
  expect_identical(crew$error$status, c("success", "error", "success"))
  expect_warning(
    crew$map(fail, list(x = 1:3), substitute = FALSE, error = "warn"), "1 task was not successful"
  )
  expect_silent(crew$map(fail, list(x = 1:3), substitute = FALSE, error = "silent"))
  expect_warning(crew$map(warning("hot"), list(x = 1)), "1 task had warnings.*hot")
  crew$push(1)
  expect_error(crew$map(x, list(x = 1)), class = "rrq_error_crew_name")
})

test_that("a saturated controller keeps names until there is room", {
  crew <- local_crew(1)
  crew$start()
  expect_false(crew$saturated())
  crew$push(1)
  expect_true(crew$saturated())
  crew$push_backlog("a")
  crew$push_backlog("b")
  expect_identical(crew$pop_backlog(), character())
  crew$wait()
  crew$pop()
  expect_identical(crew$pop_backlog(), "a")
  expect_identical(crew$pop_backlog(), "b")
  expect_identical(crew$pop_backlog(), character())
})
