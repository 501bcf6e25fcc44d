# Which script took how long on the server, from its SLOWLOG: INFO adds up all scripts.

# Log every command that takes at least so many microseconds.
log_slow <- function(con, from_us) {
  con$CONFIG_SET("slowlog-log-slower-than", from_us)
  con$CONFIG_SET("slowlog-max-len", 200000)
  con$SLOWLOG_RESET()
}

# One row per logged call of a script: its name and microseconds.
read_slow <- function(con) {
  entries <- Filter(
    function(entry) identical(toupper(entry[[4]][[1]]), "EVALSHA"),
    con$SLOWLOG_GET(200000)
  )
  data.frame(
    script = vapply(entries, function(entry) script_name(entry[[4]]), ""),
    us = vapply(entries, function(entry) as.numeric(entry[[3]]), 0)
  )
}

# The log has the hash of a script, not its name, but its keys tell the scripts of the task path
# apart.
script_name <- function(words) {
  keys <- sub("^\\{.*\\}:", "", words[3 + seq_len(as.integer(words[[3]]))])
  shape <- paste(sub(":.*", "", keys), collapse = " ")
  known <- Filter(function(pattern) grepl(pattern, shape), script_shapes)
  if (length(known) > 0) names(known)[[1]] else substr(words[[2]], 1, 8)
}

script_shapes <- c(
  worker_step = "^w t b r x n due w w", task_submit = "^t b n o oref lab cfg",
  task_queue = "^t b n cfg q k", task_watch = "^t ev cfg", task_delete = "^t b r x prog",
  worker_sweep = "^w t n due", object_chunk = "^o$", set_prepare = "^t n cfg", worker_begin = "^w$",
  queue_listen = "^cfg ev", worker_beat = "^w due"
)
