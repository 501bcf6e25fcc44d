//! Reading values: as a whole, or a piece at a time.

use std::io::Read;

use redis::Pipeline;

use crate::error::{Error, Result};
use crate::store::chunks::Receiving;
use crate::store::location::{Location, Place};
use crate::store::object::Store;
use crate::store::progress::report;
use crate::value;

impl<'a> Store<'a> {
    /// Read a value.
    pub fn get(&mut self, hash: &str) -> Result<Vec<u8>> {
        let (connection, keys, storage) = (&mut *self.connection, self.keys, self.storage);
        let (queue, owner) = (self.queue, self.owner.clone());
        Store { connection, keys, storage, queue, owner }.reader(hash)?.read_all()
    }

    /// Read a value a piece at a time.
    pub fn reader(self, hash: &str) -> Result<Reader<'a>> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGET").arg(self.keys.objects()).arg(hash);
        pipeline.cmd("HGET").arg(self.keys.stored_objects()).arg(hash);
        let mut reply = self.connection.pipeline(&pipeline)?.into_iter();
        let mut next = || value::maybe_bytes(reply.next().unwrap_or_default());
        if let Some(bytes) = next()? {
            let size = bytes.len() as u64;
            return Ok(Reader { store: self, source: Source::Whole(bytes), size, done: 0 });
        }
        let missing = || Error::ObjectMissing { hashes: vec![hash.to_owned()] };
        let location = Location::unpack(hash, &next()?.ok_or_else(missing)?)?;
        let Location { place, size, encoding, .. } = location;
        let source = match place {
            Place::Chunks(n) => Source::Chunks(Receiving::new(hash, n, encoding)),
            Place::File(generation) => {
                let unknown = || Error::OffloadUnknown { hash: hash.to_owned() };
                let offload = self.storage.offload()?.ok_or_else(unknown)?;
                let name = self.file(hash, &generation);
                Source::File(offload.open(&name, size)?, name)
            }
        };
        Ok(Reader { store: self, source, size, done: 0 })
    }
}

/// A value that is being read.
pub struct Reader<'a> {
    store: Store<'a>,
    source: Source,
    /// How many bytes it has in total.
    pub size: u64,
    done: u64,
}

enum Source {
    Whole(Vec<u8>),
    Chunks(Receiving),
    File(Box<dyn Read>, String),
}

/// How much of a file is read at a time.
const PIECE: u64 = 1024 * 1024;

impl Reader<'_> {
    /// The next piece; an empty one at the end.
    pub fn piece(&mut self) -> Result<Vec<u8>> {
        let piece = self.next_piece()?;
        self.done += piece.len() as u64;
        report(self.done, self.size);
        Ok(piece)
    }

    fn next_piece(&mut self) -> Result<Vec<u8>> {
        match &mut self.source {
            Source::Whole(bytes) => Ok(std::mem::take(bytes)),
            Source::Chunks(receiving) => {
                let chunk = receiving.next(self.store.connection, self.store.keys)?;
                Ok(chunk.unwrap_or_default())
            }
            Source::File(file, name) => {
                if (self.store.connection.stop())() {
                    return Err(Error::Interrupted);
                }
                let mut piece = Vec::with_capacity(PIECE as usize);
                match file.take(PIECE).read_to_end(&mut piece) {
                    Ok(_) => Ok(piece),
                    Err(_) if (self.store.connection.stop())() => Err(Error::Interrupted),
                    Err(source) => {
                        let path = self.store.storage.path().unwrap_or_default().to_owned();
                        Err(Error::Offload { action: "read", file: name.clone(), path, source })
                    }
                }
            }
        }
    }

    /// All of it.
    pub fn read_all(mut self) -> Result<Vec<u8>> {
        let mut whole = self.piece()?;
        if (whole.len() as u64) < self.size {
            whole.reserve_exact(usize::try_from(self.size).unwrap_or(0) - whole.len());
        }
        while (whole.len() as u64) < self.size {
            let piece = self.piece()?;
            if piece.is_empty() {
                let reason = format!("it should have {} bytes", self.size);
                return Err(Error::corrupt("an object", reason));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}
