//! Who wants to know how far a transfer has come. Only the main thread asks.

use std::cell::Cell;

/// Called with the bytes done and the total, 0 if that is not known yet.
pub type Watch = fn(u64, u64);

thread_local! {
    static WATCH: Cell<Option<Watch>> = const { Cell::new(None) };
}

/// From now on, call this for each piece that this thread sends or receives.
pub fn set_watch(watch: Watch) {
    WATCH.set(Some(watch));
}

pub(super) fn report(done: u64, total: u64) {
    if let Some(watch) = WATCH.get() {
        watch(done, total);
    }
}
