# Part of tools/layers.R: the dependencies between the modules of a Rust crate.

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
