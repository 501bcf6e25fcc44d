//! What one turn of a worker did, and why a worker stops.

use std::fmt;

/// What a turn did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Ran this many tasks.
    Ran(usize),
    /// Answered a message.
    Answered,
    /// Did what was due: resolved lost workers or tasks whose dependencies have ended.
    Swept,
    /// Found nothing to do.
    Idle,
    /// The worker must leave.
    Stop(StopReason),
}

/// Why a worker leaves. Its text goes to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The user interrupted it.
    Interrupted,
    /// The process that spawned it has gone.
    ParentEnded,
    /// The queue was destroyed.
    QueueGone,
    /// It was idle for longer than its configuration allows.
    IdleTimeout,
    /// It has run this many tasks, as many as its configuration allows.
    MaxTasks(u64),
    /// It uses this many bytes of memory, more than its configuration allows.
    MaxMemory(u64),
    /// A message told it to stop, with this reason.
    Message(String),
}

impl StopReason {
    /// Whether the process has done enough: the worker may continue in a new one.
    pub fn is_recycling(&self) -> bool {
        matches!(self, StopReason::MaxTasks(_) | StopReason::MaxMemory(_))
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Interrupted => f.write_str("interrupted"),
            StopReason::ParentEnded => f.write_str("the session that started it has ended"),
            StopReason::QueueGone => f.write_str("the queue no longer exists"),
            StopReason::IdleTimeout => f.write_str("it was idle for too long"),
            StopReason::MaxTasks(n) => write!(f, "it has run {n} tasks"),
            StopReason::MaxMemory(bytes) => write!(f, "it uses {bytes} bytes of memory"),
            StopReason::Message(reason) => f.write_str(reason),
        }
    }
}
