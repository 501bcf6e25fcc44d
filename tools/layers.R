# Checks the layering rules that no compiler enforces. Run `Rscript tools/layers.R`
# from the package root. Each rule is a function that returns its violations as
# "file:line: message"; the exit status is 1 if there are any.
#
# To exempt a line of Rust, end it with `// layers: <reason>`.

source("tools/layers-modules.R")

wrappers <- "R/extendr-wrappers.R"
keys_file <- "src/rust/core/src/keys.rs"
lua_folder <- "src/rust/core/lua"
max_lines <- 400L
status_words <- c(
  "PENDING", "RUNNING", "COMPLETE", "ERROR", "CANCELLED", "DIED", "TIMEOUT",
  "DEFERRED", "IMPOSSIBLE", "MOVED", "MISSING",
  "STARTING", "PAUSED", "EXITED", "LOST" # IDLE and BUSY also are words of the server
)

# --- rules ---------------------------------------------------------------------

# The boundary crate may depend on R; the engine may not, directly or indirectly.
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
    violations(path, found$line1, paste(found$text, "belongs in", wrappers))
  })
}

# rust_call() turns errors of the engine into R conditions.
rule_engine_calls_are_guarded <- function() {
  each_file(package_r_files(), function(path) {
    tokens <- r_tokens(path)
    found <- tokens[is_symbol(tokens) & startsWith(tokens$text, "rs_"), ]
    guarded <- vapply(found$id, is_within_call, NA, tokens = tokens, name = "rust_call")
    bad <- found[!guarded, ]
    violations(path, bad$line1, paste(bad$text, "must be called within rust_call()"))
  })
}

# Of two definitions R keeps the one in the file that it loads last.
rule_functions_have_names_of_their_own <- function() {
  pattern <- "^([[:alnum:]_.]+) <- .*$"
  known <- character()
  each_file(package_r_files(), function(path) {
    lines <- readLines(path)
    at <- grep(pattern, lines)
    names <- sub(pattern, "\\1", lines[at])
    twice <- names %in% known | duplicated(names)
    known <<- c(known, names)
    violations(path, at[twice], paste(names[twice], "is defined a second time"))
  })
}

rule_boundary_without_redis <- function() {
  boundary <- c("src/rust/src", "src/rust/bridge/src")
  sources <- each_file(rust_files(boundary), function(path) {
    rust_violations(path, "(?<![\\w:])(::)?redis::|extern crate redis|use redis\\b", paste(
      "the boundary must call the engine instead of Redis"
    ))
  })
  manifests <- each_file(c("src/rust/Cargo.toml", "src/rust/bridge/Cargo.toml"), function(path) {
    found <- grep("^\\s*redis\\b", readLines(path))
    violations(path, found, "the boundary must not depend on the redis crate")
  })
  c(sources, manifests)
}

# All keys begin with the hash tag `{queue id}:`, in a format string `{{{id}}}:`.
rule_keys_are_spelled_in_one_file <- function() {
  each_file(setdiff(rust_files(), keys_file), function(path) {
    rust_violations(path, "\\}\\}:|\"\\}:", paste("key names belong in", keys_file))
  })
}

# Scripts write KEY.tasks and the like, for which the engine puts the text.
rule_scripts_spell_no_key <- function() {
  names <- unique(unlist(regmatches(
    readLines(keys_file), gregexpr('(?<== ")[a-z:]+(?=";)', readLines(keys_file), perl = TRUE)
  )))
  literals <- paste0("['\"](", paste(names[nchar(names) > 1], collapse = "|"), ")['\"]")
  each_file(lua_files(), function(path) {
    lua_violations(path, paste0("prefix\\s*\\.\\.\\s*['\"]|", literals), paste(
      "names of keys, fields and timers are spelled in", keys_file, "only"
    ))
  })
}

rule_r_spells_no_key <- function() {
  each_file(package_r_files(), function(path) {
    tokens <- r_tokens(path)
    pattern <- "^[\"']\\{[^ ]*\\}:"
    found <- tokens[tokens$token == "STR_CONST" & grepl(pattern, tokens$text), ]
    violations(path, found$line1, "R knows no key of a queue: it asks the engine")
  })
}

