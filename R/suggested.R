# Packages that rrq works with but does not need. Methods for their generics, and what else they
# must be told, are registered when they are loaded, so that nothing of it slows loading rrq.

# Calls `register()` when a package is loaded, now or later, and again if it is unloaded and loaded.
when_loaded <- function(package, register) {
  setHook(packageEvent(package, "onLoad"), function(...) register())
  if (isNamespaceLoaded(package)) {
    register()
  }
}

# `methods` is a list named by class.
register_methods <- function(generic, methods, package) {
  for (class in names(methods)) {
    registerS3method(generic, class, methods[[class]], envir = asNamespace(package))
  }
}
