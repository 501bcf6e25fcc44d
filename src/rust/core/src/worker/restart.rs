//! A worker whose process starts anew under the same registration: because it has done enough, or
//! because a task does not end. Who started the process gives the means; a worker in somebody's own
//! session has none, and leaves or goes on waiting.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::keys::Keys;
use crate::process;
use crate::scripts::{Call, WORKER_RESTART};
use crate::status::Status;
use crate::worker::evaluate::Evaluate;
use crate::worker::run::Worker;

/// A new process has this long to register.
const START: Duration = Duration::from_secs(60);

/// Replaces the process by a new one that registers with the nonce given; returns only the reason
/// why it could not.
#[derive(Clone)]
pub struct Restart(pub Arc<dyn Fn(&str) -> io::Error + Send + Sync>);

impl fmt::Debug for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restart")
    }
}

impl Worker {
    /// Why it has done enough, if it has.
    pub(super) fn worn(&self) -> Option<String> {
        let config = &self.options.config;
        if self.n_run as f64 >= config.max_tasks {
            return Some(format!("it has run {} tasks", self.n_run));
        }
        let memory = if config.max_memory.is_finite() { process::memory() } else { None };
        let too_large = memory.filter(|bytes| *bytes as f64 > config.max_memory);
        too_large.map(|bytes| format!("it occupies {bytes} bytes"))
    }

    /// How many tasks it may take now.
    pub(super) fn capacity(&self) -> usize {
        let left = self.options.config.max_tasks - self.n_run as f64;
        self.batch_size.min(left.max(1.0) as usize)
    }

    /// Start anew, between two tasks. Where that cannot be, this does nothing.
    pub(super) fn start_anew(&mut self, evaluate: &mut dyn Evaluate, reason: &str) -> Result<()> {
        let Some(Restart(restart)) = self.options.restart.clone() else {
            return Ok(());
        };
        (self.heartbeat, self.control) = (None, None);
        self.end_processes();
        self.step(0)?;
        self.say("RESTART", reason);
        self.report(evaluate);
        let (keys, id) = (&self.queue.keys, &self.options.id);
        let call = restart_call(keys, id, self.incarnation, reason, None);
        self.queue.connection.call(&call)?;
        let error = restart(&self.nonce);
        self.say("RESTART", &format!("failed: {error}"));
        Ok(())
    }
}

/// The request that ends a task, if any, and tells that the worker's process starts anew.
pub fn restart_call(
    keys: &Keys,
    id: &str,
    incarnation: i64,
    reason: &str,
    ended: Option<(&str, Status)>,
) -> Call {
    let own = keys.worker(id);
    let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due(), own.log()];
    let (task, status) = ended.unzip();
    let letter = status.map(|status: Status| status.letter().to_string());
    Call::new(&WORKER_RESTART, names)
        .arg(id)
        .arg(incarnation)
        .arg(reason)
        .arg(keys.prefix())
        .arg(START.as_millis() as u64)
        .arg(task.unwrap_or_default())
        .arg(letter.unwrap_or_default())
}

/// When code that was interrupted now must have ended.
pub fn end_at(grace_s: f64) -> Option<Instant> {
    Instant::now().checked_add(Duration::try_from_secs_f64(grace_s).ok()?)
}
