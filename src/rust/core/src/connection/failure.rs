//! What an error of the redis crate means for a request.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::Error;

/// How that crate wraps an error of another crate.
type Source = Arc<dyn std::error::Error + Send + Sync>;

/// The error of the operating system.
pub(super) fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    let source = error.source()?.downcast_ref::<Source>()?;
    source.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// Whether a signal interrupted a system call.
pub(super) fn is_disturbed(error: &RedisError) -> bool {
    io_kind(error) == Some(io::ErrorKind::Interrupted)
}

/// Whether this is a reply of the server: then the link is still usable.
pub(super) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// Whether the server denies access, so that a retry is pointless.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    login_problem(error).is_some() || error.code() == Some("NOPERM")
}

/// Why the server does not let this client in.
fn login_problem(error: &RedisError) -> Option<&'static str> {
    match (error.code(), error.detail()) {
        (Some("NOAUTH"), _) => Some("requires a password, and the URL has none"),
        (Some("WRONGPASS"), _) => Some("rejected the user name or password"),
        (_, Some(text)) if text.contains("without any password configured") => {
            Some("has no password, but the URL has one")
        }
        _ => None,
    }
}

pub(super) const TOO_MANY_CLIENTS: &str =
    "has reached its limit of clients; close some, or raise its `maxclients`";

/// Whether the server has reached its limit of clients. It then closes the link.
fn is_full(error: &RedisError) -> bool {
    error.detail().is_some_and(|text| text.starts_with("max number of clients"))
}

/// The place that holds the keys of a request, as a node of a cluster names it behind their slot.
pub(super) fn moved_to(error: &RedisError) -> Option<(String, u16)> {
    let replies = error.clone().into_server_errors()?;
    let (_, reply) = replies.first()?;
    let place = reply.details().filter(|_| reply.kind() == Some(ServerErrorKind::Moved))?;
    let (host, port) = place.rsplit_once(' ')?.1.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Whether the server is reading its data from disk.
pub(super) fn is_loading(error: &RedisError) -> bool {
    code(error).as_deref() == Some("LOADING")
}

/// Why the server cannot do what was requested, and what to do.
fn problem(error: &RedisError, db: i64) -> Option<String> {
    let detail = error.detail().unwrap_or_default();
    if is_full(error) {
        return Some(TOO_MANY_CLIENTS.into());
    }
    if detail.contains("DB index") || detail.starts_with("SELECT is not allowed") {
        return Some(format!("has no database {db}; change the number at the end of the URL"));
    }
    if let Some((host, port)) = moved_to(error) {
        return Some(format!(
            "is a cluster node, but node {host}:{port} holds this queue; connect with \
             `redis+cluster://`"
        ));
    }
    match code(error).as_deref() {
        Some("ASK") => Some("hands this queue to another node, which takes long".into()),
        Some("READONLY") => {
            Some("is a replica, which rejects writes; connect to its primary".into())
        }
        Some("CLUSTERDOWN") => Some(format!("belongs to a cluster that is down: {detail}")),
        _ => None,
    }
}

/// The error of the engine for one of that crate.
pub(super) fn explain(source: RedisError, address: String, db: i64) -> Error {
    if let Some(problem) = login_problem(&source) {
        return Error::Authentication { address, problem, source };
    }
    let detail = source.detail().unwrap_or_default().to_owned();
    match (problem(&source, db), source.kind()) {
        (Some(problem), _) => Error::ServerUnsuitable { address, problem },
        (None, ErrorKind::Parse) => Error::Protocol { reason: detail },
        (None, ErrorKind::InvalidClientConfig) if !detail.is_empty() => {
            Error::Tls { address, reason: detail }
        }
        (None, ErrorKind::Client) => Error::ServerUnsuitable { address, problem: detail },
        _ if is_out_of_memory(&source) => Error::ServerFull { address },
        // Of the engine's scripts: they take whatever is stored for what they once stored.
        _ if is_script_failure(&source) => {
            Error::corrupt("what the queue stores", source.to_string())
        }
        _ if is_answer(&source) => Error::Redis(source),
        _ => Error::Connection { address, source },
    }
}

/// Whether the server has used up its memory.
pub(super) fn is_out_of_memory(error: &RedisError) -> bool {
    code(error).as_deref() == Some("OOM")
}

/// Whether a script stopped because it met something that it did not expect.
fn is_script_failure(error: &RedisError) -> bool {
    let text = error.detail().unwrap_or_default();
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && text.contains("user_script")
}

/// Code and text of the error; those of the first one in a pipeline or a transaction.
fn first_reply(error: &RedisError) -> (Option<String>, Option<String>) {
    let replies = error.clone().into_server_errors();
    match replies.as_ref().and_then(|replies| replies.first()) {
        Some((_, reply)) => (Some(reply.code().into()), reply.details().map(str::to_owned)),
        None => (error.code().map(str::to_owned), error.detail().map(str::to_owned)),
    }
}

/// The code of the error. Servers before version 7 put the code of an error in a script behind a
/// general message.
fn code(error: &RedisError) -> Option<String> {
    let (code, detail) = first_reply(error);
    match detail {
        Some(text) if text.starts_with("Error running script") => {
            text.split_once(": -").and_then(|(_, inner)| inner.split(' ').next()).map(str::to_owned)
        }
        _ => code,
    }
}

/// Whether the server has become a replica: its name may resolve to another server by now.
pub(super) fn is_of_replica(error: &RedisError) -> bool {
    matches!(code(error).as_deref(), Some("READONLY" | "MASTERDOWN" | "UNBLOCKED"))
}

/// Codes of errors that pass: the server is short of something, or busy, or another one takes over.
/// The scripts of a server may be flushed between loading one and calling it.
const PASSING: &[&str] = &[
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
];

/// The error of a reply that makes no sense.
pub(super) fn unreadable(detail: String) -> RedisError {
    (ErrorKind::Parse, "the reply makes no sense", detail).into()
}

/// Whether the same request may succeed a moment later. What makes no sense may be due to the network,
/// and certificates and Sentinels may be mended.
pub(super) fn is_passing(error: &RedisError) -> bool {
    let is_known = code(error).is_some_and(|code| PASSING.contains(&code.as_str()));
    let kind = error.kind();
    is_full(error)
        || is_known
        || matches!(
            kind,
            ErrorKind::Client | ErrorKind::InvalidClientConfig | ErrorKind::Io | ErrorKind::Parse
        )
}
