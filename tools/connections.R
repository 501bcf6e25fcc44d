# See tools/connections.

library(rrq)
options(rrq.progress = FALSE)

# --- servers -----------------------------------------------------------------

program <- Sys.getenv("RRQ_REDIS_SERVER", Sys.which(c("redis-server", "valkey-server"))[[1]])
folder <- tempfile("connections-")
dir.create(folder, mode = "0700")
running <- list()

# A port that has another one for the nodes of a cluster, 10 000 above.
free_port <- function() {
  repeat {
    port <- sample(20000:50000, 1)
    taken <- vapply(port + c(0, 10000), function(port) {
      tryCatch(
        {
          close(serverSocket(port))
          FALSE
        },
        error = function(e) TRUE
      )
    }, NA)
    if (!any(taken)) {
      return(port)
    }
  }
}

# Starts a server; returns its port.
start <- function(..., config = NULL, port = free_port()) {
  dir <- file.path(folder, port)
  dir.create(dir)
  path <- file.path(dir, "redis.conf")
  lines <- c("bind 127.0.0.1", sprintf("port %d", port), paste("dir", dir), "save 3600 1", config)
  writeLines(lines, path)
  args <- c(path, ...)
  running[[length(running) + 1]] <<- processx::process$new(program, args)
  wait_for(function() is_up(port))
  port
}

is_up <- function(port) {
  tryCatch(inherits(con_to(port)$PING(), "redis_status"), rrq_error = function(e) FALSE)
}

con_to <- function(port) rrq_redis(sprintf("redis://127.0.0.1:%d", port))

wait_for <- function(done, seconds = 60) {
  deadline <- Sys.time() + seconds
  while (!isTRUE(tryCatch(done(), rrq_error = function(e) FALSE))) {
    if (Sys.time() > deadline) stop("a server did not get ready within ", seconds, " s")
    Sys.sleep(0.05)
  }
}

stop_all <- function() {
  for (server in running) server$kill()
  running <<- list()
}

has <- function(port, section, text) grepl(text, con_to(port)$INFO(section), fixed = TRUE)

# --- kinds: each starts its servers and returns a URL ------------------------------------

openssl <- function(...) {
  done <- processx::run("openssl", c(...), wd = folder, error_on_status = FALSE)
  if (done$status != 0) skip("openssl: ", sub("\n.*", "", done$stderr))
}

skip <- function(...) {
  condition <- list(message = paste0(...), call = NULL)
  stop(structure(condition, class = c("skip", "error", "condition")))
}

certificate <- function(name) {
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", paste0(name, ".key"), "-out",
    paste0(name, ".csr"), "-subj", paste0("/CN=", name))
  openssl("x509", "-req", "-in", paste0(name, ".csr"), "-CA", "ca.crt", "-CAkey", "ca.key",
    "-CAcreateserial",
    "-days", "2", "-extfile", "names", "-out", paste0(name, ".crt"))
}

