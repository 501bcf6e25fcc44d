//! Objects that tags keep: in a store of its own, with any connection and any prefix for the keys, or beside
//! the objects of the tasks of a queue.

use redis::Pipeline;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, OBJECT_DROP, OBJECT_TAG};
use crate::store::chunks;
use crate::store::location::{Location, Place};
use crate::store::object::{AGAIN, Naming, Store, folder};
use crate::store::read::Reader;
use crate::store::storage::Storage;
use crate::value;

/// A store for users.
pub struct ObjectStore {
    /// The connection to the server.
    pub connection: Connection,
    keys: Keys,
    storage: Storage,
    queue: Option<String>,
    owner: String,
}

impl ObjectStore {
    /// The store with this prefix.
    pub fn new(connection: Connection, prefix: &str, storage: Storage) -> Self {
        let (keys, owner) = (Keys::with_prefix(prefix), folder(prefix));
        ObjectStore { connection, keys, storage, queue: None, owner }
    }

    /// The store of a queue, with the objects of its tasks.
    pub fn of_queue(connection: Connection, queue: &str, storage: Storage) -> Self {
        let (keys, owner) = (Keys::new(queue), folder(queue));
        ObjectStore { connection, keys, storage, queue: Some(queue.to_owned()), owner }
    }

    fn store(&mut self) -> Store<'_> {
        Store {
            connection: &mut self.connection,
            keys: &self.keys,
            storage: &self.storage,
            queue: self.queue.as_deref(),
            owner: self.owner.clone(),
        }
    }

    /// Store values under a tag; returns their hashes. If one is too large, none is stored.
    pub fn set(&mut self, values: &[Vec<u8>], tag: &str) -> Result<Vec<String>> {
        let storage = &self.storage;
        let large = values.iter().find(|value| storage.is_offloaded(value.len()));
        if let (Some(value), None) = (large, storage.path()) {
            let (bytes, limit) = (value.len() as u64, storage.max_size as u64);
            return Err(Error::ObjectLarge { bytes, limit });
        }
        let mut hashes = Vec::with_capacity(values.len());
        for value in values {
            hashes.push(self.store().put(value, Naming::Content)?);
        }
        let mut tagged = self.tag(&hashes, tag);
        for _ in 0..AGAIN {
            let Err(Error::ObjectMissing { hashes: missing }) = &tagged else {
                break;
            };
            let is_missing = |(_, hash): &(&Vec<u8>, &String)| missing.contains(hash);
            for (value, _) in values.iter().zip(&hashes).filter(is_missing) {
                self.store().put(value, Naming::Content)?;
            }
            tagged = self.tag(&hashes, tag);
        }
        tagged.map(|()| hashes)
    }

    /// Let a tag refer to objects that are stored.
    pub fn tag(&mut self, hashes: &[String], tag: &str) -> Result<()> {
        for some in hashes.chunks(256) {
            let call = Call::new(&OBJECT_TAG, vec![self.keys.config()]);
            let call = call.arg(self.keys.prefix()).arg(tag).arg(some);
            let missing = value::texts(self.connection.call(&call)?)?;
            if !missing.is_empty() {
                return Err(Error::ObjectMissing { hashes: missing });
            }
        }
        Ok(())
    }

    /// Read a value.
    pub fn get(&mut self, hash: &str) -> Result<Vec<u8>> {
        self.store().get(hash)
    }

    /// Read a value a piece at a time.
    pub fn reader(&mut self, hash: &str) -> Result<Reader<'_>> {
        self.store().reader(hash)
    }

    /// The hashes of all objects, sorted.
    pub fn list(&mut self) -> Result<Vec<String>> {
        let mut hashes = self.connection.hash_fields(&self.keys.objects())?;
        hashes.extend(self.connection.hash_fields(&self.keys.stored_objects())?);
        hashes.sort();
        // A process that keeps more in the server may have sent along an object that stands in a file.
        hashes.dedup();
        Ok(hashes)
    }

    /// All tags, sorted.
    pub fn tags(&mut self) -> Result<Vec<String>> {
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(self.keys.object_tags()).arg("[t:").arg("(t;");
        let links = value::texts(self.connection.command(&command)?)?;
        let tag = |link: &String| link[2..].rsplit_once('\0').map(|(tag, _)| tag.to_owned());
        let mut tags: Vec<String> = links.iter().filter_map(tag).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// Where each object is: `redis` or `offload`; `None` if it is not stored.
    pub fn locations(&mut self, hashes: &[String]) -> Result<Vec<Option<&'static str>>> {
        let mut pipeline = Pipeline::new();
        for hash in hashes {
            pipeline.cmd("HEXISTS").arg(self.keys.objects()).arg(hash);
        }
        let small = self.connection.pipeline(&pipeline)?;
        let large = chunks::locations(&mut self.connection, &self.keys, hashes)?;
        let mut places = Vec::with_capacity(hashes.len());
        for ((hash, small), large) in hashes.iter().zip(small).zip(large) {
            let location = large.map(|packed| Location::unpack(hash, &packed)).transpose()?;
            places.push(match location.map(|location| location.place) {
                Some(Place::File(_)) => Some("offload"),
                Some(Place::Chunks(_)) => Some("redis"),
                None => (value::integer(small)? == 1).then_some("redis"),
            });
        }
        Ok(places)
    }

    /// Remove a tag from one object, and the object if no other tag and no task refers to it.
    pub fn untag(&mut self, hash: &str, tag: &str) -> Result<()> {
        let call = Call::new(&OBJECT_DROP, vec![self.keys.config()]);
        let call = call.arg(self.keys.prefix()).arg(tag).arg(hash);
        self.connection.call(&call)?;
        self.store().delete_lost_files().map(|_| ())
    }

    /// Remove tags, and the objects that no other tag refers to.
    pub fn drop(&mut self, tags: &[String]) -> Result<()> {
        for tag in tags {
            while self.store().drop_part(tag)? > 0 {}
        }
        self.store().drop_part("")?;
        self.store().delete_lost_files().map(|_| ())
    }

    /// Delete everything in the store.
    pub fn destroy(&mut self) -> Result<()> {
        let (mut names, files) = self.store().inventory()?;
        let keys = &self.keys;
        names.extend([keys.objects(), keys.stored_objects(), keys.object_tags()]);
        names.extend([keys.object_refs(), keys.lost_files(), keys.due()]);
        // Files first: if this process ends here, their names are still known.
        let deleted = self.store().delete_files(&files);
        let mut command = redis::cmd("UNLINK");
        self.connection.command(command.arg(names))?;
        deleted
    }
}
