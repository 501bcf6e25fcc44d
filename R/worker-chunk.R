# Runs the elements of a chunk, which is a task of rrq_lapply() or rrq_mapply(). The session may ask
# for no more elements than can be run in some time: those that are left it then sends again, in
# tasks of the right size.

# The call to evaluate in the frame of the task, where `chunk` is bound.
chunk_call <- function(run, template) {
  each <- if (isTRUE(template$streams)) quote(each) else run$head
  loop <- switch(template$chunk,
    lapply = as.call(c(quote(base::lapply), quote(chunk), each, run$args)),
    mapply = as.call(c(quote(base::.mapply), each, quote(chunk), quote(more)))
  )
  packs <- isTRUE(template$packs)
  call <- as.call(list(own_function("run_chunk"), call("quote", loop), template$chunk, packs))
  if (isTRUE(template$streams)) call$each <- as.call(list(own_function("each_stream"), run$head))
  call
}

own_function <- function(name) call(":::", quote(rrq), as.symbol(name))

# The values of single elements of one type travel as a vector: as objects, each would cost as much
# as many an element. Values that stay in the queue for users remain a list.
run_chunk <- function(call, kind, packs, each = NULL, frame = parent.frame()) {
  # One function for all loops over the chunk: it knows how many streams were used.
  if (!is.null(each)) assign("each", each, frame)
  seconds <- attr(frame$chunk, "seconds")
  values <- if (is.null(seconds)) eval(call, frame) else run_in_time(call, kind, seconds, frame)
  if (packs && rust_call(rs_are_scalars(values))) unlist(values, use.names = FALSE) else values
}

unpack_values <- function(values) if (is.list(values)) values else as.list(values)

# The values of the first elements, as many as can be run in about so many seconds, at least one.
# Runs four times as many at once as before, so that the clock costs next to nothing, but never
# more than should fit.
run_in_time <- function(call, kind, seconds, frame) {
  chunk <- frame$chunk
  n <- length(if (kind == "lapply") chunk else chunk[[1]])
  values <- vector("list", n)
  begin <- now()
  done <- used <- 0
  size <- 1
  while (done < n && used < seconds) {
    size <- min(size, n - done)
    at <- seq.int(done + 1, length.out = size)
    frame$chunk <- if (kind == "lapply") chunk[at] else lapply(chunk, `[`, at)
    values[at] <- eval(call, frame)
    done <- done + size
    took <- now() - begin - used
    used <- used + took
    fit <- floor(size * (seconds - used) / max(took, clock_s))
    size <- max(1, min(4 * size, fit))
  }
  if (done < n) values[seq_len(done)] else values
}

# R's clock goes in steps of this size.
clock_s <- 0.001
