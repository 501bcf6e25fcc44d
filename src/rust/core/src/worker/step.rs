//! One request of a worker: what has ended goes out, what to do next comes in. Requests are
//! numbered, so that one repeated after a lost reply gets the same answer again.

use std::time::{Duration, Instant};

use redis::Value;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::message::Message;
use crate::scripts::{Call, WORKER_STEP};
use crate::task::Body;
use crate::value;
use crate::worker::evaluate::{Task, Verdict};
use crate::worker::heartbeat::{Batch, lock};
use crate::worker::run::Worker;

/// A task that has ended and was not reported yet.
pub struct Finish {
    pub id: String,
    pub attempt: i64,
    pub verdict: Verdict,
    /// The process it had of its own.
    pub process: Option<u32>,
    pub started: Instant,
    pub ended: Instant,
}

/// What the server wants to be done next.
pub enum Reply {
    /// Nothing any more: the worker is not registered.
    Gone,
    /// Answer this.
    Message(Message),
    /// Run these.
    Tasks(Vec<Task>),
    /// Sleep until the next timer.
    Idle { next: Duration, paused: bool },
}

/// A step as it is asked for; what it reports, and its number, stand in the batch.
pub struct Step<'a> {
    /// The names of the queue's keys.
    pub keys: &'a Keys,
    /// The worker.
    pub id: &'a str,
    /// Its incarnation.
    pub incarnation: i64,
    /// The queues to take tasks from.
    pub queues: &'a [String],
    /// How many tasks to take.
    pub want: usize,
    /// The queue whose wake marker was taken, counted from 1; 0 for none.
    pub took: usize,
}

impl Step<'_> {
    /// The request.
    pub fn call(&self, batch: &Batch) -> Call {
        let (keys, own) = (self.keys, self.keys.worker(self.id));
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
        names.extend(self.queues.iter().map(|name| keys.queue(name)));
        names.extend(self.queues.iter().map(|name| keys.wake(name)));
        let mut call = Call::new(&WORKER_STEP, names)
            .arg(self.id)
            .arg(self.incarnation)
            .arg(batch.sequence)
            .arg(self.want)
            .arg(self.took)
            .arg(keys.prefix())
            .arg(self.queues.len())
            .arg(self.queues);
        let now = Instant::now();
        for finish in &batch.finished {
            call.push(&finish.id);
            call.push(finish.attempt);
            call.push(finish.verdict.status.letter().to_string());
            call.push(now.saturating_duration_since(finish.started).as_micros() as u64);
            call.push(now.saturating_duration_since(finish.ended).as_micros() as u64);
            call.push(finish.verdict.value.as_slice());
            call.push(finish.verdict.extra.as_slice());
            call.push(i64::from(!finish.verdict.is_final));
            call.push(finish.process.map(|pid| pid.to_string()).unwrap_or_default());
        }
        call
    }
}

impl Worker {
    /// Report what has ended and ask for up to `want` tasks.
    pub(super) fn step(&mut self, want: usize) -> Result<Reply> {
        let (id, queues) = (self.options.id.as_str(), self.queues.as_slice());
        let (keys, incarnation, took) = (&self.queue.keys, self.incarnation, self.took);
        let step = Step { keys, id, incarnation, queues, want, took };
        let call = {
            let mut batch = lock(&self.batch);
            batch.sequence += 1;
            step.call(&batch)
        };
        let reply = self.queue.connection.call(&call)?;
        lock(&self.batch).finished.clear();
        self.took = 0;
        self.read_reply(reply)
    }

    fn read_reply(&mut self, reply: Value) -> Result<Reply> {
        let mut parts = value::array(reply)?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let kind = value::text(next())?;
        match kind.as_str() {
            "GONE" => Ok(Reply::Gone),
            "MESSAGE" => Ok(Reply::Message(Message::parse(value::bytes(next())?)?)),
            "TASKS" => {
                self.due = value::integer(next())? == 1;
                Ok(Reply::Tasks(read_tasks(parts)?))
            }
            "IDLE" => {
                self.due = value::integer(next())? == 1;
                let wait_ms = value::integer(next())?.max(0).unsigned_abs();
                let paused = value::text(next())? == "PAUSED";
                Ok(Reply::Idle { next: Duration::from_millis(wait_ms), paused })
            }
            other => Err(Error::corrupt("the answer to a step", other)),
        }
    }
}

fn read_tasks(mut parts: impl Iterator<Item = Value>) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    while let (Some(id), Some(attempt), Some(body)) = (parts.next(), parts.next(), parts.next()) {
        let id = value::text(id)?;
        let body = Body::unpack(&id, &value::bytes(body)?)?;
        tasks.push(Task { id, attempt: value::integer(attempt)?, body });
    }
    Ok(tasks)
}
