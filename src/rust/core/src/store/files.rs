//! Files outside the server that are no longer needed: those of objects that are gone, and those that
//! a process left which ended before it had registered them.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::scripts::{Call, OBJECT_DROP};
use crate::store::chunks;
use crate::store::location::{Location, Place};
use crate::store::object::Store;
use crate::store::offload::Entry;
use crate::value;

impl Store<'_> {
    /// Delete the files of objects that are gone. Those that this process cannot delete stay noted, for a
    /// process that can: what it was asked to do is done, and a worker that sweeps must go on. Returns how
    /// many were deleted.
    pub fn delete_lost_files(&mut self) -> Result<usize> {
        let Ok(Some(offload)) = self.storage.offload() else {
            return Ok(0);
        };
        let (key, mut n) = (self.keys.lost_files(), 0);
        for file in self.connection.hash_fields(&key.clone())? {
            if offload.delete(&format!("{}/{file}", self.owner)).is_ok() {
                let mut command = redis::cmd("HDEL");
                self.connection.command(command.arg(&key).arg(&file))?;
                n += 1;
            }
        }
        Ok(n)
    }

    /// Where the larger objects are, by hash.
    pub(super) fn located(&mut self) -> Result<Vec<(String, Location)>> {
        let hashes = self.connection.hash_fields(&self.keys.stored_objects())?;
        let mut located = Vec::with_capacity(hashes.len());
        for some in hashes.chunks(1000) {
            let found = chunks::locations(self.connection, self.keys, some)?;
            for (hash, packed) in some.iter().zip(found) {
                if let Some(packed) = packed {
                    located.push((hash.clone(), Location::unpack(hash, &packed)?));
                }
            }
        }
        Ok(located)
    }

    /// Every key of the store that depends on what is stored, and the names of all its files.
    pub(crate) fn inventory(&mut self) -> Result<(Vec<String>, Vec<String>)> {
        let (mut keys, files) = self.chunks_and_files()?;
        keys.extend(self.drafts()?);
        Ok((keys, files))
    }

    /// The keys of objects in chunks, and the names of all files.
    fn chunks_and_files(&mut self) -> Result<(Vec<String>, Vec<String>)> {
        let (mut keys, mut files) = (Vec::new(), Vec::new());
        for (hash, location) in self.located()? {
            match location.place {
                Place::Chunks(_) => keys.push(self.keys.object(&hash)),
                Place::File(generation) => files.push(self.file(&hash, &generation)),
            }
        }
        for file in self.connection.hash_fields(&self.keys.lost_files())? {
            files.push(format!("{}/{file}", self.owner));
        }
        Ok((keys, files))
    }

    /// The keys of objects that are being sent.
    fn drafts(&mut self) -> Result<Vec<String>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(self.keys.due()).arg(0).arg(-1);
        let members = value::texts(self.connection.command(&command)?)?;
        let pinned = members.iter().filter_map(|m| m.strip_prefix(crate::keys::due::OBJECT));
        Ok(pinned.map(|name| self.keys.object(name)).collect())
    }

    /// Delete the files of objects that are about to go, and what the queue has written besides. After an
    /// error, the others are deleted as well.
    pub(crate) fn delete_files(&mut self, files: &[String]) -> Result<()> {
        match self.storage.offload() {
            Ok(Some(offload)) => {
                let mut all: BTreeSet<String> = files.iter().cloned().collect();
                // Without a mark it is not known which files are its own.
                if !self.storage.mark.is_empty() {
                    let listed = offload.list(&self.owner).unwrap_or_default();
                    let names = listed.into_iter().map(|entry| entry.name);
                    all.extend(names.filter(|name| self.has_written(name)));
                }
                let deleted = all.iter().map(|file| offload.delete(file)).fold(Ok(()), Result::and);
                offload.forget(&self.owner);
                deleted
            }
            Err(error) if !files.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Files of this queue that no object has and that are older than `age`: what a process has written
    /// that ended before it could register them. Unless it is a `dry_run`, they are deleted.
    pub fn orphans(&mut self, age: Duration, dry_run: bool) -> Result<Vec<Entry>> {
        let Some(offload) = self.storage.offload()? else {
            return Ok(Vec::new());
        };
        // Listed before the objects: a file that gets its object in between is no orphan.
        let listed = offload.list(&self.owner)?;
        let known: HashSet<String> = self.chunks_and_files()?.1.into_iter().collect();
        let is_old = |entry: &Entry| {
            let age_now = SystemTime::now().duration_since(entry.modified).unwrap_or_default();
            age_now >= age
        };
        let mut orphans: Vec<Entry> = listed
            .into_iter()
            .filter(|entry| is_old(entry) && self.has_written(&entry.name))
            .filter(|entry| !known.contains(&entry.name))
            .collect();
        orphans.sort_by(|a, b| a.name.cmp(&b.name));
        if !dry_run {
            orphans.iter().try_for_each(|entry| offload.delete(&entry.name))?;
        }
        Ok(orphans)
    }

    /// End all pins that are over, and delete the files of objects that go with them.
    pub fn end_pins(&mut self) -> Result<()> {
        let key = self.keys.due();
        let mut count = redis::cmd("ZCARD");
        count.arg(&key);
        loop {
            let before = value::integer(self.connection.command(&count)?)?;
            self.drop_part("")?;
            // Each part ends as many pins as it finds among the first timers.
            if value::integer(self.connection.command(&count)?)? >= before {
                return self.delete_lost_files().map(|_| ());
            }
        }
    }

    /// Remove a tag in part; returns how many objects had it in this part. An empty tag only ends pins.
    pub(super) fn drop_part(&mut self, tag: &str) -> Result<i64> {
        let call = Call::new(&OBJECT_DROP, vec![self.keys.config()]);
        value::integer(self.connection.call(&call.arg(self.keys.prefix()).arg(tag))?)
    }
}
