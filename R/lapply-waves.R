# The waves of tasks of rrq_lapply() and rrq_mapply(). If the user does not say how many elements go
# into a task, the first wave shares all of them out among the workers, but each task hands back the
# elements that it has not begun after `chunk_s` (worker-chunk.R). Quick ones are all done by then.
# What is left goes into a second wave, in tasks of about that length.

chunk_s <- 0.1
tasks_per_worker <- 4

# The values of all `n` elements. `pieces` returns the part of the input for some positions, `size`
# the size of an element.
run_job <- function(job, n, pieces, size, chunk_size, progress, call = caller_env()) {
  if (progress) job$bar <- task_bar(job$handle, character(), total = n, what = "elements")
  with_bar(job$bar, run_waves(job, n, pieces, size, chunk_size, call))
}

run_waves <- function(job, n, pieces, size, chunk_size, call) {
  if (is.null(chunk_size)) {
    n_workers <- max(1, sum(rust_call(rs_worker_states(job$handle), call)$active))
    # They must not make a task large.
    most <- max(1, floor(large_task / 2 / size()))
    shares <- share_out(n, n_workers, most)
    left <- run_wave(job, shares, pieces, chunk_s, call)
    rest <- new_spans(max(shares[, "last"]) + 1, n, 0)
    left <- size_spans(rbind(left, rest), n_workers, most)
  } else {
    left <- new_spans(1, n, chunk_size)
  }
  if (nrow(left) > 0) run_wave(job, left, pieces, NULL, call)
  job$complete <- TRUE
  unlist(job$values[order(job$starts)], recursive = FALSE, use.names = FALSE)
}

# Ranges of elements, and how many of them go into a task.
new_spans <- function(first, last, size) {
  spans <- cbind(first = unname(first), last = unname(last), size = size)
  spans[spans[, "first"] <= spans[, "last"], , drop = FALSE]
}

# In bytes.
element_size <- function(elements) as.numeric(utils::object.size(elements)) / length(elements)

# One task per worker. Elements that do not fit are left out.
share_out <- function(n, n_workers, most) {
  n_tasks <- min(n, n_workers)
  share <- n %/% n_tasks
  if (share >= most) {
    return(new_spans(1, n_tasks * most, most))
  }
  # As evenly as possible: some have one more.
  end <- n %% n_tasks * (share + 1)
  new_spans(c(1, end + 1), c(end, n), c(share + 1, share))
}

# At least one element, and enough tasks that no worker is idle for long at the end. How many took a
# task so long, the quickest of them shows: the first task of a kind on a worker may also load
# packages.
size_spans <- function(left, n_workers, most) {
  if (nrow(left) == 0) {
    return(left)
  }
  n <- sum(left[, "last"] - left[, "first"] + 1)
  fit <- max(1, left[, "size"])
  size <- max(1, floor(min(fit, n / (tasks_per_worker * n_workers), most)))
  new_spans(left[, "first"], left[, "last"], size)
}

# Returns the spans that are left, and how many elements of each were done. With `seconds`, tasks
# hand back what they cannot do in that time.
run_wave <- function(job, spans, pieces, seconds, call) {
  tasks <- submit_spans(job, spans, pieces, seconds, call)
  source <- start_source(job$controller, tasks$id, job$limit, call)
  on.exit(end_source(source))
  source$relay <- job$relay
  source$wait$deadline <- job$deadline
  source$wait$goes_on <- !job$cancel
  if (!is.null(job$bar)) {
    # How much such a task will do is not known.
    size <- if (is.null(seconds)) mean(tasks$last - tasks$first + 1) else 1
    source$wait$bar <- reuse_bar(job$bar, tasks$id, job$n_done, size)
  }
  place <- finder(tasks$id)
  on_end <- function(id, result, status, extra) {
    if (is.null(extra) && status == "COMPLETE" && is.null(job$on_end)) {
      return(result)
    }
    at <- place(id)
    span <- c(tasks$first[[at]], tasks$last[[at]])
    add_signals(job$signals, id, extra, span[[1]])
    if (!is.null(job$on_end)) {
      return(job$on_end(result, status, span))
    }
    if (status != "COMPLETE") throw_element_error(result, span, job$names)
    result
  }
  keep_values(job, tasks, collect(source, on_end, call))
}

# Where an id is among others. match() would look at all of them each time.
finder <- function(ids) {
  places <- NULL
  function(id) {
    if (is.null(places)) places <<- list2env(stats::setNames(as.list(seq_along(ids)), ids))
    places[[id]]
  }
}

submit_spans <- function(job, spans, pieces, seconds, call) {
  sent <- lapply(seq_len(nrow(spans)), function(i) {
    submit_span(job, spans[[i, "first"]], spans[[i, "last"]], spans[[i, "size"]], pieces, seconds,
      call
    )
  })
  part <- function(name) unlist(lapply(sent, `[[`, name))
  list(id = part("id"), first = part("first"), last = part("last"))
}

submit_span <- function(job, first, last, size, pieces, seconds, call) {
  begin <- seq.int(first, last, by = size)
  end <- pmin(begin + size - 1, last)
  chunks <- lapply(seq_along(begin), function(i) {
    chunk <- pieces(seq.int(begin[[i]], end[[i]]))
    if (!is.null(seconds) && size > 1) attr(chunk, "seconds") <- seconds
    chunk
  })
  options <- job$options
  if (!is.null(options$seed)) {
    # The stream of an element must not depend on the chunk it is in.
    options$seed <- skip_streams(options$seed, first - 1)
    options$seed_step <- as.numeric(size)
  }
  job$first <- first
  job$chunk_size <- size
  ids <- submit(job$handle, "bulk_call", chunks, list(job$template), options, call, job)
  job$ids <- c(job$ids, ids)
  list(id = ids, first = begin, last = end)
}

# Returns the ranges that the tasks did not do. Their `size` is how many elements the task did.
keep_values <- function(job, tasks, values) {
  n <- lengths(values)
  job$values <- c(job$values, lapply(values, unpack_values))
  job$starts <- c(job$starts, tasks$first)
  job$n_done <- job$n_done + sum(n)
  if (!is.null(job$bar)) settle_bar(job$bar, job$n_done)
  new_spans(tasks$first + n, tasks$last, n)
}

# The worker knows the place of the element in its task, if the code of an element failed.
throw_element_error <- function(error, span, names) {
  if (!is.null(error$element)) {
    span[] <- span[[1]] + error$element - 1
  }
  error["element"] <- list(if (span[[1]] == span[[2]]) span[[1]])
  error$message <- paste0(name_elements(span, names), ": ", error$message)
  throw_task_error(error)
}

name_elements <- function(span, names) {
  if (span[[1]] != span[[2]]) {
    return(sprintf("elements %.0f to %.0f", span[[1]], span[[2]]))
  }
  name <- names[span[[1]]]
  named <- length(name) == 1 && !is.na(name) && nzchar(name)
  paste0(sprintf("element %.0f", span[[1]]), if (named) sprintf(" (%s)", name))
}
