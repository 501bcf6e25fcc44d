library(testthat)
library(rrqBioc)

test_check("rrqBioc")
