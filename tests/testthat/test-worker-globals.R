run_call_of <- function(r, ..., args = list()) {
  id <- rrq_task_create_call(..., args = args, controller = r)
  run_worker(local_worker(r))
  rrq_task_result(id, controller = r)
}

test_that("functions of a map find their helpers", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_h <- function(i) gl_k + i
    gl_two <- function(i, j) gl_h(i) * j
  })
  g <- globalenv()
  expect_equal(eval(quote(rrq_lapply(1:2, function(i) gl_k + i, controller = r)), list(r = r), g),
    list(11, 12)
  )
  expect_equal(rrq_lapply(1:3, g$gl_h, chunk_size = 2, controller = r), list(11, 12, 13))
  expect_equal(rrq_mapply(g$gl_two, 1:2, 3:4, controller = r), c(33, 48))
  expect_equal(rrq_lapply(1:2, sapply, g$gl_h, controller = r), list(11, 12))
  expect_equal(rrq_lapply(list(g$gl_h), function(f) f(1), controller = r), list(11))
  expect_equal(rrq_mapply(function(f, x) f(x), list(g$gl_h), 1:2, controller = r), c(11, 12))
  id <- rrq_task_create_bulk_call(g$gl_h, 1:2, controller = r)
  rrq_task_wait(id, timeout = 20, controller = r)
  expect_equal(rrq_task_results(id, controller = r), list(11, 12))
})

test_that("the session's values go before those of the worker's environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) {
    envir$gl_k <- "worker"
    envir$gl_only <- "worker"
  }, controller = r)
  local_spawned(r)
  local_global({
    gl_k <- "session"
    gl_f <- function(i) c(gl_k, gl_only)
  })
  f <- globalenv()$gl_f
  run <- function(...) rrq_lapply(1, f, ..., controller = r)[[1]]
  expect_equal(run(), c("session", "worker"))
  expect_equal(run(globals = FALSE), c("worker", "worker"))
  expect_equal(run(globals = list(gl_k = "own")), c("own", "worker"))
})

test_that("closures see the worker's environment and what was sent in place of the global one", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$gl_only <- 100, controller = r)
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_make <- function(n) {
      inner <- function(x) x + gl_k
      function(x) inner(x) + n + gl_only
    }
    gl_list <- list(f = function(x) x + gl_k)
    gl_use <- function(x) gl_list$f(x)
    gl_v <- Vectorize(function(x) x + gl_k)
  })
  g <- globalenv()
  expect_equal(rrq_lapply(1:2, g$gl_make(1000), controller = r), list(1111, 1112))
  expect_equal(rrq_lapply(1:2, g$gl_use, controller = r), list(11, 12))
  expect_equal(rrq_lapply(1:2, g$gl_v, controller = r), list(11, 12))
})

test_that("R6 classes and formulas of the global environment work on the worker", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_h <- function(x) x + gl_k
    gl_base <- R6::R6Class("base", public = list(get = function(x) gl_h(x)))
    gl_class <- R6::R6Class("class", inherit = gl_base)
    gl_object <- gl_class$new()
    gl_f <- function(x) c(gl_class$new()$get(x), gl_object$get(x))
    gl_fit <- function(d) unname(stats::fitted(stats::lm(y ~ gl_h(x), d)))
  })
  g <- globalenv()
  expect_equal(rrq_lapply(1, g$gl_f, controller = r), list(c(11, 11)))
  d <- data.frame(y = 1:3 + 0, x = 1:3)
  expect_equal(rrq_lapply(list(d), g$gl_fit, controller = r), list(1:3 + 0))
})

test_that("what one task assigns is not seen by the next", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_n <- 0
    gl_count <- function(i) gl_n <<- gl_n + 1
  })
  values <- rrq_lapply(1:5, globalenv()$gl_count, chunk_size = 1, controller = r)
  expect_equal(values, as.list(rep(1, 5)))
})

