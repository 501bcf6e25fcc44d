//! The one error type of the engine: a variant for each case that a caller may handle differently.
//! Addresses never carry passwords. A failed task is not an error; it is data.

mod names;

use std::io;
use std::path::Path;

use names::{name_some, name_tasks};

/// What the engine's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server could be reached, or the connection was lost and retries failed.
    #[error("cannot reach the Redis server at {address}: {source}")]
    Connection {
        /// The server, without credentials.
        address: String,
        /// What the client library reported.
        source: redis::RedisError,
    },

    /// The server rejected the user name or password, or requires a password.
    #[error("the Redis server at {address} {problem}: {source}")]
    Authentication {
        /// The server, without credentials.
        address: String,
        /// What is wrong, to follow the address.
        problem: &'static str,
        /// What the client library reported.
        source: redis::RedisError,
    },

    /// The server cannot hold queues: it is too old, a replica, a Sentinel, full and the like.
    #[error("the Redis server at {address} {problem}")]
    ServerUnsuitable {
        /// The server, without credentials.
        address: String,
        /// What is wrong and what to do, to follow the address.
        problem: String,
    },

    /// The server has used up the memory it may use, after retries.
    #[error("the Redis server at {address} has no memory left: it has reached its `maxmemory`")]
    ServerFull {
        /// The server, without credentials.
        address: String,
    },

    /// A submission failed for the reason given, and some of its tasks may be queued.
    #[error("{source}; {} of the tasks may be queued, see `$ids`", ids.len())]
    PartlyQueued {
        /// The tasks that may be queued.
        ids: Vec<String>,
        /// Why.
        source: Box<Error>,
    },

    /// The queue stores more than it may, and the submitter does not want to wait.
    #[error("queue '{queue}' stores {bytes} bytes, more than its `max_bytes`, {limit}")]
    QueueFull {
        /// The queue id.
        queue: String,
        /// How much it stores.
        bytes: u64,
        /// How much it may store.
        limit: u64,
    },

    /// The server is not a Redis server.
    #[error("the server at {address} {problem}")]
    NotRedis {
        /// The server, without credentials.
        address: String,
        /// What it is and what to do, to follow the address.
        problem: String,
    },

    /// There is no secure link to the server: a certificate, a key or a setting is wrong, or this copy
    /// was built without TLS.
    #[error("cannot connect to {address} by TLS: {reason}")]
    Tls {
        /// The server, without credentials.
        address: String,
        /// Why not, and what to do.
        reason: String,
    },

    /// The server's reply makes no sense.
    #[error("cannot understand the server's reply: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },

    /// The server did not reply before the time limit of the call.
    #[error("the Redis server at {address} did not reply within the time limit")]
    TimedOut {
        /// The server, without credentials.
        address: String,
    },

    /// The URL of the server cannot be used.
    #[error("cannot use the URL '{url}': {reason}")]
    Url {
        /// The text, without credentials.
        url: String,
        /// Why not, and what to do.
        reason: String,
    },

    /// The server answered with an error.
    #[error("the Redis server rejected a request: {0}")]
    Redis(#[source] redis::RedisError),

    /// The queue was created by a version of the package with another data layout.
    #[error(
        "queue '{queue}' has data layout {found}, but this version of rrq needs layout {expected}"
    )]
    Layout {
        /// The queue id.
        queue: String,
        /// The layout found on the server.
        found: String,
        /// The layout this version reads and writes.
        expected: String,
    },

    /// The queue exists with other settings.
    #[error("queue '{id}' already exists with other settings")]
    QueueExists {
        /// The queue id.
        id: String,
    },

    /// The queue does not exist. Only controllers create one.
    #[error("there is no queue '{queue}'")]
    QueueMissing {
        /// The queue id.
        queue: String,
    },

    /// Some tasks do not exist.
    #[error("no such task: {}", name_some(ids))]
    TaskMissing {
        /// The unknown ids.
        ids: Vec<String>,
    },

    /// New tasks depend on tasks that have failed; they are stored as impossible.
    #[error("dependencies have failed: {}", name_some(parents))]
    ParentFailed {
        /// The dependencies, each with its status.
        parents: Vec<String>,
        /// The new tasks.
        ids: Vec<String>,
    },

    /// New tasks are queued, but nothing confirms that they would survive the loss of the server.
    #[error("tasks are queued, but may be lost with the server: {reason}")]
    NotDurable {
        /// The new tasks.
        ids: Vec<String>,
        /// What is missing.
        reason: String,
    },

    /// Some tasks have no result yet.
    #[error("no result yet: {}", name_tasks(ids, statuses))]
    TaskUnfinished {
        /// The tasks.
        ids: Vec<String>,
        /// The status of each.
        statuses: Vec<String>,
    },

    /// The status of some tasks does not allow the action; nothing was changed.
    #[error("cannot {action}: {}", name_tasks(ids, statuses))]
    TaskState {
        /// The action, with the reason why it is not possible.
        action: &'static str,
        /// The tasks.
        ids: Vec<String>,
        /// The status of each.
        statuses: Vec<String>,
    },

    /// Some ids refer to the same task.
    #[error("tasks given more than once, or in the same chain of retries: {}", name_some(ids))]
    TaskRepeated {
        /// The surplus ids.
        ids: Vec<String>,
    },

    /// Some workers do not exist.
    #[error("no such worker: {}", name_some(ids))]
    WorkerMissing {
        /// Their names.
        ids: Vec<String>,
    },

    /// Some workers have not exited.
    #[error("workers that have not exited: {}", name_some(ids))]
    WorkerActive {
        /// Their names.
        ids: Vec<String>,
    },

    /// A live worker has that name.
    #[error("a worker named '{id}' is already alive")]
    WorkerExists {
        /// The name.
        id: String,
    },

    /// This worker was declared lost, or its queue was destroyed, while it was disconnected.
    #[error("worker '{id}' is no longer registered with its queue")]
    WorkerGone {
        /// The name.
        id: String,
    },

    /// There are no workers to send a message to.
    #[error("there are no workers to send a message to")]
    NoWorkers,

    /// No worker configuration of that name is stored.
    #[error("there is no worker configuration '{name}'")]
    ConfigMissing {
        /// The name.
        name: String,
    },

    /// A file name leads out of its directory, or is not the name of a file.
    #[error("cannot use file '{name}': {reason}")]
    FileRefused {
        /// The name.
        name: String,
        /// The reason.
        reason: &'static str,
    },

    /// Files are too large to be stored together.
    #[error("the files have {bytes} bytes in total, but the limit is {limit} bytes")]
    FilesLarge {
        /// How large they are.
        bytes: u64,
        /// How large they may be.
        limit: u64,
    },

    /// Files of a pack are no longer stored.
    #[error("files no longer stored: {}", name_some(names))]
    FilesMissing {
        /// Their names.
        names: Vec<String>,
    },

    /// Objects are not stored, or no longer.
    #[error("no such object: {}", name_some(hashes))]
    ObjectMissing {
        /// Their hashes.
        hashes: Vec<String>,
    },

    /// The time to store a value is over.
    #[error("storing a value took longer than an hour")]
    ObjectLate,

    /// A value is too large for the server, and there is no other place for it.
    #[error(
        "a value of {bytes} bytes is larger than `store_max_size`, {limit} bytes, and there is no `offload_path`"
    )]
    ObjectLarge {
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },

    /// Values stored outside the server cannot be written or read.
    #[error("cannot {action} '{file}' in the offload path '{path}': {source}")]
    Offload {
        /// What was attempted: write, read, delete, list.
        action: &'static str,
        /// The file.
        file: String,
        /// The offload path.
        path: String,
        /// Why it failed.
        source: io::Error,
    },

    /// An object is stored outside the server, in a place this process was not told.
    #[error("object {hash} was offloaded, but this process has no `offload_path`")]
    OffloadUnknown {
        /// Its hash.
        hash: String,
    },

    /// The offload path cannot be used.
    #[error("cannot use the offload path '{path}': {reason}")]
    OffloadPath {
        /// The path as given.
        path: String,
        /// Why not, and what to do.
        reason: String,
    },

    /// An event of a task is larger than the events of a task may be together.
    #[error("this event has {size} bytes when serialised, more than the limit of {limit}")]
    EventLarge {
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },

    /// The watch was closed, or this is a fork of the process that opened it.
    #[error("this watch is closed, or belongs to the process that forked this one")]
    WatchClosed,

    /// Another process renews that key already.
    #[error("a heartbeat with the key '{key}' is already running")]
    HeartbeatExists {
        /// The key.
        key: String,
    },

    /// Stored data could not be read.
    #[error("cannot read {what}: {reason}")]
    Corrupt {
        /// Which data.
        what: String,
        /// Why not.
        reason: String,
    },

    /// The private server's program could not be found.
    #[error("no redis-server or valkey-server program was found")]
    ServerMissing,

    /// The private server did not start.
    #[error("the private Redis server did not start: {reason}")]
    ServerStart {
        /// The end of its log, or why it could not be run.
        reason: String,
    },

    /// The user interrupted the call.
    #[error("interrupted")]
    Interrupted,

    /// The operating system reported an error.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Stored data that does not have the expected form.
    #[allow(clippy::needless_pass_by_value)] // callers hand over what they have
    pub fn corrupt(what: impl Into<String>, reason: impl ToString) -> Self {
        Error::Corrupt { what: what.into(), reason: reason.to_string() }
    }

    /// A field of a key that does not have the expected form.
    #[allow(clippy::needless_pass_by_value)]
    pub fn unreadable(key: impl AsRef<str>, field: &str, reason: impl ToString) -> Self {
        Error::corrupt(format!("field '{field}' of key '{}'", key.as_ref()), reason)
    }

    /// An error of the operating system; `what` says what was attempted.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::Io { what: what.into(), source }
    }

    /// The same for a file; `verb` says what was attempted with it.
    pub(crate) fn file(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Error::io(format!("cannot {verb} file '{}'", path.display()))
    }
}
