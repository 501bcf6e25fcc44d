test_that("a bare name in an argument is required", {
  names <- capture_names(quote(f(x, 1, "a", y = z)))
  expect_equal(names$required, c("x", "z"))
  expect_equal(names$optional, character())
})

test_that("each name is reported once", {
  expect_equal(capture_names(quote(x + x * x))$required, "x")
  expect_equal(capture_names(quote(lm(y ~ y)))$optional, "y")
  expect_equal(capture_names(quote(c(f(~ x), x))), list(required = "x", optional = character()))
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
  expect_equal(capture_names(quote(f(cli::name)))$required, character())
  expect_equal(capture_names(quote(f(cli:::name)))$required, character())
  expect_equal(capture_names(quote(cli::f(x)))$required, "x")
  expect_equal(capture_names(quote(cli::obj$f(x)))$required, "x")
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
  expect_equal(capture_names(quote(c(f(x = 1), x)))$required, "x")
})

test_that("parameters of a function are local to it", {
  expect_equal(capture_names(quote(sapply(v, function(i) i + a)))$required, c("v", "a"))
  expect_equal(capture_names(quote(sapply(v, \(i) i + a)))$required, c("v", "a"))
  expect_equal(capture_names(quote(c(sapply(v, function(i) i), i)))$required, c("v", "i"))
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
  expect_equal(capture_names(quote(x %>% cli::f()))$required, "x")
})

test_that("`.env` stands for where the expression is written, also in quoted code", {
  names <- capture_names(quote(rlang::expr(.env$m == .data$z)))
  expect_equal(names, list(required = "m", optional = ".data"))
})

test_that("the left side of `:=` is a name, or makes one", {
  names <- capture_names(quote(f(new := x, !!name := y)))
  expect_equal(names$required, c("x", "name", "y"))
  expect_equal(capture_names(quote(f((cols) := x)))$required, c("cols", "x"))
  expect_equal(capture_names(quote(`:=`(a = x, b = y)))$required, c("x", "y"))
  expect_equal(capture_names(quote(`:=`()))$required, character())
})

test_that("package names are not variables", {
  expect_equal(capture_names(quote({
    library(cli)
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
