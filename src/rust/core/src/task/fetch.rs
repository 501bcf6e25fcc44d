//! Reading the same fields of many hashes at once.

use redis::Pipeline;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::value;

/// How many fields one command reads, so that replies are small and the server is not blocked for
/// long.
const CHUNK: usize = 5000;

/// The same fields of a hash for all ids, in one round trip.
pub fn fetch(
    queue: &mut Queue,
    keys: &[String],
    ids: &[String],
) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
    let mut pipeline = Pipeline::new();
    for key in keys {
        for chunk in ids.chunks(CHUNK) {
            pipeline.cmd("HMGET").arg(key).arg(chunk);
        }
    }
    let mut values = Vec::with_capacity(keys.len() * ids.len());
    if !ids.is_empty() {
        for reply in queue.connection.pipeline(&pipeline)? {
            for item in value::array(reply)? {
                values.push(value::maybe_bytes(item)?);
            }
        }
    }
    if values.len() != keys.len() * ids.len() {
        let (n, expected) = (values.len(), keys.len() * ids.len());
        return Err(Error::Protocol { reason: format!("expected {expected} fields, got {n}") });
    }
    let mut columns = Vec::with_capacity(keys.len());
    for _ in keys {
        let rest = values.split_off(ids.len());
        columns.push(std::mem::replace(&mut values, rest));
    }
    Ok(columns)
}

/// A field of a hash for each id, in one round trip.
pub fn fetch_one(queue: &mut Queue, key: String, ids: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    Ok(fetch(queue, &[key], ids)?.pop().unwrap_or_default())
}