test_that("functions of attached packages are found", {
  r <- local_queue()
  local_spawned(r)
  withr::local_package("rlang")
  local_global(gl_f <- function(x) is_string(x))
  expect_equal(rrq_lapply("a", globalenv()$gl_f, controller = r), list(TRUE))
})

test_that("large values of a single call are stored once", {
  r <- local_queue()
  local_global({
    gl_big <- data.frame(x = 1:1e5 + 0)
    gl_f <- function(i) nrow(gl_big) + i
  })
  f <- globalenv()$gl_f
  ids <- vapply(1:2, function(i) rrq_task_create_call(f, list(i), controller = r), "")
  expect_length(r$con$KEYS(paste0(r$keys$prefix, "o:*")), 1)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(ids, controller = r), list(1e5 + 1, 1e5 + 2))
  expect_equal(rrq_task_data(ids[[1]], r)$fn$globals$gl_big, globalenv()$gl_big)
})

test_that("functions that `globals` names see each other in an expression", {
  r <- local_queue()
  local_global({
    gl_h <- function(x) x + 1
    gl_f <- function(x) gl_h(x)
  })
  id <- eval(quote(rrq_task_create_expr(gl_f(1), globals = c("gl_f", "gl_h"), controller = r)),
    list(r = r), globalenv()
  )
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 2)
})

test_that("a package that the worker lacks matters only where it is used", {
  run <- new_run()
  run$envir <- new.env(parent = globalenv())
  fn <- list(globals = list(k = 1), packages = c(absent_fn = "rrqnopackage"))
  call_of <- function(body) {
    fn$value <- as.function(alist(x = , body), envir = globalenv())
    body(fn$value) <- body
    template <- list(fn = fn, args = list())
    with_task_handlers(run, run_call(run, "bulk_call", 1, template, NULL, NULL, 0, NULL, FALSE))
  }
  expect_equal(call_of(quote(x + k)), list("COMPLETE", 2))
  outcome <- call_of(quote(absent_fn(x)))
  expect_equal(outcome[[1]], "ERROR")
  expect_match(conditionMessage(outcome[[2]]), "rrqnopackage")
})

# A model with an environment of its own, large enough that a worker keeps it. Its prediction for 1
# is half of `gl_k`, which its formula finds in the global environment.
local_model <- function(env = parent.frame()) {
  local_global({
    gl_k <- 2
    gl_make <- function(n) {
      times <- function(x) x * gl_k
      data <- data.frame(x = seq_len(n), y = seq_len(n))
      stats::lm(y ~ times(x), data)
    }
    gl_fit <- gl_make(2000)
    gl_predict <- function(i) {
      round(stats::predict(gl_fit, data.frame(x = 1))[[1]] + gl_zero, 6)
    }
  }, env)
  globalenv()
}

test_that("a model that the worker keeps sees what each map sends", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$gl_zero <- 0, controller = r)
  local_spawned(r)
  g <- local_model()
  map <- function(fn) rrq_lapply(1, fn, timeout = 20, controller = r)[[1]]
  for (k in c(2, 4, 2)) {
    g$gl_k <- k
    expect_equal(map(g$gl_predict), k / 2)
    expect_equal(map(function(i) i), 1)
  }
})

test_that("a model that the worker keeps works in one call and expression after the other", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$gl_zero <- 0, controller = r)
  local_spawned(r)
  g <- local_model()
  fn <- function(gl_fit) stats::predict(gl_fit, data.frame(x = 1))[[1]]
  for (k in c(2, 4, 2)) {
    given <- list(gl_k = k, gl_fit = g$gl_fit, gl_zero = 0, gl_predict = g$gl_predict)
    ids <- c(
      rrq_task_create_call(fn, list(g$gl_fit), globals = list(gl_k = k), controller = r),
      rrq_task_create_expr(gl_predict(1), globals = given, controller = r)
    )
    rrq_task_wait(ids, timeout = 20, controller = r)
    expect_equal(lapply(rrq_task_results(ids, controller = r), round, 6), list(k / 2, k / 2))
  }
})

