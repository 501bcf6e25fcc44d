//! Whether a queue has room for more tasks: its setting `max_bytes`. Other queues are not measured.

use crate::connection::{Connection, SLICE};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::{Queue, stored_bytes};

/// A queue is measured again when this part of its limit has been sent.
const PARTS: f64 = 16.0;
/// How often a queue is measured that is full, in slices.
const PAUSE: u32 = 3;

/// Called once with what the queue stores and its limit, before a submission waits for room.
pub type OnFull<'a> = &'a mut dyn FnMut(u64, u64);

/// The room of a queue, as one submission sees it.
pub(super) struct Room<'a> {
    queue: String,
    keys: Keys,
    limit: Option<f64>,
    /// Whether to wait for room, rather than fail.
    wait: bool,
    on_full: OnFull<'a>,
    has_waited: bool,
    /// Bytes sent since the queue was measured.
    sent: u64,
}

impl<'a> Room<'a> {
    pub fn new(queue: &Queue, wait: bool, on_full: OnFull<'a>) -> Self {
        let (limit, keys, queue) = (queue.max_bytes, queue.keys.clone(), queue.id.clone());
        Room { queue, keys, limit, wait, on_full, has_waited: false, sent: 0 }
    }

    /// So many bytes are about to be sent: wait for room, or fail, if much was sent since the last look.
    pub fn send(&mut self, connection: &mut Connection, bytes: u64) -> Result<()> {
        self.sent += bytes;
        match self.limit {
            Some(limit) if self.sent as f64 > limit / PARTS => self.check(connection),
            _ => Ok(()),
        }
    }

    /// Wait until the queue does not store more than it may.
    pub fn check(&mut self, connection: &mut Connection) -> Result<()> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        self.sent = 0;
        loop {
            let bytes = stored_bytes(connection, &self.keys)?;
            if bytes as f64 <= limit {
                return Ok(());
            }
            if !self.wait {
                let (queue, limit) = (self.queue.clone(), limit as u64);
                return Err(Error::QueueFull { queue, bytes, limit });
            }
            if !self.has_waited {
                self.has_waited = true;
                (self.on_full)(bytes, limit as u64);
            }
            connection.rest(SLICE * PAUSE)?;
        }
    }
}
