//! A worker's life: register, turn after turn, leave. One turn asks what to do and does it; the
//! loop only repeats it.

use std::time::{Duration, Instant};

use crate::config::WorkerConfig;
use crate::connection::Stop;
use crate::error::{Error, Result};
use crate::process::is_orphan;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::Isolation;
use crate::value;
use crate::worker::control::{self, Control};
use crate::worker::evaluate::{Evaluate, Task};
use crate::worker::heartbeat::{Batch, Heartbeat, SharedBatch, lock};
#[cfg(unix)]
use crate::worker::isolate::Isolate;
#[cfg(unix)]
use crate::worker::recorder::Recorder;
use crate::worker::restart::Restart;
use crate::worker::step::{Finish, Reply};
use crate::worker::sweep;

/// The longest sleep without asking for work, unless configured.
const POLL_S: f64 = 5.0;
/// Tiny tasks are claimed together: as many as take about `BATCH`, at most `BATCH_MAX`.
const BATCH: Duration = Duration::from_millis(10);
const BATCH_MAX: usize = 64;
/// Only tasks shorter than this travel together.
const TINY: Duration = Duration::from_millis(2);
/// What a batch has finished is reported at least this often.
const FLUSH: Duration = Duration::from_millis(10);
/// A worker repeats a failing request until it succeeds or the user ends it.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) const INTERRUPTED: &str = "interrupted";

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub id: String,
    /// How it behaves.
    pub config: WorkerConfig,
    /// What it says of itself, serialised.
    pub info: Vec<u8>,
    /// The process it must not outlive.
    pub parent: Option<u32>,
    /// How its process is started anew, if it may be.
    pub restart: Option<Restart>,
    /// The nonce of the registration to take over from the process it replaces.
    pub resume: Option<String>,
}

/// What a turn did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Ran this many tasks.
    Ran(usize),
    /// Answered a message.
    Answered,
    /// Did what was due: settled lost workers or tasks whose dependencies have ended.
    Swept,
    /// Found nothing to do.
    Idle,
    /// The worker must leave, for this reason.
    Stop(String),
}

/// A worker of this process.
pub struct Worker {
    pub(super) queue: Queue,
    pub(super) options: Options,
    pub(super) queues: Vec<String>,
    pub(super) incarnation: i64,
    pub(super) nonce: String,
    /// Whether it took over the registration of the process it replaces.
    pub(super) resumed: bool,
    /// How many tasks it has run.
    pub(super) n_run: u64,
    /// Whether it has done enough.
    pub(super) is_worn: bool,
    /// The queue whose wake marker was taken, counted from 1; 0 for none.
    pub(super) took: usize,
    /// Whether a timer is due that any worker may serve.
    pub(super) due: bool,
    pub(super) batch: SharedBatch,
    pub(super) batch_size: usize,
    lines: Vec<(String, String)>,
    pub(super) started: Instant,
    pub(super) idle_since: Instant,
    pub(super) stop: Stop,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) control: Option<Control>,
    #[cfg(unix)]
    pub(super) isolate: Isolate,
    #[cfg(unix)]
    pub(super) recorder: Option<Recorder>,
}

impl Worker {
    /// Register a worker. It takes part once `ready` is called.
    pub fn register(mut queue: Queue, options: Options, stop: Stop) -> Result<Self> {
        queue.connection.set_patience(PATIENCE, stop.clone());
        let mut worker = Worker {
            queues: options.config.queues(),
            queue,
            options,
            incarnation: 0,
            nonce: String::new(),
            resumed: false,
            n_run: 0,
            is_worn: false,
            took: 0,
            due: false,
            batch: SharedBatch::default(),
            batch_size: 1,
            lines: Vec::new(),
            started: Instant::now(),
            idle_since: Instant::now(),
            stop,
            heartbeat: None,
            control: None,
            #[cfg(unix)]
            isolate: Isolate::default(),
            #[cfg(unix)]
            recorder: None,
        };
        worker.enter()?;
        Ok(worker)
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.options.id
    }

    /// The queue it works for.
    pub fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// How it behaves.
    pub fn config(&self) -> &WorkerConfig {
        &self.options.config
    }

    /// Turn until there is a reason to leave, leave, and return the reason.
    pub fn run(&mut self, evaluate: &mut dyn Evaluate, immediate: bool) -> Result<String> {
        loop {
            match self.turn(evaluate, !immediate) {
                Ok(Turn::Stop(reason)) => return self.leave(evaluate, reason),
                Err(Error::Interrupted) => return self.leave(evaluate, INTERRUPTED.into()),
                Err(error) => return Err(error),
                Ok(Turn::Idle) if immediate => return Ok(String::new()),
                Ok(_) => {}
            }
        }
    }

    /// One turn. With `block` it waits for something to do, for as long as a poll takes.
    pub fn turn(&mut self, evaluate: &mut dyn Evaluate, block: bool) -> Result<Turn> {
        if (self.stop)() {
            return Ok(Turn::Stop(INTERRUPTED.into()));
        }
        if is_orphan(self.options.parent) {
            return Ok(Turn::Stop("the session that started it has ended".into()));
        }
        if let Some(reason) = self.worn() {
            self.is_worn = true;
            return Ok(Turn::Stop(reason));
        }
        let reply = self.step(self.capacity())?;
        if let Reply::Tasks(tasks) = &reply {
            lock(&self.batch).waiting.extend(tasks.iter().cloned());
        }
        if self.due {
            sweep(&mut self.queue)?;
        }
        match reply {
            Reply::Gone => self.come_back(),
            Reply::Message(message) => self.answer(evaluate, &message),
            Reply::Tasks(tasks) => self.run_batch(evaluate, &tasks),
            // That may have brought work.
            Reply::Idle { .. } if self.due => Ok(Turn::Swept),
            Reply::Idle { next, paused } => {
                self.report(evaluate);
                self.rest(next, paused, block)
            }
        }
    }

