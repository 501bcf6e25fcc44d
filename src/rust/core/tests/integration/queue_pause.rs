//! Queues that are paused.

use rrq_core::config::WorkerConfig;
use rrq_core::message;
use rrq_core::worker::Turn;

use crate::support::*;

#[test]
fn a_paused_queue_gives_no_tasks_and_the_others_do() {
    let mut f = Fixture::new();
    assert!(f.queue.pause("default", true).unwrap());
    submit_all(&mut f.queue, &["a"]);
    submit(&mut f.queue, &submission("fast", Vec::new()), &["b"]);
    let mut worker =
        f.worker_with("w", |config| config.queue = vec!["default".into(), "fast".into()]);
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["b"]);
    assert!(f.queue.pause("default", false).unwrap());
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["b", "a"]);
    f.assert_counters();
}

#[test]
fn pausing_twice_is_pausing_once() {
    let mut f = Fixture::new();
    assert!(f.queue.pause("default", true).unwrap());
    let contents = |f: &Fixture| {
        f.delete_submitters();
        f.contents()
    };
    let before = contents(&f);
    assert!(!f.queue.pause("default", true).unwrap());
    assert_eq!(contents(&f), before);
    assert!(f.queue.pause("fast", true).unwrap());
    assert_eq!(f.queue.paused().unwrap(), ["default", "fast"]);
    assert!(f.queue.pause("default", false).unwrap());
    assert!(!f.queue.pause("default", false).unwrap());
    assert_eq!(f.queue.paused().unwrap(), ["fast"]);
    assert_eq!(f.ask::<i64>("HGET {jobs}:n paused"), 1);
}

#[test]
fn a_worker_sleeps_on_a_paused_queue() {
    let mut f = Fixture::new();
    f.queue.pause("default", true).unwrap();
    submit_n(&mut f.queue, 3);
    let quick = |config: &mut WorkerConfig| config.poll_queue = Some(0.02);
    let mut worker = f.worker_with("w", quick);
    message::send(&mut f.queue, "PING", b"", &["w".to_owned()]).unwrap();
    let mut actor = Actor::echo();
    // It takes the marker, perhaps again after the message, and puts it back no more.
    for _ in 0..4 {
        worker.turn(&mut actor, true).unwrap();
    }
    assert!(!f.has_key("k:default"));
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Idle);
    assert!(!f.has_key("k:default"));
    assert_eq!(actor.done, ["PING"]);
}

#[test]
fn resuming_wakes_a_worker() {
    let mut f = Fixture::new();
    f.queue.pause("default", true).unwrap();
    submit_n(&mut f.queue, 1);
    let mut worker = f.worker_with("w", |config| config.poll_queue = Some(0.02));
    for _ in 0..3 {
        worker.turn(&mut Actor::echo(), true).unwrap();
    }
    assert!(!f.has_key("k:default"));
    f.queue.pause("default", false).unwrap();
    assert!(f.has_key("k:default"));
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(f.counters()["s:COMPLETE"], 1);
}

#[test]
fn what_a_worker_has_claimed_runs_and_the_rest_waits() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    f.queue.pause("default", true).unwrap();
    run_until_idle(&mut worker, &mut Actor::echo());
    let done = f.counters()["s:COMPLETE"];
    assert_eq!(f.counters().get("s:RUNNING"), None);
    assert_eq!(f.counters()["s:PENDING"], 600 - done);
    assert!(done < 600);
    f.queue.pause("default", false).unwrap();
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(f.counters()["s:COMPLETE"], 600);
}
