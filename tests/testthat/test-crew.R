test_that("a pipeline with branches runs as targets drives it", {
  crew <- local_crew(2, "ours")
  expect_null(crew$summary())
  f <- function(x) g(x)
  g <- function(x) 2 * x
  environment(f) <- environment(g) <- globalenv()
  plan <- branches()
  run <- run_pipeline(crew, plan$targets, plan$needs, list(f = f, g = g))
  expect_identical(run$values$branch_3, 23)
  expect_identical(run$values$total, sum(20 + 1:8))
  summary <- crew$summary()
  expect_s3_class(summary, "tbl_df")
  expect_identical(unlist(summary[c("tasks", "success")]), c(tasks = 10L, success = 10L))
  expect_identical(summary$controller, "ours")
  expect_true(crew$empty())
})

test_that("a worker that is killed in the middle is replaced, and its target runs again", {
  crew <- local_crew(2)
  killed <- FALSE
  gate <- withr::local_tempfile()
  kill_one <- function() {
    if (!killed && file.exists(paste0(gate, "_5"))) {
      killed <<- tools::pskill(as.numeric(readLines(paste0(gate, "_5"))), tools::SIGKILL)
      file.create(gate)
    }
  }
  code <- bquote({
    if (i == 5 && !file.exists(.(gate))) {
      writeLines(as.character(Sys.getpid()), .(paste0(gate, "_part")))
      file.rename(.(paste0(gate, "_part")), .(paste0(gate, "_5")))
      Sys.sleep(60)
    }
    start + i
  })
  plan <- branches(code)
  said <- messages_of(run <- run_pipeline(crew, plan$targets, plan$needs, at_iteration = kill_one))
  expect_match(paste(said, collapse = ""), "was killed by signal 9")
  expect_identical(run$retried, "branch_5")
  expect_identical(run$values$total, sum(10 + 1:8))
  expect_identical(crew$summary()$crash, 1L)
  expect_identical(crew$crashes("branch_5"), 0L)
})

test_that("a target that crashes again and again ends the pipeline", {
  crew <- local_crew(1, crashes_max = 2)
  targets <- list(bad = quote(tools::pskill(Sys.getpid(), tools::SIGKILL)))
  run <- function() suppressMessages(run_pipeline(crew, targets))
  errors <- conditions_of(run())
  expect_snapshot(writeLines(errors))
  expect_identical(crew$crashes("bad"), 3L)
  expect_identical(crew$summary()$crash, 3L)
  expect_true(crew$empty())
})

test_that("more crashes in a row than a worker survives do not leave a controller without one", {
  crew <- local_crew(1, crashes_max = 0, restart = 2)
  suppressMessages({
    for (i in 1:5) {
      crew$push(tools::pskill(Sys.getpid(), tools::SIGKILL), name = paste("bad", i))
      crew$wait()
      expect_error(crew$pop(), class = "rrq_error_crew_crashes")
    }
    crew$push(1 + 1)
    crew$wait()
  })
  expect_identical(crew$pop()$result[[1]], 2)
})

test_that("workers that cannot start are an error, with their log", {
  withr::local_envvar(R_PROFILE_USER = local_source("cat('no way\\n'); quit(status = 3)"))
  crew <- local_crew(1, restart = 2)
  crew$push(1)
  failure <- suppressMessages(expect_error(crew$wait(), class = "rrq_error_no_workers"))
  expect_match(conditionMessage(failure), "no way")
})

test_that("workers that were idle for long end, and start again when they are needed", {
  crew <- local_crew(1, seconds_idle = 0.2)
  crew$push(1)
  crew$wait()
  crew$collect()
  wait_until(length(crew$pids()) == 0)
  crew$push(2)
  crew$wait()
  expect_identical(crew$pop()$result[[1]], 2)
})

test_that("a controller of a queue that has workers starts none and deletes only its own", {
  r <- local_queue()
  local_spawned(r)
  other <- rrq_task_create_expr(1 + 1, controller = r)
  crew <- local_crew(3, controller = r)
  crew$push(x, data = list(x = 1), globals = list(y = runif(2e4)))
  crew$wait()
  expect_false(crew$scale())
  expect_identical(crew$pids(), stats::setNames(integer(), character()))
  expect_false(crew$saturated())
  crew$push(Sys.sleep(60))
  crew$terminate()
  wait_until(identical(rrq_task_list(controller = r), other))
  wait_until(length(r$store$list()) == 0)
  expect_identical(rrq_worker_len(controller = r), 1L)
})

test_that("the end of a controller ends its workers and deletes its queue", {
  crew <- local_crew(2)
  crew$launch(2)
  crew$push(Sys.sleep(60))
  pids <- crew$pids()
  expect_length(pids, 2)
  expect_true(crew$started())
  queues <- grep("crew-", unlist(rrq_redis(test_server()$url)$KEYS("*")), value = TRUE)
  crew$terminate()
  expect_false(crew$started())
  expect_false(any(tools::pskill(pids, 0)))
  left <- unlist(rrq_redis(test_server()$url)$KEYS("*"))
  expect_length(intersect(queues, left), 0)
  expect_identical(crew$terminate(), NULL)
  expect_null(crew$pop())
})

test_that("a session that ends without the end of its controller leaves nothing", {
  withr::local_envvar(
    RRQ_URL = test_server()$url, R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    R_TESTS = ""
  )
  code <- local_source(c(
    "crew <- rrq::rrq_crew_controller(2)", "crew$push(Sys.sleep(60))", "crew$push(1)",
    "crew$wait('one')", "cat(crew$pids(), grep('crew-', rrq::rrq_redis()$KEYS('*'), value = TRUE))"
  ))
  run <- processx::run(file.path(R.home("bin"), "Rscript"), code)
  expect_identical(run$stderr, "")
  said <- strsplit(run$stdout, " ")[[1]]
  expect_false(any(tools::pskill(as.integer(said[1:2]), 0)))
  expect_length(intersect(said, unlist(rrq_redis(test_server()$url)$KEYS("*"))), 0)
})

test_that("a controller can start again after its end", {
  crew <- local_crew(1)
  for (i in 1:2) {
    crew$push(i, data = list(i = i), name = "same")
    crew$wait()
    expect_identical(crew$pop()$result[[1]], i)
    crew$terminate()
  }
})

test_that("autoscale starts workers from the event loop", {
  skip_if_not_installed("later")
  crew <- local_crew(1)
  crew$push(3, scale = FALSE)
  expect_length(crew$pids(), 0)
  crew$autoscale()
  wait_until({
    later::run_now(0.05)
    crew$unresolved() == 0
  })
  crew$descale()
  expect_identical(crew$pop()$result[[1]], 3)
})

test_that("a controller prints its state, and its arguments are checked", {
  crew <- local_crew(1, "mine")
  expect_output(print(crew), "<rrq_crew_controller> mine: not started")
  expect_true(is.environment(crew))
  expect_null(crew$validate())
  expect_error(rrq_crew_controller(0), class = "rrq_error_argument")
  expect_error(rrq_crew_controller(crashes_max = -1), class = "rrq_error_argument")
  expect_error(rrq_crew_controller(Inf), class = "rrq_error_argument")
  expect_error(rrq_crew_controller(wrokers = 2), class = "rrq_error_argument")
  r <- local_queue()
  expect_error(rrq_crew_controller(controller = r, seconds_idle = 1), class = "rrq_error_argument")
})
