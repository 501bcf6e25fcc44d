//! Fetching the outcomes of tasks and deleting these, in two requests.
//!
//! Not in one: if the reply to a request that deletes was lost, the values in it would be lost, too. So
//! the first request reads all that the second needs, and the tasks are deleted when the caller holds
//! their values. Either request can be repeated. A task that was retried in between is kept.

use std::collections::HashSet;

use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::chain::newest;
use crate::task::delete::{CHUNK, delete_chains, try_delete};
use crate::task::fetch::fetch;
use crate::task::outcome::{self, Outcome};
use crate::task::query::result;
use crate::task::result::TaskResult;
use crate::task::{Body, Header};

/// Tasks whose outcomes were read.
pub struct Taken {
    /// What became of each task asked for; of one that has not ended, or does not exist, only the status.
    pub outcomes: Vec<Outcome>,
    ended: Vec<(String, Option<Body>)>,
    /// The newest tasks of chains of retries.
    chains: Vec<String>,
}

/// Read the outcomes of tasks. A task that was retried stands for the newest of its chain.
pub fn read(queue: &mut Queue, ids: &[String]) -> Result<Taken> {
    let mut found = look(queue, ids)?;
    let is_moved = |found: &Found| found.result.status == Status::Moved;
    let places: Vec<usize> = (0..ids.len()).filter(|place| is_moved(&found[*place])).collect();
    let mut names = ids.to_vec();
    if !places.is_empty() {
        let moved: Vec<String> = places.iter().map(|place| ids[*place].clone()).collect();
        let newest = newest(queue, &moved)?;
        for ((place, id), newer) in places.iter().zip(&newest).zip(look(queue, &newest)?) {
            names[*place].clone_from(id);
            found[*place] = newer;
        }
    }
    let chained: HashSet<&String> = places.iter().map(|place| &names[*place]).collect();
    let (mut ended, mut seen) = (Vec::new(), HashSet::new());
    let mut results = Vec::with_capacity(found.len());
    for (id, found) in names.iter().zip(found) {
        if has_ended(found.result.status) && seen.insert(id) && !chained.contains(id) {
            ended.push((id.clone(), found.body));
        }
        results.push(found.result);
    }
    let is_over = |id: &&&String| seen.contains(**id);
    let chains = chained.iter().filter(is_over).map(|id| (*id).clone()).collect();
    Ok(Taken { outcomes: outcome::complete(queue, &names, results)?, ended, chains })
}

/// Delete those that had ended, with their chains of retries.
pub fn delete(queue: &mut Queue, taken: &Taken) -> Result<()> {
    queue.stream.forget_values();
    for chunk in taken.ended.chunks(CHUNK) {
        let (ids, bodies): (Vec<String>, Vec<Option<Body>>) = chunk.iter().cloned().unzip();
        if !try_delete(queue, &ids, &bodies)? {
            delete_chains(queue, &ids, true)?;
        }
    }
    for chunk in taken.chains.chunks(CHUNK) {
        delete_chains(queue, chunk, false)?;
    }
    Ok(())
}

fn has_ended(status: Status) -> bool {
    status.is_terminal() && !matches!(status, Status::Missing | Status::Moved)
}

struct Found {
    result: TaskResult,
    body: Option<Body>,
}

fn look(queue: &mut Queue, ids: &[String]) -> Result<Vec<Found>> {
    let keys = [queue.keys.tasks(), queue.keys.results(), queue.keys.bodies()];
    let mut columns = fetch(queue, &keys, ids)?;
    let mut column = || columns.pop().unwrap_or_default();
    let (bodies, results, headers) = (column(), column(), column());
    let rows = ids.iter().zip(headers).zip(results.into_iter().zip(bodies));
    rows.map(|((_, header), (large, body))| {
        let Some(header) = header else {
            return Ok(Found { result: without_value(Status::Missing), body: None });
        };
        let header = Header::parse(&header);
        if !header.status.is_terminal() {
            return Ok(Found { result: without_value(header.status), body: None });
        }
        let body = body.and_then(|body| Body::unpack(&body).ok());
        Ok(Found { result: result((header, large)), body })
    })
    .collect()
}

fn without_value(status: Status) -> TaskResult {
    let (worker, attempt) = (String::new(), 0);
    TaskResult {
        status,
        value: None,
        object: None,
        worker,
        attempt,
        has_extra: false,
        is_poison: false,
    }
}
