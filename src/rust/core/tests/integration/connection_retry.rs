//! Connections that break: every request is sent again, and the outcome is that of a single one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rrq_core::connection::{Stop, never};
use rrq_core::server::{Server, ServerOptions};
use rrq_core::status::Status;
use rrq_core::task::{self, SharedObject, Waiter};
use rrq_core::worker::StopReason;
use rrq_core::{Connection, Error, Queue, message};

use crate::support::*;

/// What remains of a run: how each task ended, the counters and all keys.
#[derive(Debug, PartialEq)]
struct Outcome {
    tasks: Vec<(Status, u64, Option<Vec<u8>>)>,
    counters: BTreeMap<String, i64>,
    keys: Vec<String>,
    objects: Vec<String>,
}

/// Submit tasks, run them on a worker, read their results, all through these connections.
fn run(f: &Fixture, queue: &mut Queue, for_worker: Queue) -> Outcome {
    let object = SharedObject::new("x", vec![7; 300]);
    let submission = submission("default", vec![object]);
    let ids = submit(queue, &submission, &["a", "b", "c", "d", "e"]);
    let mut worker = ready(register(for_worker, "w", never(), |_| {}).unwrap());
    run_until_idle(&mut worker, &mut Actor::echo());
    worker.exit("done").unwrap();
    let headers = task::headers(queue, &ids).unwrap().into_iter();
    let outcomes = task::results(queue, &ids).unwrap();
    let tasks = headers.zip(outcomes);
    Outcome {
        tasks: tasks.map(|(h, o)| (o.status, h.attempt, o.value)).collect(),
        counters: f.counters(),
        keys: f.keyspace(),
        objects: f.contents()["{jobs}:oref"].clone(),
    }
}

/// Run with a cut after `n` bytes, if any; also tells how many bytes passed each way, and whether so
/// many did.
fn run_with_cut(f: &Fixture, cut: Option<(Way, usize)>) -> (Outcome, [usize; 2], bool) {
    let proxy = f.proxy();
    let (mut queue, for_worker) = (attach(proxy.url()), attach(proxy.url()));
    let passed = || [Way::Up, Way::Down].map(|way| proxy.passed(way));
    let before = passed();
    if let Some((way, n)) = cut {
        proxy.cut_after(way, n);
    }
    let outcome = run(f, &mut queue, for_worker);
    let (after, has_cut) = (passed(), proxy.has_cut());
    let _: String = f.ask("FLUSHALL");
    (outcome, [after[0] - before[0], after[1] - before[1]], has_cut)
}

/// Runs that are cut at many places give what a run without a cut gives.
fn survives_cuts(way: Way, n_cuts: usize) {
    let f = Fixture::new();
    run_with_cut(&f, None); // loads the scripts
    let (expected, bytes, _) = run_with_cut(&f, None);
    let total = bytes[way as usize];
    let mut n_reached = 0;
    for i in 0..n_cuts {
        let n = 1 + i * (total - 1) / (n_cuts - 1);
        let (outcome, _, has_cut) = run_with_cut(&f, Some((way, n)));
        assert_eq!(outcome, expected, "cut after {n} of {total} bytes {way:?}");
        n_reached += usize::from(has_cut);
    }
    // How many bytes a run takes depends on what the threads of the worker do when.
    // Under load, a run may take fewer bytes.
    assert!(n_reached > n_cuts / 2, "{n_reached} of {n_cuts} cuts");
}

#[test]
fn a_cut_anywhere_in_a_request_changes_nothing() {
    survives_cuts(Way::Up, 200);
}

#[test]
fn a_cut_anywhere_in_a_reply_changes_nothing() {
    survives_cuts(Way::Down, 200);
}

#[test]
fn the_first_request_of_a_connection_uses_the_same_script_as_the_next() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    for connection in [queue.connection.duplicate(), queue.connection.duplicate()] {
        queue.connection = connection;
        submit_n(&mut queue, 1);
        submit_n(&mut queue, 1);
    }
    let hashes: Vec<Vec<u8>> =
        proxy.calls(&["t"]).into_iter().map(|call| call[1].clone()).collect();
    assert!(hashes.len() >= 4);
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}

