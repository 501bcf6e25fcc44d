//! How a process replaces itself by a new one, in place. Whoever started the process provides the
//! means; a worker in somebody's own session has none.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Replaces the process by a new one that registers with the nonce given; returns only the reason
/// why it could not.
#[derive(Clone)]
pub struct Restart(pub Arc<dyn Fn(&str) -> io::Error + Send + Sync>);

impl fmt::Debug for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restart")
    }
}
