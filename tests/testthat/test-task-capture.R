test_that("a bare name in an argument is required", {
  names <- capture_names(quote(f(x, 1, "a", y = z)))
  expect_equal(names$required, c("x", "z"))
  expect_equal(names$optional, character())
})

test_that("each name is reported once", {
  expect_equal(capture_names(quote(x + x * x))$required, "x")
  expect_equal(capture_names(quote(lm(y ~ y)))$optional, "y")
  expect_equal(capture_names(quote({
    f(~ x)
    x
  })), list(required = "x", optional = character()))
})

test_that("constants need nothing", {
  none <- list(required = character(), optional = character())
  expect_equal(capture_names(quote(f(1, "a", TRUE, NULL, NA, Inf))), none)
  expect_equal(capture_names(quote({})), none) # nolint: brace_linter.
  expect_equal(capture_names(1), none)
})

test_that("a name in call position is not a variable", {
  expect_equal(capture_names(quote(f(g(h(x)))))$required, "x")
  expect_equal(capture_names(quote("f"(x)))$required, "x")
})

test_that("a computed call position is searched", {
  expect_equal(capture_names(quote(f(x)(y)))$required, c("x", "y"))
  expect_equal(capture_names(quote(obj$method(x)))$required, c("obj", "x"))
  expect_equal(capture_names(quote((function(x) x)(3)))$required, character())
  expect_equal(capture_names(quote((function(x) x + a)(3)))$required, "a")
  expect_equal(capture_names(quote(fs[[i]](x)))$required, c("fs", "i", "x"))
})

test_that("`$` and `@` need their left side only", {
  expect_equal(capture_names(quote(sum(dat$x)))$required, "dat")
  expect_equal(capture_names(quote(sum(dat@x)))$required, "dat")
  expect_equal(capture_names(quote(a$b$c@d))$required, "a")
  expect_equal(capture_names(quote(a[[i]]$b))$required, c("a", "i"))
})

test_that("names qualified by a package need nothing", {
  expect_equal(capture_names(quote(f(pkg::name)))$required, character())
  expect_equal(capture_names(quote(f(pkg:::name)))$required, character())
  expect_equal(capture_names(quote(pkg::f(x)))$required, "x")
  expect_equal(capture_names(quote(pkg::obj$f(x)))$required, "x")
})

test_that("empty arguments are passed over", {
  expect_equal(capture_names(quote(x[1, ]))$required, "x")
  expect_equal(capture_names(quote(x[, i, drop = FALSE]))$required, c("x", "i"))
  expect_equal(capture_names(quote(x[]))$required, "x")
  expect_equal(capture_names(quote(switch(x, a = , b = y)))$required, c("x", "y"))
  expect_equal(capture_names(quote(switch()))$required, character()) # nolint
})

test_that("a name assigned earlier is local", {
  expect_equal(capture_names(quote({
    x <- 1
    x + y
  }))$required, "y")
})

test_that("every way to assign makes a local", {
  expect_equal(capture_names(quote({
    a = 1 # nolint: assignment_linter.
    2 -> b # nolint: assignment_linter.
    "c" <- 3
    d <<- 4
    assign("e", 5)
    delayedAssign("f", 6)
    g <- h <- 7
    list(a, b, c, d, e, f, g, h)
  }))$required, character())
})

test_that("a name used before it is assigned is required", {
  expect_equal(capture_names(quote({
    x <- x + 1
  }))$required, "x")
  expect_equal(capture_names(quote({
    y <- f(x)
    x <- y
  }))$required, "x")
  expect_equal(capture_names(quote({
    x <<- x + 1
  }))$required, "x")
  expect_equal(capture_names(quote(assign("x", x)))$required, "x")
})

