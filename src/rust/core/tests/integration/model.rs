//! Random operations, and after each of them everything that must always be true.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::Commands;
use rrq_core::connection::never;
use rrq_core::message;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::{self, Worker};

use crate::support::*;

const QUEUES: [&str; 2] = ["default", "fast"];
const WORKERS: [&str; 3] = ["a", "b", "c"];
const N_OPERATIONS: usize = 400;

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What the server holds.
struct Snapshot {
    /// Status letter, queue (empty for a task taken out of it), worker.
    headers: BTreeMap<String, (Status, String, String)>,
    counters: BTreeMap<String, i64>,
    lists: BTreeMap<String, Vec<String>>,
    /// Of workers that take part.
    held: BTreeMap<String, Vec<String>>,
}

type Record = (u64, u64, String, String, u64, u64, String);

fn held((id, packed): (String, Vec<u8>)) -> Option<(String, Vec<String>)> {
    let record: Record = rmp_serde::from_slice(&packed).unwrap();
    let ids = record.3.as_bytes().chunks(32);
    let ids = ids.map(|id| String::from_utf8(id.to_vec()).unwrap());
    (!["LOST", "EXITED"].contains(&record.2.as_str())).then(|| (id, ids.collect()))
}

fn header((id, stored): (String, Vec<u8>)) -> (String, (Status, String, String)) {
    let text = String::from_utf8(stored).unwrap();
    let fields: Vec<&str> = text.splitn(12, '\n').collect();
    let status = Status::from_letter(fields[0].as_bytes()[0]);
    let taken_out = fields[5].parse::<u64>().unwrap() & 16 != 0;
    let queue = if taken_out { "" } else { fields[6] };
    (id, (status, queue.to_owned(), fields[7].to_owned()))
}

impl Snapshot {
    fn read(raw: &mut redis::Connection) -> Self {
        let headers: Vec<(String, Vec<u8>)> = raw.hgetall("{jobs}:t").unwrap();
        let records: Vec<(String, Vec<u8>)> = raw.hgetall("{jobs}:w").unwrap();
        let mut list = |name: &str| {
            (name.to_owned(), raw.lrange(format!("{{jobs}}:q:{name}"), 0, -1).unwrap())
        };
        let lists = QUEUES.into_iter().map(&mut list).collect();
        let counters: BTreeMap<String, i64> = raw.hgetall("{jobs}:n").unwrap();
        Snapshot {
            headers: headers.into_iter().map(header).collect(),
            counters: counters
                .into_iter()
                .filter(|(field, n)| field.contains(':') && *n != 0)
                .collect(),
            lists,
            held: records.into_iter().filter_map(held).collect(),
        }
    }

    /// Counters are what counting the headers gives.
    fn check_counters(&self) {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for (status, queue, _) in self.headers.values() {
            *counts.entry(format!("s:{}", status.word())).or_default() += 1;
            if *status == Status::Pending && !queue.is_empty() {
                *counts.entry(format!("q:{queue}")).or_default() += 1;
            }
        }
        assert_eq!(self.counters, counts);
    }

    /// Every waiting task stands once in the list of its queue, beside ids that mean nothing there.
    fn check_lists(&self) {
        let mut listed: Vec<(&String, &String)> = Vec::new();
        let waits = |id: &String, queue: &String| {
            let header = self.headers.get(id);
            header.is_some_and(|header| header.0 == Status::Pending && header.1 == *queue)
        };
        for (queue, ids) in &self.lists {
            let ids = ids.iter().filter(|id| waits(id, queue));
            listed.extend(ids.map(|id| (queue, id)));
            let is_left = self.counters.contains_key(&format!("q:{queue}"));
            assert!(is_left || listed.iter().all(|(name, _)| *name != queue));
        }
        let waiting = self
            .headers
            .iter()
            .filter(|(_, header)| header.0 == Status::Pending && !header.1.is_empty());
        let mut expected: Vec<(&String, &String)> =
            waiting.map(|(id, header)| (&header.1, id)).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }

    /// Every running task is held by exactly the worker its header names, which takes part.
    fn check_held(&self) {
        let held =
            self.held.iter().flat_map(|(worker, ids)| ids.iter().map(move |id| (id, worker)));
        let running = self.headers.iter().filter(|(_, header)| header.0 == Status::Running);
        let mut held: Vec<_> = held.collect();
        held.sort();
        let expected: Vec<_> = running.map(|(id, header)| (id, &header.2)).collect();
        assert_eq!(held, expected);
    }
}

