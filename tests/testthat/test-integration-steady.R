test_that("a steady run costs one script call per task", {
  r <- local_queue()
  local_spawned(r, 2)
  warm <- rrq_task_create_bulk_call(Sys.sleep, rep(0.01, 20), controller = r)
  rrq_task_wait(warm, timeout = time_limit(), controller = r)
  ids <- rrq_task_create_bulk_call(Sys.sleep, rep(0.01, 150), controller = r)
  before <- command_counts(r)
  wait_until(rrq_task_overview(controller = r)$COMPLETE == 170)
  after <- command_counts(r)
  scripts <- after[["evalsha"]] - before[["evalsha"]]
  expect_gte(scripts, 120)
  expect_lte(scripts, 150 + 15)
  expect_lte(sum(after["eval"], na.rm = TRUE) - sum(before["eval"], na.rm = TRUE), 0)
})

test_that("short tasks cost less than one script call each", {
  r <- local_queue()
  local_spawned(r)
  ids <- rrq_task_create_bulk_call(identity, 1:4000, controller = r)
  before <- command_counts(r)
  wait_until(rrq_task_overview(controller = r)$COMPLETE == 4000)
  expect_lt(command_counts(r)[["evalsha"]] - before[["evalsha"]], 2000)
})

test_that("idle workers hardly ask", {
  r <- local_queue()
  local_spawned(r, 2)
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  before <- n_commands(r)
  start <- proc.time()[["elapsed"]]
  wait_until(proc.time()[["elapsed"]] - start > 1)
  expect_lt(n_commands(r) - before, 100)
})

test_that("after a full session a destroyed queue leaves no key behind", {
  r <- local_queue()
  con <- r$con
  others <- function() {
    keys <- as.character(unlist(con$KEYS("*")))
    sort(keys[!startsWith(keys, r$keys$prefix)])
  }
  before <- others()
  rrq_worker_envir_set(function(envir) envir$k <- 1, controller = r)
  manager <- local_fast(r, 2)
  big <- seq(0, 1, length.out = 1e5)
  ids <- c(
    rrq_task_create_bulk_call(function(x) if (x == 3) stop("three") else x, 1:500, controller = r),
    rrq_task_create_expr({
      warning("w")
      rrq::rrq_task_progress_update("half")
      big
    }, controller = r),
    rrq_task_create_expr(Sys.sleep(60), timeout_task_run = 0.1, controller = r)
  )
  expect_false(rrq_task_wait(ids, timeout = time_limit(), controller = r))
  rrq_message_send_and_wait("PING", controller = r)
  kill_unseen(r, manager$id[[1]])
  wait_until("LOST" %in% rrq_worker_status(manager$id, r))
  try(rrq_task_wait(rrq_task_create_expr(f(1), queue = "no", controller = r), 0.1, controller = r),
    silent = TRUE
  )
  rrq_destroy(timeout_worker_stop = time_limit(), controller = r)
  expect_equal(con$KEYS(paste0(r$keys$prefix, "*")), list())
  expect_equal(others(), before)
})

test_that("results are right whoever submits, works and collects", {
  r <- local_queue()
  local_spawned(r, 2)
  session <- local_session({
    r <- rrq_controller(!!r$queue_id, !!server_url(r))
    ids <- rrq_task_create_bulk_call(function(x) x^2, 1:500, controller = r)
    cat(ids, sep = "\n")
  })
  own <- rrq_task_create_bulk_call(function(x) -x, 1:500, controller = r)
  expect_equal(session_status(session), 0)
  theirs <- session_out(session)
  expect_true(rrq_task_wait(c(own, theirs), timeout = time_limit(), controller = r))
  expect_equal(unlist(rrq_task_results(own, controller = r)), -(1:500))
  expect_equal(unlist(rrq_task_results(theirs, controller = r)), (1:500)^2)
})
