//! Deleting tasks with everything stored about them.

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_DELETE};
use crate::task::deletion::Deletion;
use crate::task::{Body, query};
use crate::value;

/// How many tasks one request changes: it takes the server a few milliseconds.
pub const CHUNK: usize = 128;
/// If the chains have more tasks than this in total, the request is split.
const CHAINS: usize = 2000;

/// Which of the given tasks are deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All.
    All = 0,
    /// Those that have ended and that no others depend on.
    Idle = 1,
    /// None: only find out which others `Idle` would keep.
    DryRun = 2,
}

/// What a request to delete tasks found.
#[derive(Default)]
pub(super) struct Found {
    /// Tasks that run; if there are any, nothing was deleted.
    pub running: Vec<String>,
    /// Tasks that were kept.
    pub kept: Vec<String>,
}

/// Delete tasks with the chains of retries they belong to. Returns the tasks that run; if there are
/// any, nothing was deleted. With `only_idle`, tasks that have not ended and tasks that others
/// depend on are kept.
pub fn delete_chains(queue: &mut Queue, ids: &[String], only_idle: bool) -> Result<Vec<String>> {
    let mode = if only_idle { Mode::Idle } else { Mode::All };
    Ok(delete_some(queue, ids, mode)?.running)
}

pub(super) fn delete_some(queue: &mut Queue, ids: &[String], mode: Mode) -> Result<Found> {
    queue.stream.forget_values();
    let mut all = ids.to_vec();
    loop {
        let bodies = query::bodies_if_any(queue, &all)?;
        let call = delete_call(queue, &all, &bodies, mode);
        let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
        let code = value::integer(reply.next().unwrap_or_default())?;
        if code == 0 {
            if value::integer(reply.next().unwrap_or_default())? > 0 {
                queue.store().delete_lost_files()?;
            }
            let kept = reply.map(value::text).collect::<Result<_>>()?;
            return Ok(Found { running: Vec::new(), kept });
        }
        let named = reply.map(value::text).collect::<Result<Vec<_>>>()?;
        if code != 2 {
            return Ok(Found { running: named, kept: Vec::new() });
        }
        if named.iter().all(|id| all.contains(id)) {
            let reason = "to be deleted along with tasks, it names only those tasks".into();
            return Err(Error::Protocol { reason });
        }
        all.extend(named);
        if all.len() > CHAINS && ids.len() > 1 {
            let (first, second) = ids.split_at(ids.len() / 2);
            let mut found = delete_some(queue, first, mode)?;
            if found.running.is_empty() {
                let rest = delete_some(queue, second, mode)?;
                found.running = rest.running;
                found.kept.extend(rest.kept);
            }
            return Ok(found);
        }
    }
}

/// Delete tasks that have ended, given their bodies. Returns false, and changes nothing, if one of them
/// runs or belongs to a chain of retries.
pub(super) fn try_delete(
    queue: &mut Queue,
    ids: &[String],
    bodies: &[Option<Body>],
) -> Result<bool> {
    let call = delete_call(queue, ids, bodies, Mode::All);
    let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
    let code = value::integer(reply.next().unwrap_or_default())?;
    if code == 0 && value::integer(reply.next().unwrap_or_default())? > 0 {
        queue.store().delete_lost_files()?;
    }
    Ok(code == 0)
}

/// Delete tasks that have ended, have no retries and refer to no objects. The reply is not waited for, once
/// the server is known to have the script.
pub(super) fn post(queue: &mut Queue, ids: &[String]) {
    let call = delete_call(queue, ids, &vec![None; ids.len()], Mode::All);
    debug_assert!(queue.posted.is_none(), "a connection has one posted request at a time");
    match queue.deletion {
        Deletion::Unknown => {
            let deleted = queue.connection.call(&call);
            queue.deletion = deleted.map_or(Deletion::Posted(call), |_| Deletion::Known);
        }
        _ => {
            queue.connection.post(&call);
            queue.deletion = Deletion::Posted(call);
        }
    }
}

/// Read the reply to that request, and send it again if it was lost or refused.
pub(super) fn collect_posted(queue: &mut Queue) {
    let Deletion::Posted(call) = &queue.deletion else {
        return;
    };
    // Tasks that cannot be deleted stay. The caller has nothing to do with them.
    let is_served = queue.connection.collect(call).is_ok();
    queue.deletion = if is_served { Deletion::Known } else { Deletion::Unknown };
}

/// Each object is named once; tasks refer to it by its position.
fn delete_call(queue: &Queue, ids: &[String], bodies: &[Option<Body>], mode: Mode) -> Call {
    let mut hashes: Vec<&str> = Vec::new();
    let mut uses = Vec::new();
    for body in bodies {
        let mut places = String::new();
        for object in body.iter().flat_map(Body::objects) {
            let place = hashes.iter().position(|hash| *hash == object).unwrap_or_else(|| {
                hashes.push(object);
                hashes.len() - 1
            });
            places.push_str(&format!("{} ", place + 1));
        }
        uses.push(places);
    }
    let keys = &queue.keys;
    let mut names = Vec::from(keys.task_hashes());
    names.extend([keys.counters(), keys.due()]);
    let mut call = Call::new(&TASK_DELETE, names)
        .arg(keys.prefix())
        .arg(mode as i64)
        .arg(hashes.len())
        .arg(hashes);
    for (id, places) in ids.iter().zip(uses) {
        call.push(id);
        call.push(places);
    }
    call
}
