//! The thread beside a worker's main thread that listens, whatever the main thread does. It
//! 1. interrupts the current task when that is cancelled: what to cancel stands in the task's
//!    header, the control list only wakes;
//! 2. answers pings;
//! 3. ends the process when the worker is to be killed.
//!
//! Whatever is lost on the way costs seconds, or an answer. While nothing comes it asks the server
//! for one thing every few seconds.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::keys::Keys;
use crate::process;
use crate::status::Status;
use crate::task::query;
use crate::value;
use crate::worker::Verdict;
use crate::worker::heartbeat::{Charge, SharedBatch, lock, return_call};
use crate::worker::leave::exit_call;
use crate::worker::ping::{self, Order};

/// A task that has run this long is worth asking about, and a worker listening for.
const PATIENCE: Duration = Duration::from_millis(50);
/// The longest sleep in the server, so also how long the thread may outlive its worker.
const BLOCK_S: f64 = 5.0;
/// For this long after a cancel the tasks that begin are asked about, too: the one that is meant may
/// be on its way here. The sleep is this short meanwhile.
const ALERT: Duration = Duration::from_secs(2);
const ALERT_BLOCK_S: f64 = 0.1;
/// After a failed request, the next comes this much later.
const RETRY: Duration = Duration::from_secs(1);
/// A process that was told to end has this long before it is ended.
const KILL_GRACE: Duration = Duration::from_secs(1);

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
        let mut watch = Watch {
            connection,
            id: charge.id.clone(),
            incarnation: charge.incarnation,
            started: charge.started,
            grace_s: charge.grace_s,
            keys: charge.keys.clone(),
            batch: charge.batch.clone(),
            alert: None,
        };
        let thread = std::thread::spawn(move || watch.run(&quitting));
        Control { _quit: quit, _thread: thread }
    }
}

struct Watch {
    connection: Connection,
    id: String,
    incarnation: i64,
    started: Instant,
    grace_s: f64,
    keys: Keys,
    batch: SharedBatch,
    /// When the last cancel came.
    alert: Option<Instant>,
}

impl Watch {
    fn run(&mut self, quit: &Receiver<()>) {
        let mut pause = PATIENCE;
        while quit.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let round = self.attend().and_then(|()| self.listen());
            let quitting = quit.try_recv().is_err_and(|error| error.is_disconnected());
            pause = match round {
                Err(_) => RETRY,
                Ok(None) => Duration::ZERO,
                Ok(Some(entry)) if quitting => return self.put_back(&entry),
                Ok(Some(entry)) => match self.obey(&entry) {
                    Ok(()) => Duration::ZERO,
                    Err(_) => RETRY,
                },
            };
        }
    }

    fn is_alert(&self) -> bool {
        self.alert.is_some_and(|since| since.elapsed() < ALERT)
    }

    /// Interrupt the current task if it was cancelled.
    fn attend(&mut self) -> Result<()> {
        let Some(id) = self.current() else {
            return Ok(());
        };
        let header = query::header(&mut self.connection, &self.keys, &id)?;
        if header.is_some_and(|header| header.is_to_stop()) {
            self.interrupt(&id);
        }
        Ok(())
    }

    /// The task that runs, if it is worth asking about and was not interrupted yet.
    fn current(&self) -> Option<String> {
        let batch = lock(&self.batch);
        let long = batch.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        let ask = (long || self.is_alert()) && !batch.interrupted;
        if ask { batch.current.clone() } else { None }
    }

    /// The signal is sent under the lock, so that the main thread knows whether one may still arrive.
    fn interrupt(&self, id: &str) {
        let mut batch = lock(&self.batch);
        if batch.current.as_deref() == Some(id) {
            batch.interrupt(true, self.grace_s);
        }
    }

    /// Sleep until something comes.
    fn listen(&mut self) -> Result<Option<String>> {
        let block_s = if self.is_alert() { ALERT_BLOCK_S } else { BLOCK_S };
        let mut command = redis::cmd("BLPOP");
        command.arg(self.list()).arg(block_s);
        let entry = value::array(self.connection.command(&command)?)?.pop();
        entry.map(value::text).transpose()
    }

    fn list(&self) -> String {
        self.keys.worker(&self.id).control()
    }

    /// It was meant for a worker of the same name that came after this one.
    fn put_back(&mut self, entry: &str) {
        let mut command = redis::cmd("LPUSH");
        command.arg(self.list()).arg(entry);
        let _ = self.connection.command(&command);
    }

    fn obey(&mut self, entry: &str) -> Result<()> {
        match Order::parse(entry, self.incarnation) {
            Order::Cancel => self.alert = Some(Instant::now()),
            Order::Ping { watch, nonce } => {
                let answer = self.describe(&nonce);
                self.connection.command(&ping::answer(&self.keys, watch, &answer))?;
            }
            Order::Kill => self.kill(),
            Order::Nothing => {}
        }
        Ok(())
    }

    fn describe(&self, nonce: &str) -> String {
        let batch = lock(&self.batch);
        let task = batch.current.as_deref().unwrap_or("-");
        let age = batch.since.map_or(Duration::ZERO, |since| since.elapsed());
        ping::describe(nonce, &self.id, task, age, self.started.elapsed())
    }

    /// Leave for the worker and end its process. The lock is held, so that the main thread begins
    /// nothing any more; a server that cannot be reached finds the worker lost.
    fn kill(&mut self) {
        let batch = self.batch.clone();
        let batch = lock(&batch);
        let (keys, id, incarnation) = (&self.keys, self.id.as_str(), self.incarnation);
        if !batch.waiting.is_empty() {
            let _ = self.connection.call(&return_call(keys, id, incarnation, &batch.waiting));
        }
        let _ = self.connection.call(&exit_call(keys, id, incarnation, "killed"));
        process::terminate();
        std::thread::sleep(KILL_GRACE);
        process::end();
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