test_that("replacing a part of a variable needs the variable", {
  expect_equal(capture_names(quote(x[1] <- 2))$required, "x")
  expect_equal(capture_names(quote(x$y <- 1))$required, "x")
  expect_equal(capture_names(quote(x@y <- 1))$required, "x")
  expect_equal(capture_names(quote(names(x) <- v))$required, c("v", "x"))
  expect_equal(capture_names(quote(x$a$b[[i]] <- 1))$required, c("x", "i"))
  expect_equal(capture_names(quote(names(x$a)[j] <- "b"))$required, c("x", "j"))
  expect_equal(capture_names(quote(x[, 1] <- 2))$required, "x")
})

test_that("replacing a part of a local needs nothing", {
  expect_equal(capture_names(quote({
    x <- list()
    x$a <- 1
    x[[2]] <- 2
    names(x)[2] <- "b"
    x
  }))$required, character())
})

test_that("assign() elsewhere makes a name optional", {
  names <- capture_names(quote({
    assign("x", 1, envir = e)
    x
  }))
  expect_equal(names, list(required = "e", optional = "x"))
})

test_that("assign() with a computed name makes nothing local", {
  expect_equal(capture_names(quote({
    assign(name, 1)
    x
  }))$required, c("name", "x"))
})

test_that("an assignment inside an argument counts", {
  expect_equal(capture_names(quote({
    suppressWarnings(x <- f(1))
    x
  }))$required, character())
  expect_equal(capture_names(quote({
    tryCatch({
      x <- 1
    }, error = function(e) e)
    x
  }))$required, character())
})

test_that("a named argument is not an assignment", {
  expect_equal(capture_names(quote({
    f(x = 1)
    x
  }))$required, "x")
})

test_that("parameters of a function are local to it", {
  expect_equal(capture_names(quote(sapply(v, function(i) i + a)))$required, c("v", "a"))
  expect_equal(capture_names(quote(sapply(v, \(i) i + a)))$required, c("v", "a"))
  expect_equal(capture_names(quote({
    sapply(v, function(i) i)
    i
  }))$required, c("v", "i"))
})

test_that("variables of a function stay in it", {
  expect_equal(capture_names(quote({
    f <- function() {
      y <- 1
      y
    }
    y
  }))$required, "y")
})

test_that("a function that updates an outer variable needs it", {
  expect_equal(capture_names(quote(sapply(v, function(i) x <- x + i)))$required, c("v", "x"))
  expect_equal(capture_names(quote(function() {
    x[1] <- 2
    x
  }))$required, "x")
})

test_that("defaults see the other parameters and the locals", {
  expect_equal(capture_names(quote(function(a, b = a) b))$required, character())
  expect_equal(capture_names(quote(function(a = b, b) a))$required, character())
  expect_equal(capture_names(quote(function(a = z) {
    z <- 1
    a
  }))$required, character())
  expect_equal(capture_names(quote(function(a = k) a))$required, "k")
})

test_that("a function sees what is assigned around it", {
  expect_equal(capture_names(quote({
    k <- 2
    sapply(v, function(i) function() i * k)
  }))$required, "v")
})

test_that("a function may use what is assigned after it", {
  names <- capture_names(quote({
    f <- function() function() k
    k <- 1
    f()()
  }))
  expect_equal(names, list(required = character(), optional = "k"))
})

test_that("a name both used now and in a function before its assignment is required", {
  names <- capture_names(quote({
    f <- function() k
    g(k)
    k <- 1
  }))
  expect_equal(names, list(required = "k", optional = character()))
})

test_that("`<<-` in a function needs what it reads", {
  expect_equal(capture_names(quote({
    sapply(v, function(i) acc <<- c(acc, i))
    acc
  }))$required, c("v", "acc"))
  expect_equal(capture_names(quote(function() x[1] <<- 2))$required, "x")
})

test_that("`<<-` in a function makes its name optional afterwards", {
  names <- capture_names(quote({
    f <- function() last <<- 1
    f()
    last
  }))
  expect_equal(names, list(required = character(), optional = "last"))
})

