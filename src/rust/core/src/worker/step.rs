//! One request of a worker: what has ended goes out, what to do next comes in. Steps are numbered, so
//! that one repeated after a lost reply gets the same answer again.

use std::time::Duration;

use redis::Value;

use crate::error::{Error, Result};
use crate::message::Message;
use crate::scripts::Call;
use crate::worker::batch::lock;
use crate::worker::request::{Step, StepReply};
use crate::worker::state::Worker;

/// After so long without memory the worker looks for messages.
const FULL_TIMEOUT: Duration = Duration::from_secs(1);

impl Worker {
    /// Report what has ended and ask for up to `claim_limit` tasks. Only between tasks: see `batch`.
    pub(super) fn step(&mut self, claim_limit: usize) -> Result<StepReply> {
        let call = self.next_step(claim_limit, 0);
        let reply = self.call_step(&call)?;
        self.woken = false;
        Ok(reply)
    }

    /// Send a step until it is answered. While the server has no memory for what it stores, the worker still
    /// obeys messages; the next step then reports what this one did.
    pub(super) fn call_step(&mut self, call: &Call) -> Result<StepReply> {
        loop {
            self.queue.connection.set_full_timeout(FULL_TIMEOUT);
            let reply = self.queue.connection.call_read(call, StepReply::read);
            self.queue.connection.set_full_timeout(Duration::MAX);
            if !matches!(reply, Err(Error::ServerFull { .. })) {
                let reply = reply?;
                self.stepped();
                return Ok(reply);
            }
            let messages = self.queue.keys.worker(&self.options.id).messages();
            let first = redis::cmd("LINDEX").arg(messages).arg(0).clone();
            if let Value::BulkString(message) = self.queue.connection.command(&first)? {
                return Ok(StepReply::Message(Message::parse(message)?));
            }
        }
    }

    /// The request of the next step. `asleep_ms` is the server's time if the worker will sleep first.
    pub(super) fn next_step(&mut self, claim_limit: usize, asleep_ms: i64) -> Call {
        let (queues, window) = (self.queues.as_slice(), self.window.size());
        let woken = self.woken || asleep_ms > 0;
        let step = Step { queues, claim_limit, window, woken, asleep_ms };
        let mut batch = lock(&self.batch);
        batch.sequence += 1;
        self.registration.step(&step, &batch)
    }

    /// The server has replied to it.
    pub(super) fn stepped(&mut self) {
        lock(&self.batch).finished.clear();
    }
}
