//! Files and directories that only their owner can access, whatever the umask.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

/// Create a directory and those above it; what exists keeps its permissions.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Create a temporary directory in `base` with a name that begins with `prefix`.
pub fn temp_dir_in(base: &Path, prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.prefix(prefix).tempdir_in(base)
}

/// Options to open a file, which has these permissions if that creates it.
pub fn open() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Write a file that does not exist yet.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Create an empty file, or keep the one that exists.
pub fn create(path: &Path) -> io::Result<()> {
    open().append(true).create(true).open(path).map(drop)
}
