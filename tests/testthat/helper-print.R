# Without colours and at a width of 80, whatever the terminal.
local_plain <- function(env = parent.frame()) {
  withr::local_options(width = 80, cli.num_colors = 1L, .local_envir = env)
}

printed <- function(x) utils::capture.output(print(x))
