# The progressions that reach this session while `code` runs.
progressions <- function(code) {
  seen <- list()
  withCallingHandlers(code, progression = function(p) seen[[length(seen) + 1]] <<- p)
  seen
}

amount <- function(seen) {
  updates <- Filter(function(p) p$type == "update", seen)
  sum(vapply(updates, function(p) p$amount, 0))
}

run_with_progress <- function(run) {
  progress <- progressr::progressor(10, enable = TRUE, on_exit = FALSE)
  run(function(x) {
    progress("step")
    x
  })
}

test_that("progress of elements is signalled here, and adds up", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r, 2)
  for (chunk_size in list(NULL, 1, 3)) {
    seen <- progressions(run_with_progress(function(f) {
      rrq_lapply(1:10, f, chunk_size = chunk_size, controller = r)
    }))
    expect_equal(amount(seen), 10)
  }
  seen <- progressions(run_with_progress(function(f) rrq_mapply(f, 1:10, controller = r)))
  expect_equal(amount(seen), 10)
})

# The last step that a handler of progressr has counted while `code` ran.
counted <- function(code) {
  step <- 0
  handler <- progressr::make_progression_handler("test", list(
    update = function(config, state, progression, ...) step <<- state$step
  ), interval = 0, intrusiveness = 0, target = "void", enable = TRUE)
  progressr::with_progress(code, handlers = list(handler), enable = TRUE)
  step
}

test_that("handlers of progressr count it", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  step <- counted(run_with_progress(function(f) rrq_lapply(1:10, f, controller = r)))
  expect_equal(step, 10)
})

test_that("updates of two tasks are different ones for progressr", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  # Tasks of one worker begin with the same number, and may do so in the same millisecond.
  emit <- function(update) rrq::rrq_task_emit(update)
  seen <- progressions(run_with_progress(function(f) {
    update <- environment(f)$progress()
    for (i in 1:3) rrq_call(emit, list(update), controller = r)
  }))
  known_by <- c("session_uuid", "progression_index", "progression_time")
  updates <- Filter(function(p) p$type == "update", seen)
  expect_length(updates, 4)
  expect_length(unique(lapply(updates, function(p) unlist(unclass(p)[known_by]))), 4)
})

test_that("all waits relay the progress of tasks", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  waits <- list(
    function(id) rrq_task_wait(id, controller = r),
    function(id) rrq_task_wait_any(id, controller = r),
    function(id) rrq_task_collect(id, controller = r),
    function(id) rrq_task_iterator(id, controller = r)$next_task()
  )
  for (wait in waits) {
    seen <- progressions(run_with_progress(function(f) {
      wait(rrq_task_create_call(f, list(1), controller = r))
    }))
    expect_equal(amount(seen), 1)
  }
  for (isolated in c(FALSE, TRUE)) {
    seen <- progressions(run_with_progress(function(f) {
      rrq_call(f, list(1), separate_process = isolated, controller = r)
    }))
    expect_equal(amount(seen), 1)
  }
})

test_that("progress arrives while the task runs", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  gate <- withr::local_tempfile()
  hold <- function(progress, gate) {
    progress()
    while (!file.exists(gate)) Sys.sleep(0.01)
  }
  progress <- progressr::progressor(1, enable = TRUE, on_exit = FALSE)
  # Otherwise the task would never end.
  withCallingHandlers(
    rrq_call(hold, list(progress, gate), timeout = time_limit(), controller = r),
    progression = function(p) file.create(gate)
  )
  expect_true(file.exists(gate))
})

test_that("a progression that the task handles itself is not relayed, nor are other events", {
  skip_if_not_installed("progressr")
  skip_on_os("windows")
  r <- local_queue()
  local_spawned(r)
  seen <- progressions(run_with_progress(function(f) {
    own <- function(f) {
      rrq::rrq_task_emit(simpleCondition("other"))
      withCallingHandlers(f(1), progression = function(p) invokeRestart("muffleProgression"))
    }
    rrq_call(own, list(f), controller = r)
  }))
  expect_equal(amount(seen), 0)
})

test_that("waits watch no events unless progressr is loaded", {
  r <- local_queue()
  local_function("relays_progress", function() FALSE)
  local_function("rs_watch_open", function(...) stop("watched"))
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  run_worker(local_worker(r))
  expect_true(rrq_task_wait(id, progress = TRUE, controller = r))
})
