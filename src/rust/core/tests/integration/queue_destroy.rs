//! Destroying a queue leaves the server as it was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rrq_core::connection::{Stop, never};
use rrq_core::task::{self, SharedObject, Start, Submission, Waiter};
use rrq_core::worker::{self, StopReason, Turn};
use rrq_core::{Connection, Error, Queue, config, files, message};

use crate::support::*;

/// Another queue on the same server.
fn doomed(f: &Fixture) -> Queue {
    let connection = Connection::open(&f.server.url(), never()).unwrap();
    attach_to(connection, "doomed", "test").unwrap()
}

/// Make use of everything a queue offers.
fn use_it(f: &Fixture, queue: &mut Queue) {
    let object = SharedObject::new("x", vec![7; 100]);
    let ids = submit(queue, &submission("default", vec![object]), &["a", "b"]);
    submit(queue, &submission("never run", Vec::new()), &["c"]);
    config::save(queue, "big", &config::WorkerConfig::default(), true).unwrap();
    config::set_envir(queue, Some(b"create")).unwrap();
    let mut worker = ready(register(doomed(f), "w", never(), |_| {}).unwrap());
    let message_id = message::send(queue, "PING", b"", &["w".to_owned()]).unwrap();
    let mut inside = doomed(f);
    let mut actor = Actor::new(move |task| {
        task::set_progress(&mut inside, &task.id, b"half").unwrap();
        let mut evaluation = complete("r".repeat(1000));
        evaluation.extra = b"warnings".to_vec();
        evaluation
    });
    run_until_idle(&mut worker, &mut actor);
    while worker.turn(&mut actor, false).unwrap() != Turn::Idle {}
    let (limit, stop) = (Duration::from_secs(1), never());
    message::wait_responses(queue, &message_id, &["w".to_owned()], limit, &stop).unwrap();
    let manifest = ["Cargo.toml".to_owned()];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files::store(queue, root, &manifest, 1_000_000, &stop).unwrap();
    for queue in [queue, &mut doomed(f)] {
        let mut waiter = Waiter::new(queue, &ids, true).unwrap();
        waiter.wait(queue, limit, false, &stop).unwrap();
    }
}

#[test]
fn a_destroyed_queue_leaves_no_key_and_no_trace_in_another() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 3);
    let before = f.contents();
    let mut queue = doomed(&f);
    use_it(&f, &mut queue);
    let kinds = f.keyspace().len();
    assert!(kinds > before.len() + 17, "{:?}", f.keyspace());
    queue.destroy(None).unwrap();
    assert_eq!(f.keyspace().len(), before.len(), "{:?}", f.keyspace());
    assert_eq!(f.contents(), before);
}

#[test]
fn a_queue_can_be_left_to_expire() {
    let f = Fixture::new();
    let mut queue = doomed(&f);
    use_it(&f, &mut queue);
    queue.destroy(Some(100)).unwrap();
    for key in f.keyspace().iter().filter(|key| key.contains("doomed")) {
        let name = key.rsplit_once(' ').unwrap().0;
        let ttl: i64 = redis::cmd("TTL").arg(name).query(&mut f.raw()).unwrap();
        assert!((0..=100).contains(&ttl), "{key} {ttl}");
    }
    let mine = f.keyspace().iter().filter(|k| k.contains("jobs")).count();
    assert_eq!(mine, 2);
}

#[test]
fn what_is_stored_while_a_queue_waits_for_its_end_goes_with_it() {
    let f = Fixture::new();
    let mut queue = doomed(&f);
    queue.destroy(Some(100)).unwrap();
    use_it(&f, &mut queue);
    let parent = submit_n(&mut queue, 700);
    submit(&mut queue, &after(&[&parent[0]]), &["child"]);
    let delayed = Submission { start: Start::After(50.0), ..submission("later", Vec::new()) };
    submit(&mut queue, &delayed, &["x"]);
    let mut worker = ready(register(doomed(&f), "late", never(), |_| {}).unwrap());
    run_until_idle(&mut worker, &mut Actor::new(|_| failed("no")));
    queue.pause("default", true).unwrap();
    worker.exit("done").unwrap();
    assert!(f.keyspace().iter().filter(|key| key.contains("doomed")).count() > 25);
    for (name, ttl) in ttls(&f, "doomed") {
        // Streams expire by themselves.
        assert!((0..=120_000).contains(&ttl), "{name} {ttl}");
    }
}

/// After how many ms each key expires, -1 if never.
fn ttls(f: &Fixture, id: &str) -> Vec<(String, i64)> {
    let keys = f.keyspace().into_iter().filter(|key| key.contains(id));
    let ttl = |key: String| {
        let name = key.rsplit_once(' ').unwrap().0.to_owned();
        let ttl: i64 = redis::cmd("PTTL").arg(&name).query(&mut f.raw()).unwrap();
        (name, ttl)
    };
    keys.map(ttl).collect()
}

#[test]
fn a_queue_destroyed_while_others_use_it_in_new_ways_leaves_nothing_behind() {
    for after_s in [None, Some(100)] {
        let f = Fixture::new();
        let (mut queue, mut busy) = (f.attach(), f.attach());
        let user = std::thread::spawn(move || {
            let mut n = 0;
            while n < 400 {
                let new = submission(&format!("new{n}"), Vec::new());
                let mut payloads = [b"x".to_vec()].into_iter();
                if task::submit(&mut busy, &new, || Ok(payloads.next())).is_err() {
                    return;
                }
                n += 1;
            }
        });
        wait_until(|| f.has_key("q:new10"));
        queue.destroy(after_s).unwrap();
        user.join().unwrap();
        let left = ttls(&f, ID).into_iter().filter(|(_, ttl)| *ttl < 0 || after_s.is_none());
        assert_eq!(left.collect::<Vec<_>>(), []);
    }
}