struct Model {
    f: Fixture,
    raw: redis::Connection,
    random: Random,
    workers: HashMap<&'static str, Worker>,
    actor: Actor,
    submitted: BTreeSet<String>,
    ended: HashMap<String, Status>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let f = Fixture::new();
        let mut n = 0;
        let play = move |_: &_| {
            n += 1;
            if n % 7 == 0 { failed("x".repeat(n % 300)) } else { complete("value") }
        };
        Model {
            raw: f.raw(),
            f,
            random: Random(seed),
            workers: HashMap::new(),
            actor: Actor::new(play),
            submitted: BTreeSet::new(),
            ended: HashMap::new(),
        }
    }

    /// One operation; its name helps to read a failure.
    fn operate(&mut self) -> String {
        let id = WORKERS[self.random.below(3)];
        match self.random.below(30) {
            0..6 => self.submit(),
            6..16 => self.turn(id),
            16 => self.kill(id),
            17 => self.lapse(id),
            18 => self.sweep(),
            19 => self.exit(id),
            20 => self.send(id, "PING"),
            21 => self.send(id, "PAUSE"),
            22 | 23 => self.cancel(),
            24 | 25 => self.delete(),
            26 => self.remove(),
            27 => self.cancel_running(),
            _ => self.send(id, "RESUME"),
        }
    }

    fn submit(&mut self) -> String {
        let queue = QUEUES[self.random.below(2)];
        let payloads = vec!["task"; 1 + self.random.below(5)];
        let ids = submit(&mut self.f.queue, &submission(queue, Vec::new()), &payloads);
        self.submitted.extend(ids);
        format!("submit {} to {queue}", payloads.len())
    }

    /// A worker that is not there is started; its name may still belong to one that was killed.
    fn turn(&mut self, id: &'static str) -> String {
        if let Some(worker) = self.workers.get_mut(id) {
            let turn = worker.turn(&mut self.actor, false).unwrap();
            return format!("turn of {id}: {turn:?}");
        }
        let queues =
            |config: &mut rrq_core::config::WorkerConfig| config.queue = vec!["fast".into()];
        if let Ok(worker) = register(self.f.attach(), id, never(), queues) {
            self.workers.insert(id, ready(worker));
        }
        format!("start {id}")
    }

    fn lapse(&mut self, id: &str) -> String {
        let mut command = redis::cmd("ZADD");
        command.arg("{jobs}:due").arg("XX").arg(0).arg(format!("L:{id}"));
        command.exec(&mut self.raw).unwrap();
        format!("lapse {id}")
    }

    fn kill(&mut self, id: &'static str) -> String {
        self.workers.remove(id);
        self.lapse(id);
        format!("kill {id}")
    }

    fn exit(&mut self, id: &'static str) -> String {
        if let Some(mut worker) = self.workers.remove(id) {
            worker.exit("enough").unwrap();
        }
        format!("exit {id}")
    }

    fn sweep(&mut self) -> String {
        format!("sweep {:?}", worker::sweep(&mut self.f.queue).unwrap())
    }

    fn send(&mut self, id: &str, command: &str) -> String {
        let sent = message::send(&mut self.f.queue, command, b"", &[id.to_owned()]);
        format!("{command} to {id}: {}", sent.is_ok())
    }

    /// Up to three of the tasks there are.
    fn some(&mut self) -> Vec<String> {
        let ids: Vec<String> = self.submitted.iter().cloned().collect();
        let n = if ids.is_empty() { 0 } else { self.random.below(4) };
        (0..n).map(|_| ids[self.random.below(ids.len())].clone()).collect()
    }

    fn cancel(&mut self) -> String {
        let ids = self.some();
        format!("cancel {ids:?}: {:?}", task::cancel(&mut self.f.queue, &ids))
    }

    fn cancel_running(&mut self) -> String {
        let ids: Vec<String> = self.submitted.iter().cloned().collect();
        let statuses = statuses(&mut self.f.queue, &ids);
        let running = ids.into_iter().zip(statuses).find(|(_, s)| *s == Status::Running);
        let ids: Vec<String> = running.into_iter().map(|(id, _)| id).collect();
        format!("cancel running {ids:?}: {:?}", task::cancel(&mut self.f.queue, &ids))
    }

    fn delete(&mut self) -> String {
        let ids = self.some();
        let deleted = task::delete(&mut self.f.queue, &ids, true);
        if deleted.is_ok() {
            self.submitted.retain(|id| !ids.contains(id));
            self.ended.retain(|id, _| !ids.contains(id));
        }
        format!("delete {ids:?}: {deleted:?}")
    }

    fn remove(&mut self) -> String {
        let (ids, queue) = (self.some(), QUEUES[self.random.below(2)]);
        format!("take {ids:?} out of {queue}: {:?}", self.f.queue.remove(queue, &ids))
    }

    fn check(&mut self) {
        let snapshot = Snapshot::read(&mut self.raw);
        let known: BTreeSet<String> = snapshot.headers.keys().cloned().collect();
        assert_eq!(known, self.submitted);
        snapshot.check_counters();
        snapshot.check_lists();
        snapshot.check_held();
        for (id, (status, _, _)) in snapshot.headers {
            if status.is_terminal() {
                assert_eq!(*self.ended.entry(id).or_insert(status), status);
            }
        }
    }

    /// In the end a new worker runs what is left.
    fn drain(&mut self) {
        for id in WORKERS {
            self.kill(id);
        }
        self.sweep();
        let queues =
            |config: &mut rrq_core::config::WorkerConfig| config.queue = vec!["fast".into()];
        let mut last = ready(register(self.f.attach(), "last", never(), queues).unwrap());
        run_until_idle(&mut last, &mut self.actor);
        self.check();
        let rest: Vec<String> =
            self.submitted.iter().filter(|id| !self.ended.contains_key(*id)).cloned().collect();
        let headers = task::headers(&mut self.f.queue, &rest).unwrap();
        assert!(headers.iter().all(|h| h.status == Status::Pending && !h.is_queued()));
    }
}

fn run(seed: u64) {
    let mut model = Model::new(seed);
    let mut history = Vec::new();
    for _ in 0..N_OPERATIONS {
        history.push(model.operate());
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.check()));
        if check.is_err() {
            panic!("seed {seed}, after: {:#?}", &history[history.len().saturating_sub(12)..]);
        }
    }
    model.drain();
}

#[test]
fn random_operations_keep_every_invariant() {
    (1..=6).for_each(|i| run(0x9E37_79B9_7F4A_7C15 ^ i));
}

#[test]
fn other_random_operations_keep_every_invariant() {
    (1..=6).for_each(|i| run(0xD1B5_4A32_D192_ED03 ^ i));
}
