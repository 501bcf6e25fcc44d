//! Removing tasks from a queue.

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_REMOVE};
use crate::task::{Header, query};
use crate::value;

/// How many tasks one request removes from a queue.
const CHUNK: usize = 256;

impl Queue {
    /// Remove tasks from the queue `name`; returns for each whether it waited there. They stay
    /// PENDING, but no worker will claim them.
    pub fn remove(&mut self, name: &str, ids: &[String]) -> Result<Vec<bool>> {
        let headers = query::headers_if_any(self, ids)?;
        let mut removed = Vec::with_capacity(ids.len());
        for (ids, headers) in ids.chunks(CHUNK).zip(headers.chunks(CHUNK)) {
            let call = Call::new(&QUEUE_REMOVE, vec![self.keys.tasks(), self.keys.counters()])
                .arg(self.keys.prefix())
                .arg(name)
                .arg(ids);
            let flags = value::bytes(self.connection.call(&call)?)?;
            // Tasks that had been removed before are recognised here, so that the request can be
            // repeated.
            let waited = headers.iter().map(|h| h.as_ref().is_some_and(Header::is_queued));
            removed.extend(flags.iter().zip(waited).map(|(flag, waited)| *flag == b'1' && waited));
        }
        Ok(removed)
    }
}
