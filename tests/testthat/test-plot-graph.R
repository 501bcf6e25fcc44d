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
