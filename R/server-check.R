# What may lose tasks without notice. Reported once for each server. Who may not ask for it is not
# told.
warn_server <- function(con) {
  address <- unclass(con)$address
  if (address %in% the$known_servers) {
    return(invisible())
  }
  the$known_servers <- c(the$known_servers, address)
  info <- tryCatch(
    paste(con$INFO("server"), con$INFO("memory"), con$INFO("persistence"), sep = "\n"),
    rrq_error = function(e) ""
  )
  fields <- strsplit(strsplit(info, "\r?\n")[[1]], ":", fixed = TRUE)
  value <- function(name) {
    found <- Filter(function(field) identical(field[1], name), fields)
    if (length(found) == 1) paste(found[[1]][-1], collapse = ":") else ""
  }
  warn_eviction(address, value)
  warn_persistence(address, value, con)
}

# A server that has reached its `maxmemory` deletes keys, unless told otherwise.
warn_eviction <- function(address, value) {
  policy <- value("maxmemory_policy")
  if (!policy %in% c("noeviction", "") && !value("maxmemory") %in% c("0", "")) {
    warn("eviction", c(
      sprintf("The server at %s deletes data when it has no memory left.", address),
      i = sprintf(
        "Its `maxmemory-policy` is \"%s\": tasks and results may be lost without notice.", policy
      ),
      i = "Set it to \"noeviction\", as in `con$CONFIG_SET(\"maxmemory-policy\", \"noeviction\")`."
    ))
  }
}

# Those of rrq_server() are meant to end with their session.
warn_persistence <- function(address, value, con) {
  if (value("aof_enabled") != "0" || grepl("/rrq-server-[^/]*/", value("config_file"))) {
    return(invisible())
  }
  saves <- tryCatch(con$CONFIG_GET("save"), rrq_error = function(e) NULL)
  if (length(saves) == 2 && !nzchar(saves[[2]])) {
    warn("persistence", c(
      sprintf("The server at %s writes nothing to disk.", address),
      i = "Its queues, with all tasks and results, are gone when it ends.",
      i = "Turn on its append-only file: `con$CONFIG_SET(\"appendonly\", \"yes\")`."
    ))
  }
}

# A server that was started a moment ago may still be reading its data.
await_loading <- function(pointer, call = caller_env()) {
  limit <- getOption("rrq.timeout_loading", 600)
  deadline <- now() + limit
  told <- FALSE
  repeat {
    info <- tryCatch(
      rust_call(rs_redis_command(pointer, list("INFO", "persistence")), call),
      rrq_error_redis = function(e) ""
    )
    if (!grepl("(^|\n)loading:1", info)) {
      return(invisible())
    }
    address <- rust_call(rs_redis_info(pointer), call)$address
    if (now() >= deadline) {
      message <- c(
        sprintf("The server at %s is still reading its data after %g s.", address, limit),
        i = "Try again later, or wait for longer with `options(rrq.timeout_loading = )`."
      )
      abort("timeout", message, call = call)
    }
    if (!told) {
      inform_plainly(c(i = sprintf("The server at %s is reading its data: waiting.", address)))
      told <- TRUE
    }
    Sys.sleep(0.1)
  }
}
