//! Places outside the server for large values. A place keeps files under names such as
//! `<owner>/<hash>-<generation>`; one that is not yet complete is never read.

use std::io::Read;
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

/// A file that is being written. Dropping it leaves nothing.
pub trait Draft {
    /// Add to its end.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// It is complete: give it its name.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A place for large values outside the server, used by many processes at the same time.
pub trait Offload: Send + Sync {
    /// The path, which is valid in any working directory.
    fn path(&self) -> &str;
    /// Begin a file. A name is written only once.
    fn create(&self, name: &str) -> Result<Box<dyn Draft>>;
    /// Open a file of this size.
    fn open(&self, name: &str, size: u64) -> Result<Box<dyn Read>>;
    /// Delete a file. One that does not exist is no error.
    fn delete(&self, name: &str) -> Result<()>;
    /// All files of an owner, also those left by a process that ended while it wrote.
    fn list(&self, owner: &str) -> Result<Vec<Entry>>;
    /// The owner has no files any more.
    fn forget(&self, owner: &str);
}
