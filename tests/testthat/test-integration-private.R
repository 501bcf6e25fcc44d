# Files and directories below `path` that somebody else could access.
open_to_others <- function(path) {
  found <- list.files(
    path, recursive = TRUE, include.dirs = TRUE, all.files = TRUE, full.names = TRUE
  )
  info <- file.info(c(path, found))
  rownames(info)[bitwAnd(as.integer(info$mode), strtoi("077", 8L)) > 0]
}

local_umask <- function(mode, env = parent.frame()) {
  old <- Sys.umask(mode)
  withr::defer(Sys.umask(old), env)
}

for (umask in c("022", "000")) {
  test_that(paste("with umask", umask, "others can access no file of a queue"), {
    skip_on_os("windows")
    local_umask(umask)
    base <- file.path(withr::local_tempdir(), "new")
    at <- function(...) file.path(base, ...)
    r <- local_offload_queue(at("offload"))
    rrq_worker_config_save("logs", rrq_worker_config(logdir = at("tasks")), controller = r)
    local_spawned(r, name_config = "logs", logdir = at("workers"))
    write <- function(n) {
      cat("printed\n")
      runif(n)
    }
    id <- rrq_task_create_call(write, list(1000), separate_process = TRUE, controller = r)
    rrq_task_wait(id, timeout = time_limit(), controller = r)
    expect_length(rrq_task_result(id, controller = r), 1000)
    rrq_worker_script(at("script"))
    for (folder in c("offload", "tasks", "workers", "script")) {
      expect_gt(length(list.files(at(folder), recursive = TRUE)), 0)
      expect_equal(open_to_others(at(folder)), character())
    }
  })

  test_isolation(paste("with umask", umask, "others can access no file of a separate process"), {
    local_umask(umask)
    r <- local_queue()
    look <- function() {
      home <- tempdir()
      while (!startsWith(basename(home), "rrq-")) home <- dirname(home)
      list(
        open = open_to_others(home), files = basename(list.files(home, recursive = TRUE))
      )
    }
    seen <- run_result(isolated(look, r), r)
    expect_true("request" %in% seen$files)
    # What R itself makes there is in a directory that others cannot enter.
    expect_equal(grep("/Rtmp", seen$open, invert = TRUE, value = TRUE), character())
  })
}

test_that("a directory for offloaded values that was made for a group stays open to the group", {
  skip_on_os("windows")
  local_umask("022")
  path <- withr::local_tempdir()
  Sys.chmod(path, "0770", use_umask = FALSE)
  r <- local_offload_queue(path)
  rrq_task_create_call(length, list(runif(1000)), controller = r)
  files <- list.files(path, recursive = TRUE, full.names = TRUE)
  expect_length(files, 1)
  expect_equal(format(file.mode(c(dirname(files), files))), c("770", "660"))
})
