//! What the server holds, and everything that must be true of it at any moment.

use std::collections::{BTreeMap, BTreeSet};

use redis::{FromRedisValue, Pipeline, Value};
use rrq_core::status::Status;
use rrq_core::task::{Body, Flag, Header};
use rrq_core::worker::Record;

pub const QUEUES: [&str; 2] = ["default", "fast"];

type Map<T> = BTreeMap<String, T>;
type Set = BTreeSet<String>;

/// What the model asks of a stored task.
pub trait Task {
    fn has_ended(&self) -> bool;
    fn is_taken_out(&self) -> bool;
    fn set(&self) -> Option<(String, String)>;
}

impl Task for Header {
    fn has_ended(&self) -> bool {
        self.status.is_terminal()
    }

    fn is_taken_out(&self) -> bool {
        self.status == Status::Pending && self.has(Flag::Unqueued)
    }

    /// The set it is of, and its position there, as they stand in keys.
    fn set(&self) -> Option<(String, String)> {
        self.set.map(|(set, at)| (set.to_string(), format!("{at:09}")))
    }
}

/// What stands in `ds` of a set of tasks that depend on the same others.
#[derive(Debug, Default)]
struct Dependency(Map<String>);

impl Dependency {
    fn number(&self, field: &str) -> Option<usize> {
        self.0.get(field).map(|n| n.parse().unwrap())
    }

    fn parents(&self) -> Vec<String> {
        let ids = self.0["on"].as_bytes().chunks(32);
        ids.map(|id| String::from_utf8(id.to_vec()).unwrap()).collect()
    }
}

pub struct Snapshot {
    pub tasks: Map<Header>,
    bodies: Map<Body>,
    counters: Map<i64>,
    lists: Map<Vec<String>>,
    /// Of workers that take part.
    held: Map<Vec<String>>,
    pub due: Map<f64>,
    /// Where retried tasks went and what their status was.
    moved: Map<(String, Status)>,
    was: Map<String>,
    sets: Map<Dependency>,
    links: Set,
    members: Set,
    n_paused: usize,
    attempts: Set,
    refs: Map<usize>,
    /// Where larger objects are, and files that are still to be deleted.
    stored: Map<String>,
    lost_files: Map<String>,
    fields: Map<Set>,
}

fn held((id, packed): (String, Vec<u8>)) -> Option<(String, Vec<String>)> {
    let record = Record::unpack(&id, &packed).unwrap();
    assert!(record.n_open <= record.held().count(), "{id} has more tasks open than it holds");
    let is_active = !["LOST", "EXITED"].contains(&record.state.as_str());
    is_active.then(|| (id, record.held().collect()))
}

fn read_sets(fields: Map<String>) -> Map<Dependency> {
    let mut sets: Map<Dependency> = Map::new();
    for (field, value) in fields {
        let (set, name) = field.split_once(':').unwrap();
        sets.entry(set.to_owned()).or_default().0.insert(name.to_owned(), value);
    }
    sets
}

fn read_moved((id, stored): (String, String)) -> (String, (String, Status)) {
    let parts: Vec<&str> = stored.split(' ').collect();
    (id, (parts[0].to_owned(), Status::from_letter(parts[2].as_bytes()[0])))
}

