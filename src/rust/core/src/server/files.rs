//! The directories and files of a private server, and quoting their paths.

use crate::{Error, Result, private};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The server's socket in its scratch directory.
pub(super) const SOCKET: &str = "redis.sock";
const PREFIX: &str = "rrq-server-";

/// A new directory that only its owner can access, with a path short enough for a socket in it.
#[cfg(unix)]
pub(super) fn scratch_dir() -> Result<TempDir> {
    use std::os::unix::ffi::OsStrExt;
    // A socket's path is limited to 104 bytes on macOS and 108 on Linux.
    let fits =
        |base: &PathBuf| base.as_os_str().as_bytes().len() + PREFIX.len() + SOCKET.len() + 8 <= 100;
    let base = std::path::absolute(std::env::temp_dir())
        .ok()
        .filter(fits)
        .unwrap_or_else(|| "/tmp".into());
    private::temp_dir_in(&base, PREFIX)
        .map_err(Error::io(format!("cannot create a directory in '{}'", base.display())))
}

#[cfg(not(unix))]
pub(super) fn scratch_dir() -> Result<TempDir> {
    private::temp_dir_in(&std::env::temp_dir(), PREFIX)
        .map_err(Error::io("cannot create a temporary directory"))
}

/// The durable directory, created if absent.
pub(super) fn data_dir(dir: &Path) -> Result<PathBuf> {
    private::create_dir_all(dir)
        .and_then(|()| dir.canonicalize())
        .map_err(Error::io(format!("cannot use the directory '{}'", dir.display())))
}

/// An empty file that only its owner can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let file = private::open().read(true).append(true).create(true).open(path)?;
    file.set_len(0)?;
    Ok(file)
}

/// A path, quoted for the server's configuration file.
pub(super) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.as_os_str().as_encoded_bytes().escape_ascii())
}

/// A path as part of a URL.
pub(super) fn percent_encoded(path: &Path) -> String {
    let encode = |&byte: &u8| match byte {
        b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.as_os_str().as_encoded_bytes().iter().map(encode).collect()
}
