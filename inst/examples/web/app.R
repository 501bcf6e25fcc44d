# A Shiny app that stays responsive while workers fit models.
#
#   RRQ_URL=redis://:password@127.0.0.1:6379 Rscript -e 'shiny::runApp("app.R", port = 8001)'
library(shiny)
library(rrq)

options(rrq.embedded = FALSE)
queue <- rrq_controller("web")

unfinished <- c("PENDING", "DEFERRED", "RUNNING")

ui <- fluidPage(
  numericInput("n", "Rows", 1000),
  actionButton("start", "Fit"),
  actionButton("cancel", "Cancel"),
  textOutput("status"),
  verbatimTextOutput("result")
)

server <- function(input, output, session) {
  task <- reactiveVal()

  observeEvent(input$start, {
    n <- input$n
    task(rrq_task_create_expr(fit_model(n), ttl = 3600, controller = queue))
  })
  observeEvent(input$cancel, {
    rrq_task_cancel(req(task()), wait = FALSE, ended = "ignore", controller = queue)
  })

  # Asks twice a second until the task has ended. Each question takes about a millisecond.
  status <- reactive({
    now <- rrq_task_status(req(task()), controller = queue)
    if (now %in% unfinished) invalidateLater(500, session)
    now
  })
  output$status <- renderText(status())
  output$result <- renderPrint({
    req(!status() %in% unfinished)
    rrq_task_result(task(), controller = queue)
  })
}

shinyApp(ui, server)
