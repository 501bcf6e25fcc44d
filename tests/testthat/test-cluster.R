# What clusters leave on the test server.
cluster_keys <- function(r) grep("^\\{cluster-", unlist(r$con$KEYS("*")), value = TRUE)

local_cluster <- function(n = 2, ..., env = parent.frame()) {
  r <- local_queue(env = env)
  cl <- rrq_cluster(n, r, ...)
  withr::defer(parallel::stopCluster(cl), env)
  cl
}

local_psock <- function(n = 2, env = parent.frame()) {
  cl <- parallel::makePSOCKcluster(n)
  withr::defer(parallel::stopCluster(cl), env)
  cl
}

kill_node <- function(node) {
  tools::pskill(node$pid, tools::SIGKILL)
  node$worker$process$wait()
}

test_that("the functions of parallel work on nodes of workers", {
  cl <- local_cluster()
  expect_s3_class(cl, c("rrqCluster", "cluster"), exact = TRUE)
  expect_length(cl, 2)
  add <- function(x, y) x + y
  expect_equal(parallel::clusterApply(cl, 1:5, add, 3), as.list(4:8))
  expect_equal(parallel::clusterApplyLB(cl, 1:5, add, 3), as.list(4:8))
  expect_equal(parallel::parLapply(cl, c(a = 1, b = 2), sqrt), lapply(c(a = 1, b = 2), sqrt))
  expect_equal(parallel::parLapplyLB(cl, 1:7, sqrt), lapply(1:7, sqrt))
  expect_equal(parallel::parSapply(cl, 1:5, add, 1), sapply(1:5, add, 1))
  m <- matrix(1:6, 2)
  expect_equal(parallel::parApply(cl, m, 1, sum), rowSums(m))
  expect_equal(parallel::parRapply(cl, m, sum), rowSums(m))
  mapped <- parallel::clusterMap(cl, function(x, y) seq_len(x) + y, c(a = 1, b = 2), c(10, 0))
  expect_equal(mapped, list(a = 11, b = 1:2))
  expect_equal(parallel::clusterSplit(cl, 1:4), list(1:2, 3:4))
  expect_equal(parallel::clusterCall(cl, function(x) quote(x + 1), 1), rep(list(quote(x + 1)), 2))
})

test_that("a node is one process that keeps what a call leaves there", {
  cl <- local_cluster()
  pids <- unlist(parallel::clusterCall(cl, Sys.getpid))
  expect_length(unique(pids), 2)
  expect_equal(unlist(parallel::clusterCall(cl, Sys.getpid)), pids)
  expect_equal(vapply(unclass(cl), function(node) node$pid, 1L), pids)
  here <- environment()
  kept <- 7
  parallel::clusterExport(cl, "kept", here)
  parallel::clusterEvalQ(cl, library(splines))
  expect_equal(parallel::clusterEvalQ(cl, kept + 1), list(8, 8))
  found <- parallel::clusterEvalQ(cl, "package:splines" %in% search())
  expect_equal(found, list(TRUE, TRUE))
  expect_equal(parallel::clusterApply(cl[2], 1:2, function(i) Sys.getpid()), list(pids[2], pids[2]))
})

test_that("random numbers are those of a PSOCK cluster", {
  cl <- local_cluster()
  ps <- local_psock()
  withr::local_preserve_seed()
  draw <- function(cl) {
    parallel::clusterSetRNGStream(cl, 42)
    list(
      parallel::clusterEvalQ(cl, runif(3)), parallel::parSapply(cl, 1:6, function(i) rnorm(1)),
      parallel::clusterCall(cl, sample, 10)
    )
  }
  expect_identical(draw(cl), draw(ps))
})

test_that("errors are values of nodes, as parallel expects", {
  cl <- local_cluster()
  expect_error(
    parallel::clusterApply(cl, 1:4, function(i) if (i == 2) stop("no ", i) else i),
    "one node produced an error: no 2"
  )
  expect_error(parallel::clusterCall(cl, stop, "all"), "2 nodes produced errors; first error: all")
  expect_equal(parallel::clusterApply(cl, 1:4, sqrt), lapply(1:4, sqrt))
})

