# The S3 methods that a function takes along, and the namespaces that give its values their classes.
#
# R finds methods of the global environment wherever a generic is called, also from a package. What
# is sent with a task may meet them through a generic, `lapply(x, format)`, or through a class
# alone, as paste() calls as.character(). So a function of the global environment whose name is that
# of a method is sent if its generic or its class was met on the walk (task-globals.R). The worker
# binds it in its global environment while the task runs (worker-methods.R).

# A name with dots may be split at each of them.
split_names <- function(objects) {
  objects <- as.character(objects[grepl(".[.].", objects)])
  dots <- gregexpr("(?<=.)[.](?=.)", objects, perl = TRUE)
  name <- rep(objects, lengths(dots))
  at <- as.integer(unlist(dots))
  list(name = name, generic = substr(name, 1, at - 1), class = substring(name, at + 1))
}

# Code may name a class, structure(x, class = "money"), or a generic, UseMethod("area").
note_words <- function(syntax, found) {
  if (length(scene_of(found)$methods$name) > 0) {
    found$called <- c(found$called, syntax$called, syntax$variables)
    found$strings <- c(found$strings, syntax$strings)
  }
}

# Until no method brings another.
visit_methods <- function(found) {
  methods <- scene_of(found)$methods
  while (length(methods$name) > 0 && length(names <- methods_met(methods, found)) > 0) {
    for (name in names) {
      value <- get0(name, globalenv(), inherits = FALSE)
      found$methods <- c(found$methods, name)
      if (!name %in% names(found$values)) take_value(name, value, found)
    }
  }
}

methods_met <- function(methods, found) {
  words <- c(found$called, found$strings)
  by_generic <- methods$generic %in% c(words, group_of[match(words, names(group_of), 0)])
  by_class <- methods$class %in% c(found$classes, found$strings)
  at <- which((by_generic | by_class) & !methods$name %in% found$methods)
  if (length(at) == 0) {
    return(NULL)
  }
  is_method <- vapply(at, function(i) {
    is.function(get0(methods$name[[i]], globalenv(), inherits = FALSE)) &&
      is_generic(methods$generic[[i]], unknown = by_generic[[i]])
  }, NA)
  unique(methods$name[at[is_method]])
}

# As in ?groupGeneric.
group_of <- c(
  rlang::rep_named(
    c("+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "&", "|", "!"), "Ops"
  ),
  rlang::rep_named(
    c(
      "abs", "sign", "sqrt", "floor", "ceiling", "trunc", "round", "signif", "exp", "log", "expm1",
      "log1p", "log2", "log10", "cos", "sin", "tan", "cospi", "sinpi", "tanpi", "acos", "asin",
      "atan", "cosh", "sinh", "tanh", "acosh", "asinh", "atanh", "lgamma", "gamma", "digamma",
      "trigamma", "cumsum", "cumprod", "cummax", "cummin"
    ), "Math"
  ),
  rlang::rep_named(c("all", "any", "sum", "prod", "max", "min", "range"), "Summary")
)

# Whether a function of this name looks for methods. One that is not in this session may be on the
# worker.
is_generic <- function(name, unknown) {
  if (name %in% internal_generics) {
    return(TRUE)
  }
  fn <- get0(name, globalenv(), mode = "function") %||% loaded_function(name)
  if (is.null(fn)) unknown else is.primitive(fn) || "UseMethod" %in% all.names(body(fn))
}

internal_generics <- c(
  "Ops", "Math", "Summary", "matrixOps", "as.environment", "as.vector", "cbind", "is.unsorted",
  "lengths", "nchar", "rbind", "rep.int", "rep_len", "unlist"
)

loaded_function <- function(name) {
  for (namespace in loadedNamespaces()) {
    fn <- get0(name, asNamespace(namespace), mode = "function", inherits = FALSE)
    if (!is.null(fn)) {
      return(fn)
    }
  }
}

# The names of methods among declared values, if any.
methods_in <- function(values) {
  names <- names(values)[vapply(values, is.function, NA)]
  split <- split_names(names)
  is_method <- vapply(split$generic, is_generic, NA, unknown = FALSE)
  if (any(is_method)) unique(split$name[is_method])
}

# Namespaces -----------------------------------------------------------------------------------

# The packages whose methods for R's own generics belong to these classes, such as `[.data.table`.
# A value of such a class behaves as it does here only where they are loaded.
class_namespaces <- function(classes) {
  n <- length(loadedNamespaces())
  if (!identical(the$class_namespaces$n, n)) {
    the$class_namespaces <- new.env(parent = emptyenv())
    the$class_namespaces$n <- n
  }
  unique(unlist(lapply(classes, function(class) {
    key <- paste("class", class)
    if (!exists(key, the$class_namespaces)) {
      assign(key, registering_namespaces(class), the$class_namespaces)
    }
    the$class_namespaces[[key]]
  })))
}

registering_namespaces <- function(class) {
  # The package of an S4 class.
  if (endsWith(class, "::")) {
    package <- sub("::$", "", class)
    return(if (isNamespaceLoaded(package)) setdiff(package, default_packages))
  }
  methods <- unlist(lapply(default_packages, function(package) {
    table <- asNamespace(package)$.__S3MethodsTable__.
    names <- names(table)
    mget(names[endsWith(names, paste0(".", class))], table)
  }))
  packages <- unique(vapply(methods, method_package, ""))
  # A class of R itself needs nothing, whoever has added methods.
  if (!any(packages %in% default_packages)) setdiff(packages, "")
}

method_package <- function(fn) {
  if (is.primitive(fn)) "base" else frame_package(topenv(environment(fn), emptyenv()))
}
