# What R offers after a dollar sign. The generic's name is not ours.

#' @importFrom utils .DollarNames
#' @export
.DollarNames.rrq_controller <- function(x, pattern = "") { # nolint: object_name_linter.
  # Not the address, which may hold a password, and what only the package can use.
  grep(pattern, c("con", "keys", "queue_id", "store"), value = TRUE)
}

#' @export
.DollarNames.rrq_redis <- function(x, pattern = "") { # nolint: object_name_linter.
  methods <- c("command", "config", "pipeline", "version")
  grep(pattern, c(methods, server_commands(unclass(x)$state)), value = TRUE)
}

# The commands of the server, once it has been asked. Completion never fails.
server_commands <- function(state) {
  if (is.null(state$commands)) {
    tryCatch(state$commands <- ask_commands(state), error = function(e) NULL)
  }
  state$commands
}

# An underscore stands for the space in commands of two words.
ask_commands <- function(state) {
  commands <- redis_command(state, list("COMMAND"))
  name_of <- function(command) toupper(as.character(command[[1]]))
  words <- vapply(commands, name_of, "")
  parts <- lapply(commands, function(command) {
    # Servers before Redis 7 do not list the second words.
    if (length(command) >= 10) vapply(command[[10]], name_of, "") else character()
  })
  names <- c(words, sub("|", "_", unlist(parts), fixed = TRUE))
  words_only <- grepl("^[A-Z]+$", words)
  sort(unique(c(words[words_only], grep("^[A-Z]+_[A-Z]+$", setdiff(names, words), value = TRUE))))
}
