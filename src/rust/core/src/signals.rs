//! Which threads receive signals. R's handlers jump on the stack of the main thread, so no other
//! thread may run them, and none may run while the main thread is in Rust code. Blocking a signal
//! needs unsafe code, so the boundary provides the functions that do it.
//!
//! A write to a socket that the other side has closed raises SIGPIPE; before Rust 1.90 the standard
//! library prevents that for TCP only. The main thread blocks SIGPIPE only while it writes, because R
//! and the programs that it starts expect the signal.

use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

static MASKS: OnceLock<Masks> = OnceLock::new();

/// How to change the signal mask of the calling thread: each is called with `true`, then `false`.
#[derive(Debug, Clone, Copy)]
pub struct Masks {
    /// Blocks SIGPIPE, or discards a pending one and unblocks it.
    pub pipe: fn(bool),
    /// Blocks all signals that can be blocked, or restores the mask of before.
    pub all: fn(bool),
}

/// Set the functions that change masks. Without them nothing is blocked.
pub fn set_masks(masks: Masks) {
    let _ = MASKS.set(masks);
}

fn masked<T>(mask: Option<fn(bool)>, f: impl FnOnce() -> T) -> T {
    struct Masked(fn(bool));
    impl Drop for Masked {
        fn drop(&mut self) {
            (self.0)(false);
        }
    }
    let _masked = mask.map(|mask| {
        mask(true);
        Masked(mask)
    });
    f()
}

/// Run `f`, which writes to sockets and does not call back into R: a closed socket is only an error.
pub(crate) fn held<T>(f: impl FnOnce() -> T) -> T {
    masked(MASKS.get().map(|masks| masks.pipe), f)
}

/// Start a thread that receives no signals: it inherits the mask of this moment.
pub(crate) fn spawn(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    unsignalled(|| thread::spawn(f))
}

/// Run `f`: the threads that it starts receive no signals.
pub fn unsignalled<T>(f: impl FnOnce() -> T) -> T {
    masked(MASKS.get().map(|masks| masks.all), f)
}
