//! How long a wait for the network may take.

use std::io;
use std::time::{Duration, Instant};

use super::stop::{SLICE, Stop, is_never};

/// What ends a wait.
#[derive(Clone)]
pub(super) struct Limits {
    /// Whether to give up.
    pub(super) stop: Stop,
    /// How long the server may be silent.
    pub(super) reply_timeout: Duration,
    /// When to give up at the latest.
    pub(super) deadline: Option<Instant>,
}

impl Limits {
    /// What a wait that has lasted so long fails with, if it is to end.
    pub(super) fn end(&self, waited: Duration) -> Option<io::Error> {
        if (self.stop)() {
            return Some(io::ErrorKind::Interrupted.into());
        }
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        (is_late || waited >= self.reply_timeout).then(|| io::ErrorKind::TimedOut.into())
    }

    /// For how long a wait that begins now may last.
    pub(super) fn left(&self) -> Duration {
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        self.reply_timeout.min(left.unwrap_or(Duration::MAX))
    }

    /// How long one system call may wait. Who cannot be interrupted need not wake up to ask.
    pub(super) fn slice(&self) -> Duration {
        let is_alone = is_never(&self.stop) && self.deadline.is_none();
        let slice = if is_alone { self.reply_timeout } else { self.reply_timeout.min(SLICE) };
        slice.max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::never;

    #[test]
    fn a_wait_that_begins_late_has_less_time() {
        let reply_timeout = Duration::from_secs(30);
        let limits = |deadline| Limits { stop: never(), reply_timeout, deadline };
        assert_eq!(limits(None).left(), reply_timeout);
        assert_eq!(limits(Some(Instant::now())).left(), Duration::ZERO);
        let soon = Instant::now() + Duration::from_secs(5);
        assert!(limits(Some(soon)).left() <= Duration::from_secs(5));
    }
}