#[test]
fn every_request_repeated_late_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    let ids = submit_n(&mut queue, 20);
    message::send(&mut queue, "PING", b"", &["w".to_owned()]).unwrap();
    let waiter = Waiter::new(&mut queue, &ids, true).unwrap();
    run_until_idle(&mut worker, &mut Actor::echo());
    run_until_idle(&mut worker, &mut Actor::echo());
    submit_n(&mut queue, 2);
    worker.turn(&mut Actor::echo(), false).unwrap();
    drop(waiter);
    let is_attach = |call: &Request| call[3].ends_with(b":cfg"); // gives out a new number
    let before = f.contents();
    let calls: Vec<Request> =
        proxy.calls(&[]).into_iter().filter(|call| !is_attach(call)).collect();
    assert!(calls.len() > 10, "{}", calls.len());
    f.resend_all(&calls);
    assert_eq!(f.contents(), before);
    f.assert_counters();
}

#[test]
fn connections_killed_all_the_time_lose_no_task_and_run_none_twice() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 300);
    let mut worker = f.worker("w");
    let over = Arc::new(AtomicBool::new(false));
    let (mut raw, stop) = (f.raw(), over.clone());
    let killer = std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg("normal").exec(&mut raw).unwrap();
            std::thread::sleep(Duration::from_millis(7));
        }
    });
    let mut actor = Actor::slow(Duration::from_micros(700));
    run_until_idle(&mut worker, &mut actor);
    over.store(true, Ordering::Relaxed);
    killer.join().unwrap();
    let expected: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    assert_eq!(actor.done, expected);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 300]);
    f.assert_counters();
}

#[test]
fn a_worker_interrupted_while_a_reply_was_lost_hands_back_what_that_gave_it() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    let ids = submit_n(&mut f.queue, 3);
    let (cutting, cut) = (proxy.clone(), Arc::new(AtomicBool::new(false)));
    let asked = cut.clone();
    let mut actor = Actor::new(move |_| {
        cutting.cut_after(Way::Down, 1);
        asked.store(true, Ordering::Relaxed);
        complete("value")
    });
    let url = proxy.url().to_owned();
    let stop: Stop = Arc::new(move || cut.load(Ordering::Relaxed) && proxy.has_cut());
    let mut worker = ready(register(attach(&url), "w", stop, |_| {}).unwrap());
    assert_eq!(worker.run(&mut actor, false).unwrap(), Some(StopReason::Interrupted));
    // The lost reply gave it the second task, which it never saw.
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete, Status::Pending, Status::Pending]);
    assert_eq!(f.queue.list("default").unwrap(), ids[1..]);
    let attempts = task::headers(&mut f.queue, &ids[1..]).unwrap();
    assert!(attempts.iter().all(|header| header.attempt == 0));
    f.assert_counters();
}

#[test]
fn scripts_the_server_forgot_are_loaded_again() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let ids = submit_n(&mut f.queue, 300);
    for _ in 0..5 {
        let _: String = f.ask("SCRIPT FLUSH");
        worker.turn(&mut Actor::echo(), false).unwrap();
    }
    let _: String = f.ask("SCRIPT FLUSH");
    submit_n(&mut f.queue, 300);
    assert_eq!(task::list(&mut f.queue).unwrap().len(), 600);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 300]);
    f.assert_counters();
}

/// A durable server that can be stopped and started again at the same address.
struct Restartable {
    options: ServerOptions,
    password: String,
    server: Option<Server>,
    _dir: tempfile::TempDir,
}

impl Restartable {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (path, port) = (Some(dir.path().join("data")), None);
        let mut options = ServerOptions { dir: path, port, program: None };
        let server = Server::start(&options).unwrap();
        options.port = Some(server.port());
        let connection = Connection::open(&server.tcp_url(), never()).unwrap();
        let password = connection.server_address().password.unwrap();
        Restartable { options, password, server: Some(server), _dir: dir }
    }

    fn url(&self) -> String {
        self.server.as_ref().unwrap().tcp_url()
    }

    fn stop(&mut self) {
        drop(self.server.take());
    }

    /// A new server has a new password: it gets that of the first.
    fn start(&mut self) {
        let server = Server::start(&self.options).unwrap();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("requirepass").arg(&self.password);
        set.exec(&mut raw(&server.url())).unwrap();
        self.server = Some(server);
    }
}

#[test]
fn a_server_that_has_gone_is_an_error_after_a_while_and_works_again_when_it_is_back() {
    let mut server = Restartable::new();
    let mut queue = attach(&server.url());
    let ids = submit_n(&mut queue, 3);
    let patience = Duration::from_millis(300);
    queue.connection.set_retry_timeout(patience, never());
    server.stop();
    let start = Instant::now();
    let outcome = task::statuses(&mut queue, &ids);
    assert!(matches!(outcome, Err(Error::Connection { .. })));
    assert!((patience..patience + soon(1200)).contains(&start.elapsed()));
    server.start();
    assert_eq!(statuses(&mut queue, &ids), [Status::Pending; 3]);
}

