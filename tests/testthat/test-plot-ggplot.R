test_that("ggplot2 users draw tasks, graphs and loads with autoplot()", {
  skip_if_not_installed("ggplot2")
  autoplot <- getExportedValue("ggplot2", "autoplot")
  is_drawn <- function(picture) {
    expect_s3_class(picture, "ggplot")
    expect_no_error(draw(print(picture)))
  }
  for (n in c(0, 1, 8, 100, 400)) is_drawn(autoplot(example_table(n)))
  is_drawn(autoplot(example_table(8, strrep("long ", 50)), labels = TRUE, now = Sys.time()))
  is_drawn(autoplot(example_load()))
  is_drawn(autoplot(example_load()[0, , drop = FALSE], time = 1))
  nodes <- data.frame(id = c("a", "b", "c"), label = NA, status = c("COMPLETE", "ERROR", "MISSING"))
  edges <- data.frame(from = c("a", "a", "b"), to = c("b", "c", "c"), name = NA_character_)
  is_drawn(autoplot(new_graph(nodes, edges)))
  is_drawn(autoplot(new_graph(nodes[1, ], edges[0, ])))
  is_drawn(autoplot(new_graph(nodes[0, ], edges[0, ])))
})

test_that("autoplot() checks its arguments as plot() does", {
  skip_if_not_installed("ggplot2")
  autoplot <- getExportedValue("ggplot2", "autoplot")
  expect_error(autoplot(example_load(), time = 0), "`time`", class = "rrq_error_argument")
  expect_error(autoplot(example_table(8)["id"]), "label", class = "rrq_error_argument")
  expect_error(autoplot(example_table(8), labels = 1), "`labels`", class = "rrq_error_argument")
})

test_that("a graph and a timeline have what plot() draws", {
  skip_if_not_installed("ggplot2")
  picture <- getExportedValue("ggplot2", "autoplot")(example_table(7))
  data <- getExportedValue("ggplot2", "layer_data")
  runs <- data(picture, 2)
  expect_equal(nrow(runs), 5)
  expect_equal(runs$fill[runs$xmax == 10], status_colours[["RUNNING"]])
  expect_equal(unique(data(picture, 1)$fill), status_colours[["PENDING"]])
})
