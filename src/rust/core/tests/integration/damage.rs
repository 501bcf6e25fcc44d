//! Stored data that something else has overwritten: no worker ends for it, other tasks run, and the doctor
//! finds and repairs it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rrq_core::connection::Stop;
use rrq_core::status::Status;
use rrq_core::task::{self, Filter, SharedObject, Start, Submission};
use rrq_core::worker::{self, StopReason};
use rrq_core::{Error, Queue, message};

use crate::support::*;

/// A queue in which everything is stored that there can be, with tasks that wait.
struct Busy {
    f: Fixture,
    /// Tasks that no damage is done to.
    others: Vec<String>,
    /// One that waits.
    victim: String,
    /// One that waits for others, which takes more that is stored.
    child: String,
}

impl Busy {
    fn new() -> Self {
        let mut f = Fixture::new();
        let mut worker = f.worker("w");
        let labels = vec!["label".to_owned()];
        let shared =
            vec![SharedObject::new("x", vec![7; 300]), SharedObject::new("y", vec![8; 70_000])];
        let special = Submission { labels, ..submission("default", shared) };
        let first = submit(&mut f.queue, &special, &["0"]);
        let rules = task::Rules { ttl_s: Some(500.0), retry: None };
        submit(&mut f.queue, &Submission { rules, ..submission("default", Vec::new()) }, &["1"]);
        submit_all(&mut f.queue, &["2"]);
        let mut actor = Actor::new(|task| {
            let mut evaluation = complete(vec![b'v'; 200]);
            evaluation.extra = b"extra".to_vec();
            if task.body.payload == b"2" { failed("error") } else { evaluation }
        });
        run_until_idle(&mut worker, &mut actor);
        let mut others = task::retry(&mut f.queue, &first).unwrap();
        let child = submit(&mut f.queue, &after(&[&others[0]]), &["4"]).remove(0);
        let later = Submission { start: Start::After(500.0), ..submission("late", Vec::new()) };
        submit(&mut f.queue, &later, &["5"]);
        others.extend(submit_n(&mut f.queue, 3));
        let victim = submit_all(&mut f.queue, &["victim"]).remove(0);
        others.extend(submit_n(&mut f.queue, 3));
        message::send(&mut f.queue, "PING", b"", &["w".to_owned()]).unwrap();
        worker.turn(&mut Actor::echo(), false).unwrap();
        worker.exit("enough").unwrap();
        Busy { f, others, victim, child }
    }

    /// A worker that works until it is told to stop, and what tells it.
    fn start_worker(&self) -> (JoinHandle<Option<StopReason>>, Arc<AtomicBool>) {
        let over = Arc::new(AtomicBool::new(false));
        let asked = over.clone();
        let stop: Stop = Arc::new(move || asked.load(Ordering::Relaxed));
        let worker = register(self.f.attach(), "v", stop, |_| {}).unwrap();
        let mut worker = ready(worker);
        let thread = std::thread::spawn(move || worker.run(&mut Actor::echo(), false).unwrap());
        (thread, over)
    }

    /// Do the damage under a worker that is idle in a paused queue; the others run, at the latest when the
    /// doctor has been there, the worker lives, and nothing is left.
    fn survives(mut self, what: &str, kind: Damage, damage: impl FnOnce(&Fixture)) {
        println!("{what}");
        self.f.queue.pause("default", true).unwrap();
        let (worker, over) = self.start_worker();
        damage(&self.f);
        let found = self.f.queue.examine(false).unwrap();
        assert!(kind == Damage::Short || heals(what) || !found.is_empty(), "{what} is not found");
        assert!(found.iter().all(|finding| !finding.repaired));
        let done = |queue: &mut Queue, ids: &[String]| {
            statuses(queue, ids).iter().all(|status| status.is_terminal())
        };
        if kind == Damage::Key {
            self.f.queue.examine(true).unwrap();
        }
        let _ = self.f.queue.pause("default", false);
        wait_until(|| {
            assert!(!worker.is_finished(), "{what} ended the worker");
            done(&mut self.f.queue, &self.others)
        });
        let repaired = self.f.queue.examine(true).unwrap();
        assert!(repaired.iter().all(|finding| finding.repaired), "{what}");
        wait_until(|| done(&mut self.f.queue, &[self.victim.clone(), self.child.clone()]));
        let left = self.f.queue.examine(false).unwrap();
        assert!(left.is_empty(), "{what} leaves {left:?}");
        task::table(&mut self.f.queue, None, &Filter::default()).unwrap();
        over.store(true, Ordering::Relaxed);
        assert_eq!(worker.join().unwrap(), Some(StopReason::Interrupted), "{what}");
        self.f.queue.destroy(None).unwrap();
        assert_eq!(self.f.keyspace(), Vec::<String>::new(), "{what}");
    }
}

/// Whether workers clear such a key themselves.
fn heals(key: &str) -> bool {
    [":k", ":m", ":log"].iter().any(|end| key.ends_with(end))
        || ["}:k:", "}:ev:"].iter().any(|part| key.contains(part))
}

/// What is damaged.
#[derive(Clone, Copy, PartialEq)]
enum Damage {
    /// A whole key, so that others wait for the doctor.
    Key,
    /// A field or member.
    Field,
    /// A field that is cut short, and may still make sense.
    Short,
}

/// The keys of a busy queue with their types.
fn keys(busy: &Busy) -> Vec<(String, String)> {
    let pair = |key: &String| {
        let (name, kind) = key.rsplit_once(' ').unwrap();
        (name.to_owned(), kind.to_owned())
    };
    busy.f.keyspace().iter().map(pair).collect()
}

