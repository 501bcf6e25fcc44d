//! A file that is being written to a bucket. It exists when it is complete, not before: a small one is
//! sent by one request, a large one in parts, which become a file by the last request.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use rrq_core::Result;
use rrq_core::connection::Stop;
use rrq_core::store::Draft;

use crate::bucket::failed;
use crate::request::{Failure, Request, ask, reason};

/// The size of a part. A file may have 10 000.
const PART: usize = 8 * 1024 * 1024;
/// How many are sent at the same time.
const SENDING: usize = 4;
/// How long the service may take to delete the parts of a file that is not wanted.
const DISCARD: Duration = Duration::from_secs(5);

type Outcome = std::result::Result<(), Failure>;
type Sending = Request<object_store::Result<()>>;

/// A file that is being written.
pub struct Upload {
    connection: Arc<dyn ObjectStore>,
    path: Path,
    stop: Stop,
    /// What does not fill a part yet.
    rest: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
    sending: VecDeque<Sending>,
    name: String,
    url: String,
}

impl Upload {
    /// Begin a file. This makes no request.
    pub fn new(
        connection: Arc<dyn ObjectStore>,
        path: Path,
        stop: Stop,
        name: String,
        url: String,
    ) -> Self {
        let (rest, parts, sending) = (Vec::new(), None, VecDeque::new());
        Upload { connection, path, stop, rest, parts, sending, name, url }
    }

    fn add(&mut self, mut bytes: &[u8]) -> Outcome {
        while !bytes.is_empty() {
            // A full part is sent when more follows.
            if self.rest.len() == PART {
                self.send()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PART - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn send(&mut self) -> Outcome {
        if self.parts.is_none() {
            let (connection, path) = (self.connection.clone(), self.path.clone());
            let begin = async move { connection.put_multipart(&path).await };
            self.parts = Some(ask(begin, &self.stop)?);
        }
        while self.sending.len() >= SENDING {
            self.settle()?;
        }
        if let Some(parts) = &mut self.parts {
            let part = parts.put_part(PutPayload::from(mem::take(&mut self.rest)));
            self.sending.push_back(Request::start(part).map_err(Failure::Failed)?);
        }
        Ok(())
    }

    /// Wait for the oldest part.
    fn settle(&mut self) -> Outcome {
        let Some(oldest) = self.sending.pop_front() else {
            return Ok(());
        };
        oldest.wait(&self.stop)?.map_err(|error| Failure::Failed(reason(&error)))
    }

    fn close(&mut self) -> Outcome {
        if self.parts.is_none() {
            let (connection, path) = (self.connection.clone(), self.path.clone());
            let payload = PutPayload::from(mem::take(&mut self.rest));
            let put = async move { connection.put(&path, payload).await };
            return ask(put, &self.stop).map(|_| ());
        }
        self.send()?;
        while !self.sending.is_empty() {
            self.settle()?;
        }
        let Some(mut parts) = self.parts.take() else {
            return Ok(());
        };
        let complete = async move {
            let completed = parts.complete().await;
            if completed.is_err() {
                let _ = parts.abort().await;
            }
            completed
        };
        ask(complete, &self.stop).map(|_| ())
    }
}

impl Draft for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.add(bytes).map_err(|failure| failed("write", &self.name, &self.url)(failure))
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.close().map_err(|failure| failed("write", &self.name, &self.url)(failure))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // What is still being sent ends.
        self.sending.clear();
        if let Some(mut parts) = self.parts.take() {
            if let Ok(abort) = Request::start(async move { parts.abort().await }) {
                abort.wait_at_most(DISCARD);
            }
        }
    }
}
