# CPU time per task by process: the session, the workers, the server. Linux only; elsewhere
# these rows are absent.

# All processes of a measurement inherit a token in this variable, by which workers are found even
# if a shell has started them. The server's pid is known; a server may overwrite its environment.
token_variable <- "RRQ_BENCH_TOKEN"

# A meter adds up the time of what it runs: `meter$run(code)`, then `meter$rows(...)`. Servers that
# count commands also give the time they spend in scripts.
new_meter <- function(system, pool) {
  pids <- pids_by_role(system, pool)
  con <- if (!is.null(system$con)) system$con(pool)
  total <- 0
  now <- function() c(vapply(pids, cpu_of_all, 0), scripts_seconds(con))
  list(
    run = function(code) {
      before <- now()
      value <- force(code)
      total <<- total + now() - before
      value
    },
    rows = function(label, workers, n, tasks) {
      us <- total / tasks * 1e6
      bind_rows(Map(function(measure, us) {
        row(label, measure, "us/task", us, workers = workers, n = n)
      }, names(us), us))
    }
  )
}

pids_by_role <- function(system, pool) {
  if (!dir.exists("/proc/self/task")) {
    return(list())
  }
  server <- if (!is.null(system$server_pid)) system$server_pid(pool)
  workers <- setdiff(r_processes(), c(Sys.getpid(), server))
  Filter(length, list(
    `CPU, session` = Sys.getpid(), `CPU, workers` = workers, `CPU, server` = server
  ))
}

r_processes <- function() {
  token <- charToRaw(paste0(token_variable, "=", Sys.getenv(token_variable)))
  pids <- as.integer(list.files("/proc", "^[0-9]+$"))
  Filter(function(pid) is_r(pid) && length(grepRaw(token, environ(pid), fixed = TRUE)) > 0, pids)
}

is_r <- function(pid) {
  identical(basename(Sys.readlink(sprintf("/proc/%d/exe", pid))), "R")
}

environ <- function(pid) {
  tryCatch(
    suppressWarnings(readBin(sprintf("/proc/%d/environ", pid), "raw", 1e6)),
    error = function(e) raw()
  )
}

cpu_of_all <- function(pids) sum(vapply(pids, cpu_seconds, 0))

# The first number of schedstat is nanoseconds; /proc/<pid>/stat counts in 10 ms.
cpu_seconds <- function(pid) {
  files <- Sys.glob(sprintf("/proc/%d/task/*/schedstat", pid))
  lines <- vapply(files, function(file) tryCatch(readLines(file), error = function(e) "0"), "")
  sum(as.numeric(sub(" .*", "", lines))) / 1e9
}

scripts_seconds <- function(con) {
  if (is.null(con)) {
    return(NULL)
  }
  stat <- redis_info(con, "commandstats")[["cmdstat_evalsha"]]
  c(`server, in scripts` = as.numeric(sub(".*usec=(\\d+).*", "\\1", stat)) / 1e6)
}

redis_info <- function(con, section) {
  lines <- grep("^\\w.*:", strsplit(con$INFO(section), "\r?\n")[[1]], value = TRUE)
  info <- stats::setNames(sub("^[^:]*:", "", lines), sub(":.*", "", lines))
  as.list(info)
}
