//! What an error of the redis crate means for a request.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// How that crate wraps an error of another crate.
type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Whether a signal interrupted a system call.
pub(super) fn is_disturbed(error: &RedisError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<Source>());
    let source = source.and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

/// Whether this is a reply of the server: then the link is still usable.
pub(super) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// Whether the server denies access, so that a retry is pointless.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}

/// The code of the error. Servers before version 7 put the code of an error in a script behind a
/// general message.
fn code(error: &RedisError) -> Option<&str> {
    match error.detail() {
        Some(text) if text.starts_with("Error running script") => {
            text.split_once(": -").and_then(|(_, inner)| inner.split(' ').next())
        }
        _ => error.code(),
    }
}

/// Whether the server has become a replica: its name may resolve to another server by now.
pub(super) fn is_of_replica(error: &RedisError) -> bool {
    matches!(code(error), Some("READONLY" | "MASTERDOWN" | "UNBLOCKED"))
}

/// Whether the same request may succeed a moment later.
pub(super) fn is_passing(error: &RedisError) -> bool {
    let passing = ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "UNBLOCKED", "READONLY"];
    if code(error).is_some_and(|code| passing.contains(&code)) {
        return true;
    }
    match error.kind() {
        ErrorKind::Io => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        _ => false,
    }
}
