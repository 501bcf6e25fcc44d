# rrq over a network with a round trip of half a millisecond: a proxy, delay.rs, delays what
# session and workers send and receive. The round trip is measured, too, since a timer is late.

one_way_us <- 250

measure_network <- function(settings) {
  program <- compile_proxy()
  on.exit(unlink(program))
  rbind(
    measure_link("rrq tcp", tcp_address, settings),
    measure_link("rrq, delayed", function(server) delayed_address(program, server), settings)
  )
}

compile_proxy <- function() {
  rustc <- Sys.which("rustc")
  if (!nzchar(rustc)) rustc <- path.expand("~/.cargo/bin/rustc")
  program <- tempfile("delay")
  processx::run(rustc, c("-O", "-o", program, file.path(bench_dir, "delay.rs")))
  program
}

# It ends when this process closes its input, so at the latest with this process.
delayed_address <- function(program, server) {
  proxy <- processx::process$new(
    program, as.character(c(server$port, one_way_us)), stdin = "|", stdout = "|", cleanup = TRUE
  )
  the_proxies$all <- c(the_proxies$all, proxy)
  proxy$poll_io(10000)
  port <- proxy$read_output_lines(1)
  sub(paste0(":", server$port), paste0(":", port), server$tcp_url, fixed = TRUE)
}

the_proxies <- new.env()

measure_link <- function(name, address, settings) {
  system <- rrq_system(name, address)
  workers <- max(settings$workers)
  n <- max(settings$sizes)
  with_pool(system, workers, function(pool) {
    ms <- samples(200, settings$budget_s, function(i) time_of(pool$queue$con$PING()) * 1e3)
    rbind(
      row(name, "PING", "ms", ms),
      row(name, "latency", "ms", latencies(system, pool, settings), workers = workers, n = 1L),
      bulk_rows(system, pool, workers, n, 3L, name, settings)
    )
  })
}