impl Snapshot {
    /// All at one moment.
    pub fn read(raw: &mut redis::Connection) -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        for key in ["t", "b", "n", "w", "mv", "mu", "ds", "oref", "ox", "olost", "cfg"] {
            pipeline.cmd("HGETALL").arg(format!("{{jobs}}:{key}"));
        }
        for key in ["due", "dn", "dl"] {
            pipeline.cmd("ZRANGE").arg(format!("{{jobs}}:{key}")).arg(0).arg(-1).arg("WITHSCORES");
        }
        let hashes = ["at", "lab", "r", "x", "prog", "o"];
        for key in hashes {
            pipeline.cmd("HKEYS").arg(format!("{{jobs}}:{key}"));
        }
        for queue in QUEUES {
            pipeline.cmd("LRANGE").arg(format!("{{jobs}}:q:{queue}")).arg(0).arg(-1);
        }
        let replies: Vec<Value> = pipeline.query(raw).unwrap();
        let mut replies = replies.into_iter();
        fn next<T: FromRedisValue>(replies: &mut impl Iterator<Item = Value>) -> T {
            redis::from_redis_value(replies.next().unwrap()).unwrap()
        }
        let tasks: Map<Vec<u8>> = next(&mut replies);
        let bodies: Map<Vec<u8>> = next(&mut replies);
        let counters: Map<i64> = next(&mut replies);
        let records: Map<Vec<u8>> = next(&mut replies);
        let moved: Map<String> = next(&mut replies);
        let unpack = |(id, body): (String, Vec<u8>)| {
            let body = Body::unpack(&body).unwrap();
            (id, body)
        };
        let parse = |(id, stored): (String, Vec<u8>)| {
            let header = Header::parse(&stored);
            (id, header)
        };
        let mut snapshot = Snapshot {
            tasks: tasks.into_iter().map(parse).collect(),
            bodies: bodies.into_iter().map(unpack).collect(),
            counters: counters.into_iter().filter(|(_, n)| *n != 0).collect(),
            held: records.into_iter().filter_map(held).collect(),
            moved: moved.into_iter().map(read_moved).collect(),
            was: next(&mut replies),
            sets: read_sets(next(&mut replies)),
            refs: next(&mut replies),
            stored: next(&mut replies),
            lost_files: next(&mut replies),
            n_paused: next::<Map<Vec<u8>>>(&mut replies)
                .keys()
                .filter(|field| field.starts_with("pause:"))
                .count(),
            due: next(&mut replies),
            links: next::<Map<u64>>(&mut replies).into_keys().collect(),
            members: next::<Map<u64>>(&mut replies).into_keys().collect(),
            attempts: next(&mut replies),
            fields: Map::new(),
            lists: Map::new(),
        };
        for key in &hashes[1..] {
            snapshot.fields.insert((*key).to_owned(), next(&mut replies));
        }
        for queue in QUEUES {
            snapshot.lists.insert(queue.to_owned(), next(&mut replies));
        }
        snapshot
    }

    /// The chain of retries a task is of.
    pub fn chain(&self, id: &str) -> Set {
        let mut chain = Set::from([id.to_owned()]);
        let (mut next, mut last) = (id, id);
        while let Some((to, _)) = self.moved.get(next) {
            next = to;
            assert!(chain.insert(to.clone()), "a chain of retries has no end");
        }
        while let Some(from) = self.was.get(last) {
            last = from;
            chain.insert(from.clone());
        }
        chain
    }

    /// What a task depends on.
    pub fn parents(&self, id: &str) -> Vec<String> {
        let set = self.tasks.get(id).and_then(Task::set);
        set.map(|(set, _)| self.sets[&set].parents()).unwrap_or_default()
    }

    /// Everything; `gone` are tasks that may be gone although others depend on them.
    pub fn check(&self, gone: &Set) {
        self.check_counters();
        self.check_lists();
        self.check_held();
        self.check_timers();
        self.check_chains();
        self.check_stores();
        self.check_sets();
        self.check_links(gone);
        self.check_deferred();
    }

    fn ids(&self, takes: impl Fn(&Header) -> bool) -> Set {
        self.tasks.iter().filter(|(_, task)| takes(task)).map(|(id, _)| id.clone()).collect()
    }

    /// Counters are what counting the headers gives.
    fn check_counters(&self) {
        let mut counts: Map<i64> = Map::new();
        for task in self.tasks.values() {
            *counts.entry(format!("s:{}", task.status.word())).or_default() += 1;
            if task.is_queued() {
                *counts.entry(format!("q:{}", task.queue)).or_default() += 1;
            }
        }
        let stored = self.counters.iter().filter(|(field, _)| field.contains(':'));
        assert_eq!(stored.map(|(field, n)| (field.clone(), *n)).collect::<Map<i64>>(), counts);
        let paused = self.counters.get("paused").copied().unwrap_or(0);
        assert_eq!(paused, self.n_paused as i64);
    }

    /// Every waiting task stands once in the list of its queue, beside ids that mean nothing there.
    fn check_lists(&self) {
        let mut listed: Vec<(&String, &String)> = Vec::new();
        for (queue, ids) in &self.lists {
            let waits = |id: &&String| {
                self.tasks.get(*id).is_some_and(|task| task.is_queued() && task.queue == *queue)
            };
            listed.extend(ids.iter().filter(waits).map(|id| (queue, id)));
        }
        let waiting = self.tasks.iter().filter(|(_, task)| task.is_queued());
        let mut expected: Vec<_> = waiting.map(|(id, task)| (&task.queue, id)).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }

    /// Every running task is held by exactly the worker its header names, which takes part.
    fn check_held(&self) {
        let held = self.held.iter();
        let mut held: Vec<_> =
            held.flat_map(|(worker, ids)| ids.iter().map(move |id| (id, worker))).collect();
        held.sort();
        let running = self.tasks.iter().filter(|(_, task)| task.status == Status::Running);
        assert_eq!(held, running.map(|(id, task)| (id, &task.worker)).collect::<Vec<_>>());
    }

    fn timers(&self, kind: &str) -> Set {
        self.due.keys().filter_map(|member| member.strip_prefix(kind)).map(str::to_owned).collect()
    }

    /// What is scheduled has a time, what has ended and is to be forgotten has one, nothing else.
    fn check_timers(&self) {
        let scheduled = |task: &Header| task.has(Flag::Scheduled);
        assert_eq!(self.timers("S:"), self.ids(scheduled));
        assert!(self.tasks.values().all(|t| !scheduled(t) || t.status == Status::Pending));
        let expires = |task: &Header| {
            task.rules.ttl_s.is_some() && task.has_ended() && task.status != Status::Moved
        };
        assert_eq!(self.timers("X:"), self.ids(expires));
        assert_eq!(self.timers("L:"), self.held.keys().cloned().collect());
    }

    /// Retried tasks lead to one that was not, and back.
    fn check_chains(&self) {
        let is_moved = |task: &Header| task.status == Status::Moved;
        assert_eq!(self.moved.keys().cloned().collect::<Set>(), self.ids(is_moved));
        let back = self.moved.iter().map(|(id, (to, _))| (to.clone(), id.clone()));
        assert_eq!(self.was, back.collect());
        for id in self.moved.keys() {
            let last: Vec<String> =
                self.chain(id).into_iter().filter(|id| !self.moved.contains_key(id)).collect();
            assert!(last.len() == 1 && self.tasks.contains_key(&last[0]));
        }
    }

    /// Whatever is stored for a task is there, and nothing for others.
    fn check_stores(&self) {
        let is_moved = |task: &Header| task.status == Status::Moved;
        let runnable = self.ids(|task| !is_moved(task));
        assert_eq!(self.bodies.keys().cloned().collect::<Set>(), runnable);
        for key in ["lab", "x", "prog"] {
            assert!(self.fields[key].iter().all(|id| self.tasks.contains_key(id)), "{key}");
        }
        assert_eq!(self.fields["r"], self.ids(|task| task.has(Flag::Large)));
        self.check_objects();
        self.check_attempts();
    }

    /// Each object is kept by those that refer to it, or by a pin.
    fn check_objects(&self) {
        let mut refs: Map<usize> = Map::new();
        let results = self.tasks.values().filter(|task| task.has(Flag::Object));
        let results = results.map(|task| String::from_utf8(task.result.clone()).unwrap());
        let shared = self.bodies.values().flat_map(|body| body.objects().map(str::to_owned));
        for hash in shared.chain(results) {
            *refs.entry(hash).or_default() += 1;
        }
        assert_eq!(self.refs, refs);
        let objects: Set = self.fields["o"].iter().chain(self.stored.keys()).cloned().collect();
        let pins = self.due.keys().filter_map(|member| member.strip_prefix("O:"));
        let kept: Set = refs.into_keys().chain(pins.map(str::to_owned)).collect();
        assert_eq!(objects, kept);
    }

    /// The names of all files outside the server, sorted.
    pub fn files(&self) -> Vec<String> {
        let place = |(hash, stored): (&String, &String)| {
            let parts: Vec<&str> = stored.split(' ').collect();
            (parts[0] == "f").then(|| format!("{hash}-{}", parts[3]))
        };
        let mut files: Vec<String> = self.stored.iter().filter_map(place).collect();
        files.extend(self.lost_files.keys().cloned());
        files.sort();
        files
    }

    /// Of all attempts but the one that counts there is a record.
    fn check_attempts(&self) {
        let mut expected = Set::new();
        for (id, task) in &self.tasks {
            let is_open = task.status == Status::Pending;
            let all = is_open || self.attempts.contains(&format!("{id}:{}", task.attempt));
            assert!(is_open || !all || matches!(task.status, Status::Cancelled | Status::Moved));
            let n = if all { task.attempt } else { task.attempt.max(1) - 1 };
            expected.extend((1..=n).map(|attempt| format!("{id}:{attempt}")));
        }
        assert_eq!(self.attempts, expected);
    }

    /// What is stored of sets is what counting their tasks gives.
    fn check_sets(&self) {
        let (mut n, mut open, mut members) = (Map::new(), Map::new(), Set::new());
        for (id, task) in &self.tasks {
            if let Some((set, at)) = task.set() {
                *n.entry(set.clone()).or_insert(0) += 1;
                *open.entry(set.clone()).or_insert(0) += usize::from(!task.has_ended());
                members.insert(format!("{set}:{at}:{id}"));
            }
        }
        let stored = |field: &str| -> Map<usize> {
            let sets = self.sets.iter();
            sets.map(|(set, stored)| (set.clone(), stored.number(field).unwrap())).collect()
        };
        assert_eq!(stored("n"), n);
        assert_eq!(stored("open"), open);
        assert_eq!(self.members, members);
    }

    /// Each task is linked to each set that depends on it, in the way it stands. A task that another
    /// one needs is not forgotten by itself.
    fn check_links(&self, gone: &Set) {
        let mut links = Set::new();
        for (set, stored) in &self.sets {
            let mut n_waiting = 0;
            for parent in stored.parents() {
                let Some(task) = self.tasks.get(&parent) else {
                    let is_needed = stored.number("open") > Some(0);
                    assert!(!is_needed || gone.contains(&parent), "{parent} was needed");
                    continue;
                };
                assert!(task.has(Flag::Parent));
                let closed = format!("{parent}-{set}");
                if !task.has_ended() {
                    n_waiting += 1;
                    links.insert(format!("{parent}:{set}"));
                } else if stored.number("open") == Some(0) && self.links.contains(&closed) {
                    links.insert(closed);
                } else {
                    links.insert(format!("{parent}+{set}"));
                }
            }
            let left = stored.number("left");
            assert!(left.is_none_or(|left| left == n_waiting && left > 0), "{stored:?}");
        }
        assert_eq!(self.links, links);
    }

    /// What waits for others waits for a reason, or is about to be told otherwise.
    fn check_deferred(&self) {
        for (id, task) in &self.tasks {
            let Some((set, _)) = task.set() else {
                assert!(task.status != Status::Deferred, "{id} has no set");
                continue;
            };
            let stored = &self.sets[&set];
            if task.status != Status::Deferred {
                let waits = stored.number("left").is_some() || stored.0.contains_key("failed");
                assert!(!waits || task.has_ended() && task.attempt == 0, "{id} did not wait");
                continue;
            }
            let is_due = ["R:", "I:"].iter().any(|kind| self.timers(kind).contains(&set));
            assert!(is_due || stored.number("left").is_some(), "{id} waits for nothing");
            if !is_due && stored.number("any") != Some(1) {
                for parent in stored.parents() {
                    let status = self.tasks.get(&parent).map(|task| match task.status {
                        Status::Moved => self.moved[&parent].1,
                        status => status,
                    });
                    let failed = |s: Status| s.is_terminal() && s != Status::Complete;
                    assert!(!status.is_some_and(failed), "{id} waits for {status:?} {parent}");
                }
            }
        }
    }
}
