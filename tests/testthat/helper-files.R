# A folder with two files, one of them below another folder; the working directory until the end.
local_files <- function(env = parent.frame()) {
  path <- withr::local_tempdir(.local_envir = env)
  withr::local_dir(path, .local_envir = env)
  dir.create("data/raw", recursive = TRUE)
  writeLines("one", "a.txt")
  writeLines("two", "data/raw/b.txt")
  normalizePath(path)
}

# How many contents a queue stores.
n_stored <- function(controller) {
  length(controller$con$KEYS(paste0(controller$keys$prefix, "f:*")))
}
