test_that("packing files returns their md5 sums", {
  r <- local_queue()
  local_files()
  pack <- rrq_files_pack("a.txt", "data", controller = r)
  expect_s3_class(pack, "files_pack")
  expect_named(pack, c("a.txt", "data/raw/b.txt"))
  expect_equal(unclass(pack), tools::md5sum(names(pack)))
  expect_equal(rrq_files_pack(c("a.txt", "./data/"), "a.txt", controller = r), pack)
})

test_that("any session of the queue can unpack a pack", {
  r <- local_queue()
  local_files()
  pack <- rrq_files_pack("a.txt", "data", controller = r)
  path <- withr::local_tempfile()
  other <- rrq_controller(r$queue_id, r$url)
  expect_equal(rrq_files_unpack(pack, path, other), path)
  expect_setequal(dir(path, recursive = TRUE, all.files = TRUE), names(pack))
  expect_equal(readLines(file.path(path, "data/raw/b.txt")), "two")
  writeLines("changed", file.path(path, "a.txt"))
  rrq_files_unpack(pack["a.txt"], path, other)
  expect_equal(readLines(file.path(path, "a.txt")), "one")
})

test_that("a pack is unpacked into a new temporary directory by default", {
  r <- local_queue()
  local_files()
  path <- rrq_files_unpack(rrq_files_pack("a.txt", controller = r), controller = r)
  withr::defer(unlink(path, recursive = TRUE))
  expect_equal(dir(path), "a.txt")
})

test_that("a pack prints its files, and a subset of it is a pack", {
  pack <- new_files_pack(c("a.txt", "data/b.txt"), strrep(c("0", "1"), 32))
  expect_snapshot({
    pack
    pack["a.txt"]
    pack[0]
  })
  expect_s3_class(pack[2], "files_pack")
})

test_that("missing files are listed, and nothing is stored", {
  r <- local_queue()
  local_files()
  err <- expect_error(
    rrq_files_pack("a.txt", "x", "y", controller = r), "x, y", class = "rrq_error_file_absent"
  )
  expect_equal(err$ids, c("x", "y"))
  expect_equal(n_stored(r), 0)
})

test_that("packing rejects names that lead out of the directory", {
  r <- local_queue()
  path <- local_files()
  withr::local_dir("data")
  file.symlink("..", "up")
  for (name in c("../a.txt", file.path(path, "a.txt"), "~/a.txt", "raw/../../a.txt", "up/a.txt")) {
    err <- expect_error(
      rrq_files_pack("raw", name, controller = r), class = "rrq_error_file_refused"
    )
  }
  expect_error(rrq_files_pack(".", controller = r), class = "rrq_error_file_refused")
  expect_equal(n_stored(r), 0)
})

test_that("unpacking rejects names that lead out of the directory", {
  r <- local_queue()
  local_files()
  sum <- unclass(rrq_files_pack("a.txt", controller = r))[["a.txt"]]
  home <- withr::local_tempdir()
  path <- file.path(home, "in")
  for (name in c("../a.txt", "/tmp/a.txt", "x/../../a.txt")) {
    pack <- new_files_pack(c("fine", name), c(sum, sum))
    err <- expect_error(
      rrq_files_unpack(pack, path, controller = r), class = "rrq_error_file_refused"
    )
    expect_equal(err$ids, name)
    expect_error(rrq_message_send("PULL", pack, controller = r), class = "rrq_error_file_refused")
  }
  expect_equal(dir(home, all.files = TRUE, no.. = TRUE), character())
})

test_that("files above the total size limit are rejected before anything is stored", {
  r <- local_queue()
  local_files()
  withr::local_options(rrq.files_max_size = 7)
  expect_error(rrq_files_pack("a.txt", "data", controller = r), "8 bytes",
    class = "rrq_error_files_large"
  )
  expect_equal(n_stored(r), 0)
  withr::local_options(rrq.files_max_size = 8)
  expect_length(rrq_files_pack("a.txt", "data", controller = r), 2)
  withr::local_options(rrq.files_max_size = "8")
  expect_error(rrq_files_pack("a.txt", controller = r), class = "rrq_error_argument")
})

test_that("expired files are listed, and nothing is written", {
  r <- local_queue()
  local_files()
  pack <- rrq_files_pack("a.txt", "data", controller = r)
  r$con$DEL(paste0(r$keys$prefix, "f:", unclass(pack)[["a.txt"]]))
  path <- withr::local_tempfile()
  err <- expect_error(rrq_files_unpack(pack, path, r), class = "rrq_error_files_missing")
  expect_equal(err$ids, "a.txt")
  expect_false(file.exists(path))
})

