# How a worker responds to messages. An answer is a list of the value to send back and, if the state
# of the worker changes, an effect and its argument. Nothing here throws.

# Why a worker exits if its environment cannot be built.
no_envir <- "its environment could not be built"

answer_message <- function(run, command, argument, timeout_idle, remaining) {
  answer <- answers[[command]] %||% answer_unknown(command)
  tryCatch(
    answer(run, argument, list(timeout_idle = timeout_idle, remaining = remaining)),
    error = function(e) list(value = failed_answer(e))
  )
}

# As from try(), but it prints as an error. The call is shown only where it is the user's: those of
# the package's own errors are of functions that the sender did not call.
failed_answer <- function(e) {
  call <- without_worker_call(e)$call
  place <- if (inherits(e, "simpleError") && !is.null(call)) deparse(call, nlines = 1)
  text <- if (is.null(place)) {
    sprintf("Error : %s\n", conditionMessage(e))
  } else {
    sprintf("Error in %s : %s\n", place, conditionMessage(e))
  }
  structure(text, class = c("rrq_answer_error", "try-error"), condition = e)
}

answers <- list(
  PING = function(run, argument, idle) {
    cat("PONG\n")
    list(value = "PONG")
  },
  ECHO = function(run, argument, idle) {
    cat(as.character(argument), sep = "\n")
    list(value = "OK")
  },
  EVAL = function(run, argument, idle) {
    list(value = eval_message(argument))
  },
  INFO = function(run, argument, idle) {
    list(value = run$identity$refresh())
  },
  DIR = function(run, argument, idle) {
    list(value = md5_of_files(as.list(argument)))
  },
  PUSH = function(run, argument, idle) {
    list(value = pack_files(run$handle, argument))
  },
  PULL = function(run, argument, idle) {
    check_files_pack(argument, arg = "args")
    unpack_files(run$handle, argument, getwd())
    list(value = "OK")
  },
  PAUSE = function(run, argument, idle) {
    changed <- !isTRUE(run$paused)
    run$paused <- TRUE
    list(value = if (changed) "OK" else "NOOP", effect = "pause")
  },
  RESUME = function(run, argument, idle) {
    changed <- isTRUE(run$paused)
    run$paused <- FALSE
    list(value = if (changed) "OK" else "NOOP", effect = if (changed) "resume")
  },
  REFRESH = function(run, argument, idle) {
    built <- tryCatch(list(run$identity$build()), error = identity)
    if (inherits(built, "condition")) {
      # As at its start: no task may run in an environment other than the requested one.
      run$identity$log("ENVIR", paste("error:", conditionMessage(built)))
      return(list(value = failed_answer(built), effect = "fail", argument = no_envir))
    }
    run$envir <- built[[1]]
    # Its information names the environment.
    run$identity$refresh()
    list(value = "OK", effect = "refresh")
  },
  TIMEOUT_SET = function(run, argument, idle) {
    check_number(argument, arg = "args")
    list(value = "OK", effect = "timeout", argument = as.numeric(argument))
  },
  TIMEOUT_GET = function(run, argument, idle) {
    list(value = c(timeout_idle = idle$timeout_idle, remaining = idle$remaining))
  },
  STOP = function(run, argument, idle) {
    list(value = "BYE", effect = "stop", argument = paste(argument, collapse = " "))
  }
)

answer_unknown <- function(command) {
  function(run, argument, idle) {
    guess <- closest(command, names(answers))
    message <- paste0(
      sprintf("unknown command '%s'", shorten(command, 60)),
      if (!is.null(guess)) sprintf("; did you mean '%s'?", guess)
    )
    list(value = structure(
      class = c("rrq_unknown_message", "condition"),
      list(message = message, call = NULL, command = command, args = argument)
    ))
  }
}

eval_message <- function(argument) {
  expr <- if (is.character(argument)) parse(text = argument) else argument
  result <- list(value = NULL, visible = FALSE)
  frame <- globalenv()
  for (call in if (is.expression(expr)) as.list(expr) else list(expr)) {
    result <- withVisible(eval(call, frame))
  }
  if (result$visible) print_value(result$value)
  result$value
}

# To the process log. A value that cannot be printed is an answer all the same.
print_value <- function(value) {
  old <- options(max.print = 1000)
  on.exit(options(old))
  try(print(value), silent = TRUE)
}

# Named as by dir(). If these names lack the folder, the files are found by their full names. Folder
# by folder: dir() sorts the names of several folders, in another order than their full names. The
# calls are of dir() by name, because an error shows its call.
md5_of_files <- function(arguments) {
  call_dir <- function(arguments) eval(as.call(c(quote(dir), arguments)), baseenv())
  matched <- tryCatch(
    match.call(dir, as.call(c(quote(dir), arguments))), error = function(e) call_dir(arguments)
  )
  arguments <- as.list(matched)[-1]
  sums <- lapply(arguments$path %||% ".", function(path) {
    arguments$path <- path
    names <- call_dir(arguments)
    arguments$full.names <- TRUE
    paths <- call_dir(arguments)
    is_file <- !dir.exists(paths)
    md5 <- rep(NA_character_, length(paths))
    md5[is_file] <- tools::md5sum(paths[is_file])
    stats::setNames(md5, names)
  })
  do.call(c, sums)
}
