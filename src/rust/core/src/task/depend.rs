//! Queries about dependencies.

use std::collections::{BTreeSet, HashMap};

use redis::Cmd;

use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::Body;
use crate::task::query::{bodies, list, statuses};
use crate::value;

/// A deferred task with its dependencies.
pub type Deferred = (String, Vec<(String, Status)>);

/// The members of a sorted set that begin with `start` and any character from `mark` up to `:`,
/// without these prefixes.
fn members(queue: &mut Queue, key: &str, start: &str, mark: char) -> Result<Vec<String>> {
    let mut command = Cmd::new();
    command.arg("ZRANGEBYLEX").arg(key).arg(format!("[{start}{mark}")).arg(format!("({start};"));
    let found = value::texts(queue.connection.command(&command)?)?;
    Ok(found.iter().map(|member| member[start.len() + 1..].to_owned()).collect())
}

/// The tasks that depend on this one; for those that were retried, the newest of their chain.
pub fn dependents(queue: &mut Queue, id: &str) -> Result<Vec<String>> {
    let (links, tasks) = (queue.keys.dependents(), queue.keys.deferred());
    let mut ids = Vec::new();
    for set in members(queue, &links, id, '+')? {
        // Only ':': a range from '+' on would find the tasks of set 12 for set 1.
        for member in members(queue, &tasks, &set, ':')? {
            ids.extend(member.rsplit(':').next().map(str::to_owned));
        }
    }
    let statuses = statuses(queue, &ids)?;
    let is_newest = |(id, status)| (status != Status::Moved).then_some(id);
    Ok(ids.into_iter().zip(statuses).filter_map(is_newest).collect())
}

/// All deferred tasks, each with its dependencies.
pub fn deferred(queue: &mut Queue) -> Result<Vec<Deferred>> {
    let all = list(queue)?;
    let status = statuses(queue, &all)?;
    let waits = |(id, status)| (status == Status::Deferred).then_some(id);
    let ids: Vec<String> = all.into_iter().zip(status).filter_map(waits).collect();
    let bodies = bodies(queue, &ids)?;
    let parents = bodies.iter().flat_map(|body| &body.parents).map(|parent| parent.id.clone());
    let parents: Vec<String> = parents.collect::<BTreeSet<_>>().into_iter().collect();
    let status: HashMap<&String, Status> = parents.iter().zip(statuses(queue, &parents)?).collect();
    let waits_for = |body: &Body| {
        let mut seen = BTreeSet::new();
        let ids = body.parents.iter().map(|parent| &parent.id).filter(|id| seen.insert(*id));
        ids.filter_map(|id| Some((id.clone(), *status.get(id)?))).collect()
    };
    Ok(ids.into_iter().zip(&bodies).map(|(id, body)| (id, waits_for(body))).collect())
}
