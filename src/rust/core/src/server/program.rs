//! Finding the server program, and running it so that it ends with this process.

use crate::{Error, Result};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Arguments: program, configuration file, scratch directory. Its duties:
/// 1. end the server when its input closes or it is told to end: TERM, after 3 s KILL;
/// 2. remove the scratch directory once the server is gone, and end itself.
///
/// The first duty belongs to a background reader that ignores HUP, INT and TERM, so the server ends
/// with this process even if the shell in front was killed. Low descriptors are closed because they
/// may be sockets of the caller: if the server held them open, their peers would not see them
/// closed.
#[cfg(unix)]
const WATCHDOG: &str = r#"
program=$1 config=$2 scratch=$3
finish() {
  kill -TERM "$server"
  left=30
  while [ $left -gt 0 ] && kill -0 "$server"; do sleep 0.1 || sleep 1; left=$((left - 1)); done
  kill -KILL "$server"
}
umask 077
exec 3<&0 0</dev/null 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
trap 'finish 2>/dev/null &' HUP INT TERM
"$program" "$config" 3<&- &
server=$!
( trap '' HUP INT TERM; while read -r _ <&3; do :; done; finish ) 2>/dev/null &
reader=$!
exec 3<&- 2>/dev/null
while kill -0 "$server"; do wait "$server"; done
kill -KILL "$reader"
rm -rf "$scratch"
"#;

/// Finds the server program: the one named by `RRQ_REDIS_SERVER`, else Redis, else Valkey.
pub fn find_program() -> Result<PathBuf> {
    if let Some(wanted) = std::env::var_os("RRQ_REDIS_SERVER").filter(|value| !value.is_empty()) {
        return locate(Path::new(&wanted)).ok_or_else(|| not_a_program(Path::new(&wanted)));
    }
    let names = ["redis-server", "valkey-server"];
    names.iter().find_map(|name| locate(Path::new(name))).ok_or(Error::ServerMissing)
}

/// A bare name is looked up on the search path and in the usual directories of package managers.
pub(super) fn locate(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return std::path::absolute(program).ok().filter(|path| is_program(path));
    }
    let mut file = program.as_os_str().to_os_string();
    if program.extension().is_none() {
        file.push(std::env::consts::EXE_SUFFIX);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join(&file))
        .find(|path| path.is_absolute() && is_program(path))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

pub(super) fn not_a_program(path: &Path) -> Error {
    Error::ServerStart { reason: format!("'{}' is not an executable program", path.display()) }
}

/// Runs the server, on unix behind its watchdog.
#[cfg(unix)]
pub(super) fn spawn(
    program: &Path,
    config: &Path,
    scratch: &Path,
    log: &File,
) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    Command::new("sh")
        .args(["-c", WATCHDOG, "rrq-server"])
        .args([program, config, scratch])
        .env("LC_ALL", "C") // some versions refuse to start under a locale that is not installed
        .current_dir("/")
        .process_group(0) // Ctrl-C at the terminal is meant for us, not for the server
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
}

#[cfg(not(unix))]
pub(super) fn spawn(
    program: &Path,
    config: &Path,
    scratch: &Path,
    log: &File,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg(config).current_dir(scratch).stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log.try_clone()?).spawn()
}

/// Lets the server end.
#[cfg(unix)]
pub(super) fn ask_to_end(child: &mut Child) {
    drop(child.stdin.take());
}

#[cfg(not(unix))]
pub(super) fn ask_to_end(child: &mut Child) {
    let _ = child.kill();
}
