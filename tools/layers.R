# Checks the layering rules that no compiler enforces. Run `Rscript tools/layers.R`
# from the package root. Each rule is a function that returns its violations as
# "file:line: message"; the exit status is 1 if there are any.
#
# To exempt a line of Rust, end it with `// layers: <reason>`.

wrappers <- "R/extendr-wrappers.R"
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
  each_file(setdiff(rust_files(), "src/rust/core/src/keys.rs"), function(path) {
    rust_violations(path, "\\}\\}:|\"\\}:", "key names belong in core/src/keys.rs")
  })
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
  files <- list.files(c("R", "tests", "tools", "src/rust/src", "src/rust/bridge", "src/rust/core"),
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

# --- dependencies between Rust modules ------------------------------------------

# Which files of a crate use names that other files define, by `use` or by paths in
# code. A name is followed through re-exports to its defining file, so that a
# mod.rs hides nothing. Method calls are ignored: their types reveal the dependency.
module_edges <- function(root) {
  files <- rust_files(root)
  crate <- new.env()
  crate$file_of <- stats::setNames(files, vapply(files, module_name, "", root = root))
  scopes <- do.call(c, lapply(files, scopes_of_file, root = root))
  crate$imports <- lapply(stats::setNames(scopes, vapply(scopes, `[[`, "", "module")), imports_of)
  edges <- do.call(rbind, lapply(scopes, edges_of_scope, crate = crate))
  unique(edges[edges$from != edges$to, ])
}

# "crate" for the root, otherwise "crate::a::b".
module_name <- function(file, root) {
  name <- sub("\\.rs$", "", substring(file, nchar(root) + 2L))
  parts <- c("crate", strsplit(sub("^lib$|/mod$", "", name), "/")[[1]])
  paste(parts, collapse = "::")
}

# A file and each module inside it. rustfmt indents the end of a module like its
# start.
scopes_of_file <- function(file, root) {
  lines <- without_comment(before_tests(readLines(file, warn = FALSE, encoding = "UTF-8")))
  module <- module_name(file, root)
  inner <- grep("^(pub\\S* )?mod \\w+ \\{$", lines)
  ends <- vapply(inner, function(at) min(which(lines == "}" & seq_along(lines) > at)), 1L)
  scope <- function(module, at) {
    list(module = module, file = file, lines = replace(rep("", length(lines)), at, lines[at]))
  }
  nested <- Map(seq, inner, ends)
  outside <- setdiff(seq_along(lines), unlist(nested))
  names <- sub(".*mod (\\w+) \\{", "\\1", lines[inner])
  inner_modules <- sprintf("%s::%s", module, names)
  c(list(scope(module, outside)), unname(Map(scope, inner_modules, nested)))
}

# The imports of a scope's `use` statements: name, path and line.
imports_of <- function(scope) {
  text <- paste(scope$lines, collapse = "\n")
  at <- gregexpr("(?m)^\\s*(pub(\\([^)]*\\))? )?use [^;]+;", text, perl = TRUE)[[1]]
  if (at[[1]] < 0) {
    return(data.frame(name = character(), path = character(), line = integer()))
  }
  statements <- regmatches(text, list(at))[[1]]
  line_ends <- gregexpr("\n", text, fixed = TRUE)[[1]]
  line <- findInterval(at, line_ends) + 1L + startsWith(statements, "\n")
  trees <- gsub("\\s+", " ", sub("^\\s*(pub(\\([^)]*\\))? )?use ([^;]+);", "\\3", statements))
  leaves <- lapply(trees, use_leaves)
  path <- sub(" as .*", "", unlist(leaves))
  data.frame(
    name = sub(".* as |.*::", "", sub("::self$", "", unlist(leaves))),
    path = sub("::self$", "", path),
    line = rep(line, lengths(leaves))
  )
}

# Expands "a::{b, c::{self, d}}" to "a::b", "a::c::self", "a::c::d".
use_leaves <- function(tree) {
  open <- regexpr("{", tree, fixed = TRUE)
  if (open < 0) {
    return(trimws(tree))
  }
  inside <- sub("\\}\\s*$", "", substring(tree, open + 1L))
  chars <- strsplit(inside, "")[[1]]
  depth <- cumsum((chars == "{") - (chars == "}"))
  parts <- tapply(chars, cumsum(chars == "," & depth == 0), paste, collapse = "")
  parts <- trimws(sub("^,", "", parts))
  prefix <- trimws(substr(tree, 1, open - 1L))
  unlist(lapply(parts[nzchar(parts)], function(part) paste0(prefix, use_leaves(part))))
}

edges_of_scope <- function(scope, crate) {
  imports <- crate$imports[[scope$module]]
  used <- paths_in_code(scope, imports)
  paths <- c(imports$path, used$path)
  targets <- vapply(paths, defining_file, "", module = scope$module, crate = crate)
  line <- c(imports$line, used$line)
  edges <- data.frame(from = rep(scope$file, length(line)), to = as.character(targets), line = line)
  edges[!is.na(edges$to), ]
}

# Paths such as `crate::a::b`, and paths that start with an imported module or a
# child of this one.
paths_in_code <- function(scope, imports) {
  lines <- scope$lines
  found <- regmatches(lines, gregexpr("(?<![\\w:])\\w+(::\\w+)+", lines, perl = TRUE))
  line <- rep(seq_along(lines), lengths(found))
  used <- data.frame(path = as.character(unlist(found)), line = line)
  head <- sub("::.*", "", used$path)
  imported <- match(head, imports$name)
  known <- !is.na(imported)
  used$path[known] <- paste0(imports$path[imported[known]], sub("^\\w+", "", used$path[known]))
  used
}

# The file that defines `path`, as seen from `module`. NA for names of other crates,
# and for modules: the names used from a module have paths of their own.
defining_file <- function(path, module, crate, depth = 0L) {
  parts <- strsplit(path, "::", fixed = TRUE)[[1]]
  at <- step_into(module, parts[[1]])
  if (!is_module(at, crate) || depth > 20L) {
    return(NA_character_)
  }
  for (i in seq_along(parts)[-1]) {
    child <- step_into(at, parts[[i]])
    again <- crate$imports[[at]]
    again <- again$path[again$name == parts[[i]] & again$path != path]
    # A function may have the name of its module.
    is_item <- i == length(parts) && length(again) > 0
    if (!is_module(child, crate) || is_item) {
      if (length(again) == 0) {
        return(file_of_module(at, crate))
      }
      return(defining_file(again[[1]], at, crate, depth + 1L))
    }
    at <- child
  }
  NA_character_
}

step_into <- function(module, part) {
  switch(part,
    crate = "crate",
    self = module,
    super = parent_module(module),
    paste0(module, "::", part)
  )
}

is_module <- function(name, crate) {
  name %in% names(crate$imports)
}

parent_module <- function(module) {
  sub("::\\w+$", "", module)
}

file_of_module <- function(module, crate) {
  while (!module %in% names(crate$file_of)) module <- parent_module(module)
  crate$file_of[[match(module, names(crate$file_of))]]
}

# Each cycle as "a -> b -> a". Files without outgoing or incoming edges are in no cycle.
find_cycles <- function(edges) {
  cycles <- character()
  repeat {
    repeat {
      open <- edges$to %in% edges$from & edges$from %in% edges$to
      if (all(open)) break
      edges <- edges[open, ]
    }
    if (nrow(edges) == 0) {
      return(cycles)
    }
    path <- edges$from[[1]]
    while (!anyDuplicated(path)) {
      path <- c(path, edges$to[match(utils::tail(path, 1), edges$from)])
    }
    path <- path[match(utils::tail(path, 1), path):length(path)]
    cycles <- c(cycles, paste(path, collapse = " -> "))
    edges <- edges[!(edges$from == path[[1]] & edges$to == path[[2]]), ]
  }
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
