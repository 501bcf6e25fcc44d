//! Workers that sleep in the server: the request with which they sleep also takes the next step.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, Submission};
use rrq_core::worker::{self, Evaluation, Turn, Worker};

use crate::support::*;

/// For so long after it fell asleep, a worker claims a task in the request with which it sleeps.
const AWAKE: Duration = Duration::from_millis(200);

/// Let a worker sleep until it has run a task.
fn sleeping(f: &Fixture, mut worker: Worker) -> JoinHandle<Worker> {
    let n_asleep = |f: &Fixture| f.ask::<String>("CLIENT LIST").matches("cmd=bzpopmin").count();
    let before = n_asleep(f);
    let thread = std::thread::spawn(move || {
        while !matches!(worker.turn(&mut Actor::echo(), true).unwrap(), Turn::Ran(_)) {}
        worker
    });
    wait_until(|| n_asleep(f) == before + 1);
    thread
}

/// Submit tasks to a worker that has just fallen asleep, again if that took too long; `asleep` is called
/// in between.
fn wake_soon(
    f: &mut Fixture,
    mut worker: Worker,
    n: usize,
    mut asleep: impl FnMut(),
) -> (Vec<String>, Worker) {
    loop {
        let begun = Instant::now();
        let thread = sleeping(f, worker);
        asleep();
        let ids = submit_n(&mut f.queue, n);
        let in_time = begun.elapsed() < AWAKE;
        worker = thread.join().unwrap();
        if in_time {
            return (ids, worker);
        }
        run_until_idle(&mut worker, &mut Actor::echo());
    }
}

#[test]
fn the_task_that_wakes_a_worker_costs_no_further_request() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let steps = || proxy.calls(&["w", "t", "b", "r"]).len();
    let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    let mut before = 0;
    let (ids, mut worker) = wake_soon(&mut f, worker, 1, || before = steps());
    assert_eq!(steps(), before);
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete]);
    f.assert_counters();
}

#[test]
fn a_machine_that_is_lost_while_its_worker_sleeps_takes_no_task() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    let thread = sleeping(&f, worker);
    std::thread::sleep(AWAKE + Duration::from_millis(50));
    proxy.freeze(true);
    let ids = submit_n(&mut f.queue, 1);
    wait_until(|| !f.ask::<String>("CLIENT LIST").contains("cmd=bzpopmin"));
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Pending]);
    proxy.freeze(false);
    let mut worker = thread.join().unwrap();
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete]);
    f.assert_counters();
}

#[test]
fn a_reply_that_is_cut_anywhere_neither_loses_nor_repeats_the_task() {
    let mut f = Fixture::new();
    let mut run = |cut: Option<usize>| {
        let proxy = f.proxy();
        let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
        let thread = sleeping(&f, worker);
        if let Some(n) = cut {
            proxy.cut_after(Way::Down, n);
        }
        let before = proxy.passed(Way::Down);
        let ids = submit_n(&mut f.queue, 1);
        let mut worker = thread.join().unwrap();
        let n_bytes = proxy.passed(Way::Down) - before;
        while worker.turn(&mut Actor::echo(), false).unwrap() != Turn::Idle {}
        let header = task::headers(&mut f.queue, &ids).unwrap().remove(0);
        assert_eq!((header.status, header.attempt), (Status::Complete, 1), "cut after {cut:?}");
        f.assert_counters();
        worker.exit("done").unwrap();
        n_bytes
    };
    run(None);
    let n_bytes = run(None);
    for i in 0..40 {
        run(Some(1 + i * n_bytes / 40));
    }
}

#[test]
fn a_worker_that_lost_the_reply_is_told_what_it_claimed_however_late_it_asks_again() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    let (ids, _worker) = wake_soon(&mut f, worker, 1, || ());
    std::thread::sleep(AWAKE + Duration::from_millis(50));
    let steps = proxy.calls(&["w", "t", "b", "r"]);
    let reply = format!("{:?}", f.resend(steps.last().unwrap()));
    assert!(reply.contains("TASKS") && reply.contains(&ids[0]), "{reply}");
}

#[test]
fn a_sleeping_worker_claims_one_task_however_many_it_would_take_awake() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 1000);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::echo());
    let (ids, mut worker) = wake_soon(&mut f, worker, 32, || ());
    let running = [Status::Running];
    assert_eq!(statuses(&mut f.queue, &ids[..1]), running);
    assert_eq!(statuses(&mut f.queue, &ids[1..]), [Status::Pending; 31]);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 32]);
    f.assert_counters();
}

#[test]
fn the_marker_is_set_again_for_each_queue_in_which_tasks_are_left() {
    let mut f = Fixture::new();
    let queues = || vec!["a".to_owned(), "b".to_owned()];
    for (n, left) in [(1, 0), (2, 1)] {
        let worker = register(f.attach(), "w", never(), |o| o.queue = queues()).unwrap();
        let thread = sleeping(&f, ready(worker));
        submit(&mut f.queue, &submission("a", Vec::new()), &["x"; 2][..n]);
        let mut worker = thread.join().unwrap();
        let markers = ["a", "b"].map(|name| f.ask::<i64>(&format!("ZCARD {{jobs}}:k:{name}")));
        assert_eq!(markers, [left, 0]);
        run_until_idle(&mut worker, &mut Actor::echo());
        worker.exit("done").unwrap();
    }
    f.assert_counters();
}

/// What tasks leave behind.
#[derive(Debug, PartialEq)]
struct Traces {
    tasks: Vec<(Status, u64, String, Vec<u8>)>,
    log: Vec<String>,
    keys: Vec<String>,
}

/// Those of the same tasks, whose steps are small or, with a paused queue, are not.
fn traces(pause: bool) -> Traces {
    let mut f = Fixture::new();
    if pause {
        f.queue.pause("other", true).unwrap();
    }
    let labelled = Submission { labels: vec!["l".into()], ..submission("default", Vec::new()) };
    let mut worker = f.worker("w");
    let mut ids = Vec::new();
    for payload in ["a", "fail", "c"] {
        ids.extend(submit_all(&mut f.queue, &[payload]));
        ids.extend(submit(&mut f.queue, &labelled, &[payload]));
        let mut actor = Actor::new(|task| match task.body.payload.as_slice() {
            b"fail" => Evaluation::new(Status::Error, b"failed".to_vec()),
            payload => complete(payload),
        });
        run_until_idle(&mut worker, &mut actor);
    }
    f.assert_counters();
    let headers = task::headers(&mut f.queue, &ids).unwrap().into_iter();
    let tasks = headers.map(|h| (h.status, h.attempt, h.worker, h.result)).collect();
    let log = worker::log(&mut f.queue, "w", None).unwrap();
    let place = |id: &str| ids.iter().position(|known| known == id);
    let lines = log.iter().map(|line| format!("{} {:?}", line.command, place(&line.message)));
    Traces { tasks, log: lines.collect(), keys: f.keyspace() }
}

#[test]
fn a_small_step_leaves_the_same_traces_as_any_other() {
    assert_eq!(traces(false), traces(true));
}
