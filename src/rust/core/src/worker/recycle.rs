//! Replaces a worker's process between two tasks when it has done enough. Where a process cannot be
//! replaced, the worker leaves instead.

use crate::error::Result;
use crate::process;
use crate::worker::batch::lock;
use crate::worker::evaluate::Evaluate;
use crate::worker::restart::Restart;
use crate::worker::state::Worker;
use crate::worker::turn::StopReason;

impl Worker {
    /// Why the process has done enough, if it has.
    pub(super) fn recycle_reason(&self) -> Option<StopReason> {
        let config = &self.options.config;
        if self.n_run as f64 >= config.max_tasks {
            return Some(StopReason::MaxTasks(self.n_run));
        }
        let memory = if config.max_memory.is_finite() { process::memory() } else { None };
        memory.filter(|bytes| *bytes as f64 > config.max_memory).map(StopReason::MaxMemory)
    }

    /// How many tasks it may claim now.
    pub(super) fn claim_limit(&self) -> usize {
        let left = self.options.config.max_tasks - self.n_run as f64;
        self.batch_size.min(left.max(1.0) as usize)
    }

    /// Replace the process. Returns only where that cannot be done.
    pub(super) fn restart_process(
        &mut self,
        evaluate: &mut dyn Evaluate,
        reason: &str,
    ) -> Result<()> {
        let Some(Restart(restart)) = self.options.restart.clone() else {
            return Ok(());
        };
        self.dismiss_threads();
        self.end_processes();
        self.step(0)?;
        self.log_line("RESTART", reason);
        self.flush_log(evaluate);
        let nonce = &self.registration.nonce;
        let handover = lock(&self.batch).hand_over(nonce, reason.to_owned(), None);
        self.queue.connection.call(&self.registration.restart(&handover))?;
        let error = restart(&handover.text());
        self.log_line("RESTART", &format!("failed: {error}"));
        Ok(())
    }
}