test_that("`<<-` to a variable of the block needs nothing", {
  none <- list(required = character(), optional = character())
  expect_equal(capture_names(quote({
    acc <- 0
    f <- function(i) acc <<- acc + i
    f(1)
    acc
  })), none)
})

test_that("a loop variable is local, what it runs over is not", {
  expect_equal(capture_names(quote(for (i in v) f(i, a)))$required, c("v", "a"))
  expect_equal(capture_names(quote(for (i in i) f(i)))$required, "i")
  expect_equal(capture_names(quote({
    for (i in 1:3) y <- i
    i + y
  }))$required, character())
})

test_that("a loop that reads before it writes needs the variable", {
  expect_equal(capture_names(quote(for (i in 1:3) x <- x + i))$required, "x")
  expect_equal(capture_names(quote(while (n > 0) n <- n - 1))$required, "n")
})

test_that("while and repeat assign in the block", {
  expect_equal(capture_names(quote({
    while (go()) a <- 1
    repeat {
      b <- a
      break
    }
    a + b
  }))$required, character())
})

test_that("if assigns in the block", {
  expect_equal(capture_names(quote({
    if (p) x <- 1 else x <- 2
    if (p) y <- 3
    x + y
  }))$required, "p")
})

test_that("one branch does not see the other's variables", {
  expect_equal(capture_names(quote(if (p) x <- 1 else f(x)))$required, c("p", "x"))
  expect_equal(capture_names(quote(switch(p, a = x <- 1, b = x)))$required, c("p", "x"))
})

test_that("local() keeps its variables", {
  expect_equal(capture_names(quote(local({
    x <- a
    x
  })))$required, "a")
  expect_equal(capture_names(quote({
    local(x <- 1)
    x
  }))$required, "x")
  expect_equal(capture_names(quote({
    a <- 1
    local(a)
  }))$required, character())
})

test_that("the names of a formula are optional", {
  names <- capture_names(quote(lm(y ~ x + log(z), data = d)))
  expect_equal(names, list(required = "d", optional = c("y", "x", "z")))
  expect_equal(capture_names(quote(f(~ a | b)))$optional, c("a", "b"))
  expect_equal(capture_names(quote(y ~ d$x))$optional, c("y", "d"))
})

test_that("a local in a formula is not captured", {
  expect_equal(capture_names(quote({
    x <- 1
    lm(y ~ x)
  })), list(required = character(), optional = "y"))
})

test_that("model arguments beside a formula are optional", {
  names <- capture_names(quote(lm(y ~ x, d, weights = w, subset = s, model = m)))
  expect_equal(names$required, c("d", "m"))
  expect_setequal(names$optional, c("y", "x", "w", "s"))
  expect_equal(capture_names(quote(f(x, weights = w)))$required, c("x", "w"))
})

test_that("the names of quoted code are optional", {
  for (code in alist(quote(x), bquote(x), expression(x), rlang::expr(x), expr(x), quo(x))) {
    names <- capture_names(call("f", code))
    expect_equal(names, list(required = character(), optional = "x"))
  }
})

test_that("an assignment in quoted code makes no local", {
  expect_equal(capture_names(quote({
    quote(x <- 1)
    x
  }))$required, "x")
})

test_that("unquoted parts of quoted code are required", {
  names <- capture_names(quote(bquote(a + .(b))))
  expect_equal(names, list(required = "b", optional = "a"))
  names <- capture_names(quote(rlang::expr(f(!!x, !!!y, !z))))
  expect_equal(names, list(required = c("x", "y"), optional = "z"))
})

test_that("the values given to substitute() are required", {
  names <- capture_names(quote(substitute(a + b, list(a = k))))
  expect_equal(names, list(required = "k", optional = c("a", "b")))
})

test_that("names beside a data frame are optional", {
  for (fn in c("with", "within", "subset", "transform")) {
    names <- capture_names(call(fn, quote(dat), quote(x > k)))
    expect_equal(names, list(required = "dat", optional = c("x", "k")))
  }
})

