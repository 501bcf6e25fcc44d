//! What a task has emitted.

/// The events of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emitted {
    /// The number of the oldest one that is kept, from 1.
    pub first: u64,
    /// The number of the next one to come.
    pub next: u64,
    /// Those asked for, serialised, up to the newest.
    pub events: Vec<Vec<u8>>,
}
