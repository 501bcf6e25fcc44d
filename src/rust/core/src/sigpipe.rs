//! A write to a socket that the other side has closed raises SIGPIPE. Before Rust 1.90 the standard
//! library prevents that for TCP only, and R's handler would jump through frames of Rust. Blocking a
//! signal needs unsafe code, so the boundary provides the function that does it.
//!
//! The main thread blocks SIGPIPE only while it writes, because R and the programs that it starts
//! expect the signal. Threads of the engine never run R, so they block it for good.

use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

static HOLD: OnceLock<fn(bool)> = OnceLock::new();

/// Set the function that blocks SIGPIPE in this thread (`true`), or discards a pending one and
/// unblocks it (`false`). Without it nothing is blocked.
pub fn set_hold(hold: fn(bool)) {
    let _ = HOLD.set(hold);
}

/// Run `f`, which writes to sockets and does not call back into R: a closed one is an error only.
pub(crate) fn held<T>(f: impl FnOnce() -> T) -> T {
    struct Held(fn(bool));
    impl Drop for Held {
        fn drop(&mut self) {
            (self.0)(false);
        }
    }
    let _held = HOLD.get().map(|hold| {
        hold(true);
        Held(*hold)
    });
    f()
}

/// Start a thread that is never sent SIGPIPE.
pub(crate) fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::spawn(|| held(f))
}