test_that("the data frame may be a named argument or an expression", {
  names <- capture_names(quote(with(expr = x, data = dat)))
  expect_equal(names, list(required = "dat", optional = "x"))
  names <- capture_names(quote(base::subset(rbind(a, b), x > 1)))
  expect_equal(names, list(required = c("a", "b"), optional = "x"))
})

test_that("data verbs of other packages are known", {
  names <- capture_names(quote(dplyr::filter(dat, x > !!k, .env$m == .data$z)))
  expect_equal(names$required, c("dat", "k", "m"))
  expect_equal(names$optional, c("x", ".data"))
})

test_that("assignments inside with() stay there", {
  expect_equal(capture_names(quote({
    with(dat, z <- x)
    z
  }))$required, c("dat", "z"))
})

test_that("the dot of a pipe is its left side", {
  expect_equal(capture_names(quote(x %>% f(y, .) %>% head))$required, c("x", "y"))
  expect_equal(capture_names(quote(x %>% subset(z > 1))), list(required = "x", optional = "z"))
  expect_equal(capture_names(quote(d %$% cor(a, b)))$required, "d")
  expect_equal(capture_names(quote(x %>% pkg::f()))$required, "x")
})

test_that("a function given by name to an apply function is optional", {
  names <- capture_names(quote(sapply(x, worker_fn, k)))
  expect_equal(names, list(required = c("x", "k"), optional = "worker_fn"))
  expect_equal(capture_names(quote(Map(f, a, b)))$optional, "f")
  expect_equal(capture_names(quote(lapply(FUN = f, X = a)))$required, "a")
  expect_equal(capture_names(quote(sapply(x, fs[[1]])))$required, c("x", "fs"))
})

test_that("package names are not variables", {
  expect_equal(capture_names(quote({
    library(dplyr)
    suppressMessages(require(stats))
    library(p, character.only = TRUE)
    rm(z)
  }))$required, "p")
})

test_that("after load() and the like any name may exist", {
  for (code in alist(load(file), source(file), attach(file))) {
    names <- capture_names(call("{", code, quote(x)))
    expect_equal(names, list(required = "file", optional = "x"))
  }
})

test_that("dots are required unless a parameter", {
  expect_equal(capture_names(quote(f(...)))$required, "...")
  expect_equal(capture_names(quote(f(..1)))$required, "..1")
  expect_equal(capture_names(quote(...length()))$required, "...")
  expect_equal(capture_names(quote(function(...) f(..., ..1, ...length())))$required, character())
  expect_equal(capture_names(quote(function(...) sapply(a, function(i) f(...))))$required, "a")
  expect_equal(capture_names(quote(quote(f(...))))$optional, character())
})

test_that("values inside the expression are left alone", {
  expr <- call("f", mtcars, function(x) y, list(quote(z)), quote(x))
  expect_equal(capture_names(expr)$required, "x")
})

# capture_expr -----------------------------------------------------------------------------

test_that("variables are sent with their values", {
  x <- 1
  y <- NULL
  res <- capture_expr(quote(f(x, y)), environment())
  expect_equal(res$expr, quote(f(x, y)))
  expect_equal(res$variables, list(x = 1, y = NULL))
})

test_that("variables are found in the frames around", {
  outer <- 1
  f <- function(inner) {
    shadow <- 2
    capture_expr(quote(g(outer, inner, shadow)), environment())
  }
  shadow <- 3
  expect_equal(f(4)$variables, list(outer = 1, inner = 4, shadow = 2))
})

test_that("nothing to send is an empty named list", {
  expect_equal(capture_expr(quote(f(1)), environment())$variables, rlang::set_names(list()))
})

test_that("functions are not sent", {
  x <- 1:3
  double <- function(i) 2 * i
  res <- capture_expr(quote(sapply(x, double)), environment())
  expect_equal(res$variables, list(x = 1:3))
  expect_equal(capture_expr(quote(f(mean, double, `+`)), environment())$variables,
               rlang::set_names(list()))
})

