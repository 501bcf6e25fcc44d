//! Sending an object to the server in chunks, and reading it back. The bytes do not pass through a
//! script, which would copy them several times.

use redis::{Pipeline, RedisResult, Value};

use crate::connection::{Connection, Link};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, OBJECT_CHUNK, is_no_script};
use crate::store::location::Encoding;
use crate::value;

/// The size of a chunk: large enough for speed, small enough to keep the server busy for only a few
/// milliseconds.
const CHUNK: usize = 4 * 1024 * 1024;

/// An object that is being sent.
pub struct Sending {
    draft: String,
    is_compressed: Option<bool>,
    /// What does not fill a chunk yet.
    rest: Vec<u8>,
    /// The chunk whose reply is still to be read, with its position.
    posted: Option<(u64, Vec<u8>)>,
    /// How many chunks were sent.
    pub n: u64,
    /// How many bytes they have.
    pub stored: u64,
}

impl Sending {
    /// Send an object under the name of its draft; `compress` if it gets smaller by that.
    pub fn new(
        connection: &mut Connection,
        keys: &Keys,
        draft: &str,
        compress: bool,
    ) -> Result<Self> {
        // Load the script: otherwise the first chunk would be sent twice.
        let check = Call::new(&OBJECT_CHUNK, vec![keys.object(draft)]);
        connection.run(|link, shebang| check.load(link, shebang))?;
        Ok(Sending {
            draft: draft.to_owned(),
            is_compressed: (!compress).then_some(false),
            rest: Vec::new(),
            posted: None,
            n: 0,
            stored: 0,
        })
    }

    /// Add to its end.
    pub fn write(
        &mut self,
        connection: &mut Connection,
        keys: &Keys,
        mut bytes: &[u8],
    ) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == CHUNK {
                self.send(connection, keys)?;
            }
        }
        Ok(())
    }

    /// All of it was added; returns how it is stored.
    pub fn close(&mut self, connection: &mut Connection, keys: &Keys) -> Result<Encoding> {
        if !self.rest.is_empty() {
            self.send(connection, keys)?;
        }
        self.settle(connection, keys)?;
        let is_compressed = self.is_compressed == Some(true);
        Ok(if is_compressed { Encoding::Lz4 } else { Encoding::Plain })
    }

    /// Send a chunk; its reply is read before the next one, so that the server works on it meanwhile.
    fn send(&mut self, connection: &mut Connection, keys: &Keys) -> Result<()> {
        if (connection.stop())() {
            return Err(Error::Interrupted);
        }
        let is_compressed = *self.is_compressed.get_or_insert_with(|| is_compressible(&self.rest));
        let spare = self.settle(connection, keys)?;
        let mut chunk = std::mem::replace(&mut self.rest, spare);
        if is_compressed {
            chunk = compress(&chunk);
        }
        let request = Chunk { key: keys.object(&self.draft), position: self.n, bytes: &chunk };
        connection.post_packed(|shebang| request.pack(shebang), REPLIES);
        self.n += 1;
        self.stored += chunk.len() as u64;
        self.posted = Some((self.n - 1, chunk));
        Ok(())
    }

    /// Read the reply to the last chunk, or send it again; returns its memory. Whether the server still
    /// wants it does not matter here: `object_keep` knows whether the draft is complete.
    fn settle(&mut self, connection: &mut Connection, keys: &Keys) -> Result<Vec<u8>> {
        let Some((position, chunk)) = self.posted.take() else {
            return Ok(Vec::new());
        };
        let is_done = |reply: Value| matches!(&reply, Value::Array(parts) if matches!(parts.last(), Some(Value::Int(_))));
        if !connection.collect_packed().is_ok_and(is_done) {
            let request = Chunk { key: keys.object(&self.draft), position, bytes: &chunk };
            connection.run(|link, shebang| request.send(link, shebang))?;
        }
        let mut spare = chunk;
        spare.clear();
        Ok(spare)
    }
}

/// The request that stores a chunk. Repeating it changes nothing.
struct Chunk<'a> {
    key: String,
    position: u64,
    bytes: &'a [u8],
}

/// How many replies it has: to each command, and to the transaction.
const REPLIES: usize = 4;

impl Chunk<'_> {
    fn pipeline(&self, shebang: bool) -> Pipeline {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        pipeline.cmd("HSET").arg(&self.key).arg(self.position).arg(self.bytes);
        pipeline.add_command(self.check().command(shebang));
        pipeline
    }

    fn check(&self) -> Call {
        Call::new(&OBJECT_CHUNK, vec![self.key.clone()])
    }

    fn pack(&self, shebang: bool) -> Vec<u8> {
        self.pipeline(shebang).get_packed_pipeline()
    }

    fn send(&self, link: &mut Link, shebang: bool) -> RedisResult<()> {
        match self.pipeline(shebang).query::<Vec<i64>>(link) {
            Err(error) if is_no_script(&error) => {
                self.check().load(link, shebang)?;
                self.pipeline(shebang).query::<Vec<i64>>(link).map(|_| ())
            }
            sent => sent.map(|_| ()),
        }
    }
}

/// An object that is being read. The next chunk is asked for before this one is used.
pub struct Receiving {
    hash: String,
    encoding: Encoding,
    n: u64,
    next: u64,
    is_posted: bool,
}

impl Receiving {
    /// Read an object of `n` chunks.
    pub fn new(hash: &str, n: u64, encoding: Encoding) -> Self {
        Receiving { hash: hash.to_owned(), encoding, n, next: 0, is_posted: false }
    }

    /// The next chunk; none after the last one.
    pub fn next(&mut self, connection: &mut Connection, keys: &Keys) -> Result<Option<Vec<u8>>> {
        if self.next == self.n {
            return Ok(None);
        }
        if (connection.stop())() {
            return Err(Error::Interrupted);
        }
        let key = keys.object(&self.hash);
        let posted = if self.is_posted { connection.collect_packed().ok() } else { None };
        let chunk = match posted {
            Some(reply) => value::maybe_bytes(reply)?,
            None => connection.hash_get(key.clone(), &self.next.to_string())?,
        };
        let missing = || Error::ObjectMissing { hashes: vec![self.hash.clone()] };
        let chunk = chunk.ok_or_else(missing)?;
        self.next += 1;
        self.is_posted = self.next < self.n;
        if self.is_posted {
            let mut ask = redis::cmd("HGET");
            ask.arg(key).arg(self.next);
            connection.post_packed(|_| ask.get_packed_command(), 1);
        }
        Ok(Some(match self.encoding {
            Encoding::Plain => chunk,
            Encoding::Lz4 => expand(&self.hash, &chunk)?,
        }))
    }
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    lz4_flex::compress_prepend_size(bytes)
}

fn expand(hash: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    lz4_flex::decompress_size_prepended(bytes)
        .map_err(|error| Error::corrupt(format!("object {hash}"), error))
}

/// Whether compression saves at least a third of these bytes, judged by a few samples.
fn is_compressible(bytes: &[u8]) -> bool {
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
