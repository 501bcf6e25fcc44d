//! Shared objects as workers read them.

use crate::error::{Error, Result};
use crate::queue::Queue;

/// The object stored under `hash`.
pub fn fetch(queue: &mut Queue, hash: &str) -> Result<Vec<u8>> {
    let found = queue.connection.hash_get(queue.keys.objects(), hash)?;
    found.ok_or_else(|| Error::corrupt(format!("object {hash}"), "it is not stored"))
}
