//! Storing and reading objects.

use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use redis::Pipeline;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, OBJECT_BEGIN, OBJECT_KEEP, Script};
use crate::store::chunks::{self, CHUNK};
use crate::store::location::{Encoding, Location, Place};
use crate::store::storage::Storage;
use crate::value;

/// Objects up to this size stand in one hash.
const SMALL: usize = 64 * 1024;
/// How long an object is kept that nothing refers to yet, and how long sending one may take.
const PIN_MS: u64 = 3600 * 1000;
/// How often a file is written, and the pause after the first attempt.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// The name of a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The hash of its content: equal values are stored once.
    Content,
    /// A random one: it belongs to whoever stores it.
    Unique,
}

/// A store, as one request or several in a row use it.
pub struct Store<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) keys: &'a Keys,
    pub(super) storage: &'a Storage,
    /// The queue it belongs to; none for a store of its own.
    pub(super) queue: Option<&'a str>,
    pub(super) owner: String,
}

impl<'a> Store<'a> {
    /// The store of a queue.
    pub(crate) fn of_queue(
        connection: &'a mut Connection,
        keys: &'a Keys,
        storage: &'a Storage,
        queue: &'a str,
    ) -> Self {
        Store { connection, keys, storage, queue: Some(queue), owner: folder(queue) }
    }

    /// Store a value and return its name. It stays for an hour unless something refers to it.
    pub fn put(&mut self, bytes: &[u8], naming: Naming) -> Result<String> {
        let name = match naming {
            Naming::Content => value::content_hash(bytes),
            Naming::Unique => value::random_id()?,
        };
        if self.storage.is_offloaded(bytes.len()) {
            self.put_file(&name, bytes, naming)?;
        } else if bytes.len() <= SMALL {
            self.keep(&name, "", bytes, "")?;
        } else {
            self.put_chunks(&name, bytes, naming)?;
        }
        Ok(name)
    }

    fn put_file(&mut self, hash: &str, bytes: &[u8], naming: Naming) -> Result<()> {
        let size = bytes.len() as u64;
        let offload = self
            .storage
            .offload()?
            .ok_or(Error::ObjectLarge { bytes: size, limit: self.storage.max_size as u64 })?;
        let Some(draft) = self.begin(hash, naming)? else {
            return Ok(());
        };
        let generation = value::random_id()?[..8].to_owned();
        let name = self.file(hash, &generation);
        repeat(|| offload.put(&name, bytes))?;
        let place = Place::File(generation);
        let location = Location { place, size, stored: size, encoding: Encoding::Plain };
        let kept = self.keep(hash, &location.pack(), &[], &draft);
        // Another process was faster, the queue is gone, or it took too long. After a connection error
        // nobody knows whether the object has its name: `orphans` finds the file if it has not.
        if matches!(kept, Ok(false) | Err(Error::QueueMissing { .. } | Error::ObjectLate)) {
            offload.delete(&name)?;
        }
        kept.map(|_| ())
    }

    fn put_chunks(&mut self, hash: &str, bytes: &[u8], naming: Naming) -> Result<()> {
        let Some(draft) = self.begin(hash, naming)? else {
            return Ok(());
        };
        let compressed = self.storage.compress && chunks::is_compressible(bytes);
        chunks::prepare(self.connection, self.keys, &draft)?;
        let mut stored = 0;
        for (position, chunk) in bytes.chunks(CHUNK).enumerate() {
            if (self.connection.stop())() {
                return Err(Error::Interrupted);
            }
            let smaller = compressed.then(|| chunks::compress(chunk));
            let sent = smaller.as_deref().unwrap_or(chunk);
            stored += sent.len() as u64;
            if !chunks::send(self.connection, self.keys, &draft, position, sent)? {
                break;
            }
        }
        let location = Location {
            place: Place::Chunks(chunks::count(bytes.len()) as u64),
            size: bytes.len() as u64,
            stored,
            encoding: if compressed { Encoding::Lz4 } else { Encoding::Plain },
        };
        self.keep(hash, &location.pack(), &[], &draft).map(|_| ())
    }