test_that("a function that a task returned sees the global environment of the session again", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_make <- function(i) function(x) x + gl_k
  })
  fn <- rrq_lapply(1, globalenv()$gl_make, controller = r)[[1]]
  expect_identical(parent.env(environment(fn)), globalenv())
  expect_equal(fn(1), 11)
  expect_equal(rrq_lapply(1:2, fn, controller = r), list(11, 12))
  assign("gl_k", 20, globalenv())
  expect_equal(fn(1), 21)
  expect_equal(rrq_lapply(1:2, fn, controller = r), list(21, 22))
})

test_that("results do not carry the global variables and the worker's environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$big_there <- stats::runif(1e5), controller = r)
  local_spawned(r)
  local_global({
    gl_big <- stats::runif(1e5)
    gl_make <- function(i) function() gl_big[[i]] + big_there[[i]]
    gl_plain <- function(i) function() big_there[[i]]
  })
  for (make in list(globalenv()$gl_make, globalenv()$gl_plain)) {
    fn <- rrq_lapply(1, make, controller = r)[[1]]
    expect_identical(parent.env(environment(fn)), globalenv())
  }
})

test_that("what an expression returns keeps the variables of the expression", {
  r <- local_queue()
  worker <- local_worker(r)
  gl_f <- function(x) x + 1
  id <- rrq_task_create_expr(
    {
      y <- gl_f(41)
      function() y
    },
    globals = list(gl_f = gl_f), controller = r
  )
  run_worker(worker)
  expect_equal(rrq_task_result(id, controller = r)(), 42)
})

test_that("what is attached is read anew under the same name", {
  r <- local_queue()
  local_global(gl_g <- function(x) x + gl_attached)
  gl_g <- globalenv()$gl_g
  ids <- vapply(1:2, function(i) {
    attach(list(gl_attached = i), name = "gl_cfg", warn.conflicts = FALSE)
    on.exit(detach("gl_cfg"))
    rrq_task_create_call(gl_g, list(1), controller = r)
  }, "")
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(ids, controller = r), list(2, 3))
})

test_that("tasks of a bulk see nothing of each other through formulas and attributes", {
  r <- local_queue()
  formula <- local(y ~ x, envir = list2env(list(n = 0), parent = globalenv()))
  ids <- rrq_task_create_bulk_call(function(i, f) {
    e <- environment(f)
    e$n <- e$n + 1
    e$n
  }, 1:3, args = list(f = formula), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_results(ids, controller = r), list(1, 1, 1))
})

test_that("long chains of environments and formal arguments are sent", {
  r <- local_queue()
  chain <- NULL
  for (i in 1:400) chain <- list2env(list(v = i, n = chain), parent = globalenv())
  deep <- local(function(x) x, globalenv())
  for (i in 1:300) {
    deep <- local(function(x) inner(x), list2env(list(inner = deep), parent = globalenv()))
  }
  id <- rrq_task_create_call(function(l) l$v, list(chain), controller = r)
  sent <- rrq_task_create_call(deep, list(1), controller = r)
  args <- alist(x = , y = 2)
  formal <- rrq_task_create_call(function() names(args), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(id, controller = r), 400)
  expect_equal(rrq_task_result(formal, controller = r), c("x", "y"))
  expect_equal(rrq_task_result(sent, controller = r), 1)
})

test_that("a function from another task sees the worker's environment", {
  r <- local_queue()
  rrq_worker_envir_set(function(envir) envir$there <- function(x) x * 10, controller = r)
  id <- rrq_task_create_expr(
    {
      function(x) there(x)
    },
    controller = r
  )
  other <- rrq_task_create_expr(fn(3), depends_on = c(fn = id), controller = r)
  run_worker(local_worker(r))
  expect_equal(rrq_task_result(other, controller = r), 30)
})

test_that("a task that creates tasks sends on what it was sent", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 5
    gl_nest <- function(url, queue) {
      r <- rrq::rrq_controller(queue, url)
      id <- rrq::rrq_task_create_call(function(x) x + gl_k, list(1), controller = r)
      gl_k
      id
    }
  })
  id <- rrq_task_create_call(globalenv()$gl_nest, list(r$url, r$queue_id), controller = r)
  rrq_task_wait(id, timeout = time_limit(), controller = r)
  inner <- rrq_task_result(id, controller = r)
  rrq_task_wait(inner, timeout = time_limit(), controller = r)
  expect_equal(rrq_task_result(inner, controller = r), 6)
})

