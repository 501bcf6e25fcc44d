# Finds a cargo and a rustc that are at least as recent as src/rust/Cargo.toml
# declares. Prints their folder to stdout, and their versions or what to do to
# stderr. configure runs this script.

wanted <- grep("^rust-version =", readLines("src/rust/Cargo.toml"), value = TRUE)
wanted <- sub('.*"(.*)".*', "\\1", wanted)

# The version of a program in this folder; NA where there is none.
version_in <- function(folder, program) {
  path <- file.path(folder, paste0(program, if (.Platform$OS.type == "windows") ".exe"))
  line <- if (file.exists(path)) {
    suppressWarnings(tryCatch(
      system2(path, "--version", stdout = TRUE, stderr = FALSE),
      error = function(e) NULL
    ))
  }
  version <- regmatches(line, regexpr("[0-9]+[.][0-9]+[.][0-9]+", line))
  if (length(version) == 1) version else NA_character_
}

is_recent <- function(versions) !anyNA(versions) && all(numeric_version(versions) >= wanted)

# rustup's programs are often not on the PATH, or come after older ones.
home <- Sys.getenv("CARGO_HOME", file.path(Sys.getenv(
  if (.Platform$OS.type == "windows") "USERPROFILE" else "HOME"
), ".cargo"))
folders <- unique(c(strsplit(Sys.getenv("PATH"), .Platform$path.sep)[[1]], file.path(home, "bin")))
found <- lapply(folders, function(folder) {
  vapply(c("cargo", "rustc"), version_in, "", folder = folder)
})
recent <- which(vapply(found, is_recent, NA))

if (length(recent) == 0) {
  old <- Filter(function(versions) !all(is.na(versions)), found)
  what <- if (length(old) == 0) {
    "cargo was not found"
  } else {
    paste("cargo and rustc are", paste(old[[1]], collapse = " and "))
  }
  message(
    "rrq needs Rust ", wanted, " or later: ", what, ".\n",
    "Install it in one of these ways, then try again:\n",
    "  Debian 13, Ubuntu 25.04 and later:  apt-get install cargo\n",
    "  Fedora:                             dnf install cargo\n",
    "  macOS with Homebrew:                brew install rust\n",
    "  any system:                         https://rustup.rs; if it is there, `rustup update`"
  )
  quit(status = 1)
}

chosen <- recent[[1]]
message("Using cargo ", found[[chosen]][["cargo"]], ", rustc ", found[[chosen]][["rustc"]])
cat(folders[[chosen]], "\n", sep = "")
