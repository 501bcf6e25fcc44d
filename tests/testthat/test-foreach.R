test_that("a loop runs on the workers and leaves nothing in the queue", {
  r <- local_foreach(2)
  expect_equal(foreach::getDoParName(), "doRrq")
  expect_equal(foreach::getDoParVersion(), as.character(packageVersion("rrq")))
  expect_equal(foreach::getDoParWorkers(), 2)
  expect_identical(foreach(i = 1:5) %dopar% i^2, as.list((1:5)^2))
  expect_identical(foreach(i = 1:3, j = c("a", "b", "c"), .combine = c) %dopar% paste(i, j),
    c("1 a", "2 b", "3 c")
  )
  pids <- foreach(i = 1:2, .combine = c, .options.rrq = list(chunk_size = 1)) %dopar% Sys.getpid()
  expect_false(Sys.getpid() %in% pids)
  expect_identical(foreach(i = integer()) %dopar% i, list())
  expect_equal(foreach::times(3) %dopar% 7, c(7, 7, 7))
  expect_equal(unname(queue_sizes(r)), rep(0, 5))
})

test_that("values are combined as by any backend", {
  local_foreach()
  expect_identical(foreach(i = 1:250, .combine = "+") %dopar% i, sum(1:250))
  m <- matrix(1:6, 2)
  expect_equal(foreach(x = iterators::iter(m, by = "col"), .combine = cbind) %dopar% x, m)
  total <- foreach(i = 1:10, .combine = sum, .multicombine = TRUE, .init = 5) %dopar% i
  expect_equal(total, 60)
  expect_identical(foreach(i = 1:3, .final = rev) %dopar% i, list(3L, 2L, 1L))
  expect_identical(foreach(i = 1:2) %dopar% NULL, list(NULL, NULL))
  bad <- function(a, b) stop("cannot combine")
  expect_output(foreach(i = 1:2, .combine = bad) %dopar% i, "error calling combine function")
})

test_that("without .inorder, values are combined as tasks end", {
  local_foreach(2)
  gate <- withr::local_tempfile()
  values <- foreach(i = 1:2, .combine = c, .inorder = FALSE,
    .options.rrq = list(chunk_size = 1)
  ) %dopar% {
    if (i == 2) file.create(gate) else while (!file.exists(gate)) Sys.sleep(0.01)
    if (i == 1) Sys.sleep(0.3)
    i
  }
  expect_setequal(values, 1:2)
})

test_that("loops are nested and filtered", {
  local_foreach()
  nested <- foreach(i = 1:2) %:% foreach(j = 1:3, .combine = c) %dopar% (10 * i + j)
  expect_equal(nested, list(11:13, 21:23))
  odd <- foreach(i = 1:5) %:% foreach::when(i %% 2 == 1) %dopar% i
  expect_identical(odd, list(1L, 3L, 5L))
  inner <- foreach(i = 1:2, .packages = "foreach") %dopar% {
    foreach(j = 1:2, .combine = c) %dopar% (i + j)
  }
  expect_equal(inner, list(2:3, 3:4))
  lost <- foreach(i = 1:2) %:% foreach(j = 1:2, .errorhandling = "remove") %dopar% {
    if (i == j) stop("same") else j
  }
  expect_identical(lost, list(list(2L), list(1L)))
})

test_that("the first iteration that fails ends the loop", {
  r <- local_foreach(2)
  for (how in list(list(), list(chunk_size = 1), list(chunk_size = 3))) {
    error <- expect_error(
      foreach(i = 1:9, .options.rrq = how) %dopar% if (i %% 3 == 0) stop("bad ", i) else i,
      class = "simpleError"
    )
    expect_equal(conditionMessage(error), "task 3 failed - \"bad 3\"")
    expect_equal(conditionCall(error)[[1]], quote(`if`))
  }
  expect_equal(unname(queue_sizes(r)), rep(0, 5))
})