test_that("arguments have any names", {
  cl <- local_cluster(1)
  all <- function(...) list(...)
  values <- parallel::clusterApply(cl, 1, fun = all, f = 2, quote(a + b), args = list(3))
  expect_identical(values, list(list(1, f = 2, quote(a + b), args = list(3))))
})

test_that("large and unusual values travel both ways", {
  cl <- local_cluster()
  x <- as.numeric(1:50000)
  expect_identical(parallel::clusterCall(cl, identity, x), list(x, x))
  expect_identical(parallel::parLapply(cl, list(x, -x), function(v) v + 1), list(x + 1, -x + 1))
  expect_equal(cl[[1]]$hub$answered, character())
  expect_identical(parallel::clusterCall(cl, function(...) NULL), list(NULL, NULL))
  # Connections do not work on the other side, but they are no error.
  expect_s3_class(parallel::clusterCall(cl[1], function() file("a"))[[1]], "connection")
  con <- file(withr::local_tempfile(), "w")
  withr::defer(close(con))
  expect_equal(parallel::clusterCall(cl[1], class, con), list(class(con)))
  withr::local_options(rrq.max_task_size = 1000)
  kept <- local({
    big <- as.character(1:1000)
    function() length(big)
  })
  expect_equal(parallel::clusterCall(cl[1], kept), list(1000))
})

test_that("a cluster that is dropped ends its workers", {
  r <- local_queue()
  before <- cluster_keys(r)
  cl <- rrq_cluster(1, r)
  pid <- cl[[1]]$pid
  rm(cl)
  gc()
  wait_until(!process_is_alive(pid))
  expect_setequal(cluster_keys(r), before)
})

test_that("tasks of answered calls are deleted", {
  cl <- local_cluster(1)
  parallel::clusterApplyLB(cl, 1:250, identity)
  expect_lt(length(rrq_task_list(controller = cl[[1]]$hub$controller)), many_answers)
})

test_that("a node that dies is named, and stays dead", {
  cl <- local_cluster(3)
  kill_node(cl[[2]])
  suppressMessages({
    lost <- expect_error(parallel::clusterApply(cl, 1:3, sqrt), class = "rrq_error_node_lost")
  })
  expect_match(conditionMessage(lost), "Node 2 of the cluster")
  expect_equal(lost$nodes, 2)
  expect_error(parallel::clusterApply(cl, 1:3, sqrt), class = "rrq_error_node_lost")
  expect_equal(parallel::clusterApply(cl[-2], 1:3, sqrt), lapply(1:3, sqrt))
  expect_output(print(cl), "node 2 on .*, died")
  expect_output(print(cl[[1]]), "<rrqNode> node 1 on .*, alive")
})

test_that("a node that dies while it computes ends the call, and open calls of others", {
  cl <- local_cluster(2)
  end <- function(i) if (i == 3) tools::pskill(Sys.getpid(), 9) else i
  for (apply in list(parallel::clusterApplyLB, parallel::clusterApply)) {
    suppressMessages(expect_error(apply(cl, 1:20, end), class = "rrq_error_node_lost"))
    alive <- Filter(function(i) !cl[[i]]$is_lost, 1:2)
    if (length(alive) < 2) break
  }
  expect_length(alive, 1)
  expect_equal(unlist(parallel::clusterApply(cl[alive], 5:8, identity)), 5:8)
})

test_that("quit() in a call loses its node", {
  cl <- local_cluster(1)
  suppressMessages(
    expect_error(parallel::clusterEvalQ(cl, quit("no")), class = "rrq_error_node_lost")
  )
})

