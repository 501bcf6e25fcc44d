//! Discarding tasks that are no longer needed, whatever their status: those of a submission that
//! failed half-way, and those of a call that ended early.

use std::time::{Duration, Instant};

use crate::connection::Stop;
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::status::Status;
use crate::task::confirm::confirm;
use crate::task::control::{cancel_with, distinct, resolve_dependents};
use crate::task::delete::{CHUNK, delete_chains};
use crate::task::rules::Rules;
use crate::task::wait::Waiter;

/// How long discarded tasks live after their end unless they are deleted before.
const DISCARDED_TTL_S: f64 = 1.0;
/// How long a failed submission waits for those of its tasks that a worker has started.
const WITHDRAW_LIMIT: Duration = Duration::from_secs(2);

/// Remove tasks that are no longer needed, whatever their status: cancel open tasks, wait up to `limit`
/// for running ones, and delete all that have ended. Returns the tasks that are still running; they
/// expire soon after their end. So do all others if this is cut short: the request that cancels them
/// sets their time to live.
pub fn discard(
    queue: &mut Queue,
    ids: &[String],
    limit: Duration,
    stop: &Stop,
) -> Result<Vec<String>> {
    // One that arrived later would stay. If it is refused, there is nothing to discard.
    let _ = confirm(queue);
    queue.posted = None;
    let rules = Rules { ttl_s: Some(DISCARDED_TTL_S), retry: None };
    let stopped = cancel_with(queue, ids, &rules).and_then(|statuses| {
        let is_running = |(_, status): &(&String, Status)| *status == Status::Running;
        let running = ids.iter().zip(statuses).filter(is_running).map(|(id, _)| id.clone());
        await_end(queue, running.collect(), limit, stop)
    });
    // Even after an error: a server that is out of memory rejects the cancel, but not the deletion.
    let running = delete_idle(queue, ids)?;
    resolve_dependents(queue)?;
    stopped.map(|()| running)
}

/// Remove what a failed submission has queued, and let nothing of it be queued later: its caller will
/// never know the ids. Returns whether that succeeded; the error to report is that of the submission. A chunk that was refused because tasks it depends on
/// do not exist is always refused.
pub(super) fn withdraw(queue: &mut Queue, ids: &[String], error: &Error) -> bool {
    let may_arrive = !matches!(error, Error::TaskMissing { .. });
    let is_closed = !may_arrive || queue.withdraw_requests().is_ok();
    let stop = queue.connection.stop();
    discard(queue, ids, WITHDRAW_LIMIT, &stop).is_ok() && is_closed
}

/// Wait up to `limit` for tasks to end; those that no longer exist have.
fn await_end(queue: &mut Queue, mut ids: Vec<String>, limit: Duration, stop: &Stop) -> Result<()> {
    let end = Instant::now() + limit;
    while !ids.is_empty() {
        match Waiter::new(queue, &ids, false) {
            Ok(mut waiter) => {
                let left = end.saturating_duration_since(Instant::now());
                waiter.wait(queue, left, false, stop)?;
                return waiter.finish(queue);
            }
            Err(Error::TaskMissing { ids: missing }) => ids.retain(|id| !missing.contains(id)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Delete those tasks that do not run; returns the others.
fn delete_idle(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for chunk in distinct(ids).chunks(CHUNK) {
        let running = delete_chains(queue, chunk, false)?;
        if running.is_empty() {
            continue;
        }
        // What is named may be another task of a chain, so each is tried alone.
        for id in chunk {
            if !delete_chains(queue, std::slice::from_ref(id), false)?.is_empty() {
                kept.push(id.clone());
            }
        }
    }
    Ok(kept)
}
