# A class with methods in the global environment; the environment.
local_money <- function(env = parent.frame()) {
  local_global({
    money <- function(x) structure(x, class = "gl_money")
    format.gl_money <- function(x, ...) paste0("$", unclass(x)) # nolint: object_name_linter.
    as.character.gl_money <- function(x, ...) format(x) # nolint: object_name_linter.
    Ops.gl_money <- function(e1, e2) { # nolint: object_name_linter.
      money(get(.Generic)(unclass(e1), unclass(e2)))
    }
    gl_price <- money(5)
    gl_twice <- list(gl_price, gl_price)
  }, env)
  globalenv()
}

# Another function of the package in place of its own, until the test ends.
local_function <- function(name, fn, env = parent.frame()) {
  namespace <- asNamespace("rrq")
  own <- get(name, namespace)
  bind <- function(fn) {
    unlockBinding(name, namespace)
    assign(name, fn, namespace)
    lockBinding(name, namespace)
  }
  bind(fn)
  withr::defer(bind(own), env)
}