test_that("errors are passed on or removed", {
  local_foreach()
  passed <- foreach(i = 1:3, .errorhandling = "pass") %dopar% if (i == 2) stop("no") else i
  expect_s3_class(passed[[2]], "simpleError")
  expect_equal(conditionMessage(passed[[2]]), "no")
  expect_equal(passed[c(1, 3)], list(1L, 3L))
  left <- foreach(i = 1:3, .errorhandling = "remove", .combine = c) %dopar% {
    if (i == 2) stop("no") else i
  }
  expect_equal(left, c(1L, 3L))
  expect_error(
    foreach(i = 1:3, .errorhandling = "remove", .packages = "no.such.package") %dopar% i,
    class = "packageNotFoundError"
  )
})

test_that("a lost chunk is one error per iteration, and may be retried", {
  r <- local_foreach(2)
  how <- list(chunk_size = 2)
  values <- suppressMessages(
    foreach(i = 1:6, .errorhandling = "pass", .options.rrq = how) %dopar% {
      if (i == 3) tools::pskill(Sys.getpid(), 9)
      i
    }
  )
  expect_length(values, 6)
  failed <- vapply(values, inherits, NA, "rrq_task_error")
  expect_equal(failed, c(FALSE, FALSE, TRUE, TRUE, FALSE, FALSE))
  local_spawned(r)
  expect_error(
    suppressMessages(foreach(i = 1:4, .options.rrq = how) %dopar% {
      if (i == 3) tools::pskill(Sys.getpid(), 9)
      i
    }),
    "task 3 failed - .*lost while it ran this task \\(tasks 3 to 4\\)"
  )
  local_spawned(r)
  mark <- withr::local_tempfile()
  how$retry <- rrq_retry(on = "lost")
  values <- suppressMessages(
    foreach(i = 1:4, .combine = c, .options.rrq = how) %dopar% {
      if (i == 3 && file.create(mark) && !file.exists(paste0(mark, 2))) {
        file.create(paste0(mark, 2))
        tools::pskill(Sys.getpid(), 9)
      }
      i
    }
  )
  expect_equal(values, 1:4)
})

test_that("the variables around a loop are sent, and those in .noexport are not", {
  local_foreach()
  # Of a loop in a package, as here, the rest is found in its namespace.
  further <- 1000
  loop <- function(...) {
    inner <- 100
    add <- function(x) x + inner
    foreach(i = 1:2, .combine = c) %dopar% (add(i) + sum(...) + further + many_answers)
  }
  expect_equal(loop(1, 2), 1104:1105 + many_answers)
  expect_error(foreach(i = 1, .noexport = "further") %dopar% further, "object 'further' not found")
  hidden <- 5
  expect_equal(foreach(i = 1, .export = "hidden") %dopar% get("hidden"), list(5))
  expect_error(foreach(i = 1, .export = "fe_absent") %dopar% i, class = "rrq_error_variable")
  grown <- 0
  expect_equal(foreach(i = 1:3, .combine = c) %dopar% (grown <- grown + i), 1:3)
  expect_equal(grown, 0)
})

test_that("what a loop uses of the global environment is sent with it", {
  local_foreach()
  local_global({
    `%fe%` <- foreach::`%dopar%`
    fe_y <- 10
    fe_plus <- function(x) x + fe_y
    fe_loop <- function() {
      fe_k <- 100
      foreach::foreach(i = 1:2, .combine = c) %fe% (fe_plus(i) + fe_k)
    }
    fe_hides <- function() foreach::foreach(i = 1, .noexport = "fe_y") %fe% fe_y
  })
  expect_equal(get("fe_loop", globalenv())(), c(111, 112))
  expect_equal(eval(quote(foreach::foreach(i = 1) %fe% fe_plus(i)), globalenv()), list(11))
  expect_error(get("fe_hides", globalenv())(), "object 'fe_y' not found")
})

test_that("packages are attached on the workers", {
  local_foreach()
  where <- foreach(i = 1, .packages = "splines") %dopar% environmentName(environment(interpSpline))
  expect_equal(where, list("splines"))
})

