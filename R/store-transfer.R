# A progress bar for values that take more than a second to send or fetch. The engine evaluates the
# call below in an environment where it binds `done` and `total`, in bytes.

watch_transfers <- function() {
  if (is.null(the$transfers)) {
    the$transfers <- new.env(parent = environment(watch_transfers))
    the$transfers$bar <- new.env(parent = emptyenv())
    rust_call(rs_store_watch(quote(show_transfer(bar, done, total)), the$transfers))
  }
}

# Never fails, because the engine is in the middle of the transfer.
show_transfer <- function(bar, done, total) {
  if (!show_progress(NULL)) {
    return(invisible())
  }
  text <- sprintf("Transferring %s of %s", format_size(done), format_size(total))
  suspendInterrupts(try(silent = TRUE, {
    if (is.null(bar$id)) {
      bar$env <- new.env()
      bar$id <- cli::cli_progress_bar(
        format = "{cli::pb_bar} {cli::pb_extra$text}", total = total, extra = list(text = text),
        clear = TRUE, auto_terminate = FALSE, .envir = bar$env
      )
    }
    extra <- list(text = text)
    cli::cli_progress_update(set = done, extra = extra, force = TRUE, id = bar$id, .envir = bar$env)
    if (done >= total) end_transfer(bar)
  }))
  invisible()
}

end_transfer <- function(bar) {
  cli::cli_progress_done(bar$id, .envir = bar$env)
  bar$id <- NULL
}
