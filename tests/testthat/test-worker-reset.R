# The results of tasks that run one after the other in a worker of this process.
run_each <- function(worker, controller, ...) {
  ids <- vapply(list(...), rrq_task_create_call, "", list(), controller = controller)
  run_worker(worker)
  rrq_task_results(ids, controller = controller)
}

test_that("a task finds the working directory, options and variables that the worker began with", {
  withr::local_envvar(RRQ_TEST_OLD = "old", RRQ_TEST_GONE = "there")
  withr::local_options(rrq.test.old = "old", rrq.test.gone = "there")
  r <- local_queue()
  worker <- local_worker(r)
  change <- function() {
    Sys.setenv(RRQ_TEST_OLD = "new", RRQ_TEST_NEW = "new")
    Sys.unsetenv("RRQ_TEST_GONE")
    options(rrq.test.old = "new", rrq.test.new = "new", rrq.test.gone = NULL)
    setwd(tempdir())
    assign("rrq_test_global", 1, globalenv())
    stop("ended")
  }
  look <- function() {
    list(
      Sys.getenv(c("RRQ_TEST_OLD", "RRQ_TEST_NEW", "RRQ_TEST_GONE"), names = FALSE),
      list(
        getOption("rrq.test.old"), getOption("rrq.test.new"), getOption("rrq.test.gone")
      ),
      getwd(), exists("rrq_test_global")
    )
  }
  before <- look()
  expect_equal(before[[1]], c("old", "", "there"))
  for (found in run_each(worker, r, look, change, look, change, look)[c(1, 3, 5)]) {
    expect_equal(found, before)
  }
})

# Here, so that they do not bring the variables of a test along.
look_around <- function() {
  list(Sys.getenv("RRQ_TEST"), getOption("rrq.test"), getwd(), exists("rrq_test_global"))
}
changes <- list(
  function() Sys.setenv(RRQ_TEST = "1"), function() options(rrq.test = 1),
  function() setwd(tempdir()), function() assign("rrq_test_global", 1, globalenv())
)

test_that("each change alone is undone", {
  r <- local_queue()
  worker <- local_worker(r)
  for (change in changes) {
    expect_equal(run_each(worker, r, change, look_around)[[2]], look_around())
  }
})

test_that("output that a task diverts comes back", {
  r <- local_queue()
  worker <- local_worker(r)
  divert <- function() {
    sink(tempfile())
    sink(tempfile())
    NULL
  }
  output <- utils::capture.output({
    id <- rrq_task_create_call(divert, list(), controller = r)
    say <- rrq_task_create_expr(cat("said\n"), controller = r)
    worker$loop(immediate = TRUE)
  })
  expect_true("said" %in% output)
})

test_that("what a task sets together with loading a package stays", {
  r <- local_queue()
  local_spawned(r)
  load <- function() {
    loadNamespace("splines")
    options(rrq.test.new = 1)
    getNamespaceName(environment(splines::bs))[[1]]
  }
  ids <- c(
    rrq_task_create_call(load, list(), controller = r),
    rrq_task_create_expr(getOption("rrq.test.new"), controller = r)
  )
  rrq_task_wait(ids, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_results(ids, named = FALSE, controller = r), list("splines", 1))
})

test_that("the random numbers of tasks continue", {
  r <- local_queue()
  local_spawned(r)
  id <- rrq_task_create_bulk_call(function(i) runif(1), 1:20, controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  expect_length(unique(unlist(rrq_task_results(id, controller = r))), 20)
})

test_that("what a message changes stays", {
  r <- local_queue()
  worker <- local_worker(r)
  withr::defer(rm("rrq_test_global", envir = globalenv()))
  ask_worker(worker, r, "EVAL", "assign('rrq_test_global', 17, globalenv())")
  look <- function() get0("rrq_test_global", globalenv())
  change <- function() assign("rrq_test_other", 1, globalenv())
  expect_equal(run_each(worker, r, look, change, look)[c(1, 3)], list(17, 17))
  expect_false(exists("rrq_test_other"))
})

test_that("a worker can keep what tasks change", {
  r <- local_queue()
  rrq_worker_config_save("kept", rrq_worker_config(reset = FALSE), controller = r)
  worker <- local_worker(r, "kept")
  withr::defer(rm("rrq_test_global", envir = globalenv()))
  expect_equal(run_each(worker, r, changes[[4]], look_around)[[2]][[4]], TRUE)
})
