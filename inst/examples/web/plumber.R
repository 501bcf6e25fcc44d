# An API that queues a fit, responds at once, and lets the client poll for the result; for quick
# fits it responds with the result.
#
#   RRQ_URL=redis://:password@127.0.0.1:6379 \
#     Rscript -e 'plumber::pr_run(plumber::pr("plumber.R"), port = 8000)'
library(rrq)

# Without a server, fail at the start: no worker could reach a private one.
options(rrq.embedded = FALSE)
queue <- rrq_controller("web")

unfinished <- c("PENDING", "DEFERRED", "RUNNING")

#* Queue a fit
#* @post /fits
#* @serializer unboxedJSON
submit_fit <- function(res, n = 1000) {
  n <- as.numeric(n)
  id <- rrq_task_create_expr(
    fit_model(n), timeout_task_run = 60, ttl = 3600, controller = queue
  )
  res$status <- 202
  res$setHeader("Location", paste0("/fits/", id))
  list(id = id, status = "PENDING")
}

#* Fit, and respond when it is done. The API answers other requests meanwhile.
#* @get /slope
#* @serializer unboxedJSON
fit_now <- function(n = 1000) {
  n <- as.numeric(n)
  rrq_async(fit_model(n), timeout_task_run = 60, ttl = 60, controller = queue)
}

#* The status of a fit, and its result
#* @get /fits/<id>
#* @serializer unboxedJSON
show_fit <- function(res, id) {
  status <- rrq_task_status(id, controller = queue)
  if (status == "MISSING") {
    res$status <- 404
    return(list(id = id, status = status))
  }
  if (status %in% unfinished) {
    res$status <- 202
    return(list(id = id, status = status))
  }
  result <- rrq_task_result(id, controller = queue)
  if (status == "COMPLETE") {
    return(list(id = id, status = status, slope = result))
  }
  res$status <- 500
  list(id = id, status = status, error = conditionMessage(result))
}

#* Cancel a fit
#* @delete /fits/<id>
#* @serializer unboxedJSON
cancel_fit <- function(id) {
  rrq_task_cancel(id, wait = FALSE, ended = "ignore", controller = queue)
  list(id = id, status = rrq_task_status(id, controller = queue))
}
