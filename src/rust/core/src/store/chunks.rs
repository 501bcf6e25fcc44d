//! Sending an object to the server in chunks, and reading it back. The bytes do not pass through a
//! script, which would copy them several times.

use redis::Pipeline;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, OBJECT_CHUNK, is_no_script};
use crate::store::location::Encoding;
use crate::value;

/// The size of a chunk: large enough for speed, small enough to keep the server busy for only a few
/// milliseconds.
pub const CHUNK: usize = 4 * 1024 * 1024;

/// Load the script that `send` uses: otherwise the first chunk would be sent twice.
pub fn prepare(connection: &mut Connection, keys: &Keys, draft: &str) -> Result<()> {
    let check = Call::new(&OBJECT_CHUNK, vec![keys.object(draft)]);
    connection.run(|link, shebang| check.load(link, shebang))
}

/// Store one chunk of the object that is being sent as `draft`; returns whether it was wanted. Repeating
/// it changes nothing.
pub fn send(
    connection: &mut Connection,
    keys: &Keys,
    draft: &str,
    position: usize,
    bytes: &[u8],
) -> Result<bool> {
    let key = keys.object(draft);
    let check = Call::new(&OBJECT_CHUNK, vec![key.clone()]);
    let reply = connection.run(|link, shebang| {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        pipeline.cmd("HSET").arg(&key).arg(position).arg(bytes);
        pipeline.add_command(check.command(shebang));
        match pipeline.query::<Vec<i64>>(link) {
            Err(error) if is_no_script(&error) => {
                check.load(link, shebang)?;
                pipeline.query(link)
            }
            other => other,
        }
    })?;
    // The queue is gone, or the time to send it is over: `object_keep` knows.
    Ok(reply.last() == Some(&1))
}

/// How many chunks an object of this size has.
pub fn count(size: usize) -> usize {
    size.div_ceil(CHUNK).max(1)
}

/// Read an object of `n` chunks with `size` bytes in total.
pub fn receive(
    connection: &mut Connection,
    keys: &Keys,
    hash: &str,
    n: u64,
    size: u64,
    encoding: Encoding,
) -> Result<Vec<u8>> {
    let missing = || Error::ObjectMissing { hashes: vec![hash.to_owned()] };
    let mut whole = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    for position in 0..n {
        if (connection.stop())() {
            return Err(Error::Interrupted);
        }
        let chunk = connection.hash_get(keys.object(hash), &position.to_string())?;
        let chunk = chunk.ok_or_else(missing)?;
        match encoding {
            Encoding::Plain => whole.extend_from_slice(&chunk),
            Encoding::Lz4 => whole.extend_from_slice(&expand(hash, &chunk)?),
        }
    }
    if whole.len() as u64 == size {
        Ok(whole)
    } else {
        Err(Error::corrupt(format!("object {hash}"), format!("it should have {size} bytes")))
    }
}

/// The compressed form of a chunk.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    lz4_flex::compress_prepend_size(bytes)
}

fn expand(hash: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    lz4_flex::decompress_size_prepended(bytes)
        .map_err(|error| Error::corrupt(format!("object {hash}"), error))
}

/// Whether compression saves at least a third of these bytes, judged by a few samples.
pub fn is_compressible(bytes: &[u8]) -> bool {
    const SAMPLE: usize = 16 * 1024;
    let starts = [0, bytes.len() / 3, bytes.len() * 2 / 3];
    let samples = starts.map(|start| &bytes[start..bytes.len().min(start + SAMPLE)]);
    let whole: usize = samples.iter().map(|sample| sample.len()).sum();
    let small: usize = samples.iter().map(|sample| lz4_flex::compress(sample).len()).sum();
    small * 3 < whole * 2
}

/// The command that reads where objects are stored.
pub fn locations(
    connection: &mut Connection,
    keys: &Keys,
    hashes: &[String],
) -> Result<Vec<Option<Vec<u8>>>> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = redis::cmd("HMGET");
    command.arg(keys.stored_objects()).arg(hashes);
    let reply = value::array(connection.command(&command)?)?;
    reply.into_iter().map(value::maybe_bytes).collect()
}
