//! Cancelling and deleting tasks. A call with an id that cannot be served changes nothing; what the
//! tasks do between that check and their turn is for the scripts to see.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_CANCEL, TASK_DELETE};
use crate::status::Status;
use crate::task::{Body, following, query};
use crate::value;
use crate::worker;

/// How many tasks one request changes: the server is busy with it for a few milliseconds.
pub(crate) const CHUNK: usize = 128;
/// With more tasks than this, in chains of retries, it is done in parts.
const CHAINS: usize = 2000;

/// Cancel tasks, all of which must not have ended. Returns those that run: their workers were asked
/// to stop them.
pub fn cancel(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let ids = distinct(ids);
    let statuses = query::statuses(queue, &ids)?;
    refuse_missing(&ids, &statuses)?;
    refuse("cancel tasks that have ended", &ids, &statuses, Status::is_terminal)?;
    let mut running = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let names = vec![queue.keys.tasks(), queue.keys.counters()];
        let call = Call::new(&TASK_CANCEL, names).arg(queue.keys.prefix()).arg(chunk);
        let letters = value::bytes(queue.connection.call(&call)?)?;
        let run = |(_, letter): &(&String, u8)| Status::from_letter(*letter) == Status::Running;
        running.extend(chunk.iter().zip(letters).filter(run).map(|(id, _)| id.clone()));
    }
    settle_dependents(queue)?;
    Ok(running)
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
        let running = forget(queue, chunk, false)?;
        refuse(DELETE, &running, &vec![Status::Running; running.len()], runs)?;
    }
    settle_dependents(queue)
}

/// Forget tasks and the chains of retries they are of; returns those that run, and then nothing was
/// forgotten. With `only_idle` those are spared that have not ended or that other tasks need.
pub(crate) fn forget(queue: &mut Queue, ids: &[String], only_idle: bool) -> Result<Vec<String>> {
    let mut all = ids.to_vec();
    loop {
        let bodies = query::bodies_if_any(queue, &all)?;
        let call = delete_call(queue, &all, &bodies, only_idle);
        let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
        let code = value::integer(reply.next().unwrap_or_default())?;
        let named: Vec<String> = reply.map(value::text).collect::<Result<_>>()?;
        if code != 2 {
            return Ok(named);
        }
        all.extend(named);
        if all.len() > CHAINS && ids.len() > 1 {
            let (first, second) = ids.split_at(ids.len() / 2);
            let running = forget(queue, first, only_idle)?;
            return if running.is_empty() { forget(queue, second, only_idle) } else { Ok(running) };
        }
    }
}

/// Take back what was just queued, as far as it still can be.
pub(super) fn withdraw(queue: &mut Queue, ids: &[String]) {
    let _ = cancel(queue, ids);
    let _ = delete(queue, ids, false);
}

/// Tasks that waited for those are due now: their callers should find them impossible.
fn settle_dependents(queue: &mut Queue) -> Result<()> {
    worker::sweep(queue).map(|_| ())
}

const DELETE: &str = "delete running tasks, cancel them first";

/// Each object is named once; tasks refer to it by its place.
fn delete_call(queue: &Queue, ids: &[String], bodies: &[Option<Body>], only_idle: bool) -> Call {
    let mut hashes: Vec<&str> = Vec::new();
    let mut uses = Vec::new();
    for body in bodies {
        let shared = body.iter().flat_map(|body| &body.shared);
        let mut places = String::new();
        for object in shared {
            let place = hashes.iter().position(|hash| *hash == object.hash).unwrap_or_else(|| {
                hashes.push(&object.hash);
                hashes.len() - 1
            });
            places.push_str(&format!("{} ", place + 1));
        }
        uses.push(places);
    }
    let keys = &queue.keys;
    let mut names = Vec::from(keys.task_hashes());
    names.extend([keys.counters(), keys.objects(), keys.object_refs(), keys.due()]);
    let mut call = Call::new(&TASK_DELETE, names)
        .arg(keys.prefix())
        .arg(i64::from(only_idle))
        .arg(hashes.len())
        .arg(hashes);
    for (id, places) in ids.iter().zip(uses) {
        call.push(id);
        call.push(places);
    }
    call
}

pub(super) fn distinct(ids: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
}

pub(super) fn refuse_missing(ids: &[String], statuses: &[Status]) -> Result<()> {
    let missing = |(_, status): &(&String, &Status)| **status == Status::Missing;
    let ids: Vec<String> =
        ids.iter().zip(statuses).filter(missing).map(|(id, _)| id.clone()).collect();
    if ids.is_empty() { Ok(()) } else { Err(Error::TaskMissing { ids }) }
}

/// Refuse `action` on tasks in a state it is not for.
pub(super) fn refuse(
    action: &'static str,
    ids: &[String],
    statuses: &[Status],
    wrong: impl Fn(Status) -> bool,
) -> Result<()> {
    let (ids, statuses): (Vec<String>, Vec<String>) = ids
        .iter()
        .zip(statuses)
        .filter(|(_, status)| wrong(**status))
        .map(|(id, status)| (id.clone(), status.word().to_owned()))
        .unzip();
    if ids.is_empty() { Ok(()) } else { Err(Error::TaskState { action, ids, statuses }) }
}