#[test]
fn a_worker_outlives_a_restart_of_the_server() {
    let mut server = Restartable::new();
    let proxy = Proxy::start(server.server.as_ref().unwrap());
    let mut queue = attach(&server.url());
    let ids = submit_n(&mut queue, 2);
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    let mut actor = Actor::echo();
    worker.turn(&mut actor, false).unwrap();
    proxy.close(true);
    server.stop();
    let thread = std::thread::spawn(move || {
        run_until_idle(&mut worker, &mut actor);
        actor.done
    });
    server.start();
    proxy.close(false);
    assert_eq!(thread.join().unwrap(), ["0", "1"]);
    assert_eq!(statuses(&mut queue, &ids), [Status::Complete; 2]);
}

#[test]
fn a_worker_cut_off_for_longer_than_its_lease_while_it_runs_a_task_delivers_the_result() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    let ids = submit_n(&mut f.queue, 2);
    let change = |c: &mut rrq_core::config::WorkerConfig| c.heartbeat_period = Some(0.2);
    let mut worker = ready(register(attach(proxy.url()), "w", never(), change).unwrap());
    let (cut, mut raw) = (proxy.clone(), f.raw());
    let mut actor = Actor::new(move |task| {
        if *task.body.payload == *b"0" {
            let beat = || redis::cmd("EXISTS").arg("{jobs}:w:w:hb").query::<i64>(&mut raw).unwrap();
            cut_for_a_lease(&cut, beat);
        }
        complete(&task.body.payload)
    });
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["0", "1"]);
    let headers = task::headers(&mut f.queue, &ids).unwrap();
    assert!(headers.iter().all(|h| h.status == Status::Complete && h.attempt == 1));
    f.assert_counters();
}

/// Cut all connections when the heartbeat is there, and let new ones through again once it lapsed.
fn cut_for_a_lease(proxy: &Proxy, mut beat: impl FnMut() -> i64) {
    wait_until(|| beat() == 1);
    proxy.close(true);
    wait_until(|| {
        proxy.cut_after(Way::Up, 1);
        beat() == 0
    });
    proxy.close(false);
}

#[test]
fn a_request_refused_for_want_of_memory_is_served_when_there_is_some_again() {
    let mut f = Fixture::new();
    let mut queue = f.attach();
    let _: String = f.ask("CONFIG SET maxmemory 1");
    let n_errors = || {
        let stats: String = f.ask("INFO stats");
        let line = stats.lines().find_map(|line| line.strip_prefix("total_error_replies:"));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = n_errors();
    let thread = std::thread::spawn(move || submit_n(&mut queue, 1));
    wait_until(|| n_errors() > before + 2);
    let _: String = f.ask("CONFIG SET maxmemory 0");
    let ids = thread.join().unwrap();
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Pending]);
}

#[test]
fn the_user_can_end_the_repeating_of_a_request() {
    let mut server = Restartable::new();
    let mut queue = attach(&server.url());
    server.stop();
    let asked = Instant::now() + Duration::from_millis(400);
    let stop: Stop = Arc::new(move || Instant::now() >= asked);
    let patience = Duration::from_secs(60);
    queue.connection.set_retry_timeout(patience, stop);
    let outcome = queue.length("default");
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    assert!(asked.elapsed() < soon(250));
}

#[test]
fn a_wrong_password_is_an_error_of_its_own_with_the_address() {
    let f = Fixture::new();
    let port = f.server.port();
    for login in ["", ":wrong@"] {
        let url = format!("redis://{login}127.0.0.1:{port}/");
        match Connection::open(&url, never()) {
            Err(Error::Authentication { address, .. }) => {
                assert_eq!(address, format!("127.0.0.1:{port}"));
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn an_error_of_the_server_is_told_at_once_and_leaves_the_connection_usable() {
    let mut f = Fixture::new();
    let start = Instant::now();
    let wrong = [b"LPUSH".to_vec(), b"{jobs}:cfg".to_vec(), b"x".to_vec()];
    let outcome = f.queue.connection.raw_command(&wrong);
    assert!(matches!(outcome, Err(Error::Redis(_))));
    assert!(start.elapsed() < soon(500));
    assert_eq!(f.queue.length("default").unwrap(), 0);
}
