test_that("each task has the stream that the parallel package would give it", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(function(i) runif(2), 1:3, seed = 42, controller = r)
  results <- run_results(ids, r)
  expected <- with_own_random({
    set.seed(42, "L'Ecuyer-CMRG")
    state <- get(".Random.seed", globalenv())
    lapply(1:3, function(i) {
      assign(".Random.seed", state, globalenv())
      state <<- parallel::nextRNGStream(state)
      runif(2)
    })
  })
  expect_identical(results, expected)
  expect_equal(rrq_task_info(ids[[1]], controller = r)$seed[[1]], 10407L)
})

test_that("numbers are the same whatever the worker ran before, and after a retry", {
  r <- local_queue()
  worker <- local_worker(r)
  id <- rrq_task_create_expr(rnorm(3), seed = 1, controller = r)
  run_worker(worker)
  rrq_task_create_bulk_call(runif, 1:5, controller = r)
  again <- rrq_task_create_expr(rnorm(3), seed = 1, controller = r)
  run_worker(worker)
  retried <- rrq_task_retry(id, controller = r)
  run_worker(worker)
  results <- rrq_task_results(c(again, retried), controller = r)
  expect_identical(results[[1]], results[[2]])
})

test_that("the worker's own generator is left as it was", {
  r <- local_queue()
  id <- rrq_task_create_expr(rnorm(3), seed = 1, controller = r)
  failed <- rrq_task_create_expr(stop(rnorm(1)), seed = 1, controller = r)
  withr::local_seed(7)
  before <- .Random.seed
  worker <- local_worker(r)
  run_worker(worker)
  expect_identical(.Random.seed, before)
  expect_equal(rrq_task_status(failed, controller = r), "ERROR")
})

test_that("TRUE draws the seed from the session", {
  r <- local_queue()
  withr::local_seed(7)
  a <- rrq_task_create_expr(runif(1), seed = TRUE, controller = r)
  set.seed(7)
  b <- rrq_task_create_expr(runif(1), seed = TRUE, controller = r)
  c <- rrq_task_create_expr(runif(1), seed = TRUE, controller = r)
  results <- unlist(run_results(c(a, b, c), r))
  expect_equal(results[[1]], results[[2]])
  expect_false(results[[1]] == results[[3]])
})

test_that("giving a seed leaves the session's generator alone", {
  withr::local_seed(7)
  before <- .Random.seed
  expect_length(seed_state(3), 6)
  expect_identical(.Random.seed, before)
})

test_that("tasks without a seed leave the session's generator alone", {
  r <- local_queue()
  expect_generator_kept(function() {
    worker <- local_worker(r)
    ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
    rrq_message_send("PING", controller = r)
    run_worker(worker)
    rrq_task_wait(ids, controller = r)
    rrq_task_collect(ids, controller = r)
    rrq_task_retry(ids, controller = r)
    worker$shutdown()
  })
})

test_that("a generator never used is as new afterwards", {
  withr::local_seed(1, .rng_kind = "Mersenne-Twister")
  rm(list = intersect(".Random.seed", ls(globalenv(), all.names = TRUE)), envir = globalenv())
  with_own_random(set.seed(1, "L'Ecuyer-CMRG"))
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
  expect_equal(RNGkind()[[1]], "Mersenne-Twister")
})

test_that("a seed that is neither a whole number nor a state of the generator is refused", {
  r <- local_queue()
  zeros <- c(10407L, 0L, 0L, 0L, 1L, 2L, 3L)
  large <- c(10407L, -1L, 1L, 1L, 1L, 2L, 3L)
  for (seed in list(1.5, 1e10, -1e10, NaN, zeros, large, zeros[-1], as.list(large))) {
    expect_error(rrq_task_create_expr(runif(1), seed = seed, controller = r), "whole number",
      class = "rrq_error_argument"
    )
  }
})

test_that("an environment that seeds the generator does not make all workers draw the same", {
  r <- local_queue()
  rrq_worker_envir_set(rrq_envir(sources = local_source("set.seed(1)")), controller = r)
  draw <- function() runif(1)
  local_spawned(r, 2)
  ids <- vapply(rrq_worker_list(controller = r), function(worker) {
    rrq_message_send("EVAL", quote(runif(1)), worker, controller = r)
  }, "")
  first <- Map(function(id, worker) {
    rrq_message_get_response(id, worker, timeout = 10, controller = r)[[1]]
  }, ids, names(ids))
  expect_length(unique(unlist(first)), 2)
  rrq_worker_envir_refresh(controller = r)
  again <- rrq_task_create_call(draw, list(), controller = r)
  isolated <- rrq_task_create_bulk_call(function(i) runif(1), 1:3,
    separate_process = TRUE, controller = r
  )
  fresh <- rrq_task_create_call(draw, list(), isolation = "fresh", controller = r)
  ids <- c(again, isolated, fresh)
  rrq_task_wait(ids, timeout = 30, controller = r)
  values <- c(unlist(first), unlist(rrq_task_results(ids, controller = r)))
  expect_length(unique(values), 7)
  expect_false(any(values %in% with_own_random({
    set.seed(1)
    runif(10)
  })))
})

test_that("a bootstrap has as many different values as on one process", {
  r <- local_queue()
  code <- c("set.seed(1)", "boot <- function(i) sample.int(1e6, 1)")
  rrq_worker_envir_set(rrq_envir(sources = local_source(code)), controller = r)
  local_spawned(r, 2)
  fn <- function(i) boot(i)
  environment(fn) <- globalenv()
  values <- unlist(rrq_lapply(1:1000, fn, controller = r))
  # Two draws of 1000 out of a million are the same with a probability of about 0.4.
  expect_gt(length(unique(values)), 980)
})

test_that("a worker in the user's session seeds the generator only if its environment did", {
  r <- local_queue()
  expect_generator_kept(function() local_worker(r))
  rrq_worker_envir_set(rrq_envir(sources = local_source("set.seed(1)")), controller = r)
  withr::local_seed(2)
  before <- .Random.seed
  local_worker(r)
  expect_false(identical(.Random.seed, before))
})

test_that("the kind of generator that an environment chose is kept", {
  withr::local_preserve_seed()
  with_system_seed(FALSE, RNGkind("L'Ecuyer-CMRG"))
  expect_equal(RNGkind()[[1]], "L'Ecuyer-CMRG")
})