/// Whether a field is damaged in the tests: of several of one kind, one.
fn is_chosen(seen: &mut BTreeSet<String>, busy: &Busy, key: &str, field: &str) -> bool {
    // What the engine does not read.
    let opaque = ["wi", "r", "x", "lab", "prog", "resp", "envir", "layout", "mark", "olost"];
    if opaque.iter().any(|name| key.ends_with(&format!(":{name}")) || field == *name) {
        return false;
    }
    let per_task = ["t", "b"].iter().any(|name| key.ends_with(&format!(":{name}")));
    if per_task {
        return field == busy.victim;
    }
    let kind: String = field.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
    seen.insert(format!("{key} {kind}"))
}

fn damage_fields(kind: Damage, junk: fn(&[u8]) -> Vec<u8>) {
    let plan = Busy::new();
    let mut seen = BTreeSet::new();
    let mut planned = Vec::new();
    for (key, _) in keys(&plan).into_iter().filter(|(_, kind)| kind == "hash") {
        let fields: Vec<String> = plan.f.ask(&format!("HKEYS {key}"));
        for field in fields {
            if is_chosen(&mut seen, &plan, &key, &field) {
                let is_id = field == plan.victim;
                planned.push((key.clone(), if is_id { None } else { Some(field) }));
            }
        }
    }
    for (key, field) in planned {
        let busy = Busy::new();
        let mut raw = busy.f.raw();
        let find = |pattern: &str| -> Option<String> {
            let fields: Vec<String> = busy.f.ask(&format!("HKEYS {key}"));
            let form = |field: &str| -> String {
                field.chars().filter(|c| !c.is_ascii_hexdigit()).collect()
            };
            fields.into_iter().find(|field| form(field) == form(pattern))
        };
        let Some(field) = field.map_or(Some(busy.victim.clone()), |field| find(&field)) else {
            continue;
        };
        let what = format!("{key} {field}");
        busy.survives(&what, kind, |_| {
            let stored: Vec<u8> = redis::cmd("HGET").arg(&key).arg(&field).query(&mut raw).unwrap();
            let mut set = redis::cmd("HSET");
            set.arg(&key).arg(&field).arg(junk(&stored)).exec(&mut raw).unwrap();
        });
    }
}

#[test]
fn fields_of_random_bytes_are_survived_found_and_repaired() {
    damage_fields(Damage::Field, |_| vec![0xc1, 0xff, 0x00, b'j', 0x93, 0xfe]);
}

#[test]
fn fields_cut_short_are_survived_found_and_repaired() {
    damage_fields(Damage::Short, |stored| match stored.len() {
        0..8 => b"x".to_vec(),
        n => stored[..n / 2].to_vec(),
    });
}

#[test]
fn keys_that_hold_something_else_are_survived_found_and_repaired() {
    let names: Vec<String> = keys(&Busy::new()).into_iter().map(|(name, _)| name).collect();
    for name in names.into_iter().filter(|name| !name.ends_with(":hb")) {
        let busy = Busy::new();
        busy.survives(&name, Damage::Key, |f| {
            let _: i64 = f.ask(&format!("DEL {name}"));
            let _: String = f.ask(&format!("SET {name} junk"));
        });
    }
}

#[test]
fn junk_in_sorted_sets_and_lists_is_survived_found_and_repaired() {
    for (command, key) in [
        ("ZADD 9999999999999 junk", "due"),
        ("ZADD 9999999999999 S:junk", "due"),
        ("ZADD 9999999999999 N:junk", "due"),
        ("ZADD 9999999999999 R:junk", "due"),
        ("ZADD 9999999999999 junk", "dn"),
        ("ZADD 9999999999999 junk", "dl"),
        ("LPUSH junk", "q:default"),
        ("LPUSH junk", "w:v:m"),
    ] {
        let (verb, rest) = command.split_once(' ').unwrap();
        // Workers drop messages that they cannot read.
        let kind = if verb == "LPUSH" { Damage::Short } else { Damage::Field };
        Busy::new().survives(&format!("{command} {key}"), kind, |f| {
            let _: i64 = f.ask(&format!("{verb} {{jobs}}:{key} {rest}"));
        });
    }
}

#[test]
fn junk_among_what_is_due_stops_no_sweep() {
    let mut f = Fixture::new();
    for junk in ["junk", "S:junk", "N:junk", "R:junk", "L:junk", "X:", "P:junk", "O:junk"] {
        let _: i64 = f.ask(&format!("ZADD {{jobs}}:due 1 {junk}"));
    }
    worker::sweep(&mut f.queue).unwrap();
    let due: Vec<String> = f.ask("ZRANGEBYSCORE {jobs}:due -inf 1000000000000");
    assert_eq!(due, Vec::<String>::new());
}

#[test]
fn a_request_that_meets_another_type_names_the_key() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let _: i64 = f.ask("DEL {jobs}:t");
    let _: String = f.ask("SET {jobs}:t junk");
    let reads = task::statuses(&mut f.queue, &ids).map(drop);
    let writes = task::cancel(&mut f.queue, &ids).map(drop);
    for done in [reads, writes, task::list(&mut f.queue).map(drop)] {
        let error = done.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("{jobs}:t"), "{error}");
    }
}

#[test]
fn a_task_whose_body_cannot_be_read_fails_and_the_others_of_its_batch_run() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 100);
    let _: i64 = f.ask(&format!("HSET {{jobs}}:b {} junk", ids[50]));
    let _: i64 = f.ask(&format!("HDEL {{jobs}}:b {}", ids[60]));
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::echo());
    let ended = statuses(&mut f.queue, &ids);
    assert_eq!(ended.iter().filter(|status| **status == Status::Error).count(), 2);
    assert_eq!((ended[50], ended[60]), (Status::Error, Status::Error));
    f.assert_counters();
    task::delete(&mut f.queue, &ids, false).unwrap();
    worker::sweep(&mut f.queue).unwrap();
}
