test_that("a group of errors is a task error that prints its members", {
  fields <- function(id) {
    list(queue_id = "jobs", task_id = strrep(id, 32), status = "ERROR", trace = NULL,
      warnings = NULL
    )
  }
  errors <- list(
    new_task_error(simpleError("it {broke} 5%"), fields("a")),
    ended_without_value(strrep("b", 32), "jobs", "DIED", "calm_elk_1")
  )
  outcomes <- list(status = c("COMPLETE", "ERROR", "DIED"), value = c(list(1), errors))
  group <- expect_error(throw_failures(outcomes, quote(f())), class = "rrq_task_error")
  expect_s3_class(group, "rrq_task_error_group")
  expect_match(conditionMessage(group), "^2/3 tasks failed")
  expect_snapshot(print(group))
  outcomes <- list(status = rep("ERROR", 30), value = rep(errors, 15))
  group <- expect_error(throw_failures(outcomes, quote(f())), class = "rrq_task_error")
  lines <- format(group)
  expect_length(grep("^  - ", lines), 20)
  expect_match(lines, "and 10 more", all = FALSE)
})