kinds <- list(
  plain = function() sprintf("redis://127.0.0.1:%d", start()),
  unix = function() {
    socket <- file.path(folder, "socket")
    start("--unixsocket", socket)
    paste0("redis+unix://", socket)
  },
  tls = function() {
    if (!rrq:::rs_redis_has_tls()) skip("rrq was built without TLS")
    writeLines("subjectAltName=DNS:localhost", file.path(folder, "names"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out",
      "ca.crt", "-days", "2",
      "-subj", "/CN=ca")
    certificate("server")
    certificate("client")
    at <- function(name) file.path(folder, name)
    port <- free_port()
    ready <- tryCatch(
      start(config = c(
        sprintf("tls-port %d", port), paste("tls-cert-file", at("server.crt")),
        paste("tls-key-file", at("server.key")), paste("tls-ca-cert-file", at("ca.crt"))
      )),
      error = function(e) skip("the server has no TLS")
    )
    sprintf(
      "rediss://localhost:%d?ca=%s&cert=%s&key=%s",
      port, at("ca.crt"), at("client.crt"), at("client.key")
    )
  },
  acl = function() {
    port <- start()
    con_to(port)$ACL_SETUSER("ann", "on", ">secret", rrq_acl("jobs"))
    con_to(port)$ACL_SETUSER("default", "off")
    sprintf("redis://ann:secret@127.0.0.1:%d", port)
  },
  sentinel = function() {
    primary <- start()
    replica <- start("--replicaof", "127.0.0.1", primary)
    wait_for(function() has(replica, "replication", "master_link_status:up"))
    sentinel <- start("--sentinel", config = c(
      sprintf("sentinel monitor main 127.0.0.1 %d 1", primary),
      "sentinel down-after-milliseconds main 1000", "sentinel failover-timeout main 3000"
    ))
    wait_for(function() has(sentinel, "sentinel", "slaves=1"))
    fail <<- running[[length(running) - 2]]
    sprintf("redis+sentinel://127.0.0.1:%d/main", sentinel)
  },
  cluster = function() {
    ports <- vapply(1:3, FUN.VALUE = 0, function(i) {
      start("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    })
    for (i in seq_along(ports)) {
      con_to(ports[[i]])$CLUSTER_ADDSLOTS(seq(i - 1, 16383, by = 3))
      con_to(ports[[i]])$command(list("CLUSTER", "SET-CONFIG-EPOCH", i))
      if (i > 1) con_to(ports[[1]])$CLUSTER_MEET("127.0.0.1", ports[[i]])
    }
    for (port in ports) {
      wait_for(function() {
        info <- con_to(port)$CLUSTER_INFO()
        grepl("cluster_state:ok", info) && grepl("cluster_known_nodes:3", info)
      })
    }
    paste0("redis+cluster://", paste0("127.0.0.1:", ports, collapse = ","))
  }
)

# A server to be killed in the middle, if another one can take over.
fail <- NULL

# --- the scenario -------------------------------------------------------------------------

same <- function(x) x
more <- function(x) x + 1

scenario <- function(url) {
  r <- rrq_controller("jobs", url)
  w <- rrq_worker_spawn(2, logdir = file.path(folder, "logs"), controller = r)
  on.exit(w$stop())
  check <- function(what, ok) if (!isTRUE(ok)) stop(what)
  one <- rrq_task_create_call(more, list(1), controller = r)
  two <- rrq_task_create_expr(2 * 3, depends_on = one, controller = r)
  check("a dependency", rrq_task_wait(c(one, two), 60, controller = r))
  check("a value", identical(rrq_task_result(two, controller = r), 6))
  check("a bulk", identical(unlist(rrq_lapply(1:500, same, controller = r)), 1:500))
  big <- rnorm(2e6)
  check("a large value", identical(rrq_call(same, list(big), timeout = 60, controller = r), big))
  answers <- rrq_message_send_and_wait("ECHO", "x", timeout = 60, controller = r)
  check("a message", all(unlist(answers) == "OK"))
  check("a ping", nrow(rrq_worker_ping(timeout = 10, controller = r)) == 2)
  isolated <- rrq_task_create_expr(Sys.getpid(), separate_process = TRUE, controller = r)
  check("an isolated task", rrq_task_wait(isolated, 60, controller = r))
  slow <- rrq_task_create_expr(Sys.sleep(600), controller = r)
  rrq_task_cancel(slow, wait = FALSE, controller = r)
  rrq_task_wait(slow, 60, controller = r)
  check("a cancel", rrq_task_status(slow, controller = r) == "CANCELLED")
  if (!is.null(fail)) {
    ids <- rrq_task_create_bulk_call(same, 1:2000, controller = r)
    fail$kill()
    rrq_task_wait(ids, 120, controller = r)
    check("a fail-over", mean(rrq_task_status(ids, controller = r) == "COMPLETE") > 0.9)
  }
  w$stop()
  rrq_destroy(controller = r)
  on.exit()
}

wanted <- commandArgs(TRUE)
failed <- FALSE
for (kind in if (length(wanted)) wanted else names(kinds)) {
  fail <- NULL
  result <- tryCatch(
    {
      scenario(kinds[[kind]]())
      "ok"
    },
    skip = function(e) paste("skipped:", conditionMessage(e)),
    error = function(e) {
      failed <<- TRUE
      paste("FAILED:", gsub("\n", " ", conditionMessage(e)))
    }
  )
  stop_all()
  unlink(folder, recursive = TRUE)
  dir.create(folder, mode = "0700", showWarnings = FALSE)
  cat(sprintf("%-9s %s\n", kind, result))
}
unlink(folder, recursive = TRUE)
quit(status = as.integer(failed))
