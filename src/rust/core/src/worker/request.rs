//! Every request a worker sends under its registration, with its reply. Any of its threads may send
//! them, and each may be sent again after its reply was lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use redis::Value;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::message::Message;
use crate::scripts::{
    Call, MESSAGE_RESPOND, WORKER_BEAT, WORKER_BEGIN, WORKER_EXIT, WORKER_LOG, WORKER_READY,
    WORKER_REGISTER, WORKER_RESTART, WORKER_RETURN, WORKER_STEP, WORKER_WAKE,
};
use crate::status::{Status, WorkerStatus};
use crate::task::Body;
use crate::value;
use crate::worker::batch::Batch;
use crate::worker::evaluate::Task;
use crate::worker::restart::Handover;

/// A process that replaces another one has this long to register.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);

/// The name and number under which a worker sends its requests.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The names of the queue's keys.
    pub keys: Keys,
    /// The worker.
    pub id: String,
    /// The nonce of the request: repeating it yields the same registration.
    pub nonce: String,
    /// Its number. The server rejects requests with an older one.
    pub incarnation: i64,
}

/// What a step asks for. Its number and what it reports are in the batch.
pub struct Step<'a> {
    /// The queues to claim tasks from.
    pub queues: &'a [String],
    /// How many tasks to claim at most.
    pub claim_limit: usize,
    /// How many of the tasks it then holds the worker may begin before it says so.
    pub window: usize,
    /// Whether the worker has slept and may have taken a wake marker.
    pub woken: bool,
    /// When it fell asleep, in ms of server time, if the step is sent before; otherwise 0.
    pub asleep_ms: i64,
}

impl Step<'_> {
    /// A step that only reports.
    pub const REPORT: Step<'static> =
        Step { queues: &[], claim_limit: 0, window: 0, woken: false, asleep_ms: 0 };
}

/// What the worker should do next. `due` means that something in the queue is due, so the worker
/// should sweep.
pub enum StepReply {
    /// Register again: this registration is no longer valid.
    Gone,
    /// Answer this message.
    Message(Message),
    /// Run these tasks.
    Tasks { tasks: Vec<Task>, due: bool },
    /// Sleep until the next timer. `at_ms` is the server's time.
    Idle { next: Duration, paused: bool, due: bool, at_ms: i64 },
}

impl Registration {
    /// Register. The reply is the incarnation, 0 if a worker of that name is alive, or -1 if the
    /// queue no longer exists.
    pub fn register(&self, lease: Duration, info: &[u8]) -> Call {
        let (keys, own) = (&self.keys, self.keys.worker(&self.id));
        let names = vec![
            keys.workers(),
            keys.worker_infos(),
            keys.counters(),
            keys.due(),
            own.log(),
            keys.tasks(),
            own.heartbeat(),
            keys.config(),
        ];
        Call::new(&WORKER_REGISTER, names)
            .arg(&self.id)
            .arg(&self.nonce)
            .arg(lease.as_millis() as u64)
            .arg(info)
            .arg(keys.prefix())
    }

    /// The environment is built: count as alive. `sequence` is that of the last step or restart. The reply is 0 if the worker was declared lost
    /// meanwhile, otherwise 1.
    pub fn ready(&self, queues: &[String], sequence: u64) -> Call {
        let own = self.keys.worker(&self.id);
        Call::new(&WORKER_READY, vec![self.keys.workers(), own.log()])
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(queues.join(" "))
            .arg(sequence)
    }

    /// Renew the lease.
    pub fn beat(&self) -> Call {
        let keys = &self.keys;
        let names = vec![keys.workers(), keys.due(), keys.worker(&self.id).heartbeat()];
        Call::new(&WORKER_BEAT, names).arg(&self.id).arg(self.incarnation)
    }

    /// Wake the main thread if it sleeps in the server.
    pub fn wake(&self) -> Call {
        let names = vec![self.keys.workers(), self.keys.worker(&self.id).wake()];
        Call::new(&WORKER_WAKE, names).arg(&self.id).arg(self.incarnation)
    }

    /// Report what has ended and ask for tasks.
    pub fn step(&self, step: &Step<'_>, batch: &Batch) -> Call {
        let (keys, own) = (&self.keys, self.keys.worker(&self.id));
        let mut names = vec![
            keys.workers(),
            keys.tasks(),
            keys.bodies(),
            keys.results(),
            keys.extras(),
            keys.counters(),
            keys.due(),
            own.messages(),
            own.log(),
        ];
        names.extend(step.queues.iter().map(|name| keys.queue(name)));
        names.extend(step.queues.iter().map(|name| keys.wake(name)));
        let mut call = Call::new(&WORKER_STEP, names)
            .arg(keys.prefix())
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(batch.sequence)
            .arg(step.claim_limit)
            .arg(step.window)
            .arg(step.woken)
            .arg(step.asleep_ms)
            .arg(step.queues.join("\0"));
        let now = Instant::now();
        for finish in &batch.finished {
            let evaluation = &finish.evaluation;
            call.push(&finish.id);
            call.push(finish.attempt);
            call.push(evaluation.status.letter().to_string());
            call.push(now.saturating_duration_since(finish.started).as_micros() as u64);
            call.push(now.saturating_duration_since(finish.ended).as_micros() as u64);
            call.push(evaluation.value.as_slice());
            call.push(evaluation.extra.as_slice());
            call.push(if evaluation.is_object {
                "o"
            } else if evaluation.is_final {
                "0"
            } else {
                "1"
            });
            call.push(finish.process.map(|pid| pid.to_string()).unwrap_or_default());
        }
        call
    }