#[test]
fn a_worker_that_was_idle_leaves_without_a_trace() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::echo());
    f.queue.destroy(None).unwrap();
    let reason = worker.run(&mut Actor::echo(), false).unwrap();
    assert_eq!(reason, Some(StopReason::QueueGone));
    assert!(f.keyspace().is_empty());
}

#[test]
fn a_worker_that_was_busy_leaves_without_a_trace() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let mut worker = f.worker_with("w", |config| config.heartbeat_period = Some(0.1));
    let thread = std::thread::spawn(move || {
        let mut actor = Actor::slow(Duration::from_millis(500));
        worker.run(&mut actor, false).unwrap()
    });
    wait_until(|| f.counters().contains_key("s:RUNNING"));
    f.queue.destroy(None).unwrap();
    let limit = Duration::from_millis(50);
    waiter.wait(&mut f.queue, limit, false, &never()).unwrap();
    assert_eq!(thread.join().unwrap(), Some(StopReason::QueueGone));
    assert!(f.keyspace().is_empty(), "{:?}", f.keyspace());
}

#[test]
fn a_queue_destroyed_under_a_busy_worker_leaves_nothing_behind() {
    let f = Fixture::new();
    for _ in 0..30 {
        let mut queue = doomed(&f);
        submit_n(&mut queue, 300);
        let mut worker = ready(register(doomed(&f), "w", never(), |_| {}).unwrap());
        let thread = std::thread::spawn(move || worker.run(&mut Actor::echo(), false));
        wait_until(|| queue.length("default").unwrap() < 250);
        queue.destroy(None).unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(f.keyspace().len(), 2, "{:?}", f.keyspace());
    }
}

/// What the request says when the queue no longer exists.
fn refuses<T>(request: rrq_core::Result<T>) {
    assert!(matches!(request, Err(Error::QueueMissing { queue }) if queue == ID));
}

#[test]
fn a_user_who_asks_a_destroyed_queue_is_told_and_leaves_nothing_in_it() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut asker = f.attach();
    f.queue.destroy(None).unwrap();
    refuses(asker.pause("default", true));
    refuses(asker.pause("default", false));
    refuses(config::save(&mut asker, "mine", &config::WorkerConfig::default(), true));
    refuses(config::save(&mut asker, "mine", &config::WorkerConfig::default(), false));
    refuses(config::set_envir(&mut asker, Some(b"create")));
    refuses(config::set_envir(&mut asker, None));
    refuses(Waiter::new(&mut asker, &ids, true));
    let (workers, limit, stop) = (["w".to_owned()], Duration::from_millis(1), never());
    refuses(worker::ping(&mut asker, &workers, limit, &stop));
    refuses(message::wait_responses(&mut asker, "1", &workers, limit, &stop));
    refuses(register(asker, "w", never(), |_| {}));
    assert!(f.keyspace().is_empty(), "{:?}", f.keyspace());
}

#[test]
fn a_worker_whose_queue_was_destroyed_writes_nothing() {
    let mut f = Fixture::new();
    let stopping = Arc::new(AtomicBool::new(false));
    let seen = stopping.clone();
    let proxy = f.proxy();
    let stop: Stop = Arc::new(move || seen.load(Ordering::Relaxed));
    let worker = ready(register(attach(proxy.url()), "w", stop, |_| {}).unwrap());
    let mut asker = f.attach();
    f.queue.destroy(None).unwrap();
    worker::write_log(&mut asker, "w", "NOTE", "late").unwrap();
    worker::set_info(&mut asker, "w", b"info").unwrap();
    stopping.store(true, Ordering::Relaxed);
    wait_until(|| !proxy.calls(&["w", "w:w:k"]).is_empty()); // wakes its main thread
    drop(worker);
    let _: i64 = f.ask("RPUSH {jobs}:w:w:ctl x");
    wait_until(|| !proxy.calls(&["w", "w:w:ctl"]).is_empty()); // its control thread puts that back
    wait_until(|| f.keyspace().is_empty());
}

#[test]
fn a_destroyed_queue_can_be_created_again() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![7; 100]);
    let submission = submission("default", vec![object.clone()]);
    submit(&mut f.queue, &submission, &["a"]);
    f.queue.destroy(None).unwrap();
    let mut again = f.attach();
    submit(&mut f.queue, &submission, &["b"]);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!((actor.done, actor.objects), (vec!["b".to_owned()], vec![object.bytes]));
    assert_eq!(again.length("default").unwrap(), 0);
}

#[test]
fn a_queue_whose_data_cannot_be_read_can_be_destroyed() {
    let damage = [
        "HSET {jobs}:cfg worker:localhost junk",
        "HSET {jobs}:wi w junk",
        "HSET {jobs}:w w junk",
        "HSET {jobs}:ox junk junk",
        "SET {jobs}:cfg junk",
        "SET {jobs}:wi junk",
        "SET {jobs}:w junk",
        "SET {jobs}:n junk",
        "SET {jobs}:due junk",
        "SET {jobs}:f junk",
    ];
    for command in damage {
        let f = Fixture::new();
        let mut queue = f.attach();
        f.worker("w").exit("enough").unwrap();
        submit_n(&mut queue, 3);
        let _: redis::Value = f.ask(command);
        queue.destroy(None).unwrap();
        assert_eq!(f.keyspace(), Vec::<String>::new(), "{command}");
    }
}
