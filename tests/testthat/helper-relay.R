# A function that prints, and signals a message and a warning.
speaker <- function() {
  function(i) {
    print(i)
    message("message ", i)
    if (i == 2) warning("warning ", i)
    cat("end\n")
    i
  }
}

# What code prints, as lines, and the messages it signals.
hear <- function(code) {
  messages <- character()
  output <- utils::capture.output(withCallingHandlers(invisible(code), message = function(m) {
    messages <<- c(messages, conditionMessage(m))
    invokeRestart("muffleMessage")
  }))
  list(output = output, messages = messages)
}