    fn run_batch(&mut self, evaluate: &mut dyn Evaluate, tasks: &[Task]) -> Result<Turn> {
        for task in tasks {
            self.say("TASK_START", &task.id);
        }
        self.report(evaluate);
        let (begun, mut flushed, mut n) = (Instant::now(), Instant::now(), 0u32);
        while let Some(task) = self.next_waiting() {
            n += 1;
            if self.evaluate(evaluate, &task) {
                return Ok(Turn::Stop(INTERRUPTED.into()));
            }
            if flushed.elapsed() > FLUSH && !lock(&self.batch).waiting.is_empty() {
                if let Reply::Gone = self.step(0)? {
                    return self.come_back();
                }
                flushed = Instant::now();
            }
        }
        self.adapt(begun.elapsed() / n.max(1));
        self.idle_since = Instant::now();
        Ok(Turn::Ran(n as usize))
    }

    fn next_waiting(&self) -> Option<Task> {
        let mut batch = lock(&self.batch);
        let task = batch.waiting.pop_front()?;
        batch.current = Some(task.id.clone());
        batch.since = Some(Instant::now());
        batch.isolated = task.body.isolation() != Isolation::None;
        batch.limit = (task.body.timeout_s > 0.0).then(|| seconds(task.body.timeout_s));
        Some(task)
    }

    /// Run one task; returns whether the user interrupted the worker meanwhile.
    fn evaluate(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> bool {
        let started = Instant::now();
        let mut verdict = self.run_task(evaluate, task);
        let ended = Instant::now();
        let signal = self.end_task();
        if signal.interrupted {
            // It was meant for the task, whether it came in time or not.
            evaluate.forget_interrupt();
            if verdict.interrupted && !signal.cancelled {
                // R's clock started later than ours and took it for the user's.
                verdict.status = Status::Timeout;
                verdict.value = Vec::new();
            }
            verdict.interrupted = false;
        }
        if signal.cancelled {
            verdict = control::cancelled(verdict);
        }
        self.say(&format!("TASK_{}", verdict.status.word()), &task.id);
        let (id, attempt) = (task.id.clone(), task.attempt);
        let interrupted = verdict.interrupted;
        self.n_run += 1;
        let process = signal.process;
        let finish = Finish { id, attempt, verdict, process, started, ended };
        lock(&self.batch).finished.push(finish);
        interrupted
    }

    /// What the other threads did to the task: an interrupt may have come too late.
    fn end_task(&self) -> Batch {
        let mut batch = lock(&self.batch);
        let (waiting, finished) =
            (std::mem::take(&mut batch.waiting), std::mem::take(&mut batch.finished));
        let rest = Batch { waiting, finished, sequence: batch.sequence, ..Batch::default() };
        std::mem::replace(&mut *batch, rest)
    }

    /// Claim more at a time while tasks are tiny, one by one as soon as they are not.
    fn adapt(&mut self, mean: Duration) {
        self.batch_size = if mean < TINY {
            let fit = BATCH.as_nanos() / mean.as_nanos().max(1);
            (self.batch_size * 4).min(fit as usize).clamp(1, BATCH_MAX)
        } else {
            1
        };
    }

    /// Sleep in the server until woken. What is popped there only wakes: losing it costs one poll.
    fn rest(&mut self, next: Duration, paused: bool, block: bool) -> Result<Turn> {
        let limit = self.options.config.timeout_idle;
        let left = limit - self.idle_since.elapsed().as_secs_f64();
        if left <= 0.0 {
            return Ok(Turn::Stop("it was idle for too long".into()));
        }
        if !block {
            return Ok(Turn::Idle);
        }
        let poll = self.options.config.poll_queue.unwrap_or(POLL_S).min(POLL_S);
        let pause = seconds(poll.min(left)).min(next.max(Duration::from_millis(10)));
        let keys = &self.queue.keys;
        let mut names = vec![keys.worker(&self.options.id).wake()];
        if !paused {
            names.extend(self.queues.iter().map(|name| keys.wake(name)));
        }
        let mut command = redis::cmd("BZPOPMIN");
        command.arg(&names).arg(pause.as_secs_f64().max(0.01));
        let popped = self.queue.connection.block(&command)?.unwrap_or_default();
        if let Some(key) = value::array(popped)?.into_iter().next() {
            let key = value::text(key)?;
            self.took = names.iter().position(|name| *name == key).unwrap_or(0);
        }
        Ok(Turn::Idle)
    }

    pub(super) fn say(&mut self, command: &str, message: &str) {
        if self.options.config.verbose {
            self.lines.push((command.to_owned(), message.to_owned()));
        }
    }

    pub(super) fn report(&mut self, evaluate: &mut dyn Evaluate) {
        if !self.lines.is_empty() {
            evaluate.report(&self.lines);
            self.lines.clear();
        }
    }
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
