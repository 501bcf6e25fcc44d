//! What tasks that have not ended wait for, directly or through what they depend on.

use std::collections::BTreeSet;

use redis::Cmd;

use crate::error::Result;
use crate::keys::due;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::depend::parents_of;
use crate::task::header::Flag;
use crate::task::query::headers_if_any;
use crate::value;

/// At most so many tasks are looked at: this only serves a message to a user.
const MOST: usize = 1000;

/// What some tasks wait for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WaitsFor {
    /// One of them, or of the tasks they depend on, is running.
    pub running: bool,
    /// The queues in which they, or the tasks they depend on, wait for a worker.
    pub queues: BTreeSet<String>,
    /// The earliest time, in ms since 1970, at which one of them goes to its queue.
    pub first_ms: Option<u64>,
    /// How many of them go to their queue at a later time.
    pub n_scheduled: usize,
    /// One of them is in its queue.
    pub queued: bool,
}

impl WaitsFor {
    fn add_times(&mut self, times: &[u64]) {
        self.n_scheduled += times.len();
        self.first_ms = self.first_ms.into_iter().chain(times.iter().copied()).min();
    }
}

/// When scheduled tasks go to their queues. Those that have just gone there have no time.
fn start_times(queue: &mut Queue, ids: &[&String]) -> Result<Vec<u64>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut cmd = Cmd::new();
    cmd.arg("ZMSCORE").arg(queue.keys.due());
    for id in ids {
        cmd.arg(format!("{}{id}", due::SCHEDULED));
    }
    let mut times = Vec::new();
    for score in value::array(queue.connection.command(&cmd)?)? {
        let score = value::maybe_bytes(score)?.and_then(|text| String::from_utf8(text).ok());
        times.extend(score.and_then(|text| text.parse::<f64>().ok()).map(|ms| ms as u64));
    }
    Ok(times)
}

/// What the given tasks wait for. Tasks that have ended or do not exist wait for nothing.
pub fn waits_for(queue: &mut Queue, ids: Vec<String>) -> Result<WaitsFor> {
    let mut found = WaitsFor::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut layer = ids;
    while !layer.is_empty() && !found.running {
        let (mut sets, mut scheduled) = (BTreeSet::new(), Vec::new());
        for (id, header) in layer.iter().zip(headers_if_any(queue, &layer)?) {
            let Some(header) = header else { continue };
            match header.status {
                Status::Running => found.running = true,
                Status::Pending if header.has(Flag::Scheduled) => {
                    scheduled.push(id);
                    found.queues.insert(header.queue);
                }
                Status::Pending => {
                    found.queued = true;
                    found.queues.insert(header.queue);
                }
                Status::Deferred => sets.extend(header.set.map(|(set, _)| set)),
                _ => {}
            }
        }
        found.add_times(&start_times(queue, &scheduled)?);
        seen.extend(layer);
        let parents = parents_of(queue, &sets)?.into_values().flatten();
        let new: BTreeSet<String> = parents.filter(|id| !seen.contains(id)).collect();
        layer = new.into_iter().take(MOST.saturating_sub(seen.len())).collect();
    }
    Ok(found)
}