test_that("functions in code and attributes, and long lists of them, are sent with what they use", {
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_plus <- function(x) x + gl_k
    gl_many <- lapply(1:250, function(i) function(x) x + i + gl_k)
    gl_table <- data.frame(i = 1)
    gl_table$f <- list(gl_plus)
    gl_note <- structure(function(x) x, extra = function(x) x + gl_k)
    gl_built <- rlang::new_function(formals(\(x) x), call("sapply", 1, gl_plus), globalenv())
    gl_call <- as.call(list(gl_plus, 2))
    gl_fs <- list(
      function(x) gl_many[[250]](x), function(x) gl_table$f[[1]](x),
      function(x) attr(gl_note, "extra")(x), gl_built, function(x) eval(gl_call)
    )
  })
  g <- globalenv()
  expect_equal(rrq_lapply(list(g$gl_many), function(f) f[[1]](1), controller = r), list(12))
  values <- rrq_lapply(g$gl_fs, function(f) f(1), controller = r)
  expect_equal(values, list(261, 11, 11, 11, 12))
})

test_that("functions made by purrr and memoise are sent with what they use", {
  skip_if_not_installed("purrr")
  skip_if_not_installed("memoise")
  r <- local_queue()
  local_spawned(r)
  local_global({
    gl_k <- 10
    gl_sum <- function(a, b) a + b + gl_k
    gl_partial <- asNamespace("purrr")$partial(gl_sum, b = 2)
    gl_memo <- asNamespace("memoise")$memoise(function(x) x + gl_k)
  })
  expect_equal(rrq_lapply(1, globalenv()$gl_partial, controller = r), list(13))
  expect_equal(rrq_lapply(1, globalenv()$gl_memo, controller = r), list(11))
})

test_that("functions in slots, and the methods of S4 generics, are sent with what they use", {
  r <- local_queue()
  local_spawned(r)
  g <- globalenv()
  local_global({
    gl_k <- 10
    gl_plus <- function(x) x + gl_k
    gl_method <- function(x, ...) x@f(gl_k)
  })
  methods::setClass("gl_holder", methods::representation(f = "function"), where = g)
  suppressMessages(
    methods::setGeneric("gl_use", function(x, ...) standardGeneric("gl_use"), where = g)
  )
  methods::setMethod("gl_use", "gl_holder", g$gl_method, where = g)
  withr::defer({
    methods::removeGeneric("gl_use", where = g)
    methods::removeClass("gl_holder", where = g)
  })
  object <- methods::new("gl_holder", f = g$gl_plus)
  expect_equal(rrq_lapply(list(object), function(x) x@f(1), controller = r), list(11))
  expect_equal(rrq_lapply(list(object), g$gl_use, controller = r), list(20))
})

test_that("functions in the variables and rows of an expression are sent with what they use", {
  r <- local_queue()
  worker <- local_worker(r)
  there <- function(envir) envir$gl_there <- 100
  rrq_worker_envir_set(there, controller = r)
  f <- rlang::new_function(formals(\(x) x), quote(x + gl_k + gl_there), globalenv())
  local_global(gl_k <- 10)
  fs <- list(f)
  rows <- data.frame(a = 1:2)
  rows$f <- list(f, f)
  built <- as.call(list(f, 3))
  ids <- c(
    rrq_task_create_expr(fs[[1]](1), controller = r),
    rrq_task_create_bulk_expr(f(a), rows, controller = r),
    rrq_task_create_bulk_expr((!!f)(a), data.frame(a = 1), controller = r),
    rrq_task_create_expr(built, controller = r)
  )
  run_worker(worker)
  expect_equal(unlist(rrq_task_results(ids, controller = r)), c(111, 111, 112, 111, 113))
})
