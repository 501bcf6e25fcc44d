# The layering rules that no compiler holds: Rscript tools/layers.R, from the
# root of the package. Each rule is a function that returns its violations as
# "file:line: message"; any violation makes the exit status 1.
#
# A line of Rust that is right for a reason no rule can know ends with
# `// layers: <reason>`.

wrappers <- "R/extendr-wrappers.R"
max_lines <- 400L
status_words <- c(
  "PENDING", "RUNNING", "COMPLETE", "ERROR", "CANCELLED", "DIED", "TIMEOUT",
  "DEFERRED", "IMPOSSIBLE", "MOVED", "MISSING"
)

# --- rules ---------------------------------------------------------------------

# The boundary crate may know R, the engine may not, not even through a
# dependency of a dependency.
rule_engine_without_r <- function() {
  tree <- suppressWarnings(system2("cargo", c(
    "tree", "--manifest-path", "src/rust/Cargo.toml", "--package", "rrq-core",
    "--edges", "normal,build", "--prefix", "none", "--locked"
  ), stdout = TRUE))
  if (!is.null(attr(tree, "status"))) {
    return("src/rust/core/Cargo.toml:1: cargo tree failed, see above")
  }
  bad <- grep("^(extendr|libR-sys)", unique(sub(" .*", "", tree)), value = TRUE)
  sprintf("src/rust/core/Cargo.toml:1: the engine depends on %s", bad)
}

rule_native_calls_are_generated <- function() {
  native <- c(".Call", ".External", ".External2", ".C", ".Fortran")
  each_file(package_r_files(), function(path) {
    tokens <- r_tokens(path)
    found <- tokens[is_symbol(tokens) & tokens$text %in% native, ]
    violations(path, found$line1, paste(found$text, "belongs into", wrappers))
  })
}

# rust_call() turns errors of the engine into R conditions.
rule_engine_calls_are_guarded <- function() {
  each_file(package_r_files(), function(path) {
    tokens <- r_tokens(path)
    found <- tokens[is_symbol(tokens) & startsWith(tokens$text, "rs_"), ]
    guarded <- vapply(found$id, is_within_call, NA, tokens = tokens, name = "rust_call")
    bad <- found[!guarded, ]
    violations(path, bad$line1, paste(bad$text, "is not called through rust_call()"))
  })
}

rule_boundary_without_redis <- function() {
  boundary <- c("src/rust/src", "src/rust/bridge/src")
  sources <- each_file(rust_files(boundary), function(path) {
    rust_violations(path, "(?<![\\w:])(::)?redis::|extern crate redis|use redis\\b", paste(
      "the boundary does not talk to Redis: it calls the engine"
    ))
  })
  manifests <- each_file(c("src/rust/Cargo.toml", "src/rust/bridge/Cargo.toml"), function(path) {
    found <- grep("^\\s*redis\\b", readLines(path))
    violations(path, found, "the boundary does not depend on the redis crate")
  })
  c(sources, manifests)
}

# All keys begin with the hash tag `{queue id}:`, in a format string `{{{id}}}:`.
rule_keys_are_spelled_in_one_file <- function() {
  each_file(setdiff(rust_files(), "src/rust/core/src/keys.rs"), function(path) {
    rust_violations(path, "\\}\\}:|\"\\}:", "key names are spelled in core/src/keys.rs only")
  })
}

rule_statuses_are_spelled_in_one_file <- function() {
  pattern <- sprintf("\"(%s)\"", paste(status_words, collapse = "|"))
  each_file(setdiff(rust_files(), "src/rust/core/src/status.rs"), function(path) {
    rust_violations(path, pattern, "statuses are spelled in core/src/status.rs only")
  })
}

rule_files_are_short <- function() {
  files <- list.files(c("R", "tests", "tools", "src/rust/src", "src/rust/bridge", "src/rust/core"),
    pattern = "\\.(R|rs|lua)$", recursive = TRUE, full.names = TRUE
  )
  each_file(setdiff(files, wrappers), function(path) {
    n <- length(readLines(path, warn = FALSE))
    if (n > max_lines) {
      violations(path, n, sprintf("%d lines, split it by noun (at most %d)", n, max_lines))
    }
  })
}

