test_that("long texts are cut, names of workers in the middle", {
  expect_equal(shorten(c("abcdefgh", "abc", NA), 6), c("abc...", "abc", NA))
  expect_equal(shorten_middle(c("crazy_panda_10", "w_1"), 9), c("cra..._10", "w_1"))
})

test_that("an axis has the unit that fits", {
  units <- vapply(c(0.01, 2, 179, 600, 86400, 1e6), function(s) names(time_unit(s)), "")
  expect_equal(units, c("ms", "s", "s", "min", "h", "days"))
})
