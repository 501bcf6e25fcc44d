# Random numbers of tasks: each task has its own stream of the generator L'Ecuyer-CMRG. These are
# the streams that `parallel::clusterSetRNGStream()` gives to workers, but here they depend on the
# task's position in its submission, not on the worker.

# The first element of `.Random.seed` for L'Ecuyer-CMRG with inversion and rejection, R's defaults.
lecuyer_kind <- 10407L

check_seed <- function(seed, arg, call) {
  if (!is.null(seed) && !rlang::is_bool(seed) && !is_integer(seed) && !is_lecuyer(seed)) {
    must <- "one whole number, TRUE, or a seed of the generator \"L'Ecuyer-CMRG\""
    abort_argument(arg, must, seed, call)
  }
}

# The state of the first stream, from the user's `seed`.
seed_state <- function(seed) {
  if (is.null(seed) || isFALSE(seed)) {
    return(NULL)
  }
  if (is_lecuyer(seed)) {
    return(as.integer(seed[-1]))
  }
  if (isTRUE(seed)) {
    # Drawn from the session's random numbers, so that `set.seed()` makes it reproducible.
    seed <- trunc(stats::runif(1, 0, .Machine$integer.max))
  }
  with_own_random({
    set.seed(as.integer(seed), "L'Ecuyer-CMRG", "Inversion", "Rejection")
    get(".Random.seed", globalenv())[-1]
  })
}

is_integer <- function(x) {
  limit <- .Machine$integer.max
  is_number(x, -limit, infinite = FALSE) && x <= limit && x == round(x)
}

# The moduli of the two halves of the generator's state.
lecuyer_moduli <- rep(c(4294967087, 4294944443), each = 3)

# Whether `seed` is a valid `.Random.seed` of that generator. R would replace an invalid state by
# one from the clock.
is_lecuyer <- function(seed) {
  is_state <- is.numeric(seed) && length(seed) == 7 && all(vapply(seed, is_integer, NA))
  if (!is_state || seed[[1]] %% 100 != 7) {
    return(FALSE)
  }
  state <- seed[-1] %% 2^32
  any(state[1:3] > 0) && any(state[4:6] > 0) && all(state < lecuyer_moduli)
}

# Evaluates code that changes the session's generator, and restores the generator.
with_own_random <- function(code) {
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kind <- RNGkind()
  on.exit(restore_random(old, kind))
  force(code)
}

restore_random <- function(old, kind) {
  if (is.null(old)) {
    # Not used so far: it must draw its first seed when it is.
    suppressWarnings(RNGkind(kind[[1]], kind[[2]], kind[[3]]))
    rm(list = ".Random.seed", envir = globalenv())
  } else {
    assign(".Random.seed", old, globalenv())
  }
}

# Starts the generator of a worker's process at random. Without `.Random.seed`, R would take the
# seed from the clock and the process id: within a second, these give only 2^16 different seeds, too
# few for many processes.
seed_from_system <- function() {
  hex <- rust_call(rs_random_id())
  half <- function(at) strtoi(substr(hex, at, at + 3), 16L)
  set.seed(max(half(1) * 65536 + half(5) - 2^31, -.Machine$integer.max))
}

# Runs code that builds a worker's environment. If it seeds the generator, as by `set.seed()`, all
# workers would draw the same random numbers. A worker in the user's own session leaves the
# generator alone if the code did so.
with_system_seed <- function(always, code) {
  state <- function() get0(".Random.seed", globalenv(), inherits = FALSE)
  before <- state()
  value <- code
  if (always || !identical(state(), before)) seed_from_system()
  value
}

# Runs a task's code with its own random numbers, and restores those of the worker.
with_stream <- function(seed, code) {
  with_own_random({
    assign(".Random.seed", c(lecuyer_kind, seed), globalenv())
    code
  })
}

# The state `n` streams ahead.
skip_streams <- function(seed, n) {
  state <- c(lecuyer_kind, seed)
  for (i in seq_len(n)) state <- parallel::nextRNGStream(state)
  state[-1]
}

# Wraps a function so that each call draws from the next stream, the first from the current one.
each_stream <- function(f) {
  state <- NULL
  function(...) {
    if (is.null(state)) {
      state <<- get(".Random.seed", globalenv())
    } else {
      state <<- parallel::nextRNGStream(state)
      assign(".Random.seed", state, globalenv())
    }
    f(...)
  }
}