test_that("what every R process has is not sent unless it was redefined", {
  sent <- function(envir) names(capture_expr(quote(f(pi, mtcars, .Machine)), envir)$variables)
  expect_equal(sent(environment()), character())
  pi <- 3
  expect_equal(sent(environment()), "pi")
})

test_that("values of other attached packages and of attached data are sent", {
  attached <- list(rrq_test_value = 1, rrq_test_column = 2)
  withr::local_environment(rlang::as_environment(attached), name = "package:notdefault")
  res <- capture_expr(quote(f(rrq_test_value ~ rrq_test_column, rrq_test_value)), globalenv())
  expect_equal(res$variables, list(rrq_test_value = 1))
})

test_that("a variable in the global environment is sent", {
  withr::defer(rm("rrq_test_global", envir = globalenv()))
  assign("rrq_test_global", 5, envir = globalenv())
  res <- capture_expr(quote(f(rrq_test_global)), new.env(parent = globalenv()))
  expect_equal(res$variables, list(rrq_test_global = 5))
})

test_that("the variables of a formula are sent when they exist", {
  y <- c(1, 2, 4)
  x <- 1:3
  res <- capture_expr(quote(lm(y ~ x + rrq_test_absent)), environment())
  expect_equal(res$variables, list(y = y, x = x))
})

test_that("a column that shares its name with a package's object sends nothing", {
  dat <- data.frame(letters = 1, mean = 2)
  res <- capture_expr(quote(subset(dat, letters == mean)), environment())
  expect_equal(names(res$variables), "dat")
})

test_that("promises and active bindings are sent by value", {
  f <- function(lazy) {
    makeActiveBinding("active", function() 7, environment())
    capture_expr(quote(g(lazy, active)), environment())
  }
  expect_equal(f(1 + 2)$variables, list(lazy = 3, active = 7))
})

test_that("a promise that fails says which variable it was", {
  f <- function(lazy) capture_expr(quote(g(lazy)), environment())
  err <- expect_error(f(stop("no value")), class = "rrq_error_variable")
  expect_match(conditionMessage(err), "lazy")
  expect_equal(conditionMessage(err$parent), "no value")
})

test_that("an argument that was not given is an unknown variable", {
  f <- function(absent) capture_expr(quote(g(absent)), environment())
  expect_error(f(), class = "rrq_error_variable")
  g <- function(absent) capture_expr(quote(lm(absent ~ 1)), environment())
  expect_equal(length(g()$variables), 0)
})

test_that("all variables that cannot be found are named", {
  err <- expect_error(
    capture_expr(quote(f(rrq_a, rrq_b)), environment()),
    class = "rrq_error_variable"
  )
  classes <- c("rrq_error_variable", "rrq_error_argument", "rrq_error")
  expect_equal(class(err)[1:3], classes)
  expect_match(conditionMessage(err), "rrq_a.*rrq_b")
})

test_that("the error is that of the function the user called", {
  create <- function(expr) {
    capture_expr(substitute(expr), parent.frame(), rlang::current_env())
  }
  err <- expect_error(create(f(rrq_a)), class = "rrq_error_variable")
  expect_equal(err$call[[1]], quote(create))
})

test_that("dots cannot be sent", {
  f <- function(...) capture_expr(quote(g(...)), environment())
  expect_error(f(1), "can't be sent", class = "rrq_error_variable")
  expect_error(capture_expr(quote(...), environment()), class = "rrq_error_variable")
})

test_that("a symbol bound to a call stands for that call", {
  x <- 2
  stored <- quote(f(x))
  expect_equal(
    capture_expr(quote(stored), environment()),
    list(expr = quote(f(x)), variables = list(x = 2))
  )
  block <- quote({
    x
  })
  expect_equal(capture_expr(quote(block), environment())$expr[[1]], quote(`{`))
})

