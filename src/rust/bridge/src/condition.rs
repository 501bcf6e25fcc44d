//! Converts errors of the engine to what the R half raises as conditions: a list of class, message,
//! ids and their statuses.

use extendr_api::{Robj, list};
use rrq_core::Error;

use crate::convert::or_null;

/// What a boundary function returns.
pub type RResult<T> = Result<T, Failure>;

/// Why a boundary function failed.
#[derive(Debug)]
pub enum Failure {
    /// An error of the engine.
    Engine(Error),
    /// R could not write or read a value.
    Serialize(String),
    /// A value could not be stored.
    Store(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) | Failure::Store(error) => error,
            Failure::Serialize(reason) => Error::corrupt("an R value", reason),
        }
    }
}

impl From<Failure> for Robj {
    fn from(failure: Failure) -> Self {
        let (class, message, ids) = match &failure {
            Failure::Engine(error) | Failure::Store(error) => {
                (class_of(error), error.to_string(), ids_of(error))
            }
            Failure::Serialize(reason) => ("serialize", reason.clone(), Vec::new()),
        };
        let status = statuses_of(&failure);
        list!(class = class, message = message, ids = ids, status = or_null(status)).into()
    }
}

/// Whether something that is stored cannot be read.
pub fn is_damage(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Serialize(_)
            | Failure::Engine(Error::Corrupt { .. } | Error::ObjectMissing { .. })
    )
}

/// Where a field of a key cannot be read, the error that names both; other failures stay as they are.
pub fn unreadable(key: &str, field: &str, failure: Failure) -> Failure {
    let reason = match failure {
        Failure::Serialize(reason) => reason,
        Failure::Engine(Error::Corrupt { what, reason }) => format!("{what}: {reason}"),
        Failure::Engine(Error::ObjectMissing { .. }) => "it is missing".to_owned(),
        other => return other,
    };
    Error::unreadable(key, field, reason).into()
}

/// The status of each of the ids, where that is the reason.
fn statuses_of(failure: &Failure) -> Option<Vec<String>> {
    match failure {
        Failure::Engine(
            Error::TaskState { statuses, .. } | Error::TaskUnfinished { statuses, .. },
        ) => Some(statuses.clone()),
        _ => None,
    }
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::Connection { .. } => "connection",
        Error::Authentication { .. } => "authentication",
        Error::ServerUnsuitable { .. } => "server_unsuitable",
        Error::ServerFull { .. } => "server_full",
        Error::QueueFull { .. } => "queue_full",
        Error::PartlyQueued { source, .. } => class_of(source),
        Error::NotRedis { .. } => "not_redis",
        Error::Tls { .. } => "tls",
        Error::Protocol { .. } => "protocol",
        Error::TimedOut { .. } => "timeout",
        Error::Url { .. } => "url",
        Error::Redis(_) => "redis",
        Error::Layout { .. } => "layout",
        Error::QueueExists { .. } => "queue_exists",
        Error::QueueMissing { .. } => "queue_missing",
        Error::TaskMissing { .. } => "task_missing",
        Error::ParentFailed { .. } => "dependency_failed",
        Error::NotDurable { .. } => "not_durable",
        Error::TaskUnfinished { .. } => "task_unfinished",
        Error::TaskState { .. } => "task_state",
        Error::TaskRepeated { .. } => "task_repeated",
        Error::WorkerMissing { .. } => "worker_missing",
        Error::WorkerActive { .. } => "worker_active",
        Error::WorkerExists { .. } => "worker_exists",
        Error::WorkerGone { .. } => "worker_gone",
        Error::NoWorkers => "no_workers",
        Error::ConfigMissing { .. } => "config_missing",
        Error::FileRefused { .. } => "file_refused",
        Error::FilesLarge { .. } => "files_large",
        Error::FilesMissing { .. } => "files_missing",
        Error::ObjectMissing { .. } => "object_missing",
        Error::ObjectLate => "object_late",
        Error::ObjectLarge { .. } => "object_large",
        Error::Offload { .. } => "offload",
        Error::OffloadUnknown { .. } => "offload_unknown",
        Error::OffloadPath { .. } => "offload_path",
        Error::HeartbeatExists { .. } => "heartbeat_exists",
        Error::EventLarge { .. } => "event_large",
        Error::WatchClosed => "watch_closed",
        Error::Corrupt { .. } => "corrupt",
        Error::ServerMissing => "server_missing",
        Error::ServerStart { .. } => "server_start",
        Error::Interrupted => "interrupted",
        Error::Io { .. } => "io",
    }
}

fn ids_of(error: &Error) -> Vec<String> {
    match error {
        Error::TaskMissing { ids }
        | Error::TaskState { ids, .. }
        | Error::TaskRepeated { ids }
        | Error::TaskUnfinished { ids, .. }
        | Error::WorkerMissing { ids }
        | Error::WorkerActive { ids }
        | Error::PartlyQueued { ids, .. }
        | Error::NotDurable { ids, .. }
        | Error::ParentFailed { ids, .. } => ids.clone(),
        Error::QueueExists { id } | Error::WorkerExists { id } | Error::WorkerGone { id } => {
            vec![id.clone()]
        }
        Error::ConfigMissing { name } | Error::FileRefused { name, .. } => vec![name.clone()],
        Error::FilesMissing { names } => names.clone(),
        Error::ObjectMissing { hashes } => hashes.clone(),
        Error::OffloadUnknown { hash } => vec![hash.clone()],
        Error::Offload { path, .. } | Error::OffloadPath { path, .. } => vec![path.clone()],
        Error::QueueMissing { queue }
        | Error::QueueFull { queue, .. }
        | Error::Layout { queue, .. } => vec![queue.clone()],
        Error::HeartbeatExists { key } => vec![key.clone()],
        Error::Connection { address, .. }
        | Error::Authentication { address, .. }
        | Error::ServerUnsuitable { address, .. }
        | Error::ServerFull { address }
        | Error::Tls { address, .. }
        | Error::TimedOut { address }
        | Error::NotRedis { address, .. } => vec![address.clone()],
        Error::Url { url, .. } => vec![url.clone()],
        Error::Redis(_)
        | Error::Protocol { .. }
        | Error::NoWorkers
        | Error::FilesLarge { .. }
        | Error::ObjectLate
        | Error::ObjectLarge { .. }
        | Error::Corrupt { .. }
        | Error::ServerMissing
        | Error::ServerStart { .. }
        | Error::Interrupted
        | Error::EventLarge { .. }
        | Error::WatchClosed
        | Error::Io { .. } => Vec::new(),
    }
}
