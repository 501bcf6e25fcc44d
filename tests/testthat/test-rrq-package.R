entry_page <- function() {
  page <- tryCatch(tools::Rd_db("rrq")[["rrq-package.Rd"]], error = function(e) NULL)
  skip_if(is.null(page), "the package is installed without its help")
  paste(utils::capture.output(tools::Rd2txt(page, options = list(underline_titles = FALSE))),
    collapse = "\n"
  )
}

test_that("?rrq names every exported function", {
  page <- entry_page()
  exports <- getNamespaceExports("rrq")
  named <- vapply(exports, grepl, NA, page, fixed = TRUE)
  expect_equal(exports[!named], character())
})

test_that("?rrq names every option that the code asks for", {
  page <- entry_page()
  namespace <- asNamespace("rrq")
  functions <- Filter(is.function, mget(ls(namespace, all.names = TRUE), envir = namespace))
  code <- unlist(lapply(functions, function(f) deparse(body(f))))
  asked <- regmatches(code, regexpr("getOption\\(\"rrq[.][a-z_]+", code))
  asked <- unique(sub(".*\"", "", asked))
  expect_gt(length(asked), 5)
  named <- vapply(asked, grepl, NA, page, fixed = TRUE)
  expect_equal(asked[!named], character())
})
