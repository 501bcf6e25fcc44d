//! A file that is being read from a bucket: pieces of it, some ahead of the reader.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore};
use rrq_core::connection::Stop;

use crate::request::{Failure, Request, reason};

/// The size of a piece.
const PIECE: u64 = 8 * 1024 * 1024;
/// How many are read at the same time.
const AHEAD: usize = 4;

/// A piece, and the size of the file it is from.
type Reply = object_store::Result<(Bytes, u64)>;

/// A file that is being read.
pub struct Download {
    connection: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    stop: Stop,
    /// Where the next request begins.
    next: u64,
    coming: VecDeque<Request<Reply>>,
    piece: Bytes,
}

impl Download {
    /// Open a file of this size.
    pub fn open(
        connection: Arc<dyn ObjectStore>,
        path: Path,
        size: u64,
        stop: Stop,
    ) -> Result<Self, Failure> {
        let (next, coming, piece) = (0, VecDeque::new(), Bytes::new());
        let mut download = Download { connection, path, size, stop, next, coming, piece };
        // A file without content may have another size, too, or not exist.
        download.request()?;
        download.fetch()?;
        Ok(download)
    }

    /// Ask for what comes next, and wait for the oldest piece that was asked for.
    fn fetch(&mut self) -> Result<(), Failure> {
        while self.coming.len() < AHEAD && self.next < self.size {
            self.request()?;
        }
        let Some(oldest) = self.coming.pop_front() else {
            return Ok(());
        };
        let reply = oldest.wait(&self.stop)?;
        let (piece, found) = reply.map_err(|error| Failure::Failed(reason(&error)))?;
        if found != self.size {
            let why = format!("it has {found} bytes, but should have {}", self.size);
            return Err(Failure::Failed(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        self.piece = piece;
        Ok(())
    }

    fn request(&mut self) -> Result<(), Failure> {
        let end = self.size.min(self.next + PIECE);
        let head = self.size == 0;
        let range = (!head).then(|| (self.next..end).into());
        let options = GetOptions { head, range, ..GetOptions::default() };
        let (connection, path) = (self.connection.clone(), self.path.clone());
        let get = async move {
            let got = connection.get_opts(&path, options).await?;
            let size = got.meta.size;
            Ok((if head { Bytes::new() } else { got.bytes().await? }, size))
        };
        self.coming.push_back(Request::start(get).map_err(Failure::Failed)?);
        self.next = end;
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.fetch().map_err(|failure| match failure {
                // Not of the kind for which the reader tries again.
                Failure::Interrupted => io::Error::other("interrupted"),
                Failure::Failed(error) => error,
            })?;
        }
        let n = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
