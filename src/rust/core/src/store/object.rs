//! A store, and the requests that begin and name an object.

use std::sync::LazyLock;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, OBJECT_BEGIN, OBJECT_KEEP, Script};
use crate::store::storage::Storage;
use crate::value;

/// How long an object is kept that nothing refers to yet, and how long sending one may take.
const PIN_MS: u64 = 3600 * 1000;

/// How often an object is stored again that is gone before anything refers to it. The pin is shared: it ends
/// with the first task or tag of any process, and the object with the last one.
pub(crate) const AGAIN: u32 = 20;

/// The name of a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The hash of its content: equal values are stored once.
    Content,
    /// A random one: it belongs to whoever stores it.
    Unique,
}

/// How long the random part of a file's name is.
const GENERATION: usize = 8;

/// A new mark for the files of a queue.
pub(crate) fn new_mark() -> Result<String> {
    Ok(value::random_id()?[..8].to_owned())
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

    /// Begin a new object; returns the name of its draft. One with the same content may be stored
    /// already: it is pinned, and there is no draft.
    pub(super) fn begin(&mut self, hash: &str, naming: Naming) -> Result<Option<String>> {
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
    pub(super) fn keep(
        &mut self,
        hash: &str,
        location: &str,
        bytes: &[u8],
        draft: &str,
    ) -> Result<bool> {
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

    /// A new generation for a file, which begins with the mark of the queue.
    pub(super) fn new_generation(&self) -> Result<String> {
        Ok(format!("{}{}", self.storage.mark, &value::random_id()?[..GENERATION]))
    }

    /// Whether this queue has written a file. A queue of the same name on another server may use the
    /// same place, and so may one that has expired.
    pub(super) fn has_written(&self, name: &str) -> bool {
        let mark = self.storage.mark.as_str();
        let generation = name.rsplit_once('-').and_then(|(_, end)| end.strip_prefix(mark));
        generation.is_some_and(|generation| generation.len() == GENERATION)
    }

    /// The name of the file of an object.
    pub(super) fn file(&self, hash: &str, generation: &str) -> String {
        format!("{}/{hash}-{generation}", self.owner)
    }
}

/// File systems refuse longer names.
const LONGEST: usize = 255;

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
    if name.len() > LONGEST {
        let hash = value::content_hash(owner.as_bytes());
        name.truncate(LONGEST - hash.len() - 1);
        name.push_str(&format!("-{hash}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_a_folder_of_its_own_whatever_its_name() {
        assert_eq!(folder("jobs.v1-a_b"), "jobs.v1-a_b");
        assert_eq!(folder("../a"), "%2e.%2fa");
        assert_eq!(folder("é"), "%c3%a9");
        let (long, other) = (folder(&"é".repeat(99)), folder(&format!("{}e", "é".repeat(99))));
        assert!(long.len() == 255 && other.len() == 255 && long != other);
    }
}
