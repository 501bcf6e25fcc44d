# The call and the message of the error of each expression.
said <- function(...) {
  calls <- rlang::exprs(...)
  for (call in calls) {
    e <- tryCatch(eval(call, parent.frame()), error = identity)
    text <- if (inherits(e, "error")) {
      c(paste0(deparse(conditionCall(e)[[1]]), "():"), cli::ansi_strip(conditionMessage(e)))
    } else {
      "no error"
    }
    cat("> ", deparse(call, nlines = 1), "\n", paste0("  ", text, "\n"), sep = "")
  }
}

# The function that is blamed for the error of `call`, which is the body of `user()`.
blamed <- function(call) {
  user <- function() NULL
  body(user) <- call
  as.character(conditionCall(tryCatch(user(), error = identity))[[1]])
}

test_that("an error in an argument names the function the user called", {
  # R >= 4.5 blames the function in which an unknown variable is written, older R the one that
  # evaluates it. It is never a function of rrq that the user did not call.
  is_lexical <- blamed(quote(identity(typo))) == "user"
  for (call in expression(
    rrq_task_wait(typo), rrq_task_result(typo), rrq_task_create_call(sqrt, typo),
    rrq_task_create_expr(sqrt(1), queue = typo), rrq_worker_spawn(typo), rrq_lapply(typo, sqrt),
    rrq_lapply(1, sqrt, typo), rrq_map(typo, sqrt), rrq_map_dbl(1, sqrt, typo),
    rrq_worker_stop(typo), rrq_queue_list(typo)
  )) {
    expected <- if (is_lexical) "user" else as.character(call[[1]])
    expect_equal(blamed(call), expected, info = deparse(call))
  }
})

test_that("a missing argument, or one that raises an error, names the function the user called", {
  for (call in expression(
    rrq_task_status(), rrq_controller(), rrq_task_wait(), rrq_task_create_call(),
    rrq_task_wait(stop("no")), rrq_task_create_call(sqrt, list(stop("no"))),
    rrq_task_create_expr(sqrt(1), queue = stop("no")), rrq_lapply(stop("no"), sqrt)
  )) {
    expect_equal(blamed(call), as.character(call[[1]]), info = deparse(call))
  }
})

test_that("arguments are evaluated once, and code that is captured is not", {
  n <- 0
  r <- local_queue()
  id <- rrq_task_create_call(sqrt, list({
    n <- n + 1
    n
  }), controller = r)
  expect_equal(n, 1)
  id <- rrq_task_create_expr(stop("only on the worker"), controller = r)
  expect_equal(rrq_task_status(id, controller = r), "PENDING")
})

test_that("calls that can only mean one thing work", {
  server <- test_server()
  r <- rrq_controller("meant", server)
  id <- rrq_task_create_call(Sys.time, controller = r)
  expect_equal(rrq_task_data(id, controller = r)$args, list())
  id <- rrq_task_create_call(Sys.time, NULL, controller = r)
  expect_equal(rrq_task_data(id, controller = r)$args, list())
  rrq_destroy(r)
  expect_equal(length(r$con$KEYS("{meant}*")), 0)
  address <- sprintf("localhost:%d", server$port)
  expect_error(rrq_controller("meant", address), class = "rrq_error_authentication")
  r <- local_queue()
  local_spawned(r, 1)
  expect_equal(rrq_lapply(1:3, ~ .x + 1, controller = r), list(2, 3, 4))
  expect_equal(rrq_lapply(1:3, "sqrt", controller = r), lapply(1:3, "sqrt"))
  name <- "own"
  own <- function(x, y) x + y
  expect_equal(rrq_lapply(1:2, name, y = 1, controller = r), list(2, 3))
  expect_equal(rrq_mapply("+", 1:2, 3:4, controller = r), c(4, 6))
})

test_that("a controller prints when its server or its queue is gone", {
  server <- rrq_server()
  r <- rrq_controller("gone", server)
  server$stop()
  withr::local_options(rrq.retry_timeout = 0)
  expect_output(print(r), "<rrq_controller> gone: not available", fixed = TRUE)
})

test_that("wrong calls say what is wrong and what to do", {
  r <- local_queue()
  rrq_default_controller_set(r)
  withr::defer(rrq_default_controller_clear())
  text <- utils::capture.output(said(
    rrq_lapply(sqrt, 1:3), rrq_lapply(1:3, "sqqrt"), rrq_lapply(1:3, 2), rrq_mapply(1:3, sqrt),
    rrq_task_create_call(sqrt(2)), rrq_task_create_call("sqrt", list(2)),
    rrq_task_create_call(sqrt, 2), rrq_task_create_expr(2), rrq_task_create_expr(quote(sqrt(2))),
    rrq_task_create_expr(sqrt(absent)), rrq_task_create_bulk_call(sqrt, list()),
    rrq_task_create_expr(sqrt(2), queue = ""), rrq_task_create_expr(sqrt(2), timeout_task_run = -1),
    rrq_task_create_expr(sqrt(2), depends_on = "nothing"),
    rrq_task_create_expr(sqrt(2), seed = "a"),
    rrq_task_create_expr(sqrt(2), retry = 3), rrq_task_wait(character()), rrq_task_wait("nothing"),
    rrq_task_wait(NULL), rrq_task_wait(1), rrq_task_result("nothing"), rrq_task_result(c("a", "b")),
    rrq_task_info("nothing"), rrq_task_delete("nothing"), rrq_task_cancel("nothing"),
    rrq_task_retry("nothing"), rrq_worker_spawn(0), rrq_worker_spawn("2"),
    rrq_worker_spawn(1, name_config = "unknown"), rrq_worker_stop("unknown"),
    rrq_worker_info("unknown"), rrq_worker_delete_exited("unknown"), rrq_message_send("PING"),
    rrq_message_send("PING", worker_ids = "unknown"), rrq_queue_pause(1), rrq_controller("a b"),
    rrq_controller("a", 1), rrq_controller("a", "http://localhost"), rrq_destroy("a"),
    rrq_worker_spawn(1, worker_id_base = strrep("a", 300)), rrq_task_options(quue = "a"),
    rrq_envir(library(stats)), rrq_worker_envir_set("dplyr"), rrq_worker_envir_set("code.R"),
    rrq_worker_envir_set(1), rrq_worker_config_save(rrq_worker_config()),
    rrq_worker_config_save(rrq_worker_config(), "a"), rrq_worker_config_save("a"),
    rrq_start("name"), rrq_start(c("a", "b")), rrq_controller("redis://me:secret@host"),
    rrq_controller("a", r), rrq_task_wait("a", r), object_store$new(), rrq_heartbeat$new("a")
  ))
  expect_snapshot(writeLines(text))
})

test_that("a task without a controller is told how to have one, and then maps in turn", {
  r <- local_queue()
  local_spawned(r, 2)
  map <- function(i) rrq::rrq_lapply(1:2, sqrt)
  err <- expect_error(rrq_lapply(1, map, controller = r), class = "rrq_task_error")
  advice <- sprintf("`controller = rrq::rrq_controller(\"%s\")`", r$queue_id)
  expect_match(conditionMessage(err), advice, fixed = TRUE)
  map <- function(i, id) rrq::rrq_lapply(1:2, sqrt, controller = rrq::rrq_controller(id))
  expect_equal(rrq_lapply(1, map, r$queue_id, controller = r), list(lapply(1:2, sqrt)))
})
