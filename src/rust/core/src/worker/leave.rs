//! How a worker leaves: nothing it did is lost, and nothing it did not begin.

use std::time::Duration;

use crate::connection::never;
use crate::error::Result;
use crate::keys::Keys;
use crate::scripts::{Call, WORKER_EXIT};
use crate::worker::evaluate::Evaluate;
use crate::worker::heartbeat::{lock, return_call};
use crate::worker::run::{INTERRUPTED, Worker};

/// One that leaves gives up soon: the sweep would settle what it held.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn leave(&mut self, evaluate: &mut dyn Evaluate, reason: String) -> Result<String> {
        if self.is_worn {
            self.start_anew(evaluate, &reason)?;
        }
        if reason == INTERRUPTED {
            evaluate.forget_interrupt();
        }
        self.exit(&reason)?;
        self.say("STOP", &reason);
        self.report(evaluate);
        Ok(reason)
    }

    /// Leave. What has ended is reported, what has not begun goes back, what runs has died.
    pub fn exit(&mut self, reason: &str) -> Result<()> {
        (self.heartbeat, self.control) = (None, None);
        self.end_processes();
        // The user may have asked to stop, so this must not be stopped in turn.
        self.queue.connection.set_patience(LAST_PATIENCE, never());
        if !lock(&self.batch).finished.is_empty() {
            self.step(0)?;
        }
        self.hand_back()?;
        let call = exit_call(&self.queue.keys, &self.options.id, self.incarnation, reason);
        self.queue.connection.call(&call).map(|_| ())
    }

    /// Give back what was claimed and not started.
    fn hand_back(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut lock(&self.batch).waiting);
        if !waiting.is_empty() {
            let (keys, id) = (&self.queue.keys, &self.options.id);
            let call = return_call(keys, id, self.incarnation, &waiting);
            self.queue.connection.call(&call)?;
        }
        Ok(())
    }
}

/// The request that says that a worker has left.
pub fn exit_call(keys: &Keys, id: &str, incarnation: i64, reason: &str) -> Call {
    let own = keys.worker(id);
    let mut names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
    names.extend([own.log(), own.messages(), own.wake(), own.heartbeat(), own.control()]);
    Call::new(&WORKER_EXIT, names).arg(id).arg(incarnation).arg(reason).arg(keys.prefix())
}
