# What a killed worker leaves of its isolated tasks.

test_that("a worker killed while a task runs without forks leaves no folder behind", {
  skip_on_os("windows")
  withr::local_envvar(RRQ_NO_FORK = "1")
  r <- local_queue()
  home <- withr::local_tempfile()
  manager <- local_fast(r)
  isolated(rlang::new_function(NULL, bquote({
    writeLines(Sys.getenv("TMPDIR"), .(home))
    Sys.sleep(60)
  })), r)
  wait_until(file.exists(home) && length(readLines(home)) == 1)
  expect_true(dir.exists(readLines(home)))
  kill_unseen(r, manager$id)
  wait_until(!dir.exists(readLines(home)))
})

test_that("a worker killed while its fork server starts leaves no folder behind", {
  skip_on_os("windows")
  r <- local_queue()
  home <- withr::local_tempfile()
  go <- withr::local_tempfile()
  rrq_worker_envir_set(rlang::new_function(rlang::pairlist2(envir = NULL), bquote({
    if (nzchar(Sys.getenv("RRQ_WORKER_ID"))) {
      writeLines(Sys.getenv("TMPDIR"), .(home))
      while (!file.exists(.(go))) Sys.sleep(0.01)
    }
  }), globalenv()), controller = r)
  manager <- local_fast(r)
  isolated(identity, r)
  wait_until(file.exists(home) && length(readLines(home)) == 1)
  kill_unseen(r, manager$id)
  expect_true(dir.exists(readLines(home)))
  file.create(go)
  wait_until(!dir.exists(readLines(home)))
})
