//! Cancelling and deleting tasks. A call with an id that cannot be served changes nothing; what the
//! tasks do between that check and their turn is for the scripts to see.

use std::collections::HashSet;
use std::time::Duration;

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_CANCEL};
use crate::status::Status;
use crate::task::check::{refuse, refuse_missing};
use crate::task::delete::{CHUNK, delete_chains};
use crate::task::{Rules, following, query};
use crate::value;
use crate::worker;

/// Cancel tasks, none of which may have ended. Returns the status of each afterwards: the workers of
/// those that are `RUNNING` were asked to stop them.
pub fn cancel(queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
    let statuses = query::statuses(queue, ids)?;
    refuse_missing(ids, &statuses)?;
    refuse("cancel tasks that have already ended", ids, &statuses, Status::is_terminal)?;
    cancel_open(queue, ids)
}

/// Cancel those tasks that have not ended and ignore the others, known or not. Returns the status of
/// each afterwards, as [`cancel`] does.
pub fn cancel_open(queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
    cancel_with(queue, ids, &Rules::default())
}

/// The same, and replace the rules of all given tasks, unless these are empty.
pub(super) fn cancel_with(queue: &mut Queue, ids: &[String], rules: &Rules) -> Result<Vec<Status>> {
    let mut statuses = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let names = vec![queue.keys.tasks(), queue.keys.counters()];
        let call =
            Call::new(&TASK_CANCEL, names).arg(queue.keys.prefix()).arg(rules.pack()).arg(chunk);
        let letters = value::bytes(queue.connection.call(&call)?)?;
        statuses.extend(letters.into_iter().map(Status::from_letter));
    }
    resolve_dependents(queue)?;
    Ok(statuses)
}

/// Delete tasks, none of which may run. With `check` all must exist. A task that was taken by a
/// worker after the check is an error too; those of its chunk and the ones behind are then kept.
pub fn delete(queue: &mut Queue, ids: &[String], check: bool) -> Result<()> {
    let ids = distinct(ids);
    // With a task goes its chain: the newest of that must not run either.
    let is_moved = |status: &Status| *status == Status::Moved;
    let statuses = following(queue, &ids, query::statuses, is_moved)?;
    if check {
        refuse_missing(&ids, &statuses)?;
    }
    let runs = |status| status == Status::Running;
    refuse(DELETE, &ids, &statuses, runs)?;
    for chunk in ids.chunks(CHUNK) {
        let running = delete_chains(queue, chunk, false)?;
        refuse(DELETE, &running, &vec![Status::Running; running.len()], runs)?;
    }
    resolve_dependents(queue)
}

/// Tasks that depend on these are due now: callers should find them released or impossible. If there
/// are more than fit into the time limit, the next sweep continues.
pub fn resolve_dependents(queue: &mut Queue) -> Result<()> {
    worker::sweep_dependents(queue, RESOLVE_LIMIT)
}

const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

const DELETE: &str = "delete running tasks (cancel them first)";

pub(super) fn distinct(ids: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
}
