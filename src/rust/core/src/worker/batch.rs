//! The tasks a worker has claimed, shared by its threads.
//!
//! One lock guards them. Four threads take it: the main thread, which runs tasks and sends
//! steps; the lease thread (`heartbeat`, with `long_task`); the thread that enforces limits
//! (`limits`); and the control thread (`control`). Nobody waits for a reply while holding it, except
//! as 5 says: time limits must not depend on the server.
//!
//! 1. Only the main thread adds to `waiting` and `finished`, and starts and ends tasks
//!    (`start_next`, `end_running`).
//! 2. The lease thread moves all of `waiting` to `returning`, while a task runs, before it sends them
//!    back to the queue. Until the server has answered, nobody knows whether they are still held
//!    here, and the main thread starts none. It also takes out of `finished` what it has reported,
//!    and nothing that was added meanwhile.
//! 3. The server refuses a step with a smaller `sequence` than the last one it saw, which would tell
//!    the main thread that the worker is gone. The numbers are drawn under the lock: by the lease
//!    thread only while `running` is set, by the main thread only while it is `None`, and it starts no
//!    task before its step is answered. So no number of the lease thread is greater than that of a
//!    step of the main thread on its way. The other way round does no harm: a late step of the lease
//!    thread is refused, and what it reports was reported by the later one.
//! 4. A signal to the running task is sent under the lock, and noted in `running`. `end_running`
//!    takes the notes under the lock too, so the main thread knows of every signal which task it was
//!    for, even if it arrives after that task has ended.
//! 5. Whoever ends the process holds the lock from before its last requests until the process is
//!    gone, so that the main thread does not report a task whose end was reported for it, start
//!    another one, or act on a step that was refused because the last requests overtook it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::duration;
use crate::process;
use crate::status::Status;
use crate::task::Isolation;
use crate::worker::evaluate::{Evaluation, Task};
use crate::worker::restart::Handover;

/// The claimed tasks.
#[derive(Default)]
pub struct Batch {
    /// Claimed and not started.
    pub waiting: VecDeque<Task>,
    /// Claimed and not started, on their way back to the queue.
    pub returning: VecDeque<Task>,
    /// Whether the server may have taken those back without its reply getting through.
    pub maybe_returned: bool,
    /// The task that runs now.
    pub running: Option<Running>,
    /// What has ended and was not reported yet.
    pub finished: Vec<Finish>,
    /// The number of the last step.
    pub sequence: u64,
}

/// The task that runs now.
pub struct Running {
    /// Its id.
    pub id: String,
    /// When it started.
    pub since: Instant,
    /// How long it may run.
    pub limit: Option<Duration>,
    /// Whether it runs in a separate process, to which no signal is sent from here.
    pub isolated: bool,
    /// That process, once it runs.
    pub process: Option<u32>,
    /// Whether it was interrupted, because it ran too long or was cancelled.
    pub interrupted: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// When it must have ended, once it was interrupted.
    pub end_at: Option<Instant>,
}

/// A task that has ended and was not reported yet.
pub struct Finish {
    /// Its id.
    pub id: String,
    /// Which attempt it was.
    pub attempt: i64,
    /// How it ended.
    pub evaluation: Evaluation,
    /// The process it had of its own.
    pub process: Option<u32>,
    /// When it started.
    pub started: Instant,
    /// When it ended.
    pub ended: Instant,
}

impl Batch {
    /// Start the next waiting task.
    pub fn start_next(&mut self) -> Option<Task> {
        let task = self.waiting.pop_front()?;
        self.running = Some(Running {
            id: task.id.clone(),
            since: Instant::now(),
            limit: (task.body.timeout_s > 0.0).then(|| duration(task.body.timeout_s)),
            isolated: task.body.isolation() != Isolation::None,
            process: None,
            interrupted: false,
            cancelled: false,
            end_at: None,
        });
        Some(task)
    }

    /// End the running task; returns what the other threads noted of it.
    pub fn end_running(&mut self) -> Option<Running> {
        self.running.take()
    }

    /// The ids of the tasks that were started and not reported yet.
    pub fn begun(&self) -> Vec<String> {
        let finished = self.finished.iter().map(|finish| &finish.id);
        finished.chain(self.running.iter().map(|running| &running.id)).cloned().collect()
    }

    /// What to leave to the process that replaces this one. The request it describes is numbered
    /// like a step.
    pub fn hand_over(
        &mut self,
        nonce: &str,
        reason: String,
        ended: Option<(String, Status)>,
    ) -> Handover {
        self.sequence += 1;
        let (sequence, begun) = (self.sequence, self.begun());
        Handover { nonce: nonce.to_owned(), sequence, reason, ended, begun }
    }

    /// Which tasks and attempts have ended and were not reported yet.
    pub fn finished_keys(&self) -> Vec<(String, i64)> {
        self.finished.iter().map(Finish::key).collect()
    }

    /// These were reported.
    pub fn drop_reported(&mut self, keys: &[(String, i64)]) {
        self.finished.retain(|finish| !keys.contains(&finish.key()));
    }

    /// For how long the current task has run; nothing between tasks.
    pub fn age(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.since.elapsed())
    }
}

impl Finish {
    fn key(&self) -> (String, i64) {
        (self.id.clone(), self.attempt)
    }
}

impl Running {
    /// Interrupt the task, once. The signal is what Ctrl-C would send: R turns it into an interrupt
    /// of the running code. The main thread looks after an isolated task, and sees the note.
    pub fn interrupt(&mut self, cancelled: bool, grace_s: f64) {
        if self.interrupted {
            return;
        }
        (self.interrupted, self.cancelled) = (true, cancelled);
        if !self.isolated {
            self.end_at = Instant::now().checked_add(duration(grace_s));
            process::interrupt();
        }
    }
}

/// A `Batch` all threads can use.
pub type SharedBatch = Arc<Mutex<Batch>>;

/// Lock a batch; a thread that died holding it left it consistent.
pub fn lock(batch: &SharedBatch) -> MutexGuard<'_, Batch> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}