rule_exports_have_tests <- function() {
  each_file(package_r_files(), function(path) {
    test <- file.path("tests/testthat", paste0("test-", basename(path)))
    exports <- grep("^#' @export\\b", readLines(path, warn = FALSE))
    if (length(exports) > 0 && !file.exists(test)) {
      violations(path, exports[[1]], paste("what is exported here is tested in", test))
    }
  })
}

# --- R code --------------------------------------------------------------------

package_r_files <- function() {
  setdiff(list.files("R", pattern = "\\.[rR]$", full.names = TRUE), wrappers)
}

r_tokens <- function(path) {
  utils::getParseData(parse(path, keep.source = TRUE, encoding = "UTF-8"))
}

is_symbol <- function(tokens) {
  tokens$token %in% c("SYMBOL", "SYMBOL_FUNCTION_CALL")
}

# Is the token inside the parentheses of a call of `name`, however deep?
is_within_call <- function(id, tokens, name) {
  heads <- tokens[tokens$token == "SYMBOL_FUNCTION_CALL" & tokens$text == name, ]
  calls <- parent_of(parent_of(heads$id, tokens), tokens)
  while (length(id) == 1 && id > 0) {
    id <- parent_of(id, tokens)
    if (any(id %in% calls)) {
      return(TRUE)
    }
  }
  FALSE
}

parent_of <- function(id, tokens) {
  tokens$parent[match(id, tokens$id, nomatch = 0L)]
}

# --- Rust code -----------------------------------------------------------------

# Tests may spell out what they check.
rust_files <- function(under = c("src/rust/src", "src/rust/bridge/src", "src/rust/core/src")) {
  files <- list.files(under, pattern = "\\.rs$", recursive = TRUE, full.names = TRUE)
  files[!grepl("(^|/)tests(/|\\.rs$)", files)]
}

rust_violations <- function(path, pattern, message) {
  lines <- before_tests(readLines(path, warn = FALSE, encoding = "UTF-8"))
  excused <- grepl("// layers: \\S", lines)
  violations(path, which(grepl(pattern, without_comment(lines), perl = TRUE) & !excused), message)
}

# Unit tests stand at the end of a file, in a module of their own.
before_tests <- function(lines) {
  test <- grepl("^\\s*#\\[cfg\\(test\\)\\]", lines)
  module <- grepl("^\\s*(#\\[.*\\]\\s*)*(pub\\S*\\s+)?mod\\s+\\w+\\s*\\{", lines)
  attribute <- grepl("^\\s*#\\[", lines)
  for (start in which(test)) {
    rest <- seq_along(lines) > start
    if (which(rest & (module | !attribute))[1] %in% which(module)) {
      return(lines[seq_len(start - 1L)])
    }
  }
  lines
}

# Cuts at the first `//` that is not inside a string such as "redis://host".
without_comment <- function(lines) {
  unquoted <- "^((?:[^\"/]|/(?!/)|'\\\\?\"'|\"(?:[^\"\\\\]|\\\\.)*\")*)//.*$"
  sub(unquoted, "\\1", lines, perl = TRUE)
}

# --- reporting -----------------------------------------------------------------

violations <- function(path, line, message) {
  if (length(line) > 0) sprintf("%s:%d: %s", path, as.integer(line), message)
}

each_file <- function(files, rule) {
  unlist(lapply(files, rule))
}

main <- function() {
  if (!file.exists("DESCRIPTION")) stop("run this from the root of the package")
  rules <- Filter(is.function, mget(ls(globalenv(), pattern = "^rule_"), globalenv()))
  found <- unlist(lapply(rules, function(rule) rule()), use.names = FALSE)
  writeLines(sort(as.character(found)))
  message(sprintf("%d layering rules, %d violations", length(rules), length(found)))
  quit(save = "no", status = if (length(found) > 0) 1L else 0L)
}

main()
