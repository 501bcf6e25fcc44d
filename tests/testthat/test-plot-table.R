test_that("a table of tasks keeps its class in parts and is a data frame otherwise", {
  table <- example_table(5)
  for (part in list(table[1:2, ], table[table$status == "RUNNING", ], table[c("id", "label")])) {
    expect_s3_class(part, "rrq_task_table")
    expect_equal(attr(part, "now"), attr(table, "now"))
  }
  expect_equal(table[["id"]], table$id)
  expect_identical(class(as.data.frame(table)), "data.frame")
  expect_equal(utils::capture.output(table), utils::capture.output(as.data.frame(table)))
})

test_that("a timeline has the tasks by worker in the order of their start", {
  lanes <- timeline(example_table(7), 1.7e9 + 10)
  expect_equal(lanes$workers, c("w_2", "w_10", "(no worker)"))
  expect_equal(lanes$tasks$worker, rep(lanes$workers, c(2, 3, 2)))
  expect_false(is.unsorted(lanes$tasks$y))
  running <- lanes$tasks[lanes$tasks$status == "RUNNING", ]
  expect_equal(c(running$started, running$end), c(7, 10))
  waiting <- lanes$tasks[lanes$tasks$status == "PENDING", ]
  expect_equal(c(waiting$submitted, waiting$started, waiting$end), c(0, NA, 10))
})

test_that("very many tasks share a line per worker, and those that wait are counted", {
  lanes <- timeline(example_table(400), 1.7e9 + 403)
  expect_true(lanes$compact)
  steps <- waiting_steps(lanes$tasks)
  expect_equal(steps$count[[1]], 400)
  expect_equal(utils::tail(steps$count, 1), 0)
})

test_that("timelines of any size can be drawn", {
  for (n in c(0, 1, 2, 8, 100, 400)) {
    table <- example_table(n)
    expect_identical(draw(plot(table)), table)
  }
  expect_no_error(draw(plot(example_table(8, strrep("long ", 50)), labels = TRUE), width = 4))
  expect_no_error(draw(plot(example_table(8, NA_character_), now = Sys.time(), main = "Title")))
  expect_no_error(draw(plot(example_table(8)[8, ])))
  expect_error(draw(plot(example_table(8)["id"])), "label", class = "rrq_error_argument")
})

test_that("a picture leaves the graphical parameters as they were", {
  before_and_after <- draw({
    before <- graphics::par("mar")
    plot(example_table(3))
    list(before, graphics::par("mar"))
  })
  expect_equal(before_and_after[[1]], before_and_after[[2]])
})

test_that("a table of a queue is drawn", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  run_worker(local_worker(r))
  table <- rrq_task_table(controller = r)
  expect_lt(abs(as.numeric(attr(table, "now")) - as.numeric(max(table$ended))), 60)
  expect_identical(draw(plot(table)), table)
})

test_that("rows of NA are not drawn, and `now` is checked", {
  table <- example_table(5)
  said <- messages_of(draw(plot(table[c(1, NA, 99), ])))
  expect_match(said, "2 rows of NA are not drawn")
  expect_message(draw(plot(table[NA_integer_, ])), "1 row of NA is not drawn")
  for (now in list("x", NA, Sys.time() + 1:2, list())) {
    expect_error(draw(plot(table, now = now)), "`now`", class = "rrq_error_argument")
  }
  expect_no_error(draw(plot(table, now = Sys.time())))
})

test_that("pictures of any size can be drawn", {
  for (size in c(1, 1.5, 2.5, 4)) {
    expect_no_error(draw(plot(example_table(40)), width = size, height = size))
    expect_no_error(draw(plot(example_table(400)), width = size, height = size))
    expect_no_error(draw(plot(example_load()), width = size, height = size))
  }
})
