//! Deleting tasks that ended some time ago.

use std::collections::{HashMap, HashSet};

use redis::Pipeline;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::status::Status;
use crate::task::delete::{CHUNK, Mode, delete_some};
use crate::task::{Header, header};
use crate::value;

/// How many headers one request reads.
const PAGE: usize = 1000;

/// A task that was deleted, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// When it ended, in µs of server time.
    pub end: u64,
    /// The bytes of its header, its body and its result. What is stored as an object is not among them.
    pub bytes: u64,
}

/// Delete the tasks that ended more than `age_s` seconds ago with one of these statuses (any if empty),
/// except those that others still depend on; or only find them. Of a chain of retries, the newest task
/// decides, and the others go with it. Tasks that were deleted before an interrupt stay deleted.
pub fn prune(
    queue: &mut Queue,
    age_s: f64,
    statuses: &[Status],
    dry_run: bool,
) -> Result<Vec<Pruned>> {
    let latest = queue.connection.now_us()?.saturating_sub((age_s * 1e6) as u64);
    let old = ended_before(queue, latest, statuses)?;
    let mut pruned = Vec::with_capacity(old.len());
    let mode = if dry_run { Mode::DryRun } else { Mode::Idle };
    for some in old.chunks(CHUNK) {
        if (queue.connection.stop())() {
            return Err(Error::Interrupted);
        }
        let some = measure(queue, some)?;
        let ids: Vec<String> = some.iter().map(|task| task.id.clone()).collect();
        let kept: HashSet<String> = delete_some(queue, &ids, mode)?.kept.into_iter().collect();
        pruned.extend(some.into_iter().filter(|task| !kept.contains(&task.id)));
    }
    pruned.sort_by(|a, b| (a.end, &a.id).cmp(&(b.end, &b.id)));
    Ok(pruned)
}

fn ended_before(queue: &mut Queue, latest: u64, statuses: &[Status]) -> Result<Vec<Pruned>> {
    let mut old = HashMap::new();
    queue.connection.hash_scan(&queue.keys.tasks(), PAGE, |id, stored| {
        let status = header::stored_status(&stored);
        let is_wanted = statuses.is_empty() || statuses.contains(&status);
        if is_wanted && status.is_terminal() && status != Status::Moved {
            let end = Header::parse(&stored).end;
            if end <= latest {
                let bytes = stored.len() as u64;
                // A field may be returned more than once.
                old.insert(id.clone(), Pruned { id, status, end, bytes });
            }
        }
        Ok(())
    })?;
    Ok(old.into_values().collect())
}

/// Add the sizes of bodies and of large results.
fn measure(queue: &mut Queue, tasks: &[Pruned]) -> Result<Vec<Pruned>> {
    let mut pipeline = Pipeline::new();
    for task in tasks {
        pipeline.cmd("HSTRLEN").arg(queue.keys.bodies()).arg(&task.id);
        pipeline.cmd("HSTRLEN").arg(queue.keys.results()).arg(&task.id);
    }
    let lengths = queue.connection.pipeline(&pipeline)?;
    let lengths: Vec<i64> = lengths.into_iter().map(value::integer).collect::<Result<_>>()?;
    let add = |(task, lengths): (&Pruned, &[i64])| {
        let more: i64 = lengths.iter().sum();
        Pruned { bytes: task.bytes + more.unsigned_abs(), ..task.clone() }
    };
    Ok(tasks.iter().zip(lengths.chunks(2)).map(add).collect())
}
