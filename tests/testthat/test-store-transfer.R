test_that("a long transfer has a bar, which goes at its end", {
  withr::local_options(rrq.progress = TRUE, cli.dynamic = FALSE, cli.progress_show_after = 0)
  bar <- new.env()
  output <- utils::capture.output(type = "message", {
    show_transfer(bar, 1e6, 4e6)
    expect_false(is.null(bar$id))
    show_transfer(bar, 4e6, 4e6)
  })
  expect_null(bar$id)
  expect_match(paste(output, collapse = ""), "Transferring 1 MB of 4 MB", fixed = TRUE)
})

test_that("there is none where other progress is not shown", {
  withr::local_options(rrq.progress = FALSE)
  bar <- new.env()
  expect_silent(show_transfer(bar, 1e6, 4e6))
  expect_null(bar$id)
})
