//! What a queue stores, in bytes. Every command here is short, whatever the size of the queue: large
//! hashes are read in slices, and the server extrapolates their size from samples.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use redis::Pipeline;

use crate::connection::Connection;
use crate::error::Result;
use crate::keys::{Keys, field};
use crate::queue::Queue;
use crate::store::{Location, Place};
use crate::task::{Flag, Header, query};
use crate::{files, value, worker};

/// How many values of a hash the server measures.
const SAMPLES: usize = 200;
/// How many fields one request reads, and how many commands one pipeline has.
const SLICE: usize = 1000;
/// What the server needs for a field of a large hash with an id as its name, besides the value.
const FIELD: u64 = 100;

/// Part of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// How many there are of it.
    pub count: u64,
    /// How much memory of the server they take, or space outside it.
    pub bytes: u64,
}

impl Part {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// A task or an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Its size.
    pub bytes: u64,
    /// Its id or hash.
    pub name: String,
    /// The label of a task; the task whose result an object is.
    pub label: String,
}

/// What a queue stores, by kind.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Tasks that have not ended.
    pub pending: Part,
    /// Tasks that have ended, with results that are not objects.
    pub ended: Part,
    /// Objects that stand in one hash.
    pub small: Part,
    /// Objects in chunks.
    pub chunks: Part,
    /// Objects in files outside the server.
    pub offloaded: Part,
    /// What tasks printed, the events they emitted, and the logs of workers.
    pub logs: Part,
    /// Messages and responses.
    pub messages: Part,
    /// Files on their way between sessions and workers.
    pub files: Part,
    /// Everything else. Its count is that of keys.
    pub other: Part,
    /// The biggest tasks, largest first.
    pub tasks: Vec<Item>,
    /// The biggest objects, largest first.
    pub objects: Vec<Item>,
}

/// The largest of many items.
struct Biggest {
    n: usize,
    items: BinaryHeap<Reverse<Item>>,
}

impl Biggest {
    fn new(n: usize) -> Self {
        Biggest { n, items: BinaryHeap::with_capacity(n + 1) }
    }

    fn offer(&mut self, bytes: u64, name: &str, label: &str) {
        let is_small = self.items.peek().is_some_and(|least| least.0.bytes >= bytes);
        if self.n > 0 && !(self.items.len() == self.n && is_small) {
            let (name, label) = (name.to_owned(), label.to_owned());
            self.items.push(Reverse(Item { bytes, name, label }));
            if self.items.len() > self.n {
                self.items.pop();
            }
        }
    }

    fn sorted(self) -> Vec<Item> {
        self.items.into_sorted_vec().into_iter().map(|item| item.0).collect()
    }
}

