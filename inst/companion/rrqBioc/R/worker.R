# What a worker runs. The constants of the last loop are kept as R reads them, because it takes time
# to read them for each task.

the <- new.env(parent = emptyenv())

run_task <- function(task, constants = NULL) {
  message <- .task_remake(unserialize(task), read_constants(constants))
  execute <- get(".bpworker_EXEC", asNamespace("BiocParallel"))
  list(value = serialize(execute(message), NULL), worker = as.character(Sys.getpid()))
}

read_constants <- function(bytes) {
  if (is.null(bytes)) {
    return(NULL)
  }
  if (!identical(bytes, the$bytes)) {
    the$constants <- unserialize(bytes)
    the$bytes <- bytes
  }
  the$constants
}