test_that("a symbol bound to anything else is an error", {
  number <- 1
  fun <- function() 1
  formula <- y ~ x
  for (name in c("number", "fun", "formula")) {
    err <- expect_error(capture_expr(as.name(name), environment()), class = "rrq_error_argument")
    expect_match(conditionMessage(err), name)
  }
  expect_error(capture_expr(quote(rrq_absent), environment()), class = "rrq_error_variable")
})

test_that("what is not a call is an error", {
  for (expr in list(1, "f(x)", NULL, TRUE, sum, quote(pkg::f), quote(function(x) x))) {
    expect_error(capture_expr(expr, environment()), "must be a call", class = "rrq_error_argument")
  }
})

test_that("a missing expression is an error", {
  create <- function(expr) {
    expr <- substitute(expr)
    capture_expr(expr, parent.frame())
  }
  expect_error(create(), "missing", class = "rrq_error_argument")
})

test_that("quote() is one too many", {
  for (expr in alist(quote(f(x)), bquote(f(x)), rlang::expr(f(x)))) {
    err <- expect_error(capture_expr(expr, environment()), class = "rrq_error_argument")
    expect_match(conditionMessage(err), "remove the")
  }
})

test_that("errors say what was probably meant", {
  withr::local_options(cli.unicode = FALSE)
  fun <- function(x) x
  expect_snapshot(error = TRUE, {
    capture_expr(quote(fun), environment())
    capture_expr("sqrt({x})", environment())
    capture_expr(quote(quote(f(x))), environment())
    capture_expr(quote(f(rrq_a, rrq_b)), environment())
  })
})

test_that("source references are not sent", {
  text <- "{ x <- function(i, f = function() {1}) { i[1, ] }\n {2} }"
  expr <- parse(text = text, keep.source = TRUE)[[1]]
  res <- capture_expr(expr, environment())
  expect_false(any(grepl("srcref", utils::capture.output(str(res$expr)))))
  expect_lt(length(serialize(res$expr, NULL)), length(serialize(expr, NULL)) / 2)
  expect_equal(res$expr, parse(text = text, keep.source = FALSE)[[1]])
})

# capture_bulk and inject_expr -------------------------------------------------------------

test_that("columns win over the environment", {
  x <- 1
  y <- 2
  res <- capture_bulk(quote(f(x, y, z)), c("x", "z"), environment())
  expect_equal(res$variables, list(y = 2))
})

test_that("a variable that is neither column nor found is an error", {
  expect_error(
    capture_bulk(quote(f(x, rrq_b)), "x", environment()),
    "rrq_b", class = "rrq_error_variable"
  )
})

test_that("`!!` puts a value in", {
  x <- 3
  # Not inside expect_equal(), which would itself put the value in.
  expr <- inject_expr(quote(f(!!x, y, !!x + 1)), environment())
  expect_equal(expr, quote(f(3, y, 3 + 1)))
  expect_equal(inject_expr(quote(f(x, y)), environment()), quote(f(x, y)))
})

test_that("`!!` of a data frame arrives whole", {
  dat <- data.frame(a = 1:2)
  expr <- inject_expr(quote(nrow(!!dat)), environment())
  expect_identical(capture_expr(expr, environment())$expr[[2]], dat)
})

test_that("`!!` of an unknown name is a classed error", {
  expr <- quote(f(!!rrq_a))
  err <- expect_error(inject_expr(expr, environment()), class = "rrq_error_argument")
  expect_match(conditionMessage(err$parent), "rrq_a")
})

# capture_function -------------------------------------------------------------------------

test_that("a qualified function is sent by name", {
  expect_equal(
    capture_function(quote(stats::lm), environment()),
    list(name = "lm", namespace = "stats", internal = FALSE)
  )
  expect_equal(
    capture_function(quote(stats:::Pillai), environment()),
    list(name = "Pillai", namespace = "stats", internal = TRUE)
  )
})

