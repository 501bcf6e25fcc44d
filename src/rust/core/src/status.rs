//! The statuses of tasks and workers, with the words and letters for them. The letters are those of
//! `lua/_common.lua`; no other file of Rust spells these words.

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Waits in its queue.
    Pending = 1,
    /// Claimed by a worker.
    Running = 2,
    /// Ended with a value.
    Complete = 3,
    /// Ended with an R error.
    Error = 4,
    /// Cancelled by a user.
    Cancelled = 5,
    /// Its worker or process was lost.
    Died = 6,
    /// Exceeded its time limit.
    Timeout = 7,
    /// Waits for its dependencies.
    Deferred = 8,
    /// A dependency failed.
    Impossible = 9,
    /// Retried under another id.
    Moved = 10,
    /// No such task.
    Missing = 0,
}

impl Status {
    /// Every state a known task can have, in the order they are listed to users.
    pub const ALL: [Status; 10] = [
        Status::Pending,
        Status::Running,
        Status::Complete,
        Status::Error,
        Status::Cancelled,
        Status::Died,
        Status::Timeout,
        Status::Deferred,
        Status::Impossible,
        Status::Moved,
    ];

    /// The word users see.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pending => "PENDING",
            Status::Running => "RUNNING",
            Status::Complete => "COMPLETE",
            Status::Error => "ERROR",
            Status::Cancelled => "CANCELLED",
            Status::Died => "DIED",
            Status::Timeout => "TIMEOUT",
            Status::Deferred => "DEFERRED",
            Status::Impossible => "IMPOSSIBLE",
            Status::Moved => "MOVED",
            Status::Missing => "MISSING",
        }
    }

    /// The letter it is stored as.
    pub fn letter(self) -> char {
        char::from(b'@' + self as u8)
    }

    /// The state stored as this letter; any other is no task.
    pub fn from_letter(letter: u8) -> Self {
        let of = |status: &Status| status.letter() == char::from(letter);
        Status::ALL.into_iter().find(of).unwrap_or(Status::Missing)
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether the task has ended.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Status::Pending | Status::Running | Status::Deferred)
    }
}

/// The status of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerStatus {
    /// Builds its environment.
    Starting,
    /// Waits for tasks.
    Idle,
    /// Runs a task.
    Busy,
    /// Claims no tasks until it is resumed.
    Paused,
    /// Has exited.
    Exited,
    /// Its lease has expired.
    Lost,
}

impl WorkerStatus {
    /// Every state a worker can have.
    pub const ALL: [WorkerStatus; 6] = [
        WorkerStatus::Starting,
        WorkerStatus::Idle,
        WorkerStatus::Busy,
        WorkerStatus::Paused,
        WorkerStatus::Exited,
        WorkerStatus::Lost,
    ];

    /// The word it is stored as, which users see.
    pub fn word(self) -> &'static str {
        match self {
            WorkerStatus::Starting => "STARTING",
            WorkerStatus::Idle => "IDLE",
            WorkerStatus::Busy => "BUSY",
            WorkerStatus::Paused => "PAUSED",
            WorkerStatus::Exited => "EXITED",
            WorkerStatus::Lost => "LOST",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        WorkerStatus::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether the worker takes part: its environment is built and it has not left.
    pub fn is_active(self) -> bool {
        matches!(self, WorkerStatus::Idle | WorkerStatus::Busy | WorkerStatus::Paused)
    }

    /// Whether the worker has left.
    pub fn has_exited(self) -> bool {
        matches!(self, WorkerStatus::Exited | WorkerStatus::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_words_lead_back_to_their_state() {
        for status in Status::ALL {
            assert_eq!(Status::from_letter(status.letter() as u8), status);
            assert_eq!(Status::from_word(status.word()), Some(status));
        }
        assert_eq!(Status::from_letter(b'-'), Status::Missing);
        for status in WorkerStatus::ALL {
            assert_eq!(WorkerStatus::from_word(status.word()), Some(status));
        }
        assert_eq!(WorkerStatus::from_word("ASLEEP"), None);
    }

    #[test]
    fn words_are_those_of_the_scripts() {
        let scripts = include_str!("../lua/_common.lua");
        for status in Status::ALL {
            let row = format!("{} = '{}'", status.letter(), status.word());
            assert!(scripts.contains(&row), "{row}");
        }
    }
}
