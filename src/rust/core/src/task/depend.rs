//! Queries about dependencies.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use redis::Pipeline;

use crate::error::Result;
use crate::keys::set;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::chain::newest;
use crate::task::fetch::fetch_one;
use crate::task::query::{bodies_if_any, headers_if_any, list, statuses};
use crate::task::{Header, Parent};
use crate::value::{self, ID_WIDTH};

/// A deferred task with its dependencies.
pub type Deferred = (String, Vec<(String, Status)>);

/// How many ranges one request reads.
const CHUNK: usize = 500;

/// For each start the members of a sorted set that begin with it and any character from `mark` up to
/// `:`, without these prefixes.
fn members(
    queue: &mut Queue,
    key: &str,
    starts: &[String],
    mark: char,
) -> Result<Vec<Vec<String>>> {
    let mut all = Vec::with_capacity(starts.len());
    for chunk in starts.chunks(CHUNK) {
        let mut pipeline = Pipeline::new();
        for start in chunk {
            let (from, to) = (format!("[{start}{mark}"), format!("({start};"));
            pipeline.cmd("ZRANGEBYLEX").arg(key).arg(from).arg(to);
        }
        for (start, reply) in chunk.iter().zip(queue.connection.pipeline(&pipeline)?) {
            let found = value::texts(reply)?;
            all.push(found.iter().map(|member| member[start.len() + 1..].to_owned()).collect());
        }
    }
    Ok(all)
}

/// The tasks that depend on each of these; for those that were retried, the newest of their chain.
pub fn dependents(queue: &mut Queue, ids: &[String]) -> Result<Vec<Vec<String>>> {
    let (links, tasks) = (queue.keys.dependents(), queue.keys.deferred());
    let sets_of = members(queue, &links, ids, '+')?;
    let sets: BTreeSet<String> = sets_of.iter().flatten().cloned().collect();
    let sets: Vec<String> = sets.into_iter().collect();
    // Only ':': a range from '+' on would find the tasks of set 12 for set 1.
    let id_of = |member: String| member.rsplit(':').next().map(str::to_owned);
    let tasks_of: Vec<Vec<String>> = members(queue, &tasks, &sets, ':')?
        .into_iter()
        .map(|members| members.into_iter().filter_map(id_of).collect())
        .collect();
    let all: Vec<String> = tasks_of.iter().flatten().cloned().collect();
    let statuses = all.iter().zip(statuses(queue, &all)?);
    let moved: HashSet<&String> =
        statuses.filter(|(_, status)| *status == Status::Moved).map(|(id, _)| id).collect();
    let tasks_of: HashMap<&String, &Vec<String>> = sets.iter().zip(&tasks_of).collect();
    let tasks = |sets: &Vec<String>| -> Vec<String> {
        let tasks = sets.iter().flat_map(|set| tasks_of[set]);
        tasks.filter(|id| !moved.contains(id)).cloned().collect()
    };
    Ok(sets_of.iter().map(tasks).collect())
}

/// What each of these tasks depends on, with the names of those whose values it uses.
fn named_parents(queue: &mut Queue, ids: &[String]) -> Result<Vec<Vec<Parent>>> {
    let headers = headers_if_any(queue, ids)?;
    // The body of a retried task is that of its newest retry.
    let newest = newest(queue, ids)?;
    let bodies = bodies_if_any(queue, &newest)?;
    let set = |header: &Option<Header>| Some(header.as_ref()?.set?.0);
    let on = parents_of(queue, &headers.iter().filter_map(set).collect())?;
    let mut all = Vec::with_capacity(ids.len());
    for (header, body) in headers.iter().zip(bodies) {
        let named = body.map(|body| body.parents).unwrap_or_default();
        all.push(match set(header).and_then(|set| on.get(&set)) {
            Some(parents) => with_names(queue, parents, named)?,
            // An earlier version recorded it as impossible: only its body says on what it depends.
            None => named,
        });
    }
    Ok(all)
}

/// Add the names to dependencies. One may have been named by the id that it had before a retry; one
/// with several names is there once per name.
fn with_names(queue: &mut Queue, ids: &[String], named: Vec<Parent>) -> Result<Vec<Parent>> {
    let known: HashSet<&String> = ids.iter().collect();
    let mut current: Vec<String> = named.iter().map(|parent| parent.id.clone()).collect();
    if !current.iter().all(|id| known.contains(id)) {
        current = newest(queue, &current)?;
    }
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for (id, parent) in current.into_iter().zip(named) {
        names.entry(id).or_default().push(parent.name);
    }
    let parents = |id: &String| -> Vec<Parent> {
        let names = names.get(id).cloned().unwrap_or_else(|| vec![String::new()]);
        names.into_iter().map(|name| Parent { name, id: id.clone() }).collect()
    };
    Ok(ids.iter().flat_map(parents).collect())
}

/// Tasks with their neighbours in one direction.
pub type Tree<T> = Vec<(String, Vec<T>)>;

/// Everything that a task depends on: each task that depends on others, with these.
pub fn ancestors(queue: &mut Queue, id: &str) -> Result<Tree<Parent>> {
    walk(&[id.to_owned()], |ids| named_parents(queue, ids), |parent| &parent.id)
}

/// Everything that depends on a task: each task on which others depend, with these.
pub fn descendants(queue: &mut Queue, id: &str) -> Result<Tree<String>> {
    walk(&[id.to_owned()], |ids| dependents(queue, ids), |id| id)
}

/// Both of these for several tasks at once. Each task is looked at once in each direction.
pub fn graph(queue: &mut Queue, ids: &[String]) -> Result<(Tree<Parent>, Tree<String>)> {
    let up = walk(ids, |ids| named_parents(queue, ids), |parent| &parent.id)?;
    Ok((up, walk(ids, |ids| dependents(queue, ids), |id| id)?))
}

/// Level by level, so that the number of requests follows from the depth alone. `ids` come first.
fn walk<T>(
    ids: &[String],
    mut next: impl FnMut(&[String]) -> Result<Vec<Vec<T>>>,
    id_of: impl Fn(&T) -> &String,
) -> Result<Tree<T>> {
    let mut level = ids.to_vec();
    let mut seen: HashSet<String> = ids.iter().cloned().collect();
    let mut tree = Vec::new();
    while !level.is_empty() {
        let found = next(&level)?;
        let mut below = Vec::new();
        for (id, neighbours) in level.into_iter().zip(found) {
            let ids = neighbours.iter().map(&id_of);
            below.extend(ids.filter(|id| seen.insert((*id).clone())).cloned());
            if !neighbours.is_empty() {
                tree.push((id, neighbours));
            }
        }
        level = below;
    }
    Ok(tree)
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
        for _ in 0..GENERATIONS {
            let Some(parent) = failed.get(at) else { break };
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
