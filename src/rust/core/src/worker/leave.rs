//! How a worker leaves: everything it has finished is reported, everything it has not begun goes back.

use std::time::Duration;

use crate::connection::never;
use crate::error::Result;
use crate::worker::batch::lock;
use crate::worker::evaluate::Evaluate;
use crate::worker::sign_off::sign_off;
use crate::worker::state::Worker;
use crate::worker::turn::StopReason;

/// A worker that leaves gives up soon: a sweep would resolve what it held.
const RETRY_TIMEOUT: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn leave(
        &mut self,
        evaluate: &mut dyn Evaluate,
        reason: StopReason,
    ) -> Result<StopReason> {
        if reason.is_recycling() {
            self.restart_process(evaluate, &reason.to_string())?;
        }
        let text = reason.log_text();
        if reason == StopReason::Interrupted {
            evaluate.drop_interrupt();
        }
        self.exit(&text)?;
        self.log_line("STOP", &text);
        self.flush_log(evaluate);
        Ok(reason)
    }

    /// Leave. What has ended is reported, what has not begun goes back, what runs has died.
    pub fn exit(&mut self, reason: &str) -> Result<()> {
        self.dismiss_threads();
        self.end_processes();
        // The user may have asked the worker to stop, but must not stop this.
        self.queue.connection.set_retry_timeout(RETRY_TIMEOUT, never());
        self.queue.connection.set_reply_timeout(RETRY_TIMEOUT);
        let mut batch = lock(&self.batch);
        sign_off(&mut self.queue.connection, &self.registration, &mut batch, reason)
    }
}
