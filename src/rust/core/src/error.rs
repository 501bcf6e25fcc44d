//! The one error type of the engine: a variant for each decision a caller could take.
//! Addresses never carry passwords. A failed task is not an error; it is data.

use std::io;
use std::path::Path;

/// What the engine's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server could be reached, or the connection was lost and repeating did not help.
    #[error("cannot reach the Redis server at {address}: {source}")]
    Connection {
        /// The server, without credentials.
        address: String,
        /// What the client library said.
        source: redis::RedisError,
    },

    /// The server refused the user name or password.
    #[error("the Redis server at {address} refused the user name or password: {source}")]
    Authentication {
        /// The server, without credentials.
        address: String,
        /// What the client library said.
        source: redis::RedisError,
    },

    /// The text given as the server's address is not one.
    #[error("'{url}' is not a Redis URL: {reason}")]
    Url {
        /// The text, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The server answered with an error.
    #[error("the Redis server refused a request: {0}")]
    Redis(#[source] redis::RedisError),

    /// The queue was laid out by another version of the package.
    #[error("queue '{queue}' has data layout {found}, this version of rrq reads layout {expected}")]
    Layout {
        /// The queue id.
        queue: String,
        /// The layout found on the server.
        found: String,
        /// The layout this version reads and writes.
        expected: String,
    },

    /// The queue exists, with other settings.
    #[error("queue '{id}' exists already, with other settings")]
    QueueExists {
        /// The queue id.
        id: String,
    },

    /// There is no such queue: only controllers create one.
    #[error("there is no queue '{queue}'")]
    QueueMissing {
        /// The queue id.
        queue: String,
    },

    /// Some ids are not those of known tasks.
    #[error("no such task: {}", name_some(ids))]
    TaskMissing {
        /// The unknown ids.
        ids: Vec<String>,
    },

    /// Tasks were to depend on tasks that have failed; they are recorded as impossible.
    #[error("a task they depend on has failed: {}", name_some(parents))]
    ParentFailed {
        /// The parents, each with how it ended.
        parents: Vec<String>,
        /// The new tasks.
        ids: Vec<String>,
    },

    /// Some tasks have no result yet.
    #[error("there is no result yet: {}", name_tasks(ids, statuses))]
    TaskUnfinished {
        /// The tasks.
        ids: Vec<String>,
        /// The status of each.
        statuses: Vec<String>,
    },

    /// Some tasks are not in a state for what was asked; nothing was done to any.
    #[error("cannot {action}: {}", name_tasks(ids, statuses))]
    TaskState {
        /// What was asked for, and what would have to be otherwise.
        action: &'static str,
        /// The tasks.
        ids: Vec<String>,
        /// The status of each.
        statuses: Vec<String>,
    },

    /// Some ids name a task that others of them name as well.
    #[error("named more than once, or of the same chain of retries: {}", name_some(ids))]
    TaskRepeated {
        /// The ids that are too many.
        ids: Vec<String>,
    },

    /// Some names are not those of known workers.
    #[error("no such worker: {}", name_some(ids))]
    WorkerMissing {
        /// The unknown names.
        ids: Vec<String>,
    },

    /// Some workers still take part.
    #[error("these workers have not exited: {}", name_some(ids))]
    WorkerActive {
        /// Their names.
        ids: Vec<String>,
    },

    /// A worker of that name is already alive.
    #[error("a worker named '{id}' is already alive")]
    WorkerExists {
        /// The name.
        id: String,
    },

    /// This worker was declared lost, or its queue was destroyed, while it was away.
    #[error("worker '{id}' is no longer registered with its queue")]
    WorkerGone {
        /// The name.
        id: String,
    },

    /// There is no worker to send a message to.
    #[error("there are no workers to send a message to")]
    NoWorkers,

    /// No worker configuration of that name is stored.
    #[error("no worker configuration named '{name}'")]
    ConfigMissing {
        /// The name.
        name: String,
    },

    /// A file name leads out of its directory, or to something that is no file.
    #[error("file '{name}' is refused: {reason}")]
    FileRefused {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// Files are too large to be stored together.
    #[error("these files have {bytes} bytes, at most {limit} can be packed")]
    FilesLarge {
        /// How large they are.
        bytes: u64,
        /// How large they may be.
        limit: u64,
    },

    /// Files of a pack are no longer stored.
    #[error("no longer stored: {}", name_some(names))]
    FilesMissing {
        /// Their names.
        names: Vec<String>,
    },

    /// Somebody keeps that key alive already.
    #[error("somebody keeps the key '{key}' alive already")]
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

    /// The private server did not come up.
    #[error("the private Redis server did not start: {reason}")]
    ServerStart {
        /// Its own last words.
        reason: String,
    },

    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,

    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
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

    /// What the operating system refused, made of `what` was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::Io { what: what.into(), source }
    }

    /// The same for a file that could not be read or written.
    pub(crate) fn file(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Error::io(format!("cannot {verb} file '{}'", path.display()))
    }
}

/// As many ids as a message names; the condition carries all of them.
const SHOWN: usize = 5;

/// The first of some ids.
fn name_some(ids: &[String]) -> String {
    let mut shown: Vec<String> = ids.iter().take(SHOWN).cloned().collect();
    if ids.len() > SHOWN {
        shown.push(format!("and {} more", ids.len() - SHOWN));
    }
    shown.join(", ")
}

/// The first of some tasks, each with its status.
fn name_tasks(ids: &[String], statuses: &[String]) -> String {
    let tasks = ids.iter().zip(statuses).map(|(id, status)| format!("{id} is {status}"));
    name_some(&tasks.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_few_ids_and_counts_the_rest() {
        let ids: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let message = Error::TaskMissing { ids }.to_string();
        assert_eq!(message, "no such task: 0, 1, 2, 3, 4, and 99995 more");
    }
}