test_that("random numbers do not depend on the chunks", {
  local_foreach(2)
  draw <- function(...) {
    foreach(i = 1:6, .combine = c, .options.rrq = list(seed = 1, ...)) %dopar% runif(1)
  }
  first <- draw()
  expect_length(unique(first), 6)
  expect_identical(draw(chunk_size = 4), first)
  expect_identical(draw(chunk_size = 1), first)
})

test_that("doRNG gives the numbers of a sequential loop, and leaves the workers theirs", {
  skip_if_not_installed("doRNG")
  local_foreach(2)
  draw <- function() {
    set.seed(1)
    doRNG::`%dorng%`(foreach(i = 1:6, .combine = c), runif(1))
  }
  withr::local_preserve_seed()
  expect_silent(parallel <- draw())
  own <- foreach(i = 1:8, .combine = c, .options.rrq = list(chunk_size = 1)) %dopar% runif(1)
  expect_length(unique(own), 8)
  foreach::registerDoSEQ()
  expect_identical(parallel, draw())
})

test_that("options choose the chunks, the queue and the limits", {
  r <- local_queue()
  skip_if_not_installed("foreach")
  rrq_worker_config_save("other", rrq_worker_config("other"), controller = r)
  local_spawned(r, 1, name_config = "other")
  registerDoRrq(r, queue = "other", chunk_size = 5)
  withr::defer(foreach::registerDoSEQ())
  n_tasks <- function(code) {
    before <- n_started(r)
    force(code)
    n_started(r) - before
  }
  expect_equal(n_tasks(foreach(i = 1:10) %dopar% i), 2)
  expect_equal(n_tasks(foreach(i = 1:10, .options.rrq = list(chunk_size = 2)) %dopar% i), 5)
  expect_equal(n_tasks(foreach(i = 1:4, .options.snow = list(preschedule = TRUE)) %dopar% i), 1)
  expect_equal(n_tasks(foreach(i = 1:4, .options.multicore = list(preschedule = FALSE)) %dopar% i),
    4
  )
  expect_error(
    foreach(i = 1, .options.rrq = list(timeout = 0.2)) %dopar% Sys.sleep(30),
    class = "rrq_error_timeout"
  )
  expect_equal(unname(queue_sizes(r)), rep(0, 5))
  expect_error(foreach(i = 1, .options.rrq = list(chunks = 1)) %dopar% i,
    class = "rrq_error_argument"
  )
  expect_error(foreach(i = 1, .options.rrq = 3) %dopar% i, class = "rrq_error_argument")
})

test_that("warnings of iterations are signalled here", {
  local_foreach()
  expect_warning(foreach(i = 1:3) %dopar% if (i == 2) warning("careful"), "careful")
  quiet <- list(warnings = FALSE)
  expect_silent(foreach(i = 1:3, .options.rrq = quiet) %dopar% warning("careful"))
})

test_that("an interrupt cancels the loop and leaves nothing behind", {
  r <- local_foreach()
  gate <- withr::local_tempfile()
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    registerDoRrq(r, chunk_size = 1)
    `%dopar%` <- foreach::`%dopar%`
    foreach::foreach(i = 1:20) %dopar% {
      file.create(!!gate)
      Sys.sleep(60)
    }
  })
  wait_until(file.exists(gate))
  send_signal(session, tools::SIGINT)
  expect_gt(session_status(session), 0)
  expect_true(wait_until(all(queue_sizes(r) == 0)))
})

test_that("a backend needs a controller, the default one if none is given", {
  skip_if_not_installed("foreach")
  expect_error(registerDoRrq(), class = "rrq_error_no_controller")
  r <- local_queue()
  rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_clear())
  expect_null(registerDoRrq())
  withr::defer(foreach::registerDoSEQ())
  expect_equal(foreach::getDoParWorkers(), 1)
  local_spawned(r, 1)
  expect_equal(foreach(i = 1:2) %dopar% i, list(1L, 2L))
  rrq_default_controller_clear()
  expect_error(foreach(i = 1:2) %dopar% i, class = "rrq_error_no_controller")
})
