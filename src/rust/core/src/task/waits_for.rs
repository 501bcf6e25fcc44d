//! What tasks that have not ended wait for, directly or through what they depend on.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::depend::parents_of;
use crate::task::query::headers_if_any;

/// At most so many tasks are looked at: this only serves a message to a user.
const MOST: usize = 1000;

/// What some tasks wait for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WaitsFor {
    /// One of them, or of the tasks they depend on, is running.
    pub running: bool,
    /// The queues in which they, or the tasks they depend on, wait for a worker.
    pub queues: BTreeSet<String>,
}

/// What the given tasks wait for. Tasks that have ended or do not exist wait for nothing.
pub fn waits_for(queue: &mut Queue, ids: Vec<String>) -> Result<WaitsFor> {
    let mut found = WaitsFor::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut layer = ids;
    while !layer.is_empty() && !found.running {
        let mut sets = BTreeSet::new();
        for header in headers_if_any(queue, &layer)?.into_iter().flatten() {
            match header.status {
                Status::Running => found.running = true,
                Status::Pending => drop(found.queues.insert(header.queue)),
                Status::Deferred => sets.extend(header.set.map(|(set, _)| set)),
                _ => {}
            }
        }
        seen.extend(layer);
        let parents = parents_of(queue, &sets)?.into_values().flatten();
        let new: BTreeSet<String> = parents.filter(|id| !seen.contains(id)).collect();
        layer = new.into_iter().take(MOST.saturating_sub(seen.len())).collect();
    }
    Ok(found)
}
