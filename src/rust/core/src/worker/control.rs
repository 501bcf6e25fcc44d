//! The thread beside a worker's main thread that interrupts its task when that is cancelled. What
//! to cancel stands in the task's header; the control list only wakes. So whatever is lost on the
//! way costs seconds at most, and while tasks are short the server is not asked at all.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::keys::Keys;
use crate::status::Status;
use crate::task::query;
use crate::worker::Verdict;
use crate::worker::heartbeat::{Charge, SharedBatch, interrupt_process, lock};

/// A task that has run this long is worth asking about, and how often to look for one.
const PATIENCE: Duration = Duration::from_millis(50);
/// The longest sleep in the server, so also how long the thread outlives its worker.
const BLOCK_S: f64 = 2.0;
/// After a failed request, the next comes this much later.
const RETRY: Duration = Duration::from_secs(1);

/// The running thread. It ends by itself some time after this is dropped.
pub struct Control {
    _quit: Sender<()>,
    _thread: JoinHandle<()>,
}

impl Control {
    /// Start the thread on a connection of its own.
    pub fn start(mut connection: Connection, charge: &Charge) -> Self {
        connection.set_patience(Duration::ZERO, never());
        let (quit, quitting) = bounded(0);
        let (keys, batch) = (charge.keys.clone(), charge.batch.clone());
        let list = keys.worker(&charge.id).control();
        let thread = std::thread::spawn(move || {
            Watch { connection, keys, list, batch }.run(&quitting);
        });
        Control { _quit: quit, _thread: thread }
    }
}

struct Watch {
    connection: Connection,
    keys: Keys,
    list: String,
    batch: SharedBatch,
}

impl Watch {
    fn run(&mut self, quit: &Receiver<()>) {
        let mut pause = PATIENCE;
        while quit.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            pause = match self.current().map(|id| self.attend(&id)) {
                Some(Err(_)) => RETRY,
                Some(Ok(())) => Duration::ZERO,
                None => PATIENCE,
            };
        }
    }

    /// The task that runs, if it does so for long and was not interrupted yet.
    fn current(&self) -> Option<String> {
        let batch = lock(&self.batch);
        let long = batch.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if long && !batch.interrupted { batch.current.clone() } else { None }
    }

    /// Interrupt the task if it was cancelled, else sleep until something is.
    fn attend(&mut self, id: &str) -> Result<()> {
        let header = query::header(&mut self.connection, &self.keys, id)?;
        if header.is_some_and(|header| header.is_to_stop()) {
            self.interrupt(id);
            return Ok(());
        }
        let mut command = redis::cmd("BLPOP");
        command.arg(&self.list).arg(BLOCK_S);
        self.connection.command(&command).map(|_| ())
    }

    /// The signal is sent under the lock, so that the main thread knows whether one may still arrive.
    fn interrupt(&self, id: &str) {
        let mut batch = lock(&self.batch);
        if batch.current.as_deref() == Some(id) && !batch.interrupted {
            (batch.cancelled, batch.interrupted) = (true, true);
            interrupt_process();
        }
    }
}

/// How a task ended that was interrupted because it was cancelled. Code that did not mind the
/// interrupt and completed has completed; any other end came from it.
pub fn cancelled(verdict: Verdict) -> Verdict {
    if verdict.status == Status::Complete {
        return Verdict { interrupted: false, ..verdict };
    }
    Verdict::new(Status::Cancelled, Vec::new())
}
