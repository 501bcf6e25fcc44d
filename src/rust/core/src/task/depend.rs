//! Queries about dependencies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::Cmd;

use crate::error::Result;
use crate::keys::set;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::fetch::fetch_one;
use crate::task::query::{headers_if_any, list, statuses};
use crate::task::{Body, Header};
use crate::value::{self, ID_WIDTH};

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

/// What the tasks of some sets depend on, by set.
pub(super) fn parents_of(
    queue: &mut Queue,
    sets: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Vec<String>>> {
    let key = queue.keys.sets();
    let n_parts: Vec<String> = sets.iter().map(|set| format!("{set}{}", set::PARTS)).collect();
    let n_parts = fetch_one(queue, key.clone(), &n_parts)?;
    let (mut owners, mut fields) = (Vec::new(), Vec::new());
    for (set, n) in sets.iter().zip(n_parts) {
        let n: u64 = n.and_then(|n| String::from_utf8(n).ok()?.parse().ok()).unwrap_or(0);
        for part in 0..=n {
            owners.push(*set);
            let number = if part == 0 { String::new() } else { part.to_string() };
            fields.push(format!("{set}{}{number}", set::ON));
        }
    }
    let mut parents: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (set, part) in owners.into_iter().zip(fetch_one(queue, key, &fields)?) {
        let ids = part.unwrap_or_default();
        let ids = ids.chunks(ID_WIDTH).map(|id| String::from_utf8_lossy(id).into_owned());
        parents.entry(set).or_default().extend(ids);
    }
    Ok(parents)
}

/// What a task depends on. A task without a set depends on nothing, unless an earlier version
/// recorded it as impossible: then only its body says.
pub fn parents(queue: &mut Queue, header: &Header, body: &Body) -> Result<Vec<String>> {
    let Some((set, _)) = header.set else {
        return Ok(body.parents.iter().map(|parent| parent.id.clone()).collect());
    };
    Ok(parents_of(queue, &BTreeSet::from([set]))?.remove(&set).unwrap_or_default())
}

/// How many generations are followed back to the task whose failure made others impossible.
const GENERATIONS: usize = 100;

/// The task whose failure made each of these impossible: the first that failed by itself. It may have
/// been deleted since. `None` if it is not known. The cost does not depend on how many tasks are
/// impossible for the same reason.
pub fn causes(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<String>>> {
    let mut failed: HashMap<String, String> = HashMap::new();
    let mut open: BTreeSet<String> = ids.iter().cloned().collect();
    for _ in 0..GENERATIONS {
        let at: Vec<String> = open.into_iter().filter(|id| !failed.contains_key(id)).collect();
        let parents = failed_parents(queue, &at)?;
        open = parents.iter().map(|(_, parent)| parent.clone()).collect();
        failed.extend(parents);
        if open.is_empty() {
            break;
        }
    }
    let cause = |id: &String| {
        let mut at = failed.get(id)?;
        while let Some(parent) = failed.get(at) {
            at = parent;
        }
        Some(at.clone())
    };
    Ok(ids.iter().map(cause).collect())
}

/// The failed dependency of those of these tasks that are impossible.
fn failed_parents(queue: &mut Queue, ids: &[String]) -> Result<Vec<(String, String)>> {
    let headers = headers_if_any(queue, ids)?;
    let set_of = |header: Option<Header>| {
        header.filter(|header| header.status == Status::Impossible).and_then(|header| header.set)
    };
    let members: Vec<(&String, u64)> =
        ids.iter().zip(headers).filter_map(|(id, header)| Some((id, set_of(header)?.0))).collect();
    let sets: BTreeSet<u64> = members.iter().map(|(_, set)| *set).collect();
    let fields: Vec<String> = sets.iter().map(|set| format!("{set}{}", set::FAILED)).collect();
    let found = fetch_one(queue, queue.keys.sets(), &fields)?;
    let text = |id: Option<Vec<u8>>| id.and_then(|id| String::from_utf8(id).ok());
    let failed: HashMap<u64, Option<String>> =
        sets.into_iter().zip(found.into_iter().map(text)).collect();
    let parent = |(id, set): (&String, u64)| Some((id.clone(), failed.get(&set)?.clone()?));
    Ok(members.into_iter().filter_map(parent).collect())
}

/// All deferred tasks, each with its dependencies.
pub fn deferred(queue: &mut Queue) -> Result<Vec<Deferred>> {
    let all = list(queue)?;
    let status = statuses(queue, &all)?;
    let waits = |(id, status)| (status == Status::Deferred).then_some(id);
    let ids: Vec<String> = all.into_iter().zip(status).filter_map(waits).collect();
    let headers = headers_if_any(queue, &ids)?;
    let set_of = |header: Option<Header>| header.and_then(|header| Some(header.set?.0));
    let sets: Vec<Option<u64>> = headers.into_iter().map(set_of).collect();
    let on = parents_of(queue, &sets.iter().flatten().copied().collect())?;
    let parents: BTreeSet<String> = on.values().flatten().cloned().collect();
    let parents: Vec<String> = parents.into_iter().collect();
    let status: HashMap<&String, Status> = parents.iter().zip(statuses(queue, &parents)?).collect();
    let waits_for = |set: Option<u64>| {
        let ids = set.and_then(|set| on.get(&set)).into_iter().flatten();
        ids.filter_map(|id| Some((id.clone(), *status.get(id)?))).collect()
    };
    Ok(ids.into_iter().zip(sets).map(|(id, set)| (id, waits_for(set))).collect())
}