# What is stored in a form of its own has one owner among the scripts.
rule_stored_forms_have_one_owner <- function() {
  owners <- list(
    `_queue.lua` = "KEY\\.(queue|wake)\\b|FIELD\\.QUEUE\\b",
    `_header.lua` = "string\\.match\\(packed|h\\.status|\\.flags\\b",
    `_record.lua` = "'H[GS]ET', workers"
  )
  unlist(lapply(names(owners), function(owner) {
    each_file(setdiff(lua_files(), file.path(lua_folder, owner)), function(path) {
      lua_violations(path, owners[[owner]], paste("only", owner, "does this: call it"))
    })
  }))
}

rule_statuses_are_spelled_in_one_file <- function() {
  pattern <- sprintf("\"(%s)\"", paste(status_words, collapse = "|"))
  each_file(setdiff(rust_files(), "src/rust/core/src/status.rs"), function(path) {
    rust_violations(path, pattern, "status names belong in core/src/status.rs")
  })
}

# Dependency cycles would force a reader to understand several files at once.
rule_engine_files_have_no_cycles <- function() {
  edges <- module_edges("src/rust/core/src")
  each_file(find_cycles(edges), function(cycle) {
    path <- strsplit(cycle, " -> ", fixed = TRUE)[[1]]
    line <- edges$line[edges$from == path[[1]] & edges$to == path[[2]]][[1]]
    violations(path[[1]], line, paste("dependency cycle between files:", cycle))
  })
}

rule_files_are_short <- function() {
  crates <- paste0("src/rust/", c("src", "bridge", "core", "cloud"))
  files <- list.files(c("R", "tests", "tools", crates),
    pattern = "\\.(R|rs|lua)$", recursive = TRUE, full.names = TRUE
  )
  each_file(setdiff(files, wrappers), function(path) {
    n <- length(readLines(path, warn = FALSE))
    if (n > max_lines) {
      violations(path, n, sprintf("%d lines (at most %d): split the file by noun", n, max_lines))
    }
  })
}

rule_exports_have_tests <- function() {
  each_file(package_r_files(), function(path) {
    test <- file.path("tests/testthat", paste0("test-", basename(path)))
    exports <- grep("^#' @export\\b", readLines(path, warn = FALSE))
    if (length(exports) > 0 && !file.exists(test)) {
      violations(path, exports[[1]], paste("exported functions need tests in", test))
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

# Whether the token is inside the parentheses of a call of `name`, at any depth.
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

# Tests are exempt: they may contain key and status names.
rust_files <- function(under = c("src/rust/src", "src/rust/bridge/src", "src/rust/core/src")) {
  files <- list.files(under, pattern = "\\.rs$", recursive = TRUE, full.names = TRUE)
  files[!grepl("(^|/)tests(/|\\.rs$)", files)]
}

rust_violations <- function(path, pattern, message) {
  lines <- before_tests(readLines(path, warn = FALSE, encoding = "UTF-8"))
  excused <- grepl("// layers: \\S", lines)
  violations(path, which(grepl(pattern, without_comment(lines), perl = TRUE) & !excused), message)
}

lua_files <- function() {
  list.files(lua_folder, pattern = "\\.lua$", full.names = TRUE)
}

lua_violations <- function(path, pattern, message) {
  code <- sub("-- .*$", "", readLines(path, warn = FALSE, encoding = "UTF-8"))
  violations(path, grep(pattern, code, perl = TRUE), message)
}

# Unit tests are in a module at the end of a file.
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
  if (!file.exists("DESCRIPTION")) stop("run this script from the package root")
  rules <- Filter(is.function, mget(ls(globalenv(), pattern = "^rule_"), globalenv()))
  found <- unlist(lapply(rules, function(rule) rule()), use.names = FALSE)
  writeLines(sort(as.character(found)))
  message(sprintf("%d layering rules, %d violations", length(rules), length(found)))
  quit(save = "no", status = if (length(found) > 0) 1L else 0L)
}

main()
