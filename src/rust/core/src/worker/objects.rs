//! Shared objects as workers read them.

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::value;

/// The object stored under `hash`.
pub fn fetch(queue: &mut Queue, hash: &str) -> Result<Vec<u8>> {
    let mut command = redis::cmd("HGET");
    command.arg(queue.keys.objects()).arg(hash);
    let found = value::maybe_bytes(queue.connection.command(&command)?)?;
    found.ok_or_else(|| Error::corrupt(format!("object {hash}"), "it is not stored"))
}
