# R evaluates an argument where it is first used. That would be in one of our checks, and an error
# in it (a missing argument, a call of stop(), in older R a misspelt variable too) would name the
# check. So each exported function begins by evaluating its arguments, apart from those that it
# captures as code. R >= 4.5 blames a misspelt variable on the function in which it is written.

captured_arguments <- c("expr", "fn", "FUN", ".f", "...")

evaluate_arguments_first <- function(fn, caller = quote(rlang::current_env())) {
  parameters <- formals(fn)
  parameters <- parameters[setdiff(names(parameters), captured_arguments)]
  required <- names(parameters)[vapply(parameters, rlang::is_missing, NA)]
  first <- lapply(names(parameters), function(name) {
    symbol <- as.name(name)
    if (!name %in% required) {
      return(symbol)
    }
    bquote(if (missing(.(symbol))) abort_missing(.(name), .(caller)) else .(symbol))
  })
  body(fn) <- as.call(c(quote(`{`), first, body(fn)))
  fn
}

# `$new()` calls `initialize()`: the user called the former.
evaluate_methods_first <- function(generator) {
  methods <- generator$public_methods
  for (name in names(methods)) {
    caller <- if (name == "initialize") quote(parent.frame()) else quote(rlang::current_env())
    methods[[name]] <- evaluate_arguments_first(methods[[name]], caller)
  }
  generator$public_methods <- methods
}

abort_missing <- function(name, call = caller_env()) {
  abort("argument", sprintf("`%s` is missing.", name), argument = name, call = call)
}

local({
  namespace <- topenv()
  for (name in ls(namespace)) {
    value <- namespace[[name]]
    # Package future reads the arguments and attributes of a plan.
    if (is.function(value) && startsWith(name, "rrq_") && !inherits(value, "future")) {
      assign(name, evaluate_arguments_first(value), namespace)
    } else if (inherits(value, "R6ClassGenerator")) {
      evaluate_methods_first(value)
    }
  }
})

.onLoad <- function(libname, pkgname) {
  register_autoplot()
  register_promises()
  register_otel()
  when_loaded("future", register_future)
  register_cluster()
}
