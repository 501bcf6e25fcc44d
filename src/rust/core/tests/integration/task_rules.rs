//! Trying tasks again by their rules.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::task::{self, Attempt, Cause, Retry, Rules, Submission, Waiter};
use rrq_core::worker::{self, Evaluation};
use rrq_core::{Queue, Status};

use crate::support::*;

fn retry(max_attempts: u32, on: &[Cause]) -> Retry {
    let on = on.to_vec();
    let (delay_s, backoff, max_delay_s) = (0.0, 1.0, 3600.0);
    Retry { max_attempts, delay_s, backoff, max_delay_s, on, ..Retry::default() }
}

fn submit_with(queue: &mut Queue, retry: Retry) -> String {
    let rules = Rules { ttl_s: None, retry: Some(retry) };
    submit(queue, &Submission { rules, ..submission("default", Vec::new()) }, &["a"]).remove(0)
}

fn ends(status: Status) -> Actor {
    Actor::new(move |_| Evaluation::new(status, b"said".to_vec()))
}

fn attempts(f: &mut Fixture, id: &String) -> Vec<Attempt> {
    let header = task::headers(&mut f.queue, std::slice::from_ref(id)).unwrap().remove(0);
    task::attempts(&mut f.queue, id, &header).unwrap()
}

#[test]
fn a_task_is_tried_as_often_as_its_rules_say() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(3, &[Cause::Error]));
    let mut actor = ends(Status::Error);
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["a"; 3]);
    assert_eq!(status(&mut f.queue, &id), Status::Error);
    let known = attempts(&mut f, &id);
    assert_eq!(known.len(), 2);
    for attempt in &known {
        assert_eq!((attempt.status, attempt.worker.as_str()), (Status::Error, "w"));
        assert!(attempt.start > 0 && attempt.start <= attempt.end);
        assert_eq!(attempt.value.as_deref(), Some(b"said".as_slice()));
    }
    f.assert_counters();
}

#[test]
fn it_ends_with_the_first_attempt_that_completes() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(9, &[Cause::Error]));
    let mut actor =
        Actor::new(|task| if task.attempt < 3 { failed("no") } else { complete("yes") });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let outcome = task::results(&mut f.queue, std::slice::from_ref(&id)).unwrap().remove(0);
    assert_eq!((outcome.status, outcome.value), (Status::Complete, Some(b"yes".to_vec())));
    assert_eq!(actor.done.len(), 3);
    let log = worker::log(&mut f.queue, "w", None).unwrap();
    assert_eq!(log.iter().filter(|line| line.command == "TASK_RETRY").count(), 2);
    f.assert_counters();
}

#[test]
fn only_the_causes_named_are_tried_again() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let ends_of = [
        (Status::Error, Cause::Error),
        (Status::Died, Cause::Lost),
        (Status::Timeout, Cause::Timeout),
    ];
    for (end, own) in ends_of {
        for (_, cause) in ends_of {
            let id = submit_with(&mut f.queue, retry(2, &[cause]));
            let mut actor = ends(end);
            run_until_idle(&mut worker, &mut actor);
            assert_eq!(actor.done.len(), if cause == own { 2 } else { 1 }, "{end:?} {cause:?}");
            assert_eq!(status(&mut f.queue, &id), end);
        }
    }
    f.assert_counters();
}

#[test]
fn an_error_that_is_final_is_not_tried_again() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(5, &[Cause::Error]));
    let mut actor = Actor::new(|task| Evaluation { is_final: task.attempt == 2, ..failed("no") });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done.len(), 2);
    assert_eq!(attempts(&mut f, &id).len(), 1);
}

#[test]
fn the_delay_grows_by_a_quarter_more_or_less_but_never_beyond_its_limit() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let grows = Retry { delay_s: 1e5, backoff: 3.0, max_delay_s: 5e5, ..retry(9, &[Cause::Error]) };
    let ids: Vec<String> = (0..8).map(|_| submit_with(&mut f.queue, grows.clone())).collect();
    for expected in [1e5, 3e5, 5e5, 5e5] {
        run_until_idle(&mut worker, &mut ends(Status::Error));
        let mut delays = Vec::new();
        for id in &ids {
            let due: f64 = f.ask(&format!("ZSCORE {{jobs}}:due S:{id}"));
            let ended = attempts(&mut f, id).pop().unwrap().end;
            delays.push((due - ended as f64 / 1e3) / 1e3);
            f.pass_time(&format!("S:{id}"));
        }
        // How long the test itself takes is no part of the delays worth telling.
        let most = f64::min(expected * 1.25, 5e5) * 1.0001;
        assert!(delays.iter().all(|d| (expected * 0.75..most).contains(d)), "{delays:?}");
        delays.sort_by(f64::total_cmp);
        assert!(delays[7] - delays[0] > expected / 100.0, "they come back together: {delays:?}");
    }
    assert!(statuses(&mut f.queue, &ids).iter().all(|status| *status == Status::Pending));
    f.assert_counters();
}

#[test]
fn a_task_to_be_tried_later_wakes_whoever_is_idle_and_leaves_nothing_when_deleted() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, Retry { delay_s: 1e5, ..retry(3, &[Cause::Error]) });
    let _: i64 = f.ask("DEL {jobs}:k:default");
    run_until_idle(&mut f.worker("w"), &mut ends(Status::Error));
    assert!(f.has_key("k:default"));
    assert_eq!(attempts(&mut f, &id).len(), 1);
    task::delete(&mut f.queue, &[id], true).unwrap();
    for key in ["at", "t", "b", "k:default", "q:default"] {
        assert!(!f.has_key(key), "{key}");
    }
    assert!(f.ask::<Vec<String>>("ZRANGE {jobs}:due 0 -1").iter().all(|m| m.starts_with("L:")));
}

