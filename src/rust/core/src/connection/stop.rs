//! What ends a wait early: the user.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Called during every wait: whether to give up. Must be cheap and callable from any thread.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// A `Stop` that never stops.
pub fn never() -> Stop {
    static NEVER: LazyLock<Stop> = LazyLock::new(|| Arc::new(|| false));
    NEVER.clone()
}

/// Whether it need not be asked.
pub(super) fn is_never(stop: &Stop) -> bool {
    Arc::ptr_eq(stop, &never())
}

/// The longest sleep between two calls of `Stop`.
pub const SLICE: Duration = Duration::from_millis(100);