/// What a queue stores in the server, without its logs, messages and files: enough to notice that it
/// fills the server.
pub(crate) fn stored_bytes(connection: &mut Connection, keys: &Keys) -> Result<u64> {
    let mut names = Vec::from(keys.task_hashes());
    names.extend([keys.objects(), keys.object_refs(), keys.stored_objects(), keys.due()]);
    names.extend([keys.dependents(), keys.deferred(), keys.sets()]);
    let mut bytes: u64 = usage(connection, &names)?.iter().sum();
    connection.hash_scan(&keys.stored_objects(), SLICE, |hash, packed| {
        let location = Location::unpack(&hash, &packed)?;
        if matches!(location.place, Place::Chunks(_)) {
            bytes += location.stored;
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// The memory that keys take, 0 for one that does not exist.
fn usage(connection: &mut Connection, names: &[String]) -> Result<Vec<u64>> {
    let mut bytes = Vec::with_capacity(names.len());
    for some in names.chunks(SLICE) {
        let mut pipeline = Pipeline::new();
        for name in some {
            pipeline.cmd("MEMORY").arg("USAGE").arg(name).arg("SAMPLES").arg(SAMPLES);
        }
        for reply in connection.pipeline(&pipeline)? {
            let found = value::maybe_bytes(reply)?.unwrap_or_default();
            bytes.push(String::from_utf8(found).ok().and_then(|n| n.parse().ok()).unwrap_or(0));
        }
    }
    Ok(bytes)
}

impl Queue {
    /// What the queue stores, with the `n` biggest tasks and objects. The lengths of tasks and large
    /// objects are exact; what the server needs besides is an estimate.
    pub fn memory(&mut self, n: usize) -> Result<Memory> {
        let mut memory = Memory::default();
        let located = self.located(&mut memory)?;
        let results = self.add_tasks(&mut memory, n)?;
        let mut objects = Biggest::new(n);
        for (hash, bytes) in &located {
            let task = results.get(hash).map(|id| format!("result of task {id}"));
            objects.offer(*bytes, hash, &task.unwrap_or_default());
        }
        if objects.items.len() < n {
            self.offer_small(&mut objects)?;
        }
        memory.objects = objects.sorted();
        self.add_keys(&mut memory)?;
        Ok(memory)
    }

    /// Add the larger objects; returns their sizes.
    fn located(&mut self, memory: &mut Memory) -> Result<HashMap<String, u64>> {
        let mut located = HashMap::new();
        self.connection.hash_scan(&self.keys.stored_objects(), SLICE, |hash, packed| {
            let location = Location::unpack(&hash, &packed)?;
            if located.insert(hash, location.stored).is_none() {
                match location.place {
                    Place::Chunks(_) => memory.chunks.add(location.stored),
                    Place::File(_) => memory.offloaded.add(location.stored),
                }
            }
            Ok(())
        })?;
        let mut seen = HashSet::new();
        self.connection.hash_scan(&self.keys.lost_files(), SLICE, |file, bytes| {
            let bytes = String::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            if seen.insert(file) {
                memory.offloaded.add(bytes.unwrap_or(0));
            }
            Ok(())
        })?;
        Ok(located)
    }

    /// Add all tasks; returns whose results the objects are.
    fn add_tasks(&mut self, memory: &mut Memory, n: usize) -> Result<HashMap<String, String>> {
        let (mut results, mut biggest) = (HashMap::new(), Biggest::new(n));
        let (mut seen, mut page) = (HashSet::new(), Vec::new());
        let keys = self.keys.clone();
        let mut other = self.connection.duplicate();
        let mut add = |page: &mut Vec<(String, Header, u64)>| -> Result<()> {
            let bytes = sizes(&mut other, &keys, page)?;
            for ((id, header, _), bytes) in page.drain(..).zip(bytes) {
                let part = if header.status.is_terminal() {
                    &mut memory.ended
                } else {
                    &mut memory.pending
                };
                part.add(bytes);
                biggest.offer(bytes, &id, "");
                if header.has(Flag::Object) {
                    results.insert(String::from_utf8_lossy(&header.result).into_owned(), id);
                }
            }
            Ok(())
        };
        self.connection.hash_scan(&self.keys.tasks(), SLICE, |id, stored| {
            if seen.insert(u128::from_str_radix(&id, 16).unwrap_or(0)) {
                page.push((id.clone(), Header::parse(&stored), stored.len() as u64));
            }
            if page.len() >= SLICE { add(&mut page) } else { Ok(()) }
        })?;
        add(&mut page)?;
        memory.tasks = biggest.sorted();
        let ids: Vec<String> = memory.tasks.iter().map(|task| task.name.clone()).collect();
        for (task, label) in memory.tasks.iter_mut().zip(query::labels(self, &ids)?) {
            task.label = label.label;
        }
        Ok(results)
    }

    /// The biggest of the objects that stand in one hash.
    fn offer_small(&mut self, biggest: &mut Biggest) -> Result<()> {
        let mut seen = HashSet::new();
        self.connection.hash_scan(&self.keys.objects(), SLICE / 10, |hash, bytes| {
            if seen.insert(u128::from_str_radix(&hash, 16).unwrap_or(0)) {
                biggest.offer(bytes.len() as u64, &hash, "");
            }
            Ok(())
        })
    }

    /// Add what is stored in keys of its own, and what tasks have in other hashes.
    fn add_keys(&mut self, memory: &mut Memory) -> Result<()> {
        let keys = self.keys.clone();
        let of_ended = vec![keys.extras(), keys.attempts(), keys.moved(), keys.was()];
        memory.ended.bytes += self.measure(&of_ended)?.bytes;
        let (n_pending, n_ended) = (memory.pending.count, memory.ended.count);
        let labels = self.measure(&[keys.labels()])?.bytes;
        let of_pending = labels * n_pending / (n_pending + n_ended).max(1);
        memory.ended.bytes += labels - of_pending;
        let mut lists = vec![keys.progress()];
        let queues = self.lengths()?;
        lists.extend(queues.iter().map(|(name, _)| keys.queue(name)));
        memory.pending.bytes += of_pending + self.measure(&lists)?.bytes;
        let count = redis::cmd("HLEN").arg(keys.objects()).clone();
        memory.small.count = value::integer(self.connection.command(&count)?)?.unsigned_abs();
        memory.small.bytes = self.measure(&[keys.objects()])?.bytes;
        let refs = [keys.object_refs(), keys.stored_objects(), keys.object_tags()];
        let mut other = vec![keys.lost_files(), keys.due(), keys.dependents(), keys.deferred()];
        other.extend(refs);
        let ids = worker::all_ids(self)?;
        let workers: Vec<_> = ids.iter().map(|id| keys.worker(id)).collect();
        let mut logs = vec![keys.logs(), keys.emitted()];
        logs.extend(workers.iter().map(crate::keys::WorkerKeys::log));
        memory.logs = self.measure(&logs)?;
        let messages = workers.iter().flat_map(|worker| [worker.messages(), worker.responses()]);
        memory.messages = self.measure(&messages.collect::<Vec<_>>())?;
        let stored = files::stored(self)?;
        let packs: Vec<String> = stored.iter().map(|name| keys.file(name)).collect();
        memory.files = self.measure(&packs)?;
        other.extend(workers.iter().flat_map(|w| [w.wake(), w.heartbeat(), w.control()]));
        other.extend(queues.iter().map(|(name, _)| keys.wake(name)));
        other.extend((1..=self.counter(field::WATCH)?).map(|waiter| keys.events(waiter)));
        other.extend([keys.sets(), keys.files(), keys.workers(), keys.worker_infos()]);
        other.extend([keys.config(), keys.counters()]);
        memory.other = self.measure(&other)?;
        Ok(())
    }

    /// How many of these keys there are, and the memory they take.
    fn measure(&mut self, names: &[String]) -> Result<Part> {
        let mut part = Part::default();
        for bytes in usage(&mut self.connection, names)? {
            if bytes > 0 {
                part.add(bytes);
            }
        }
        Ok(part)
    }
}

/// The memory that each of these tasks takes: header, body and large result.
fn sizes(
    connection: &mut Connection,
    keys: &Keys,
    page: &[(String, Header, u64)],
) -> Result<Vec<u64>> {
    let mut pipeline = Pipeline::new();
    for (id, header, _) in page {
        pipeline.cmd("HSTRLEN").arg(keys.bodies()).arg(id);
        if header.has(Flag::Large) {
            pipeline.cmd("HSTRLEN").arg(keys.results()).arg(id);
        }
    }
    let mut lengths = connection.pipeline(&pipeline)?.into_iter();
    let mut length = || -> Result<u64> {
        let bytes = value::integer(lengths.next().unwrap_or_default())?.unsigned_abs();
        Ok(if bytes > 0 { bytes + FIELD } else { 0 })
    };
    let mut sizes = Vec::with_capacity(page.len());
    for (_, header, own) in page {
        let large = header.has(Flag::Large);
        sizes.push(own + FIELD + length()? + if large { length()? } else { 0 });
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_biggest_come_first() {
        let mut biggest = Biggest::new(2);
        for (bytes, name) in [(3, "c"), (1, "a"), (4, "d"), (2, "b")] {
            biggest.offer(bytes, name, "");
        }
        let names: Vec<String> = biggest.sorted().into_iter().map(|item| item.name).collect();
        assert_eq!(names, ["d", "c"]);
    }
}
