//! The trait `Evaluate`, the interface between the loop and user code, and the types it uses.

use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::message::Message;
use crate::queue::Queue;
use crate::status::Status;
use crate::store::{Reader, Writer};
use crate::task::{self, Body, Isolation, TaskResult};

/// A task a worker has claimed.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// What to run.
    pub body: Body,
    /// Why the body cannot be read, if so; then there is nothing to run.
    pub damage: Option<String>,
}

/// How the evaluation of a task ended.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Complete, error, timeout or died.
    pub status: Status,
    /// The serialised value or error.
    pub value: Vec<u8>,
    /// Warnings and the like, serialised; empty for none.
    pub extra: Vec<u8>,
    /// Whether the user interrupted the worker.
    pub interrupted: bool,
    /// Whether its error is one that the task's rules do not retry.
    pub is_final: bool,
    /// Whether `value` is the hash of an object that the worker has stored.
    pub is_object: bool,
}

impl Evaluation {
    /// An end with only a status and a value.
    pub fn new(status: Status, value: Vec<u8>) -> Self {
        Evaluation {
            status,
            value,
            extra: Vec::new(),
            interrupted: false,
            is_final: false,
            is_object: false,
        }
    }
}

/// What else a message changes in the worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Leave, as told, for this reason or none.
    Stop(String),
    /// Leave, because this went wrong.
    Fail(String),
    /// Take no tasks until resumed.
    Pause,
    /// Take tasks again.
    Resume,
    /// The environment was rebuilt: fork servers must be started again.
    Refresh,
    /// Exit after being idle this many seconds.
    TimeoutIdle(f64),
}

/// The answer to a message.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The serialised answer.
    pub value: Vec<u8>,
    /// What else to do.
    pub effect: Effect,
}

/// How a process for isolated tasks is started.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// Whether it forks tasks. Otherwise it runs one task, whose directory is its last argument.
    pub forks: bool,
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables in addition to those of the worker.
    pub env: Vec<(String, String)>,
}

/// The idle time-out, for messages that query it.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Seconds of idleness after which it exits.
    pub timeout_s: f64,
    /// Seconds left until then.
    pub remaining_s: f64,
}

/// Where a task gets data that its body only refers to, and puts its value.
pub trait Fetch {
    /// The names of the queue's keys, for messages.
    fn keys(&self) -> &Keys;
    /// The object stored under `hash`.
    fn object(&mut self, hash: &str) -> Result<Reader<'_>>;
    /// A place for the value of the task.
    fn value(&mut self) -> Writer<'_>;
    /// The results of the tasks it depends on.
    fn results(&mut self, ids: &[String]) -> Result<Vec<TaskResult>>;
}

impl Fetch for Queue {
    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn object(&mut self, hash: &str) -> Result<Reader<'_>> {
        self.store().reader(hash)
    }

    fn value(&mut self) -> Writer<'_> {
        self.store().writer()
    }

    fn results(&mut self, ids: &[String]) -> Result<Vec<TaskResult>> {
        task::parent_results(self, ids)
    }
}

/// A line of the log that a worker prints.
#[derive(Debug, Clone)]
pub struct Printed {
    /// When it happened.
    pub time: SystemTime,
    /// What happened.
    pub command: String,
    /// To what.
    pub message: String,
}

/// Runs the code of tasks and messages. It never fails: errors are values, too.
pub trait Evaluate {
    /// Run a task. `fetch` reads what its body refers to.
    fn evaluate(&mut self, task: &Task, fetch: &mut dyn Fetch) -> Evaluation;
    /// How to start the process for an isolated task; `None` if that is not possible.
    fn launcher(&self, isolation: Isolation) -> Option<Launcher>;
    /// The end of a task whose own code did not report how it ended.
    fn ended(&mut self, task: &Task, status: Status, reason: &str) -> Evaluation;
    /// The end of a task for which something that is stored cannot be read.
    #[allow(clippy::needless_pass_by_value)] // errors of the engine cannot be cloned
    fn unreadable(&mut self, task: &Task, error: Error) -> Evaluation {
        self.ended(task, Status::Error, &error.to_string())
    }
    /// Write out what was printed so far.
    fn flush(&mut self) {}
    /// Answer a message.
    fn answer(&mut self, message: &Message, idle: Idle) -> Answer;
    /// Drop an interrupt that was meant for a task but came after its end.
    fn drop_interrupt(&mut self) {}
    /// Print what happened.
    fn print_log(&mut self, lines: &[Printed]);
}
