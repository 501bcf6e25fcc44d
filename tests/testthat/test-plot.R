# Draws to a file that is deleted; returns the value of `expr`.
draw <- function(expr, ...) {
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file, ...)
  withr::defer(grDevices::dev.off())
  force(expr)
}

# A table of `n` tasks by two workers; the last three are running, waiting and cancelled.
example_table <- function(n, label = "t") {
  start <- 1.7e9 + seq_len(n)
  table <- list(
    id = sprintf("id%d", seq_len(n)), label = rep(label, n), status = rep("COMPLETE", n),
    queue = rep("default", n), worker = rep_len(c("w_10", "w_2"), n), attempt = rep(1L, n),
    times = list(submit = rep(1.7e9, n), start = start, end = start + 2)
  )
  last <- utils::tail(seq_len(n), 3)
  table$status[last] <- utils::tail(c("CANCELLED", "PENDING", "RUNNING"), length(last))
  table$times$end[table$status %in% c("PENDING", "RUNNING")] <- NA
  table$times$start[table$status %in% c("PENDING", "CANCELLED")] <- NA
  new_task_table(table, 1.7e9 + n + 3)
}

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

test_that("long texts are cut, names of workers in the middle", {
  expect_equal(shorten(c("abcdefgh", "abc", NA), 6), c("abc...", "abc", NA))
  expect_equal(shorten_middle(c("crazy_panda_10", "w_1"), 9), c("cra..._10", "w_1"))
})

test_that("an axis has the unit that fits", {
  units <- vapply(c(0.01, 2, 179, 600, 86400, 1e6), function(s) names(time_unit(s)), "")
  expect_equal(units, c("ms", "s", "s", "min", "h", "days"))
})

test_that("a table of a queue is drawn", {
  r <- local_queue()
  ids <- rrq_task_create_bulk_call(sqrt, 1:3, controller = r)
  run_worker(local_worker(r))
  table <- rrq_task_table(controller = r)
  expect_lt(abs(as.numeric(attr(table, "now")) - as.numeric(max(table$ended))), 60)
  expect_identical(draw(plot(table)), table)
})

test_that("tasks of a graph are right of those they depend on, and lines avoid boxes", {
  ids <- c("a", "b", "c", "d")
  nodes <- data.frame(id = ids, label = ids, status = c("COMPLETE", "ERROR", "MISSING", "PENDING"))
  edges <- data.frame(from = c("a", "b", "c", "a"), to = c("b", "c", "d", "d"), name = NA)
  graph <- new_graph(nodes, edges)
  places <- graph_layout(graph)
  expect_equal(places$layer, c(1:4, 2:3))
  expect_true(all(places$layer[places$lines$to] - places$layer[places$lines$from] == 1))
  # No two of a layer are at the same place.
  expect_false(any(duplicated(places[c("layer", "y")] |> as.data.frame())))
  expect_identical(draw(plot(graph)), graph)
})

test_that("graphs of any size can be drawn", {
  none <- data.frame(from = character(), to = character(), name = character())
  sizes <- c(0, 1, 60)
  for (n in sizes) {
    ids <- sprintf("task %d", seq_len(n))
    graph <- new_graph(data.frame(id = ids, label = ids, status = rep("PENDING", n)), none)
    expect_identical(draw(plot(graph)), graph)
  }
  ids <- sprintf("task %d", 1:100)
  nodes <- data.frame(id = ids, label = NA_character_, status = "COMPLETE")
  chords <- data.frame(from = rep(ids[-100], 2), to = c(ids[-1], rep(ids[100], 99)), name = NA)
  expect_no_error(draw(plot(new_graph(nodes, chords))))
})

# Two workers, the second of which came later: intervals in seconds until 100.
example_load <- function() {
  spans <- function(...) data.frame(from = c(...)[c(TRUE, FALSE)], to = c(...)[c(FALSE, TRUE)])
  periods <- list(
    list(busy = spans(0, 10, 5, 20, 90, 100), alive = spans(0, 100)),
    list(busy = spans(50, 60), alive = spans(50, 100))
  )
  loads <- data.frame(worker_id = c("a", "b"))
  structure(loads, periods = periods, now = 100, class = c("worker_load", "data.frame"))
}

test_that("the curve of a load has how many workers were there, and how many worked", {
  curve <- load_curve(attr(example_load(), "periods"), 0, 100, n = 10)
  expect_equal(curve$used, c(1, 1, 0, 0, 0, 1, 0, 0, 0, 1))
  expect_equal(curve$available, rep(1:2, each = 5))
  expect_equal(curve$from, seq(-100, -10, by = 10))
  means <- mean(example_load(), time = Inf)
  curve <- load_curve(attr(example_load(), "periods"), 0, 100, n = 7)
  expect_equal(c(mean(curve$used), mean(curve$available)), unname(means[, 1]))
})

test_that("a load is drawn, also one without workers", {
  load <- example_load()
  expect_identical(draw(plot(load)), load)
  expect_no_error(draw(plot(load, time = 1)))
  expect_error(draw(plot(load, time = 0)), class = "rrq_error_argument")
  r <- local_queue()
  expect_no_error(draw(plot(rrq_worker_load(controller = r))))
})
