# A Shiny app that stays responsive while workers fit models. Its tasks outlive it: started again,
# it shows those of before.
#
#   RRQ_URL=redis://:password@127.0.0.1:6379 Rscript -e 'shiny::runApp("app.R", port = 8001)'
library(shiny)
library(promises)
library(rrq)

options(rrq.embedded = FALSE)
queue <- rrq_controller("web")

# Counts changes to the tasks of all users. Nothing asks for them: a promise tells.
changes <- reactiveVal(0)
changed <- function(...) changes(isolate(changes()) + 1)
follow <- function(ids) {
  for (id in ids) rrq_promise(id, error = FALSE, controller = queue) %...>% changed()
}
unfinished <- function(...) {
  rrq_task_list(c("PENDING", "DEFERRED", "RUNNING"), ..., controller = queue)
}
# Those of an earlier run of the app.
follow(unfinished())

ui <- fluidPage(
  numericInput("n", "Rows", 1000),
  actionButton("start", "Fit"),
  actionButton("cancel", "Cancel all"),
  tableOutput("fits")
)

server <- function(input, output, session) {
  # The name with which the user has logged in, where the app has a login.
  user <- if (is.null(session$user)) "guest" else session$user

  observeEvent(input$start, {
    n <- input$n
    follow(rrq_task_create_expr(
      fit_model(n), label = paste(n, "rows"), tags = user, ttl = 3600, controller = queue
    ))
    changed()
  })
  observeEvent(input$cancel, {
    rrq_task_cancel(unfinished(tag = user), wait = FALSE, ended = "ignore", controller = queue)
  })

  output$fits <- renderTable({
    changes()
    show_fits(rrq_task_table(tag = user, controller = queue))
  })
}

# That a task begins to run is no change here.
show_fits <- function(tasks) {
  done <- tasks$status == "COMPLETE"
  slope <- rep(NA_real_, nrow(tasks))
  slope[done] <- unlist(rrq_task_results(tasks$id[done], controller = queue))
  state <- ifelse(is.na(tasks$ended), "waits or runs", tasks$status)
  data.frame(fit = tasks$label, state = state, slope = slope)
}

shinyApp(ui, server)
