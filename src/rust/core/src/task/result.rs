//! The result of a task.

use crate::status::Status;

/// The result of a task.
#[derive(Debug, Clone)]
pub struct TaskResult {
    /// Its status.
    pub status: Status,
    /// Its serialised value or error; `None` where no worker was left to send one, and for an object.
    pub value: Option<Vec<u8>>,
    /// The hash of the object that its value is stored as.
    pub object: Option<String>,
    /// The worker that ran it, or empty.
    pub worker: String,
    /// How many times a worker claimed it.
    pub attempt: u64,
    /// Whether rare attributes are stored for it.
    pub has_extra: bool,
    /// Whether it died because too many workers were lost while they ran it.
    pub is_poison: bool,
}

impl TaskResult {
    /// Of a task that completed, with a value and without rare attributes.
    pub(super) fn complete(worker: impl Into<String>, attempt: u64, value: Vec<u8>) -> Self {
        TaskResult {
            status: Status::Complete,
            value: Some(value),
            object: None,
            worker: worker.into(),
            attempt,
            has_extra: false,
            is_poison: false,
        }
    }
}
