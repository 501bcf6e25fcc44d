#' Permissions of a user of the server
#'
#' The rules of a user of the Redis server who may use some queues, and nothing else: the keys of
#' these queues, and the commands that rrq sends. Sessions and workers need the same.
#'
#' @param queue_ids The names of the queues: a character vector. `NULL` allows all queues, and so
#'   all keys.
#' @param durable Whether the user may create controllers with `durable = TRUE`, which needs Redis
#'   or Valkey 7.2 or later.
#' @return A character vector of rules, the arguments of `ACL SETUSER` after the name, the password
#'   and `on`.
#' @seealso `vignette("security-and-durability")`
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' con <- rrq_redis(server$url)
#' con$ACL_SETUSER("ann", "on", ">secret", rrq_acl("jobs"))
#' url <- sprintf("redis://ann:secret@127.0.0.1:%d", server$port)
#' r <- rrq_controller("jobs", url)
#' # Other keys are out of reach
#' try(rrq_redis(url)$GET("x"))
#' rrq_destroy(controller = r)
#' server$stop()
rrq_acl <- function(queue_ids, durable = FALSE) {
  check_ids(queue_ids, null = TRUE)
  for (id in queue_ids) check_queue_id(id)
  check_flag(durable)
  rules <- rust_call(rs_acl_rules(as.character(queue_ids), durable))
  if (is.null(queue_ids)) append(rules, "~*", 1) else rules
}
