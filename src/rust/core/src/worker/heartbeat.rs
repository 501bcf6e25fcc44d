//! The thread beside a worker's main thread. It never touches R. It
//! 1. renews the worker's lease, also while R computes in C for hours;
//! 2. hands back tasks of a batch that wait behind one that takes long;
//! 3. interrupts a task that runs longer than it may;
//! 4. wakes the main thread, asleep in the server, when the user interrupts it;
//! 5. ends the worker when the process that spawned it has gone.
//!
//! A failing server does not end it: it goes on until it is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::{Connection, SLICE, Stop, never};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, WORKER_BEAT, WORKER_RETURN};
use crate::worker::Task;
use crate::worker::leave::exit_call;
use crate::worker::process::{self, is_orphan};

/// A task of a batch may delay those behind it this long before they go back to their queue.
const PATIENCE: Duration = Duration::from_millis(50);
/// After its parent has gone, a worker in the middle of a task is ended this much later.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);

/// The claimed tasks, shared by the threads.
#[derive(Default)]
pub struct Batch {
    /// Claimed and not started.
    pub waiting: VecDeque<Task>,
    /// The id of the current task.
    pub current: Option<String>,
    /// Since when the current task runs.
    pub since: Option<Instant>,
    /// How long it may.
    pub limit: Option<Duration>,
    /// Whether it was interrupted, for running longer or because it was cancelled.
    pub interrupted: bool,
    /// Whether that was because it was cancelled.
    pub cancelled: bool,
}

/// A `Batch` all threads can use.
pub type SharedBatch = Arc<Mutex<Batch>>;

/// Lock a batch; a thread that died holding it left it consistent.
pub fn lock(batch: &SharedBatch) -> std::sync::MutexGuard<'_, Batch> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread needs to know.
pub struct Charge {
    /// The worker.
    pub id: String,
    /// Its incarnation.
    pub incarnation: i64,
    /// When it began to work.
    pub started: Instant,
    /// The names of the queue's keys.
    pub keys: Keys,
    /// How often to renew the lease.
    pub period: Duration,
    /// The process that spawned the worker, if the worker must not outlive it.
    pub parent: Option<u32>,
    /// Whether the user wants the main thread to stop.
    pub stop: Stop,
    /// The claimed tasks.
    pub batch: SharedBatch,
}

/// The running thread; it ends when this is dropped.
pub struct Heartbeat {
    quit: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Start the thread on a connection of its own.
    pub fn start(mut connection: Connection, charge: Charge) -> Self {
        // A server that does not answer must not keep the thread from its other duties.
        connection.set_patience(Duration::ZERO, never());
        let (quit, quitting) = bounded(0);
        let thread = std::thread::spawn(move || {
            let (beaten, orphaned) = (Instant::now(), None);
            Keeper { connection, charge, beaten, orphaned }.run(&quitting);
        });
        Heartbeat { quit: Some(quit), thread: Some(thread) }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.quit.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeper {
    connection: Connection,
    charge: Charge,
    beaten: Instant,
    orphaned: Option<Instant>,
}

impl Keeper {
    fn run(&mut self, quit: &Receiver<()>) {
        while quit.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) {
            // Errors pass: the next round tries again, and a lapsed lease shows in the main thread.
            let _ = self.round();
        }
    }

    fn round(&mut self) -> Result<()> {
        if is_orphan(self.charge.parent) {
            self.end_orphan()?;
        }
        if (self.charge.stop)() {
            self.wake()?;
        }
        self.enforce_limit();
        self.beat_if_due()?;
        self.return_waiting()
    }

    fn beat_if_due(&mut self) -> Result<()> {
        if self.beaten.elapsed() >= self.charge.period {
            self.beat()?;
            self.beaten = Instant::now();
        }
        Ok(())
    }

    fn beat(&mut self) -> Result<()> {
        let (keys, id) = (&self.charge.keys, &self.charge.id);
        let names = vec![keys.workers(), keys.due(), keys.worker(id).heartbeat()];
        let call = Call::new(&WORKER_BEAT, names).arg(id).arg(self.charge.incarnation);
        self.connection.call(&call).map(|_| ())
    }

    fn wake(&mut self) -> Result<()> {
        let mut command = redis::cmd("ZADD");
        command.arg(self.charge.keys.worker(&self.charge.id).wake()).arg(0).arg("i");
        self.connection.command(&command).map(|_| ())
    }

    /// The signal is what Ctrl-C would send: R turns it into an interrupt of the running code. It is
    /// sent under the lock, so that the main thread knows whether one may still arrive.
    fn enforce_limit(&self) {
        let mut batch = lock(&self.charge.batch);
        let late =
            batch.since.zip(batch.limit).is_some_and(|(since, limit)| since.elapsed() >= limit);
        if late && !batch.interrupted {
            batch.interrupted = true;
            process::interrupt();
        }
    }

    /// Give back what waits behind a task that takes long. The lock is held until the server has
    /// answered, so that the main thread cannot start one of them meanwhile.
    fn return_waiting(&mut self) -> Result<()> {
        let batch = self.charge.batch.clone();
        let mut batch = lock(&batch);
        let late = batch.since.is_some_and(|since| since.elapsed() > PATIENCE);
        if !late || batch.waiting.is_empty() {
            return Ok(());
        }
        let charge = &self.charge;
        let call = return_call(&charge.keys, &charge.id, charge.incarnation, &batch.waiting);
        // Sent until it is answered: tasks that went back unnoticed would run here and elsewhere. A
        // refusal is an answer: they are still here, and the main thread may run them.
        loop {
            match self.connection.call(&call) {
                Err(Error::Connection { .. }) if !self.is_ending() => {
                    let _ = self.beat_if_due();
                    std::thread::sleep(SLICE);
                }
                Ok(_) => {
                    batch.waiting.clear();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ending(&self) -> bool {
        (self.charge.stop)() || is_orphan(self.charge.parent)
    }

    /// Idle workers leave by themselves when woken; one in the middle of a task is ended.
    fn end_orphan(&mut self) -> Result<()> {
        let since = *self.orphaned.get_or_insert_with(Instant::now);
        if since.elapsed() < ORPHAN_GRACE {
            return self.wake();
        }
        let (keys, id) = (&self.charge.keys, &self.charge.id);
        let reason = "the session that started it has ended";
        let _ = self.connection.call(&exit_call(keys, id, self.charge.incarnation, reason));
        process::end()
    }
}

/// The request that gives back tasks that were claimed and not started.
pub fn return_call(keys: &Keys, id: &str, incarnation: i64, waiting: &VecDeque<Task>) -> Call {
    let names = vec![keys.workers(), keys.tasks(), keys.counters()];
    let mut call = Call::new(&WORKER_RETURN, names).arg(id).arg(incarnation).arg(keys.prefix());
    for task in waiting {
        call.push(&task.id);
    }
    call
}
