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

/// Why a worker leaves.
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
    /// A message told it to stop, with this reason or an empty one.
    Message(String),
    /// This went wrong.
    Failed(String),
}

impl StopReason {
    /// Whether the process has done enough: the worker may continue in a new one.
    pub fn is_recycling(&self) -> bool {
        matches!(self, StopReason::MaxTasks(_) | StopReason::MaxMemory(_))
    }

    /// What its log says: `OK` unless something went wrong.
    pub fn log_text(&self) -> String {
        match self {
            StopReason::Failed(reason) => reason.clone(),
            StopReason::Message(reason) if reason.is_empty() => "OK".to_owned(),
            StopReason::IdleTimeout => "OK (TIMEOUT)".to_owned(),
            reason => format!("OK ({reason})"),
        }
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
            StopReason::Message(reason) if reason.is_empty() => f.write_str("told to stop"),
            StopReason::Message(reason) | StopReason::Failed(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_worker_that_stops_in_order_says_ok() {
        assert_eq!(StopReason::Message(String::new()).log_text(), "OK");
        assert_eq!(StopReason::Message("enough".into()).log_text(), "OK (enough)");
        assert_eq!(StopReason::IdleTimeout.log_text(), "OK (TIMEOUT)");
        assert_eq!(StopReason::MaxTasks(2).log_text(), "OK (it has run 2 tasks)");
        assert_eq!(StopReason::Failed("no data".into()).log_text(), "no data");
        assert_eq!(StopReason::Message(String::new()).to_string(), "told to stop");
    }
}
