# What nearly every function would use of rlang. To load rlang takes longer than all else that a
# worker does before its first task, and 15 MB, so workers load it only when a task fails.

`%||%` <- function(x, y) if (is.null(x)) y else x

caller_env <- function(n = 1) parent.frame(n + 1)