    /// Begin a new object; returns the name of its draft. One with the same content may be stored
    /// already: it is pinned, and there is no draft.
    fn begin(&mut self, hash: &str, naming: Naming) -> Result<Option<String>> {
        let draft = value::random_id()?;
        let mut call = self.call(&OBJECT_BEGIN).arg(PIN_MS).arg(&draft);
        if naming == Naming::Content {
            call.push(hash);
        }
        let mut reply = value::array(self.connection.call(&call)?)?.into_iter();
        let mut next = || reply.next().map(value::integer).transpose();
        if next()? != Some(1) {
            return Err(self.missing());
        }
        let is_stored = next()? == Some(1);
        Ok((!is_stored).then_some(draft))
    }

    /// Give a complete object its name; returns whether it is the one that stays.
    fn keep(&mut self, hash: &str, location: &str, bytes: &[u8], draft: &str) -> Result<bool> {
        let call = self.call(&OBJECT_KEEP).arg(PIN_MS).arg(hash).arg(location).arg(bytes);
        match value::integer(self.connection.call(&call.arg(draft))?)? {
            -1 => Err(self.missing()),
            0 => Err(Error::ObjectLate),
            kept => Ok(kept == 1),
        }
    }

    fn call(&self, script: &'static LazyLock<Script>) -> Call {
        Call::new(script, vec![self.keys.config()])
            .arg(self.keys.prefix())
            .arg(i64::from(self.queue.is_some()))
    }

    fn missing(&self) -> Error {
        Error::QueueMissing { queue: self.queue.unwrap_or_default().to_owned() }
    }

    /// The name of the file of an object.
    pub(super) fn file(&self, hash: &str, generation: &str) -> String {
        format!("{}/{hash}-{generation}", self.owner)
    }

    /// Read a value.
    pub fn get(&mut self, hash: &str) -> Result<Vec<u8>> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGET").arg(self.keys.objects()).arg(hash);
        pipeline.cmd("HGET").arg(self.keys.stored_objects()).arg(hash);
        let mut reply = self.connection.pipeline(&pipeline)?.into_iter();
        let mut next = || value::maybe_bytes(reply.next().unwrap_or_default());
        if let Some(bytes) = next()? {
            return Ok(bytes);
        }
        let missing = || Error::ObjectMissing { hashes: vec![hash.to_owned()] };
        let location = Location::unpack(hash, &next()?.ok_or_else(missing)?)?;
        let Location { place, size, encoding, .. } = location;
        match place {
            Place::Chunks(n) => {
                chunks::receive(self.connection, self.keys, hash, n, size, encoding)
            }
            Place::File(generation) => {
                let unknown = || Error::OffloadUnknown { hash: hash.to_owned() };
                let offload = self.storage.offload()?.ok_or_else(unknown)?;
                offload.get(&self.file(hash, &generation), size)
            }
        }
    }
}

/// The folder for the files of an owner: its name, with letters that a file name cannot have replaced.
pub(super) fn folder(owner: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut name = String::new();
    for c in owner.chars() {
        if plain(c) || (c == '.' && !name.is_empty()) {
            name.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                name.push_str(&format!("%{byte:02x}"));
            }
        }
    }
    name
}

/// Write a file again when that failed for a reason that may pass.
fn repeat(mut write: impl FnMut() -> Result<()>) -> Result<()> {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let lasting = [NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull];
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match write() {
            Err(Error::Offload { source, .. }) if !lasting.contains(&source.kind()) => sleep(pause),
            other => return other,
        }
        pause *= 4;
    }
    write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_a_folder_of_its_own_whatever_its_name() {
        assert_eq!(folder("jobs.v1-a_b"), "jobs.v1-a_b");
        assert_eq!(folder("../a"), "%2e.%2fa");
        assert_eq!(folder("é"), "%c3%a9");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let failing = |kind: std::io::ErrorKind| {
            let mut n = 0;
            let failed = repeat(|| {
                n += 1;
                let (file, path) = (String::new(), String::new());
                Err(Error::Offload { action: "write", file, path, source: kind.into() })
            });
            assert!(failed.is_err());
            n
        };
        assert_eq!(failing(std::io::ErrorKind::StorageFull), 1);
        assert_eq!(failing(std::io::ErrorKind::TimedOut), ATTEMPTS);
    }
}