test_that("a qualified function that does not exist is an error", {
  for (expr in alist(rrqnopackage::f, stats::rrq_nothing, stats:::rrq_nothing, datasets::cars)) {
    expect_error(capture_function(expr, environment()), class = "rrq_error_argument")
  }
  expect_error(
    capture_function(quote(stats::Pillai), environment()),
    "stats:::Pillai", fixed = TRUE, class = "rrq_error_argument"
  )
})

test_that("a package's function is recognised by its symbol", {
  expect_equal(capture_function(quote(sum), environment())$namespace, "base")
  expect_equal(capture_function(quote(sapply), environment())$namespace, "base")
  expect_equal(
    capture_function(quote(lm), environment()),
    list(name = "lm", namespace = "stats", internal = FALSE)
  )
})

test_that("a package's internal function is recognised from inside the package", {
  res <- capture_function(quote(Pillai), asNamespace("stats"))
  expect_equal(res, list(name = "Pillai", namespace = "stats", internal = TRUE))
})

test_that("a function that masks a package's is sent by value", {
  lm <- function(x) x
  expect_equal(capture_function(quote(lm), environment())$value(3), 3)
})

test_that("a package's function under another name is sent by value", {
  my_lm <- stats::lm
  expect_equal(capture_function(quote(my_lm), environment()), list(value = stats::lm))
  total <- sum
  expect_equal(capture_function(quote(total), environment()), list(value = sum))
})

test_that("an anonymous function is sent by value with its environment", {
  k <- 2
  fn <- capture_function(quote(function(x, ...) x[1, ] * k), environment())$value
  expect_identical(environment(fn), environment())
  expect_equal(fn(matrix(1:4, 2)), c(2, 6))
})

test_that("a function is sent without source, with everything else", {
  text <- "function(a, b = function() {1}) {\n  # why\n  a\n}"
  fn <- structure(eval(parse(text = text, keep.source = TRUE)), class = "memo", extra = 1)
  res <- capture_function(quote(fn), environment())$value
  expect_equal(attributes(res), list(class = "memo", extra = 1))
  expect_equal(formals(res), formals(eval(parse(text = text, keep.source = FALSE))))
  expect_null(attributes(body(res)))
  empty <- function() NULL
  expect_null(capture_function(quote(empty), environment())$value())
})

test_that("a call that makes a function is evaluated", {
  factory <- function(k) function(x) x + k
  expect_equal(capture_function(quote(factory(2)), environment())$value(1), 3)
})

test_that("what is not a function is an error with a hint", {
  number <- 1
  expect_error(capture_function("mean", environment()), "pkg::name", class = "rrq_error_argument")
  expect_error(capture_function(quote(number), environment()), class = "rrq_error_argument")
  expect_error(
    capture_function(quote(sqrt(2)), environment()),
    "rrq_task_create_expr", class = "rrq_error_argument"
  )
  expect_error(
    capture_function(quote(quote(f)), environment()),
    "Remove the", class = "rrq_error_argument"
  )
})

test_that("an unknown or missing function is an error", {
  expect_error(capture_function(quote(rrq_fn), environment()), class = "rrq_error_variable")
  expect_error(capture_function(rlang::missing_arg(), environment()), class = "rrq_error_argument")
  create <- function(fn) capture_function(quote(fn), environment())
  expect_error(create(), class = "rrq_error_variable")
})

# warn_large -------------------------------------------------------------------------------

test_that("large variables are named with their size", {
  variables <- list(big = numeric(2e6), small = 1)
  expect_warning(warn_large(variables), "big.*16 MB", class = "rrq_warning_large")
})

test_that("the limit is on the total", {
  variables <- list(a = numeric(100), b = numeric(100))
  expect_warning(warn_large(variables, limit = 1000), class = "rrq_warning_large")
  expect_silent(warn_large(variables, limit = 2000))
})

test_that("small and no variables pass without a word", {
  expect_silent(warn_large(list()))
  expect_silent(warn_large(list(x = 1, f = mean, e = globalenv())))
})