    /// Announce that the worker is about to begin tasks, up to this one. The reply is 1, or 0 if it
    /// no longer holds that one.
    pub fn begin(&self, last: &str) -> Call {
        Call::new(&WORKER_BEGIN, vec![self.keys.workers()])
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(last)
    }

    /// Hand back tasks that were claimed and not started. `sequence` is that of the last step.
    pub fn return_tasks(&self, tasks: &VecDeque<Task>, sequence: u64) -> Call {
        let keys = &self.keys;
        let names = vec![keys.workers(), keys.tasks(), keys.counters()];
        let mut call = Call::new(&WORKER_RETURN, names)
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(sequence)
            .arg(keys.prefix());
        for task in tasks {
            call.push(&task.id);
        }
        call
    }

    /// Report that the worker's process is about to be replaced, and how the running task, if any,
    /// ended.
    pub fn restart(&self, handover: &Handover) -> Call {
        let keys = &self.keys;
        let log = keys.worker(&self.id).log();
        let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due(), log];
        let (task, status) = handover.ended.clone().unzip();
        let letter = status.map(|status: Status| status.letter().to_string());
        Call::new(&WORKER_RESTART, names)
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(handover.sequence)
            .arg(&handover.reason)
            .arg(keys.prefix())
            .arg(RESTART_TIMEOUT.as_millis() as u64)
            .arg(task.unwrap_or_default())
            .arg(letter.unwrap_or_default())
            .arg(&handover.begun)
    }

    /// Report that the worker has left, and which tasks it had begun and not reported.
    pub fn exit(&self, reason: &str, begun: &[String]) -> Call {
        let (keys, own) = (&self.keys, self.keys.worker(&self.id));
        let mut names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
        names.extend([own.log(), own.messages(), own.wake(), own.heartbeat(), own.control()]);
        Call::new(&WORKER_EXIT, names)
            .arg(&self.id)
            .arg(self.incarnation)
            .arg(reason)
            .arg(keys.prefix())
            .arg(begun)
    }

    /// Add a line to the worker's log.
    pub fn log(&self, command: &str, message: &str) -> Call {
        log_call(&self.keys, &self.id, command, message)
    }

    /// Answer a message, and set the worker's status if it pauses or resumes. The reply is 0 if the
    /// message was answered before.
    pub fn respond(&self, message: &Message, answer: Vec<u8>, to: Option<WorkerStatus>) -> Call {
        let (keys, own) = (&self.keys, self.keys.worker(&self.id));
        let names = vec![
            own.messages(),
            own.responses(),
            own.log(),
            keys.events(message.watch),
            keys.workers(),
        ];
        Call::new(&MESSAGE_RESPOND, names)
            .arg(&self.id)
            .arg(&message.id)
            .arg(&message.command)
            .arg(answer)
            .arg(message.raw.as_slice())
            .arg(to.map_or("", WorkerStatus::word))
    }
}

/// The request that adds a line to the log of a worker.
pub fn log_call(keys: &Keys, id: &str, command: &str, message: &str) -> Call {
    let names = vec![keys.worker(id).log(), keys.workers()];
    Call::new(&WORKER_LOG, names).arg(command).arg(message).arg(id)
}

impl StepReply {
    /// Read the reply to a step.
    pub fn read(reply: Value) -> Result<Self> {
        let mut parts = value::array(reply)?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let kind = value::text(next())?;
        match kind.as_str() {
            "GONE" => Ok(StepReply::Gone),
            "MESSAGE" => Ok(StepReply::Message(Message::parse(value::bytes(next())?)?)),
            "TASKS" => {
                let due = value::integer(next())? == 1;
                Ok(StepReply::Tasks { tasks: read_tasks(parts)?, due })
            }
            "IDLE" => {
                let due = value::integer(next())? == 1;
                let wait_ms = value::integer(next())?.max(0).unsigned_abs();
                let paused = value::text(next())? == WorkerStatus::Paused.word();
                let at_ms = value::integer(next())?;
                Ok(StepReply::Idle { next: Duration::from_millis(wait_ms), paused, due, at_ms })
            }
            other => {
                Err(Error::Protocol { reason: format!("it is no reply to a step: {other:.40}") })
            }
        }
    }

    /// Whether something in the queue is due.
    pub fn is_due(&self) -> bool {
        matches!(self, StepReply::Tasks { due: true, .. } | StepReply::Idle { due: true, .. })
    }
}

/// A body that cannot be read ends only its task.
fn read_tasks(mut parts: impl Iterator<Item = Value>) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    while let (Some(id), Some(attempt), Some(body)) = (parts.next(), parts.next(), parts.next()) {
        let id = value::text(id)?;
        let attempt = value::integer(attempt)?;
        let stored = value::maybe_bytes(body)?;
        let (body, damage) = match stored.as_deref().map(Body::unpack) {
            Some(Ok(body)) => (body, None),
            Some(Err(error)) => (Body::unreadable(), Some(error.to_string())),
            None => (Body::unreadable(), Some("it is missing".to_owned())),
        };
        tasks.push(Task { id, attempt, body, damage });
    }
    Ok(tasks)
}
