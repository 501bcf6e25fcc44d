//! What is due is done a part at a time, so that nothing else waits for all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rrq_core::connection::{Stop, never};
use rrq_core::status::Status;
use rrq_core::task::{self, WaitState, Waiter};
use rrq_core::worker::{self, Turn};
use rrq_core::{Connection, Error, Queue};

use crate::support::*;

/// How much one call does.
const CALL: u64 = 256;

/// So many tasks that have expired, and were deleted by somebody else.
fn expired(f: &Fixture, n: usize) {
    let mut raw = f.raw();
    for first in (0..n).step_by(10_000) {
        let mut add = redis::cmd("ZADD");
        add.arg("{jobs}:due");
        (first..n.min(first + 10_000)).for_each(|i| {
            add.arg(2_000_000).arg(format!("X:{i:032}"));
        });
        add.exec(&mut raw).unwrap();
    }
}

/// How many of them are still due.
fn n_due(f: &Fixture) -> u64 {
    f.ask("ZCOUNT {jobs}:due 2000000 2000000")
}

/// A controller that is told to stop when `stop` was asked so often.
fn stopped_after(f: &Fixture, n: usize) -> Queue {
    let asked = AtomicUsize::new(0);
    let stop: Stop = Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) >= n);
    let mut queue = f.attach();
    queue.connection = Connection::open(&f.server.url(), stop).unwrap();
    queue
}

#[test]
fn an_idle_worker_makes_one_call_per_turn() {
    let f = Fixture::new();
    let mut worker = f.worker("w");
    expired(&f, 1000);
    assert_eq!(worker.turn(&mut Actor::echo(), false).unwrap(), Turn::Swept);
    assert_eq!(n_due(&f), 1000 - CALL);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(n_due(&f), 0);
}

#[test]
fn a_busy_worker_makes_one_call_per_turn_and_not_before_its_tasks_have_run() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 2);
    let mut worker = f.worker("w");
    expired(&f, 1000);
    let mut raw = f.raw();
    let mut actor = Actor::new(move |_| {
        let mut count = redis::cmd("ZCOUNT");
        let n: u64 = count.arg("{jobs}:due").arg(2e6).arg(2e6).query(&mut raw).unwrap();
        complete(n.to_string())
    });
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Ran(1));
    assert_eq!(n_due(&f), 1000 - CALL);
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Ran(1));
    assert_eq!(n_due(&f), 1000 - 2 * CALL);
    let ids = task::list(&mut f.queue).unwrap();
    run_until_idle(&mut worker, &mut actor);
    let seen = task::results(&mut f.queue, &ids).unwrap().into_iter().map(|r| r.value.unwrap());
    let mut seen: Vec<String> = seen.map(|text| String::from_utf8(text).unwrap()).collect();
    seen.sort();
    assert_eq!(seen, ["1000", "744"]);
}

#[test]
fn a_task_that_depended_on_the_last_one_goes_first() {
    let mut f = Fixture::new();
    let first = submit_all(&mut f.queue, &["parent"]).remove(0);
    submit_all(&mut f.queue, &["other"]);
    submit(&mut f.queue, &after(&[&first]), &["child"]);
    expired(&f, 1000);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["parent", "child", "other"]);
    f.assert_counters();
}

#[test]
fn a_sweep_can_be_stopped() {
    let f = Fixture::new();
    expired(&f, 2000);
    assert!(matches!(worker::sweep(&mut stopped_after(&f, 2)), Err(Error::Interrupted)));
    assert_eq!(n_due(&f), 2000 - 3 * CALL);
    worker::sweep(&mut stopped_after(&f, 1000)).unwrap();
    assert_eq!(n_due(&f), 0);
}

#[test]
fn a_wait_keeps_its_limit_whatever_is_due() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    expired(&f, 200_000);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    // Longer than the time after which it sweeps for the first time.
    let limit = Duration::from_millis(1200);
    let state = waiter.wait(&mut f.queue, limit, false, &never()).unwrap();
    assert_eq!(state, WaitState::Waiting);
    assert!((1..200_000).contains(&n_due(&f)), "{}", n_due(&f));
}

#[test]
fn a_lost_worker_is_found_in_the_first_call_whatever_else_is_due() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    f.worker("w").turn(&mut Actor::echo(), false).unwrap();
    expired(&f, 1000);
    let _: i64 = f.ask("ZADD {jobs}:due XX 3000000 L:w");
    let lost = worker::sweep_within(&mut f.queue, Duration::ZERO).unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(status(&mut f.queue, &id), Status::Died);
    assert_eq!(worker::sweep(&mut f.queue).unwrap(), []);
    assert_eq!(f.ask::<i64>("EXISTS {jobs}:due"), 0);
}

#[test]
fn cancel_and_delete_resolve_dependents_and_leave_the_rest_that_is_due() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 2);
    let mut children = submit_many(&mut f.queue, &after(&[&parents[0]]), 1500);
    children.extend(submit_many(&mut f.queue, &after(&[&parents[1]]), 1500));
    let last = submit(&mut f.queue, &after(&[&children[0]]), &["x"]);
    expired(&f, 1000);
    task::cancel(&mut f.queue, &parents[..1]).unwrap();
    assert_eq!(statuses(&mut f.queue, &children[..1500]), vec![Status::Impossible; 1500]);
    assert_eq!(statuses(&mut f.queue, &last), [Status::Impossible]);
    task::delete(&mut f.queue, &parents[1..], true).unwrap();
    assert_eq!(statuses(&mut f.queue, &children[1500..]), vec![Status::Impossible; 1500]);
    assert_eq!(n_due(&f), 1000);
    f.assert_counters();
}

#[test]
fn a_cancel_can_be_stopped_while_it_resolves_dependents() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1);
    let children = submit_many(&mut f.queue, &after(&[&parent[0]]), 1500);
    let stopped = task::cancel(&mut stopped_after(&f, 0), &parent);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(status(&mut f.queue, &parent[0]), Status::Cancelled);
    let left = f.counters()["s:DEFERRED"];
    assert!((1..1500).contains(&left), "{left}");
    worker::sweep(&mut f.queue).unwrap();
    assert_eq!(statuses(&mut f.queue, &children), vec![Status::Impossible; 1500]);
}

fn submit_many(queue: &mut Queue, submission: &task::Submission, n: usize) -> Vec<String> {
    submit(queue, submission, &vec!["child"; n])
}
