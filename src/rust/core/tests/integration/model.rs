//! Random operations, and after each of them everything that must always be true.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rrq_core::config::WorkerConfig;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, Cause, Header, Parent, Retry, Rules, SharedObject, Start, Submission};
use rrq_core::worker::{self, Evaluation, Worker};
use rrq_core::{Error, message};
use tempfile::TempDir;

use self::snapshot::{QUEUES, Snapshot, Task as _};
use crate::support::*;

const WORKERS: [&str; 3] = ["a", "b", "c"];
const N_OPERATIONS: usize = 400;
/// Times that pass only when the model says so.
const LONG_S: f64 = 3600.0;

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Tasks end in all ways, some with more than a header holds.
fn play(n: usize) -> Evaluation {
    let mut evaluation = match n {
        n if n % 5 == 0 => failed("x".repeat(n % 300)),
        n if n % 11 == 0 => Evaluation::new(Status::Timeout, Vec::new()),
        n if n % 13 == 0 => Evaluation::new(Status::Died, Vec::new()),
        n => complete("v".repeat(n % 300)),
    };
    evaluation.is_final = n % 4 == 0;
    if n % 3 == 0 {
        evaluation.extra = b"warnings".to_vec();
    }
    evaluation
}

struct Model {
    f: Fixture,
    /// Where values of more than 40 bytes go, if they are not kept in the server.
    folder: Option<TempDir>,
    raw: redis::Connection,
    random: Random,
    workers: HashMap<&'static str, Worker>,
    actor: Actor,
    /// Tasks that must be there, unless they expired.
    submitted: BTreeSet<String>,
    /// The same in the order they came, so that the same seed does the same.
    order: Vec<String>,
    /// Tasks that users deleted, or that had expired before what depends on them was retried.
    gone: BTreeSet<String>,
    ended: BTreeMap<String, Status>,
    before: Snapshot,
}

