//! Chunks of tasks are numbered, so that the server recognises a chunk that it was sent before even
//! when the tasks it queued no longer exist. `lua/_submitter.lua` is the other side.

use crate::error::Result;
use crate::value;

/// What a process has submitted through one handle of a queue. A chunk is sent when the one before it
/// was answered or given up, so the server gets new chunks in the order of their numbers; a number
/// that is not greater than the last one it has recorded is a copy. The token is drawn at random, and a
/// forked child draws its own: two processes that counted under one would take each other's chunks
/// for copies.
#[derive(Debug, Default)]
pub(crate) struct Submitter {
    token: String,
    n_chunks: u64,
}

impl Submitter {
    /// The token, and the number of another chunk.
    pub fn next(&mut self) -> Result<(String, u64)> {
        if self.token.is_empty() {
            self.token = value::random_id()?;
        }
        self.n_chunks += 1;
        Ok((self.token.clone(), self.n_chunks))
    }
}
