//! Waiting for what a process or a file does, which nothing announces.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often to look.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// Wait until something is true; returns whether it is within the limit.
pub(super) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL);
    }
    true
}
