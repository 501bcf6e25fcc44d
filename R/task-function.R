# The function of a call: by name if it is from a package, otherwise by value.

capture_function <- function(fn_expr, envir, call = caller_env(), arg = "fn") {
  if (rlang::is_missing(fn_expr)) {
    abort_capture("{.arg {arg}} is missing: pass a function.", call = call)
  }
  if (is_namespaced(fn_expr)) {
    return(function_by_name(fn_expr, call))
  }
  fn <- if (is.symbol(fn_expr)) {
    named_function(as.character(fn_expr), envir, call)
  } else {
    eval_function(fn_expr, envir, call)
  }
  if (arg == "FUN" && rlang::is_string(fn)) {
    return(function_by_string(fn, envir, call, arg))
  }
  if (arg %in% c("FUN", ".f")) fn <- as_plain_function(fn)
  if (!is.function(fn)) {
    abort_not_function(fn, fn_expr, arg, call)
  }
  if (is.symbol(fn_expr)) named_as_sent(fn, as.character(fn_expr)) else as_sent(fn)
}

as_sent <- function(fn) list(value = strip_function_source(fn))

# Remembers functions of packages, which are sent by name, and of the global environment.
named_as_sent <- function(fn, name) {
  known <- remembered(fn)
  if (!is.null(known) && identical(known$name, name)) {
    return(known$sent)
  }
  namespace <- home_namespace(fn, name)
  home_name <- if (nzchar(namespace)) name else name_at_home(fn)
  sent <- if (is.null(home_name)) as_sent(fn) else function_reference(home_name, home_package(fn))
  if (!is.null(home_name) || identical(environment(fn), globalenv())) {
    remember(fn, list(fn = fn, name = name, sent = sent))
  }
  sent
}

# While a function is remembered it exists, so no other one has its address.
remembered <- function(fn) {
  last <- the$last_sent
  if (rlang::is_reference(fn, last$fn)) last else the$sent[[rlang::obj_address(fn)]]
}

remember <- function(fn, entry) {
  if (length(the$sent) >= max_remembered) the$sent <- NULL
  the$sent[[rlang::obj_address(fn)]] <- entry
  the$last_sent <- entry
}

max_remembered <- 20

# The name of a function of a package that is passed under another one, such as that of an argument.
# It has been used, so the objects of the package that have not been loaded yet are not it. To look
# through all others takes up to a millisecond. So the code of functions that are not there is
# remembered: the closures that a function of the package makes have it in common.
name_at_home <- function(fn) {
  ns <- home_environment(fn)
  if (!nzchar(home_package(fn)) || is_homeless(fn)) {
    return(NULL)
  }
  names <- names(ns)
  names <- names[!rlang::env_binding_are_lazy(ns, names)]
  # identity() and force() differ in nothing but their names.
  is_it <- vapply(mget(names, envir = ns), rlang::is_reference, NA, fn)
  if (any(is_it)) {
    return(sort(names[is_it])[[1]])
  }
  if (length(the$homeless) >= max_remembered) the$homeless <- NULL
  if (is.call(body(fn))) the$homeless <- c(the$homeless, list(body(fn)))
  NULL
}

is_homeless <- function(fn) {
  code <- body(fn)
  for (known in the$homeless) {
    if (rlang::is_reference(known, code)) {
      return(TRUE)
    }
  }
  FALSE
}

# As lapply() takes it.
function_by_string <- function(name, envir, call, arg) {
  if (!is.function(get0(name, envir, mode = "function"))) {
    hint <- "For one of a package that is not attached, use {.code pkg::name}, without quotes."
    abort_capture(c("There is no function {.val {name}}.", i = hint), call = call)
  }
  capture_function(as.name(name), envir, call, arg)
}

# Of an expression other than a function, an error names the user's call.
eval_function <- function(expr, envir, call) {
  if (identical(expr[[1]], quote(`function`))) {
    return(eval(expr, envir))
  }
  tryCatch(eval(expr, envir), error = function(e) {
    place <- conditionCall(e)
    if (is.call(place) && identical(place[[1]], quote(eval))) e$call <- rlang::frame_call(call)
    stop(e)
  })
}

# The function that a formula such as `~ .x + 1` stands for, without rlang's class.
as_plain_function <- function(x) {
  if (!rlang::is_formula(x, lhs = FALSE)) {
    return(x)
  }
  fn <- rlang::as_function(x)
  attributes(fn) <- NULL
  fn
}

