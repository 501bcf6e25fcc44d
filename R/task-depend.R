#' Deferred tasks
#'
#' Lists the tasks that wait for other tasks, with the status of each of their dependencies.
#'
#' @inheritParams rrq_destroy
#' @return A list named by the ids of the `DEFERRED` tasks. Each element is a character vector of
#'   statuses, named by the ids of the dependencies.
#' @seealso `depends_on` of [rrq_task_create_expr()].
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' a <- rrq_task_create_expr(rnorm(10), controller = r)
#' b <- rrq_task_create_expr(mean(draws), depends_on = c(draws = a), controller = r)
#' rrq_deferred_list(controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_deferred_list <- function(controller = NULL) {
  handle <- queue_handle(controller)
  rust_call(rs_task_deferred(handle))
}
