//! Places outside the server for large values. A place keeps files under names such as
//! `<owner>/<hash>-<generation>`; one that is not yet complete is never read.

use std::time::SystemTime;

use crate::error::Result;

/// A file in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub modified: SystemTime,
}

/// A place for large values outside the server, used by many processes at the same time.
pub trait Offload: Send + Sync {
    /// The path, which is valid in any working directory.
    fn path(&self) -> &str;
    /// Store a file as a whole. A name is written only once.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;
    /// Read a file of this size.
    fn get(&self, name: &str, size: u64) -> Result<Vec<u8>>;
    /// Delete a file. One that does not exist is no error.
    fn delete(&self, name: &str) -> Result<()>;
    /// All files of an owner, also those left by a process that ended while it wrote.
    fn list(&self, owner: &str) -> Result<Vec<Entry>>;
    /// The owner has no files any more.
    fn forget(&self, owner: &str);
}
