//! One request of a worker: what has ended goes out, what to do next comes in. Steps are numbered, so
//! that one repeated after a lost reply gets the same answer again.

use crate::error::Result;
use crate::worker::batch::lock;
use crate::worker::request::{Step, StepReply};
use crate::worker::state::Worker;

impl Worker {
    /// Report what has ended and ask for up to `claim_limit` tasks. Only between tasks: see `batch`.
    pub(super) fn step(&mut self, claim_limit: usize) -> Result<StepReply> {
        let step = Step {
            queues: &self.queues,
            claim_limit,
            window: self.window.size(),
            popped_marker: self.popped_marker,
        };
        let call = {
            let mut batch = lock(&self.batch);
            batch.sequence += 1;
            self.registration.step(&step, &batch)
        };
        let reply = self.queue.connection.call(&call)?;
        lock(&self.batch).finished.clear();
        self.popped_marker = 0;
        StepReply::read(reply)
    }
}
