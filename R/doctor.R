#' Damage in a queue
#'
#' Finds what is damaged in a queue, and repairs or removes it. A queue is damaged when something
#' else than rrq has written to its keys, or when the server has lost data.
#'
#' Damage to a task ends only this task: it becomes an `ERROR` of class `rrq_error_corrupt`, which
#' names the key and the field that cannot be read. Workers do not end for damage. If a whole key
#' cannot be used, they say so in their logs and wait for its repair. Errors of the functions of
#' this package for such a key have the class `rrq_error_corrupt`, too, and name it.
#'
#' Others may use the queue meanwhile: it is read in slices, and the request that repairs something
#' checks it again. Values of tasks are not checked, because only those who read them know their
#' form. A repair may lose data: a key that holds something else is deleted, tasks whose
#' dependencies are lost become an `ERROR`, and tasks that no worker holds end as if their worker
#' had been lost. So look at the findings first.
#'
#' @param repair Whether to repair what is found.
#' @inheritParams rrq_destroy
#' @return A data frame with a row per finding and the columns `key`, `field` (empty for a whole
#'   key), `problem`, `repair` (what is done about it) and `repaired`. It has no rows if the queue
#'   is well.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' id <- rrq_task_create_expr(sqrt(2), controller = r)
#' con <- rrq_redis(server$url)
#' con$HSET("{jobs}:b", id, "junk")
#' rrq_doctor(controller = r)
#' rrq_doctor(controller = r, repair = TRUE)
#' rrq_task_result(id, controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_doctor <- function(controller = NULL, repair = FALSE) {
  check_flag(repair)
  as.data.frame(rust_call(rs_queue_examine(queue_handle(controller), repair)))
}
