//! The thread beside a worker's main thread. It never touches R. It
//! 1. renews the worker's lease, also while R computes in C for hours;
//! 2. hands back tasks of a batch that wait behind one that takes long, and reports those before;
//! 3. interrupts a task that runs longer than it may;
//! 4. starts the process anew when the task goes on all the same;
//! 5. wakes the main thread, asleep in the server, when the user interrupts it;
//! 6. ends the worker when the process that spawned it has gone.
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
use crate::process::{self, is_orphan};
use crate::scripts::{Call, WORKER_BEAT, WORKER_LOG, WORKER_RETURN};
use crate::status::Status;
use crate::worker::Task;
use crate::worker::leave::exit_call;
use crate::worker::restart::{Restart, end_at, restart_call};
use crate::worker::step::{Finish, Step};

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
    /// Whether it runs in a process of its own, to which no signal goes from here.
    pub isolated: bool,
    /// That process, once it runs.
    pub process: Option<u32>,
    /// Whether it was interrupted, for running longer or because it was cancelled.
    pub interrupted: bool,
    /// Whether that was because it was cancelled.
    pub cancelled: bool,
    /// When it must have ended, once it was interrupted.
    pub end_at: Option<Instant>,
    /// What has ended and was not reported yet.
    pub finished: Vec<Finish>,
    /// The number of the last step.
    pub sequence: u64,
}

impl Batch {
    /// Interrupt the current task, once. The signal is what Ctrl-C would send: R turns it into an
    /// interrupt of the running code.
    pub fn interrupt(&mut self, cancelled: bool, grace_s: f64) {
        if !self.interrupted {
            (self.interrupted, self.cancelled) = (true, cancelled);
            // The main thread looks after an isolated task, and sees the flag.
            if !self.isolated {
                self.end_at = end_at(grace_s);
                process::interrupt();
            }
        }
    }
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
    /// What it registered with.
    pub nonce: String,
    /// How long a task may go on after its interrupt, in seconds.
    pub grace_s: f64,
    /// How its process is started anew, if it may be.
    pub restart: Option<Restart>,
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
        self.return_waiting()?;
        self.flush()?;
        self.enforce_end()
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

    /// The signal is sent under the lock, so that the main thread knows whether one may still arrive.
    fn enforce_limit(&self) {
        let mut batch = lock(&self.charge.batch);
        let late =
            batch.since.zip(batch.limit).is_some_and(|(since, limit)| since.elapsed() >= limit);
        if late && !batch.isolated {
            batch.interrupt(false, self.charge.grace_s);
        }
    }

    /// End a task that did not mind its interrupt: it is reported as what it was interrupted for, and
    /// the process starts anew. The lock is held, so that the main thread cannot report it instead.
    fn enforce_end(&mut self) -> Result<()> {
        let shared = self.charge.batch.clone();
        let mut batch = lock(&shared);
        let overdue = batch.end_at.is_some_and(|at| Instant::now() >= at);
        let Some(task) = batch.current.clone().filter(|_| overdue) else {
            return Ok(());
        };
        let (keys, id, incarnation) =
            (&self.charge.keys, self.charge.id.as_str(), self.charge.incarnation);
        let (status, command) = match batch.cancelled {
            true => (Status::Cancelled, "CANCEL"),
            false => (Status::Timeout, Status::Timeout.word()),
        };
        let reason = format!("task {task} goes on {} s after its interrupt", self.charge.grace_s);
        let Some(Restart(restart)) = &self.charge.restart else {
            batch.end_at = None;
            let reason = format!("{reason}; its process is not ended, for it may be yours");
            let call = Call::new(&WORKER_LOG, vec![keys.worker(id).log()]).arg(command).arg(reason);
            return self.connection.call(&call).map(|_| ());
        };
        if !batch.waiting.is_empty() {
            self.connection.call(&return_call(keys, id, incarnation, &batch.waiting))?;
            batch.waiting.clear();
        }
        let ended = Some((task.as_str(), status));
        self.connection.call(&restart_call(keys, id, incarnation, &reason, ended))?;
        crate::worker::special::restore_output();
        eprintln!("RESTART {reason}");
        let error = restart(&self.charge.nonce);
        eprintln!("RESTART failed: {error}");
        process::end()
    }

    /// Report what has ended when the current task takes long. Should the answer be lost, it is
    /// reported once more with what ends next: the second time does not count.
    fn flush(&mut self) -> Result<()> {
        let shared = self.charge.batch.clone();
        let mut batch = lock(&shared);
        if !is_long(&batch) || batch.finished.is_empty() {
            return Ok(());
        }
        batch.sequence += 1;
        let Charge { keys, id, incarnation, .. } = &self.charge;
        let step = Step { keys, id, incarnation: *incarnation, queues: &[], want: 0, took: 0 };
        self.connection.call(&step.call(&batch))?;
        batch.finished.clear();
        Ok(())
    }

    /// Give back what waits behind a task that takes long. The lock is held until the server has
    /// answered, so that the main thread cannot start one of them meanwhile.
    fn return_waiting(&mut self) -> Result<()> {
        let batch = self.charge.batch.clone();
        let mut batch = lock(&batch);
        if !is_long(&batch) || batch.waiting.is_empty() {
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

/// Whether the current task delays others.
fn is_long(batch: &Batch) -> bool {
    batch.since.is_some_and(|since| since.elapsed() > PATIENCE)
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
