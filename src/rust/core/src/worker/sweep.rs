//! Does what is due in a queue. The first process to notice that a lease has expired resolves what its
//! worker held; tasks whose dependencies have ended are released or become impossible; tasks whose start
//! time has been reached are queued; tasks that have expired are deleted, and so are files of objects that
//! are gone.
//!
//! A call of the script does a bounded part of that. How many calls are made depends on the caller:
//! a worker makes one per turn, and none while it holds tasks that it has not started; a session that
//! waits sweeps for a fraction of its time.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, WORKER_LOSE, WORKER_SWEEP};
use crate::status::{Status, WorkerStatus};
use crate::task::{CHUNK, delete_chains};
use crate::value;

/// A worker declared lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its id.
    pub worker: String,
    /// The tasks it held that were resolved, each with its status since: those that will be tried
    /// again are pending.
    pub tasks: Vec<(String, Status)>,
    /// The tasks it held and had definitely not begun: they are back in their queue, in order, without
    /// counting an attempt, or were cancelled.
    pub returned: Vec<String>,
}

/// Do everything that is due; returns the workers declared lost. Between two calls the connection's
/// `Stop` is asked.
pub fn sweep(queue: &mut Queue) -> Result<Vec<Lost>> {
    sweep_within(queue, Duration::MAX)
}

/// The same, but only until `limit` has passed. With a limit of 0 it is one call.
pub fn sweep_within(queue: &mut Queue, limit: Duration) -> Result<Vec<Lost>> {
    let mut lost = Vec::new();
    repeat(queue, limit, |queue| sweep_once(queue, false, &mut lost))?;
    Ok(lost)
}

/// Only what follows for tasks that depend on others, until `limit` has passed. It goes before
/// everything else that is due.
pub(crate) fn sweep_dependents(queue: &mut Queue, limit: Duration) -> Result<()> {
    repeat(queue, limit, |queue| sweep_once(queue, true, &mut Vec::new()))
}

/// Call `once` until it did nothing or `limit` has passed.
fn repeat(
    queue: &mut Queue,
    limit: Duration,
    mut once: impl FnMut(&mut Queue) -> Result<usize>,
) -> Result<()> {
    let (begun, stop) = (Instant::now(), queue.connection.stop());
    while once(queue)? > 0 && begun.elapsed() < limit {
        if stop() {
            return Err(Error::Interrupted);
        }
    }
    Ok(())
}

/// One call; returns how many things were done.
fn sweep_once(queue: &mut Queue, only_at_once: bool, lost: &mut Vec<Lost>) -> Result<usize> {
    let keys = &queue.keys;
    let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
    let call = Call::new(&WORKER_SWEEP, names).arg(keys.prefix()).arg(i64::from(only_at_once));
    let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
    let n_done = value::integer(reply.next().unwrap_or_default())?;
    let expired = value::texts(reply.next().unwrap_or_default())?;
    let n_lost = value::integer(reply.next().unwrap_or_default())?.unsigned_abs();
    for chunk in expired.chunks(CHUNK) {
        delete_chains(queue, chunk, true)?;
    }
    delete_lost_files(queue, n_lost)?;
    for entry in reply {
        lost.push(read_lost(value::texts(entry)?));
    }
    Ok(usize::try_from(n_done).unwrap_or(0))
}

/// Delete the files of objects whose pins have ended. Files that this process cannot delete are not tried
/// again until there are more of them.
fn delete_lost_files(queue: &mut Queue, n_lost: u64) -> Result<()> {
    let n_deleted = match n_lost > queue.lost_files {
        true => queue.store().delete_lost_files()? as u64,
        false => 0,
    };
    queue.lost_files = n_lost.saturating_sub(n_deleted);
    Ok(())
}

/// Declare a worker lost at once, before its lease expires. The caller knows that the process has
/// ended, and with which token it registered (`Options::process`); a worker of the same name in
/// another process is left alone. Returns the worker's status since, none if the process has no
/// registration.
pub fn lose(queue: &mut Queue, id: &str, process: &str) -> Result<Option<WorkerStatus>> {
    let keys = &queue.keys;
    let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
    let call = Call::new(&WORKER_LOSE, names).arg(keys.prefix()).arg(id).arg(process);
    let word = value::maybe_bytes(queue.connection.call(&call)?)?.unwrap_or_default();
    Ok(WorkerStatus::from_word(&String::from_utf8_lossy(&word)))
}

/// A lost worker as the script reports it: its id, then what became of each task: a letter, and the
/// task's id.
fn read_lost(texts: Vec<String>) -> Lost {
    let mut texts = texts.into_iter();
    let worker = texts.next().unwrap_or_default();
    let mut lost = Lost { worker, tasks: Vec::new(), returned: Vec::new() };
    for text in texts {
        match text.split_at_checked(1) {
            Some(("-", id)) => lost.returned.insert(0, id.to_owned()),
            Some((letter, id)) => {
                lost.tasks.push((id.to_owned(), Status::from_letter(letter.as_bytes()[0])));
            }
            None => {}
        }
    }
    lost
}