#[test]
fn a_task_lost_with_its_worker_is_tried_again_if_its_rules_say_so() {
    let mut f = Fixture::new();
    let both =
        [submit_with(&mut f.queue, retry(2, &[Cause::Lost])), submit_n(&mut f.queue, 1).remove(0)];
    for name in ["a", "b"] {
        f.worker(name).turn(&mut Actor::echo(), false).unwrap();
    }
    ["L:a", "L:b"].iter().for_each(|lease| f.pass_time(lease));
    let lost = worker::sweep(&mut f.queue).unwrap();
    // The leases may have ended in the same millisecond, so the workers come in any order.
    let told: HashMap<_, _> = lost.into_iter().flat_map(|lost| lost.tasks).collect();
    let expected = [Status::Pending, Status::Died];
    assert_eq!(told, both.clone().into_iter().zip(expected).collect());
    assert_eq!(statuses(&mut f.queue, &both), expected);
    let known = attempts(&mut f, &both[0]);
    assert_eq!((known[0].status, known[0].worker.as_str()), (Status::Died, "a"));
    assert!(known[0].value.is_none());
    run_until_idle(&mut f.worker("c"), &mut Actor::echo());
    assert_eq!(status(&mut f.queue, &both[0]), Status::Complete);
    f.assert_counters();
}

#[test]
fn a_late_report_of_an_attempt_that_was_lost_is_refused() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(3, &[Cause::Lost, Cause::Error]));
    let mut slow = f.worker("slow");
    slow.turn(&mut ends(Status::Error), false).unwrap();
    f.pass_time("L:slow");
    worker::sweep(&mut f.queue).unwrap();
    let mut other = f.worker("other");
    other.turn(&mut Actor::echo(), false).unwrap();
    run_until_idle(&mut slow, &mut ends(Status::Error));
    assert_eq!(status(&mut f.queue, &id), Status::Running);
    run_until_idle(&mut other, &mut Actor::echo());
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    assert_eq!(attempts(&mut f, &id).len(), 1);
}

#[test]
fn a_cancelled_task_is_never_tried_again() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(3, &[Cause::Error, Cause::Lost]));
    let (mut other, ids) = (f.attach(), vec![id.clone()]);
    let mut actor = Actor::new(move |_| {
        task::cancel(&mut other, &ids).unwrap();
        failed("no")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done.len(), 1);
    assert!(status(&mut f.queue, &id).is_terminal());
    let id = submit_with(&mut f.queue, retry(3, &[Cause::Lost]));
    f.worker("v").turn(&mut Actor::echo(), false).unwrap();
    task::cancel(&mut f.queue, std::slice::from_ref(&id)).unwrap();
    f.pass_time("L:v");
    worker::sweep(&mut f.queue).unwrap();
    assert_eq!(status(&mut f.queue, &id), Status::Cancelled);
    f.assert_counters();
}

#[test]
fn waiters_and_children_hear_of_the_last_attempt_only() {
    let mut f = Fixture::new();
    let id = submit_with(&mut f.queue, retry(3, &[Cause::Error]));
    let child = submit(&mut f.queue, &after(&[&id]), &["child"]).remove(0);
    let mut waiter = Waiter::new(&mut f.queue, std::slice::from_ref(&id), true).unwrap();
    let mut actor = Actor::new(|task| {
        let is_child = task.body.payload.as_slice() == b"child";
        if task.attempt < 3 && !is_child { failed("no") } else { complete("yes") }
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    waiter.wait(&mut f.queue, Duration::from_millis(900), false, &never()).unwrap();
    assert_eq!(waiter.take_ended(), [(id, Status::Complete)]);
    assert_eq!(status(&mut f.queue, &child), Status::Complete);
}

/// Claim a task with a worker that is then lost.
fn lose_a_worker(f: &mut Fixture, id: &str) {
    let mut worker = f.worker(id);
    worker.turn(&mut Actor::echo(), false).unwrap();
    drop(worker);
    f.pass_time(&format!("L:{id}"));
    worker::sweep(&mut f.queue).unwrap();
}

#[test]
fn a_task_that_took_three_workers_down_dies_whatever_its_rules_say() {
    for (max_lost, n) in [(0, 3), (2, 2), (5, 5)] {
        let mut f = Fixture::new();
        let rules = Retry { max_lost, ..retry(100, &[Cause::Lost, Cause::Error]) };
        let id = submit_with(&mut f.queue, rules);
        // A worker that was told to exit does not count.
        let mut worker = f.worker("w_0");
        let mut actor = Actor::new(|_| resume_unwind(Box::new("stopped")));
        assert!(catch_unwind(AssertUnwindSafe(|| worker.turn(&mut actor, false))).is_err());
        worker.exit("stopped").unwrap();
        for i in 1..=n {
            assert_eq!(status(&mut f.queue, &id), Status::Pending);
            lose_a_worker(&mut f, &format!("w_{i}"));
        }
        let result = task::results(&mut f.queue, &[id]).unwrap().remove(0);
        assert!(result.status == Status::Died && result.is_poison, "{result:?}");
        f.assert_counters();
    }
}