impl Model {
    fn new(seed: u64, folder: Option<TempDir>) -> Self {
        let mut f = Fixture::new();
        f.queue.storage = in_folder(folder.as_ref());
        let (mut raw, mut n) = (f.raw(), 0);
        let play = move |_: &_| {
            n += 1;
            play(n)
        };
        Model {
            before: Snapshot::read(&mut raw),
            raw,
            f,
            folder,
            random: Random(seed),
            workers: HashMap::new(),
            actor: Actor::new(play),
            submitted: BTreeSet::new(),
            order: Vec::new(),
            gone: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    /// One operation; its name helps to read a failure.
    fn operate(&mut self) -> String {
        let id = WORKERS[self.random.below(3)];
        match self.random.below(40) {
            0..8 => self.submit(),
            8..19 => self.turn(id),
            19 => self.kill(id),
            20 => self.lapse(id),
            21 | 22 => self.sweep(),
            23 => self.exit(id),
            24 => self.send(id, "PING"),
            25 => self.send(id, "PAUSE"),
            26 | 27 => self.cancel(),
            28 => self.delete(),
            29 => self.remove(),
            30 => self.cancel_running(),
            31..34 => self.retry(),
            34 => self.pause(),
            35 | 36 => self.pass_time("S:"),
            37 => self.pass_time("X:"),
            _ => self.send(id, "RESUME"),
        }
    }

    fn add<'a>(&mut self, ids: impl IntoIterator<Item = &'a String>) {
        for id in ids {
            self.submitted.insert(id.clone());
            self.order.push(id.clone());
        }
    }

    fn rules(&mut self) -> Rules {
        let causes = [Cause::Error, Cause::Lost, Cause::Timeout];
        let retry = Retry {
            max_attempts: 1 + self.random.below(4) as u32,
            delay_s: if self.random.one_in(2) { 0.0 } else { LONG_S },
            backoff: 2.0,
            max_delay_s: 2.0 * LONG_S,
            on: causes.into_iter().filter(|_| !self.random.one_in(3)).collect(),
            ..Retry::default()
        };
        Rules {
            ttl_s: self.random.one_in(3).then_some(LONG_S),
            retry: self.random.one_in(2).then_some(retry),
        }
    }

    fn submit(&mut self) -> String {
        let queue = QUEUES[self.random.below(2)];
        let object = |n: usize| SharedObject::new("x", vec![n as u8; 50]);
        let shared = (0..self.random.below(3)).map(|_| object(self.random.below(3))).collect();
        let depends = self.random.one_in(2);
        let parents = if depends { self.some() } else { Vec::new() };
        let asked = Submission {
            parents: parents.into_iter().map(|id| Parent { name: String::new(), id }).collect(),
            run_on_failure: self.random.one_in(3),
            at_front: self.random.one_in(4),
            start: if self.random.one_in(4) { Start::After(LONG_S) } else { Start::Now },
            rules: self.rules(),
            labels: if self.random.one_in(3) { vec!["label".into()] } else { Vec::new() },
            ..submission(queue, shared)
        };
        let mut payloads = vec![b"task".to_vec(); 1 + self.random.below(5)].into_iter();
        let outcome = task::submit(&mut self.f.queue, &asked, || Ok(payloads.next()));
        match &outcome {
            Ok(ids) | Err(Error::ParentFailed { ids, .. }) => {
                self.add(ids);
            }
            Err(error) => panic!("{error}"),
        }
        let Submission { parents, at_front, start, rules, .. } = asked;
        format!("submit after {parents:?} {at_front} {start:?} {rules:?} to {queue}: {outcome:?}")
    }

    /// A worker that is not there is started; its name may still belong to one that was killed.
    fn turn(&mut self, id: &'static str) -> String {
        if let Some(worker) = self.workers.get_mut(id) {
            let turn = worker.turn(&mut self.actor, false).unwrap();
            return format!("turn of {id}: {turn:?}");
        }
        let queues = |config: &mut WorkerConfig| config.queue = vec!["fast".into()];
        let mut queue = self.f.attach();
        queue.storage = in_folder(self.folder.as_ref());
        if let Ok(worker) = register(queue, id, never(), queues) {
            self.workers.insert(id, ready(worker));
        }
        format!("start {id}")
    }

    /// Make something due.
    fn pass(&mut self, member: &str) {
        let mut command = redis::cmd("ZADD");
        command.arg("{jobs}:due").arg("XX").arg(0).arg(member).exec(&mut self.raw).unwrap();
    }

    fn lapse(&mut self, id: &str) -> String {
        self.pass(&format!("L:{id}"));
        format!("lapse {id}")
    }

    /// The time of one or all of the timers of a kind has come.
    fn pass_time(&mut self, kind: &str) -> String {
        let mut members: Vec<String> =
            self.before.due.keys().filter(|member| member.starts_with(kind)).cloned().collect();
        if !members.is_empty() && self.random.one_in(2) {
            members = vec![members[self.random.below(members.len())].clone()];
        }
        members.iter().for_each(|member| self.pass(member));
        format!("pass time of {members:?}")
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

    fn pause(&mut self) -> String {
        let (queue, pause) = (QUEUES[self.random.below(2)], self.random.one_in(2));
        format!("pause {queue} {pause}: {:?}", self.f.queue.pause(queue, pause))
    }

    /// Up to three of the tasks there are.
    fn some(&mut self) -> Vec<String> {
        let n = if self.order.is_empty() { 0 } else { self.random.below(4) };
        (0..n).map(|_| self.order[self.random.below(self.order.len())].clone()).collect()
    }

    fn cancel(&mut self) -> String {
        let ids = self.some();
        format!("cancel {ids:?}: {:?}", task::cancel(&mut self.f.queue, &ids))
    }

    fn cancel_running(&mut self) -> String {
        let running = |(_, task): &(&String, &Header)| task.status == Status::Running;
        let ids: Vec<String> =
            self.before.tasks.iter().find(running).into_iter().map(|(id, _)| id.clone()).collect();
        format!("cancel running {ids:?}: {:?}", task::cancel(&mut self.f.queue, &ids))
    }

    /// One of those that can be, and whatever else comes along.
    fn retry(&mut self) -> String {
        let mut ids = if self.random.one_in(3) { self.some() } else { Vec::new() };
        let ended: Vec<&String> =
            self.order.iter().filter(|id| self.ended.contains_key(*id)).collect();
        if !ended.is_empty() {
            ids.push(ended[self.random.below(ended.len())].clone());
        }
        let retried = task::retry(&mut self.f.queue, &ids);
        if retried.is_ok() {
            // What they depend on may have expired meanwhile.
            let parents = ids.iter().flat_map(|id| self.before.parents(id));
            self.gone.extend(parents.filter(|id| !self.before.tasks.contains_key(id)));
        }
        self.add(retried.iter().flatten());
        format!("retry {ids:?}: {retried:?}")
    }

    fn delete(&mut self) -> String {
        let ids = self.some();
        let deleted = task::delete(&mut self.f.queue, &ids, true);
        if deleted.is_ok() {
            for id in ids.iter().flat_map(|id| self.before.chain(id)) {
                self.submitted.remove(&id);
                self.gone.insert(id);
            }
        }
        format!("delete {ids:?}: {deleted:?}")
    }

    fn remove(&mut self) -> String {
        let (ids, queue) = (self.some(), QUEUES[self.random.below(2)]);
        format!("take {ids:?} out of {queue}: {:?}", self.f.queue.remove(queue, &ids))
    }

    fn check(&mut self) {
        let snapshot = Snapshot::read(&mut self.raw);
        snapshot.check(&self.gone);
        if let Some(folder) = &self.folder {
            assert_eq!(snapshot.files(), files(folder.path()));
        }
        // Tasks go away when they were deleted, or if their time had come.
        let gone: Vec<String> =
            self.submitted.iter().filter(|id| !snapshot.tasks.contains_key(*id)).cloned().collect();
        for id in gone {
            let chain = self.before.chain(&id);
            let is_due = |id: &String| self.before.due.get(&format!("X:{id}")) == Some(&0.0);
            assert!(chain.iter().any(is_due), "{id} was forgotten");
            assert!(chain.iter().all(|id| !snapshot.tasks.contains_key(id)));
            self.submitted.remove(&id);
        }
        assert!(snapshot.tasks.keys().eq(self.submitted.iter()));
        self.order.retain(|id| snapshot.tasks.contains_key(id));
        // What has ended stays as it is, unless it is retried.
        self.ended.retain(|id, _| snapshot.tasks.contains_key(id));
        for (id, task) in snapshot.tasks.iter().filter(|(_, task)| task.has_ended()) {
            let known = self.ended.insert(id.clone(), task.status);
            let retriable = known != Some(Status::Moved) && known != Some(Status::Impossible);
            let moved = task.status == Status::Moved && retriable;
            assert!(moved || known.is_none_or(|known| known == task.status), "{id} {known:?}");
        }
        for id in self.ended.keys() {
            assert!(snapshot.tasks[id].has_ended(), "{id} goes on after its end");
        }
        self.before = snapshot;
    }

    /// In the end a new worker runs what is left, as soon as its time has come.
    fn drain(&mut self) {
        for id in WORKERS {
            self.kill(id);
        }
        for queue in QUEUES {
            self.f.queue.pause(queue, false).unwrap();
        }
        self.sweep();
        let queues = |config: &mut WorkerConfig| config.queue = vec!["fast".into()];
        let mut queue = self.f.attach();
        queue.storage = in_folder(self.folder.as_ref());
        let mut last = ready(register(queue, "last", never(), queues).unwrap());
        loop {
            run_until_idle(&mut last, &mut self.actor);
            self.check();
            let scheduled = |member: &&String| member.starts_with("S:");
            let members: Vec<String> = self.before.due.keys().filter(scheduled).cloned().collect();
            if members.is_empty() {
                break;
            }
            members.iter().for_each(|member| self.pass(member));
        }
        // Only what was taken out of its queue, and what waits for that, has not ended.
        let open = self.before.tasks.values().filter(|task| !task.has_ended());
        let stays = |task: &Header| task.is_taken_out() || task.status == Status::Deferred;
        assert!(open.into_iter().all(stays));
    }

    /// Without tasks the queue is as it was, but for what remains of its workers.
    fn delete_all(&mut self) {
        let ids: Vec<String> = self.submitted.iter().cloned().collect();
        task::delete(&mut self.f.queue, &ids, true).unwrap();
        assert_eq!(self.f.counters(), BTreeMap::new());
        let mine = |key: &&String| {
            let name = &key["{jobs}:".len()..key.rfind(' ').unwrap()];
            let expected = ["cfg", "n", "w", "wi", "due"].contains(&name);
            !expected && !["w:", "ev:", "k:"].iter().any(|start| name.starts_with(start))
        };
        // Values of tasks that were lost with their workers stay for an hour.
        let due = Snapshot::read(&mut self.raw).due;
        due.keys().filter(|member| member.starts_with("O:")).for_each(|pin| self.pass(pin));
        self.sweep();
        self.f.queue.store().delete_lost_files().unwrap();
        if let Some(folder) = &self.folder {
            assert_eq!(files(folder.path()), Vec::<String>::new());
        }
        let keys = self.f.keyspace();
        assert_eq!(keys.iter().filter(mine).collect::<Vec<_>>(), Vec::<&String>::new());
        let due = Snapshot::read(&mut self.raw).due;
        assert!(due.keys().all(|member| member.starts_with("L:")), "{due:?}");
    }
}

fn run(seed: u64, folder: Option<TempDir>) {
    let mut model = Model::new(seed, folder);
    let mut history = Vec::new();
    for _ in 0..N_OPERATIONS {
        history.push(model.operate());
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.check()));
        if check.is_err() {
            panic!("seed {seed}, after: {:#?}", &history[history.len().saturating_sub(12)..]);
        }
    }
    model.drain();
    model.delete_all();
}

#[test]
fn random_operations_keep_every_invariant() {
    (1..=6).for_each(|i| run(0x9E37_79B9_7F4A_7C15 ^ i, None));
}

#[test]
fn other_random_operations_keep_every_invariant() {
    (1..=6).for_each(|i| run(0xD1B5_4A32_D192_ED03 ^ i, None));
}

#[test]
fn random_operations_with_files_keep_every_invariant() {
    (1..=4).for_each(|i| run(0x2545_F491_4F6C_DD1D ^ i, Some(folder())));
}
