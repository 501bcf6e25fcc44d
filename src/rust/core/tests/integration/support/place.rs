//! Places for large values, and values to put there.

use std::path::Path;

use rrq_core::store::Storage;

pub const MB: usize = 1024 * 1024;

/// A directory for files, which is deleted with this.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A storage that keeps everything above 1000 bytes in files.
pub fn on_disk(path: &Path) -> Storage {
    Storage::new(1000.0, Some(path.to_str().unwrap().to_owned()))
}

pub fn compressed() -> Storage {
    let mut storage = Storage::default();
    storage.compress = true;
    storage
}

/// The names of all files below a directory, sorted.
pub fn files(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            names.extend(files(&entry.path()));
        } else {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

/// Bytes that do not repeat.
pub fn noise(n: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..n).map(|_| next()).collect()
}

/// A storage that keeps everything above 40 bytes in this folder, or all in the server.
pub fn in_folder(folder: Option<&tempfile::TempDir>) -> Storage {
    let path = |folder: &tempfile::TempDir| folder.path().to_str().unwrap().to_owned();
    folder.map_or_else(Storage::default, |folder| Storage::new(40.0, Some(path(folder))))
}
