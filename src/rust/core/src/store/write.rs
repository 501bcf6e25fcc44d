//! Writing values: as a whole, or while they are made.

use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use redis::Pipeline;

use crate::error::{Error, Result};
use crate::keys::due;
use crate::store::chunks::{self, Sending};
use crate::store::location::{Encoding, Location, Place};
use crate::store::object::{Naming, Store};
use crate::store::offload::{Draft, Offload};
use crate::store::progress::report;
use crate::value;

/// Objects up to this size stand in one hash, and are sent along with the tasks that use them.
pub(crate) const SMALL: usize = 64 * 1024;
/// How much is written at a time.
const PIECE: usize = 4 * 1024 * 1024;
/// How often a file is written, and the pause after the first attempt.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

impl<'a> Store<'a> {
    /// Store a value and return its name. It stays for an hour unless something refers to it.
    pub fn put(&mut self, bytes: &[u8], naming: Naming) -> Result<String> {
        let name = match naming {
            Naming::Content => value::content_hash(bytes),
            Naming::Unique => value::random_id()?,
        };
        let is_file = self.storage.is_offloaded(bytes.len());
        if bytes.len() <= SMALL && !is_file {
            self.keep(&name, "", bytes, "")?;
            return Ok(name);
        }
        if is_file && self.storage.path().is_none() {
            let (bytes, limit) = (bytes.len() as u64, self.storage.max_size as u64);
            return Err(Error::ObjectLarge { bytes, limit });
        }
        if let Some(draft) = self.begin(&name, naming)? {
            self.send(&name, draft.clone(), bytes, is_file)
                .inspect_err(|error| self.give_up(&draft, error))?;
        } else {
            self.restore(&name, bytes)?;
        }
        Ok(name)
    }

    /// The file of an object that is stored already may have been deleted by somebody else, such as a
    /// service that clears scratch directories: write it again.
    fn restore(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Ok(Some(offload)) = self.storage.offload() else {
            return Ok(());
        };
        let Some(file) = self.file_of(name)? else {
            return Ok(());
        };
        match offload.open(&file, bytes.len() as u64) {
            Err(Error::Offload { source, .. }) if source.kind() == NotFound => {}
            _ => return Ok(()),
        }
        let mut draft = repeat(|| offload.create(&file))?;
        draft.write(bytes)?;
        draft.commit()?;
        // The object, and its file with it, may have been deleted in between.
        match self.file_of(name)? {
            Some(still) if still == file => Ok(()),
            _ => offload.delete(&file),
        }
    }

    /// The name of the file of an object, if it has one.
    fn file_of(&mut self, name: &str) -> Result<Option<String>> {
        let packed = chunks::locations(self.connection, self.keys, &[name.to_owned()])?.pop();
        let location =
            packed.flatten().map(|packed| Location::unpack(name, &packed)).transpose()?;
        Ok(match location.map(|location| location.place) {
            Some(Place::File(generation)) => Some(self.file(name, &generation)),
            _ => None,
        })
    }

    fn send(&mut self, name: &str, draft: String, bytes: &[u8], is_file: bool) -> Result<()> {
        let mut sink = Sink::open(self, name, draft, is_file)?;
        let (mut done, total) = (0, bytes.len() as u64);
        for piece in bytes.chunks(PIECE) {
            sink.write(self, piece)?;
            done += piece.len() as u64;
            report(done, total);
        }
        sink.close(self, name, total)
    }

    /// The part that was sent would take up memory until its pin ends.
    fn give_up(&mut self, draft: &str, error: &Error) {
        if !matches!(error, Error::Connection { .. }) {
            let _ = self.drop_draft(draft);
        }
    }

    fn drop_draft(&mut self, draft: &str) -> Result<()> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("UNLINK").arg(self.keys.object(draft));
        pipeline.cmd("ZREM").arg(self.keys.due()).arg(format!("{}{draft}", due::OBJECT));
        self.connection.pipeline(&pipeline).map(|_| ())
    }

    /// Store a value of a task while it is written, whose size is not known yet.
    pub fn writer(self) -> Writer<'a> {
        Writer { store: self, begun: Vec::new(), draft: None, sink: None, size: 0 }
    }
}

/// Where the bytes of a new object go.
enum Sink {
    Chunks { draft: String, sending: Sending },
    File { draft: String, generation: String, file: Box<dyn Draft>, offload: Arc<dyn Offload> },
}

impl Sink {
    fn open(store: &mut Store<'_>, name: &str, draft: String, is_file: bool) -> Result<Self> {
        if let (true, Some(offload)) = (is_file, store.storage.offload()?) {
            let generation = store.new_generation()?;
            let file = repeat(|| offload.create(&store.file(name, &generation)))?;
            return Ok(Sink::File { draft, generation, file, offload });
        }
        let compress = store.storage.compress;
        let sending = Sending::new(store.connection, store.keys, &draft, compress)?;
        Ok(Sink::Chunks { draft, sending })
    }

