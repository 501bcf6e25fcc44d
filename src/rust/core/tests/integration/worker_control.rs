//! What a worker's control thread does beside cancelling: pings, and orders for another worker.

use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::worker::{self, Pong};
use rrq_core::{Connection, Error, Keys, heartbeat};

use crate::support::*;

const LIMIT: Duration = Duration::from_secs(10);

fn ping(f: &mut Fixture, ids: &[&str], limit: Duration) -> Vec<Option<Pong>> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    worker::ping(&mut f.queue, &ids, limit, &never()).unwrap()
}

#[test]
fn an_idle_worker_and_one_in_the_middle_of_a_task_answer() {
    let mut f = Fixture::new();
    let (mut busy, _idle, mut other) = (f.worker("busy"), f.worker("a b"), f.attach());
    let ids = submit_n(&mut f.queue, 1);
    let mut actor = Actor::new(move |task| {
        let workers = ["busy".to_owned(), "a b".to_owned()];
        let pongs = worker::ping(&mut other, &workers, LIMIT, &never()).unwrap();
        let [busy, idle] = [0, 1].map(|i| pongs[i].clone().unwrap());
        assert_eq!(busy.task.as_deref(), Some(task.id.as_str()));
        assert!(busy.task_age.unwrap() <= busy.uptime && busy.round_trip < LIMIT);
        assert_eq!((idle.task, idle.task_age), (None, None));
        complete("answered")
    });
    run_until_idle(&mut busy, &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), [rrq_core::Status::Complete]);
}

#[test]
fn a_worker_that_has_left_or_never_was_does_not_answer() {
    let mut f = Fixture::new();
    f.worker("left").exit("enough").unwrap();
    let _here = f.worker("here");
    let pongs = ping(&mut f, &["left", "here", "nobody"], LIMIT);
    assert_eq!(pongs.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    assert!(f.keyspace().iter().all(|key| !key.contains(":ctl")));
}

#[test]
fn a_ping_repeated_waits_once_and_expires() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    without_threads(&mut f, "w");
    let mut asker = attach(proxy.url());
    let ids = ["w".to_owned()];
    let pongs = worker::ping(&mut asker, &ids, Duration::from_millis(50), &never()).unwrap();
    assert!(pongs[0].is_none());
    let before = f.contents();
    f.resend(&proxy.calls(&["w", "cfg", "w:w:ctl"])[0]);
    assert_eq!(f.contents(), before);
    assert_eq!(f.ask::<i64>("LLEN {jobs}:w:w:ctl"), 1);
    assert!(f.ask::<i64>("PTTL {jobs}:w:w:ctl") > 0);
}

/// The record of a worker alive, of which there is no more.
fn without_threads(f: &mut Fixture, id: &str) {
    drop(f.worker(id));
    f.end_control_thread(id);
}

#[test]
fn an_order_taken_by_the_thread_of_a_worker_that_left_reaches_its_successor() {
    let mut f = Fixture::new();
    for _ in 0..3 {
        f.worker("w").exit("enough").unwrap();
    }
    let _successor = f.worker("w");
    assert!(ping(&mut f, &["w"], LIMIT)[0].is_some());
}

#[test]
fn an_order_to_an_earlier_worker_of_the_name_is_none() {
    let mut f = Fixture::new();
    let _worker = f.worker("w");
    // Were it obeyed, this process would be no more.
    let _: i64 =
        f.ask("EVAL return(redis.call('RPUSH','{jobs}:w:w:ctl','0'..string.char(32)..'kill')) 0");
    assert!(ping(&mut f, &["w"], LIMIT)[0].is_some());
}

#[test]
fn signals_for_a_worker_that_has_left_are_not_kept() {
    let f = Fixture::new();
    let mut worker = f.worker("w");
    let key = Keys::new("jobs").worker("w");
    let _: i64 = f.ask(&format!("RPUSH {} 0", key.signals()));
    wait_until(|| f.ask::<i64>(&format!("EXISTS {}", key.signals())) == 0);
    worker.exit("enough").unwrap();
    let mut connection = Connection::open(&f.server.url(), never()).unwrap();
    assert!(!heartbeat::kill(&mut connection, &key.heartbeat(), 2).unwrap());
    assert!(f.keyspace().iter().all(|key| !key.ends_with(":signal")));
}

#[test]
fn a_wait_for_answers_can_be_stopped() {
    let mut f = Fixture::new();
    without_threads(&mut f, "w");
    let ids = ["w".to_owned()];
    let stop: rrq_core::connection::Stop = std::sync::Arc::new(|| true);
    match worker::ping(&mut f.queue, &ids, LIMIT, &stop) {
        Err(Error::Interrupted) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_idle_worker_makes_less_than_one_request_a_second() {
    let f = Fixture::new();
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || worker.run(&mut Actor::echo(), false).unwrap());
    wait_until(|| {
        let clients: String = f.ask("CLIENT LIST");
        ["cmd=blpop", "cmd=bzpopmin"].iter().all(|name| clients.contains(name))
    });
    wait_until(|| f.ask::<i64>("EXISTS {jobs}:w:w:hb") == 1); // its script is loaded by then
    let count = |f: &Fixture| -> u64 {
        let stats: String = f.ask("INFO commandstats");
        // What scripts do counts as well; these they do not use.
        let names = ["evalsha", "blpop", "bzpopmin"];
        let calls = |name: &&str| {
            let start = format!("cmdstat_{name}:calls=");
            let line = stats.lines().find_map(|line| line.strip_prefix(start.as_str()));
            line.map_or(0, |line| line.split(',').next().unwrap().parse::<u64>().unwrap())
        };
        names.iter().map(calls).sum()
    };
    let (before, start) = (count(&f), std::time::Instant::now());
    wait_until(|| start.elapsed() > Duration::from_secs(6));
    // Beside the two or three heartbeats: a step and two sleeps each five seconds.
    assert!(count(&f) - before < 6 + 3, "{}", count(&f) - before);
    let _: i64 = f.ask("DEL {jobs}:cfg {jobs}:w");
    thread.join().unwrap();
}

#[test]
fn an_order_taken_by_the_thread_of_a_worker_that_was_lost_is_dropped() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let worker = ready(worker.unwrap());
    wait_until(|| f.ask::<String>("INFO clients").contains("blocked_clients:1"));
    drop(worker);
    f.pass_time("L:w");
    assert_eq!(worker::sweep(&mut f.attach()).unwrap().len(), 1);
    let _: i64 = f.ask("RPUSH {jobs}:w:w:ctl x");
    let put_back = || proxy.calls(&["w", "w:w:ctl"]);
    // The first is for a script that the server does not have yet.
    wait_until(|| put_back().len() == 2);
    assert_eq!(f.resend(&put_back()[0]), redis::Value::Int(0));
    assert!(!f.has_key("w:w:ctl"));
}
