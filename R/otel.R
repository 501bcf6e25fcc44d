# Spans of OpenTelemetry. While the package otel is loaded and a tracer is enabled, queueing tasks
# is a span, its context travels with the tasks, and each task runs in a span that is a child of
# it, also on another machine. Otherwise a submission and a task check for NULL, and that is all.
#
# otel is no dependency, as few have it: its functions are taken from its namespace.

otel_functions <- c(
  "get_tracer", "is_tracing_enabled", "start_local_active_span", "pack_http_context",
  "extract_http_context"
)

tracer_name <- "org.rrq"

register_otel <- function() {
  when_loaded("otel", function() the$otel <- mget(otel_functions, envir = asNamespace("otel")))
}

# The tracer, or NULL if nobody records. It is asked for each time: it may be enabled later.
active_tracer <- function() {
  tracer <- the$otel$get_tracer(tracer_name)
  if (isTRUE(the$otel$is_tracing_enabled(tracer))) tracer
}

# Begins the span of a submission, which ends with the function whose frame `scope` is. Returns the
# context to send along, or NULL.
trace_submission <- function(kind, n, scope) {
  tracer <- active_tracer()
  if (is.null(tracer)) {
    return(NULL)
  }
  the$otel$start_local_active_span(
    "rrq submit",
    attributes = list(rrq.kind = kind, rrq.tasks = n), options = list(kind = "client"),
    tracer = tracer, activation_scope = scope
  )
  the$otel$pack_http_context()
}

# Begins the span of a task, which ends with the function whose frame `scope` is. The session that
# sent the context records, so this process loads otel. Tracing never fails a task.
trace_task <- function(run, context, scope) {
  tryCatch(
    if (!is.null(the$otel) || requireNamespace("otel", quietly = TRUE)) {
      span <- start_task_span(context, scope)
      # Before the span ends, which is an exit handler of the same frame.
      end <- bquote(.(end_task_span)(.(run), .(span)))
      do.call(base::on.exit, list(end, add = TRUE, after = FALSE), envir = scope)
    },
    error = function(e) NULL
  )
}

start_task_span <- function(context, scope) {
  tracer <- active_tracer()
  if (!is.null(tracer)) {
    the$otel$start_local_active_span(
      "rrq task",
      attributes = list(rrq.task_id = rust_call(rs_worker_task())),
      options = list(kind = "server", parent = the$otel$extract_http_context(context)),
      tracer = tracer, activation_scope = scope
    )
  }
}

# A task that was left has an outcome, or was interrupted.
end_task_span <- function(run, span) {
  problem <- if (!is.null(run$outcome)) {
    conditionMessage(run$outcome[[2]])
  } else if (run$active || !is.null(run$calls)) {
    "interrupted"
  }
  if (!is.null(span) && !is.null(problem)) try(span$set_status("error", problem), silent = TRUE)
}