# What the name stands for in a call; if that is no function, the variable, to complain about.
named_function <- function(name, envir, call) {
  if (!exists(name, envir, inherits = FALSE)) {
    fn <- get0(name, envir, mode = "function")
    if (!is.null(fn)) {
      return(fn)
    }
  }
  # An argument that fails when it is evaluated.
  hint <- "If it exists only on the worker, use {.code function(...) {names[[1]]}(...)}."
  tryCatch(get0(name, envir, mode = "function"), error = function(e) NULL) %||%
    variable_value(name, envir, call, hint)
}

function_by_name <- function(fn_expr, call) {
  namespace <- as.character(fn_expr[[2]])
  name <- as.character(fn_expr[[3]])
  internal <- identical(fn_expr[[1]], quote(`:::`))
  if (!requireNamespace(namespace, quietly = TRUE)) {
    abort_capture("Package {.pkg {namespace}} is not installed.", call = call)
  }
  if (!is.function(namespace_object(name, namespace, internal))) {
    hint <- if (is.function(namespace_object(name, namespace, TRUE))) {
      c(i = "It has an internal one: use {.code {namespace}:::{name}}.")
    }
    what <- if (internal) "function" else "exported function"
    message <- "Package {.pkg {namespace}} has no {what} {.fn {name}}."
    abort_capture(c(message, hint), call = call)
  }
  list(name = name, namespace = namespace, internal = internal)
}

namespace_object <- function(name, namespace, internal) {
  ns <- asNamespace(namespace)
  if (internal) {
    get0(name, ns, inherits = FALSE)
  } else if (is_exported(name, ns)) {
    getExportedValue(ns, name)
  }
}

# Listing a namespace's exports to look for one takes most of a millisecond.
is_exported <- function(name, ns) {
  if (isBaseNamespace(ns)) {
    return(exists(name, envir = ns, inherits = FALSE))
  }
  exists(name, envir = getNamespaceInfo(ns, "exports"), inherits = FALSE) ||
    exists(name, envir = getNamespaceInfo(ns, "lazydata"), inherits = FALSE)
}

# "" unless `name` means this very function in the package that it comes from.
home_namespace <- function(fn, name) {
  package <- home_package(fn)
  is_it <- nzchar(package) && identical(get0(name, home_environment(fn), inherits = FALSE), fn)
  if (is_it) package else ""
}

home_environment <- function(fn) {
  if (is.primitive(fn)) baseenv() else topenv(environment(fn), emptyenv())
}

# The package that a function comes from, or "".
home_package <- function(fn) {
  ns <- home_environment(fn)
  if (identical(ns, baseenv()) || isNamespace(ns)) frame_package(ns) else ""
}

function_reference <- function(name, namespace) {
  internal <- !is_exported(name, asNamespace(namespace))
  list(name = name, namespace = namespace, internal = internal)
}

abort_not_function <- function(x, fn_expr, arg, call) {
  kind <- friendly_type(x)
  hint <- if (arg == ".f") {
    if (length(x) == 1 && (is.character(x) || is.numeric(x))) {
      "To extract elements by name or position, use {.fn purrr::map}: it needs no workers."
    } else {
      "The function comes after the elements: {.code rrq_map(1:3, sqrt)}."
    }
  } else {
    function_hint(x, fn_expr, arg, call)
  }
  abort_capture(c("{.arg {arg}} must be a function, not {kind}.", i = hint), call = call)
}

function_hint <- function(x, fn_expr, arg, call) {
  if (is.character(x)) {
    "Use {.code pkg::name} or the function itself, not its name."
  } else if (is.call(fn_expr) && head_text(fn_expr) %in% quoting_heads) {
    sprintf("Remove the {.code %s()}.", head_text(fn_expr))
  } else if (arg == "FUN") {
    if (identical(rlang::call_name(rlang::frame_call(call)), "rrq_mapply")) {
      "The function comes before the elements: {.code rrq_mapply(rep, 1:3, 3:1)}."
    } else {
      "The function comes after the elements: {.code rrq_lapply(1:3, sqrt)}."
    }
  } else if (is.call(fn_expr)) {
    "Did you mean {.fn rrq_task_create_expr}?"
  } else {
    "Pass {.code pkg::name}, a function by its name, or {.code function(x) ...}."
  }
}

strip_function_source <- function(fn) {
  # An S4 generic cannot be rebuilt from its parts.
  if (is.primitive(fn) || isS4(fn)) {
    return(fn)
  }
  bare <- function_syntax(fn)$bare
  environment(bare) <- environment(fn)
  kept <- attributes(fn)
  attributes(bare) <- kept[setdiff(names(kept), "srcref")]
  bare
}
