# A queue with a diamond of tasks; its ids, by label.
diamond <- function(r) {
  create <- function(value, label, ...) {
    rrq_task_create_call(identity, list(value), label = label, depends_on = c(...), controller = r)
  }
  a <- create(1, "a")
  b <- create(2, "b", a)
  c <- create(3, "c", a)
  d <- rrq_task_create_expr(x + y, label = "d", depends_on = c(x = b, y = c), controller = r)
  c(a = a, b = b, c = c, d = d)
}

test_that("a graph is read for all of its tasks at once", {
  r <- local_queue()
  n_requests <- function(n) {
    a <- rrq_task_create_bulk_call(sqrt, seq_len(n), controller = r)
    b <- vapply(a, function(id) rrq_task_create_expr(sqrt(1), depends_on = id, controller = r), "")
    count <- function() {
      info <- strsplit(r$con$INFO("commandstats"), "\r?\n")[[1]]
      as.numeric(sub("^[^=]*=([0-9]+),.*", "\\1", grep("^cmdstat_hmget:", info, value = TRUE)))
    }
    before <- count()
    expect_equal(nrow(rrq_task_graph(c(a, b), controller = r)$edges), n)
    count() - before
  }
  few <- n_requests(5)
  expect_equal(n_requests(50), few)
})

test_that("a graph has the tasks and all that they depend on and that depends on them", {
  r <- local_queue()
  ids <- diamond(r)
  alone <- rrq_task_create_expr(1 + 1, controller = r)
  graph <- rrq_task_graph(ids[["b"]], controller = r)
  expect_equal(graph$nodes$label, c("a", "b", "d"))
  graph <- rrq_task_graph(c(unname(ids), alone), controller = r)
  expect_setequal(graph$nodes$id, c(ids, alone))
  expect_equal(graph$nodes$status, c("PENDING", "PENDING", "DEFERRED", "DEFERRED", "DEFERRED"))
  edges <- as.data.frame(graph)
  label <- function(id) names(ids)[match(id, ids)]
  expect_setequal(paste(label(edges$from), label(edges$to)), c("a b", "a c", "b d", "c d"))
  expect_equal(edges$name[order(label(edges$from))], c(NA, NA, "x", "y"))
})

test_that("dependencies come before their dependants", {
  r <- local_queue()
  ids <- diamond(r)
  nodes <- rrq_task_graph(rev(unname(ids)), controller = r)$nodes
  expect_equal(nodes$label[c(1, 4)], c("a", "d"))
})

test_that("an edge is there once, however many walks find it", {
  edges <- data.frame(from = c("a", "b"), to = c("b", "c"), name = NA_character_)
  expect_equal(node_layers(c("c", "b", "a"), edges), 3:1)
  r <- local_queue()
  chain <- Reduce(function(before, i) {
    on <- before[length(before)]
    c(before, rrq_task_create_expr(sqrt(1), depends_on = on, globals = FALSE, controller = r))
  }, 1:6, character())
  graph <- rrq_task_graph(chain, controller = r)
  expect_equal(graph$nodes$id, chain)
  expect_equal(graph$edges$from, chain[-6][match(graph$edges$to, chain[-1])])
  expect_equal(nrow(graph$edges), 5)
})

test_that("a graph shows what failed, and unknown ids are an error", {
  r <- local_queue()
  a <- rrq_task_create_expr(stop("no"), controller = r)
  b <- rrq_task_create_expr(1 + 1, depends_on = a, controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_graph(b, controller = r)$nodes$status, c("ERROR", "IMPOSSIBLE"))
  expect_error(rrq_task_graph("unknown", controller = r), class = "rrq_error_task_missing")
  expect_equal(nrow(rrq_task_graph(character(), controller = r)$nodes), 0)
})

# A graph with all that needs care in texts.
awkward_graph <- function() {
  nodes <- data.frame(
    id = c("1", "2", "3"), label = c("say \"hi\" <#1>", NA, "a\\b"),
    status = c("COMPLETE", "ERROR", "IMPOSSIBLE")
  )
  new_graph(nodes, data.frame(from = c("1", "2"), to = c("2", "3"), name = c("x|y", NA)))
}

test_that("a graph is formatted as Mermaid and as DOT", {
  expect_snapshot_output(cat(format(awkward_graph()), sep = "\n"))
  expect_snapshot_output(cat(format(awkward_graph(), "dot"), sep = "\n"))
  expect_error(format(awkward_graph(), "svg"), class = "rrq_error_argument")
})

test_that("a graph prints as a line per task", {
  withr::local_options(width = 80)
  expect_snapshot_output(print(awkward_graph()))
  many <- sprintf("task %d", 1:50)
  nodes <- data.frame(id = many, label = strrep(many, 20), status = "PENDING")
  graph <- new_graph(nodes, data.frame(from = many[1:49], to = many[50], name = NA))
  lines <- utils::capture.output(print(graph))
  expect_true(all(nchar(lines) <= 80))
  expect_equal(lines[22], "  ... and 30 more")
})