test_that("packs and files belong to their queue and are deleted with it", {
  con <- rrq_redis(test_server()$url)
  r <- rrq_controller("test-files-destroyed", test_server()$url)
  local_files()
  rrq_files_pack("data", controller = r)
  expect_gt(n_stored(r), 0)
  rrq_destroy(controller = r)
  expect_equal(con$KEYS(paste0(r$keys$prefix, "*")), list())
})

test_that("the arguments for packing and unpacking are checked", {
  r <- local_queue()
  for (names in list(1, NA_character_, "", NULL, list("a"))) {
    expect_error(rrq_files_pack(names, controller = r), class = "rrq_error_argument")
    expect_error(rrq_message_send("PUSH", names, controller = r), "`args`",
      class = "rrq_error_argument"
    )
  }
  expect_error(rrq_files_pack(controller = r), class = "rrq_error_argument")
  sum <- strrep("0", 32)
  bad <- list("x", c(a = sum), new_files_pack("a", "x"), new_files_pack("", sum), NULL,
    structure(sum, class = "files_pack"), new_files_pack(NA, sum)
  )
  for (pack in bad) {
    expect_error(rrq_files_unpack(pack, controller = r), "`pack`", class = "rrq_error_argument")
    expect_error(rrq_message_send("PULL", pack, controller = r), "`args`",
      class = "rrq_error_argument"
    )
  }
  pack <- new_files_pack("a", sum)
  expect_error(rrq_files_unpack(pack, 1, r), "`path`", class = "rrq_error_argument")
  file <- withr::local_tempfile(lines = "x")
  expect_error(rrq_files_unpack(pack, file, r), "`path`", class = "rrq_error_argument")
})

test_that("PULL makes a worker write files, PUSH makes it store files", {
  r <- local_queue()
  local_files()
  home <- withr::local_tempdir()
  manager <- withr::with_dir(home, local_spawned(r, worker_id_base = "w"))
  pack <- rrq_files_pack("data", controller = r)
  ask <- function(...) rrq_message_send_and_wait(..., named = FALSE, controller = r)[[1]]
  expect_equal(ask("PULL", pack), "OK")
  expect_equal(readLines(file.path(home, "data/raw/b.txt")), "two")
  writeLines("from the worker", file.path(home, "c.txt"))
  pushed <- ask("PUSH", c("c.txt", "data"))
  expect_named(pushed, c("c.txt", "data/raw/b.txt"))
  path <- withr::local_tempfile()
  # As it comes from rrq_message_send_and_wait(), for one worker.
  rrq_files_unpack(list(w = pushed), path, r)
  expect_error(rrq_files_unpack(list(pushed, pushed), path, r), class = "rrq_error_argument")
  expect_error(rrq_files_unpack(list("a"), path, r), class = "rrq_error_argument")
  expect_equal(readLines(file.path(path, "c.txt")), "from the worker")
})

test_that("a worker that cannot store or write files responds with the error and continues", {
  r <- local_queue()
  local_files()
  worker <- local_worker(r)
  for (names in list("absent", c("a.txt", "../x"), "/etc/hostname")) {
    expect_s3_class(ask_worker(worker, r, "PUSH", names), "try-error")
  }
  lost <- ask_worker(worker, r, "PULL", new_files_pack("new.txt", strrep("0", 32)))
  expect_s3_class(lost, "try-error")
  expect_s3_class(attr(lost, "condition"), "rrq_error_files_missing")
  expect_false(file.exists("new.txt"))
  expect_equal(ask_worker(worker, r, "PING"), "PONG")
})

test_that("a worker checks the names of a pack itself", {
  r <- local_queue()
  local_files()
  worker <- local_worker(r)
  sum <- unclass(rrq_files_pack("a.txt", controller = r))[["a.txt"]]
  pack <- new_files_pack(c("fine", "../out"), c(sum, sum))
  id <- rust_call(rs_message_send(queue_handle(r), "PULL", pack, worker$id))
  run_worker(worker)
  answer <- rrq_message_get_response(id, controller = r)[[1]]
  expect_s3_class(attr(answer, "condition"), "rrq_error_file_refused")
  expect_false(any(file.exists("fine", "../out")))
})