test_that("after an interrupt, later calls get their own answers", {
  r <- local_queue()
  gate <- withr::local_tempfile()
  session <- local_session({
    cl <- rrq_cluster(2, rrq_controller(!!r$queue_id, !!server_url(r)))
    tryCatch(
      parallel::clusterCall(cl, function(path) {
        file.create(path)
        Sys.sleep(60)
      }, !!gate),
      interrupt = function(i) cat("interrupted\n")
    )
    print(unlist(parallel::clusterApply(cl, 1:3, function(i) i + 0.5)))
    parallel::stopCluster(cl)
  })
  wait_until(file.exists(gate))
  send_signal(session, tools::SIGINT)
  expect_equal(session_status(session), 0)
  expect_equal(session_out(session), c("interrupted", "[1] 1.5 2.5 3.5"))
})

test_that("stopCluster() ends the workers and deletes what the cluster stored", {
  r <- local_queue()
  before <- cluster_keys(r)
  cl <- rrq_cluster(2, r)
  expect_gt(length(cluster_keys(r)), length(before))
  pids <- vapply(unclass(cl), function(node) node$pid, 1L)
  parallel::stopCluster(cl[1])
  expect_error(parallel::clusterCall(cl[1], sqrt, 4), class = "rrq_error_cluster_stopped")
  expect_equal(parallel::clusterCall(cl[2], sqrt, 4), list(2))
  parallel::stopCluster(cl)
  expect_false(any(vapply(pids, process_is_alive, NA)))
  expect_setequal(cluster_keys(r), before)
  expect_error(parallel::clusterCall(cl, sqrt, 4), class = "rrq_error_cluster_stopped")
  expect_output(print(cl), "stopped")
  expect_null(parallel::stopCluster(cl))
})

test_that("a cluster that cannot start leaves nothing", {
  r <- local_queue()
  before <- cluster_keys(r)
  expect_error(rrq_cluster(1, r, timeout = 0.001), class = "rrq_error_timeout")
  expect_setequal(cluster_keys(r), before)
  expect_error(rrq_cluster(0, r), class = "rrq_error_argument")
  expect_error(rrq_cluster(1, r, outfile = ""), class = "rrq_error_argument")
  expect_error(rrq_cluster(1, r, max_tasks = 3), class = "rrq_error_argument")
})

test_that("nodes do not run tasks of the user's queue", {
  r <- local_queue()
  cl <- rrq_cluster(1, r)
  withr::defer(parallel::stopCluster(cl))
  id <- rrq_task_create_expr(sqrt(4), controller = r)
  parallel::clusterCall(cl, Sys.sleep, 0.1)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("makeCluster() knows the type where R has types of packages", {
  skip_if_not(exists("registerClusterType", asNamespace("parallel"), inherits = FALSE))
  r <- local_queue()
  cl <- parallel::makeCluster(1, type = "rrq", controller = r)
  withr::defer(parallel::stopCluster(cl))
  expect_s3_class(cl, "rrqCluster")
})

test_that("doParallel runs on a cluster", {
  skip_if_not_installed("doParallel")
  cl <- local_cluster()
  doParallel::registerDoParallel(cl)
  withr::defer(foreach::registerDoSEQ())
  y <- 10
  loop <- foreach::foreach(i = 1:4, .combine = c)
  expect_equal(foreach::`%dopar%`(loop, i + y), 11:14)
})

test_that("pbapply runs on a cluster", {
  skip_if_not_installed("pbapply")
  cl <- local_cluster()
  withr::local_options(pboptions = list(type = "none"))
  pbapply::pboptions(type = "none")
  expect_equal(pbapply::pblapply(1:4, sqrt, cl = cl), lapply(1:4, sqrt))
  expect_equal(pbapply::pbsapply(1:4, sqrt, cl = cl), sapply(1:4, sqrt))
})

test_that("a cluster without a controller uses the default one's server", {
  r <- local_queue()
  rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_clear())
  cl <- rrq_cluster(1)
  withr::defer(parallel::stopCluster(cl))
  expect_equal(cl[[1]]$hub$controller$url, r$url)
})