    fn write(&mut self, store: &mut Store<'_>, bytes: &[u8]) -> Result<()> {
        match self {
            Sink::Chunks { sending, .. } => sending.write(store.connection, store.keys, bytes),
            Sink::File { file, .. } => {
                let stop = store.connection.stop();
                let mut pieces = bytes.chunks(PIECE);
                pieces.try_for_each(|piece| match stop() {
                    true => Err(Error::Interrupted),
                    false => file.write(piece),
                })
            }
        }
    }

    fn close(self, store: &mut Store<'_>, name: &str, size: u64) -> Result<()> {
        match self {
            Sink::Chunks { draft, mut sending } => {
                let encoding = sending.close(store.connection, store.keys)?;
                let (place, stored) = (Place::Chunks(sending.n), sending.stored);
                let location = Location { place, size, stored, encoding };
                store.keep(name, &location.pack(), &[], &draft).map(|_| ())
            }
            Sink::File { draft, generation, file, offload } => {
                file.commit()?;
                let written = store.file(name, &generation);
                let (place, encoding) = (Place::File(generation), Encoding::Plain);
                let location = Location { place, size, stored: size, encoding };
                let kept = store.keep(name, &location.pack(), &[], &draft);
                // Another process was faster, the queue is gone, or it took too long. After a connection
                // error nobody knows whether the object has its name: `orphans` finds the file if not.
                if matches!(kept, Ok(false) | Err(Error::QueueMissing { .. } | Error::ObjectLate)) {
                    offload.delete(&written)?;
                    if matches!(kept, Err(Error::QueueMissing { .. })) {
                        // Writing the file has created the directory again.
                        offload.forget(&store.owner);
                    }
                }
                kept.map(|_| ())
            }
        }
    }
}

/// A value that is being written. Dropping it before it is finished leaves nothing.
pub struct Writer<'a> {
    store: Store<'a>,
    /// Its beginning, until it is known to be large.
    begun: Vec<u8>,
    /// What is left in the server if it is not finished.
    draft: Option<String>,
    sink: Option<(String, Sink)>,
    size: u64,
}

/// What a value has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is small: these are its bytes.
    Bytes(Vec<u8>),
    /// The name of an object, which stays for an hour unless something refers to it.
    Object(String),
}

impl Writer<'_> {
    /// Add to its end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.add(bytes);
        self.settle(written)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if let Some((_, sink)) = &mut self.sink {
            return sink.write(&mut self.store, bytes);
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.len() > self.store.storage.undecided() {
            self.open()?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        let store = &mut self.store;
        let is_file = store.storage.is_offloaded(self.begun.len());
        if is_file && store.storage.path().is_none() {
            let (bytes, limit) = (self.size, store.storage.max_size as u64);
            return Err(Error::ObjectLarge { bytes, limit });
        }
        let name = value::random_id()?;
        let draft = store.begin(&name, Naming::Unique)?.unwrap_or_default();
        self.draft = Some(draft.clone());
        let mut sink = Sink::open(store, &name, draft, is_file)?;
        sink.write(store, &std::mem::take(&mut self.begun))?;
        self.sink = Some((name, sink));
        Ok(())
    }

    /// All of it was added.
    pub fn finish(mut self) -> Result<Written> {
        let written = self.close();
        self.settle(written)
    }

    fn close(&mut self) -> Result<Written> {
        if self.sink.is_none() && self.store.storage.is_object(self.begun.len()) {
            self.open()?;
        }
        let Some((name, sink)) = self.sink.take() else {
            return Ok(Written::Bytes(std::mem::take(&mut self.begun)));
        };
        sink.close(&mut self.store, &name, self.size)?;
        // It has become the object.
        self.draft = None;
        Ok(Written::Object(name))
    }

    /// After an error of the connection, the draft is left to its pin: the server cannot be told.
    fn settle<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|error| {
            if let Some(draft) = self.draft.take() {
                self.store.give_up(&draft, error);
            }
        })
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            let _ = self.store.drop_draft(draft);
        }
    }
}

/// Create a file again when that failed for a reason that may pass.
fn repeat<T>(mut create: impl FnMut() -> Result<T>) -> Result<T> {
    let lasting = [NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull];
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match create() {
            Err(Error::Offload { source, .. }) if !lasting.contains(&source.kind()) => sleep(pause),
            other => return other,
        }
        pause *= 4;
    }
    create()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let failing = |kind: ErrorKind| {
            let mut n = 0;
            let failed: Result<()> = repeat(|| {
                n += 1;
                let (file, path) = (String::new(), String::new());
                Err(Error::Offload { action: "write", file, path, source: kind.into() })
            });
            assert!(failed.is_err());
            n
        };
        assert_eq!(failing(StorageFull), 1);
        assert_eq!(failing(ErrorKind::TimedOut), ATTEMPTS);
    }
}
