//! Tiny tasks travel in batches; a slow one among them must not hold up the others.

use std::thread::sleep;
use std::time::Duration;

use redis::Commands;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::Turn;

use crate::support::*;

/// Sleeps once, in the first task of the first batch of at least eight.
fn slow_once(f: &Fixture, pause: Duration) -> Actor {
    let (mut raw, mut slept) = (f.raw(), false);
    Actor::new(move |task| {
        let running: u64 = raw.hget(format!("{{{ID}}}:n"), "s:RUNNING").unwrap();
        if running >= 8 && !slept {
            slept = true;
            sleep(pause);
        }
        complete(&task.body.payload)
    })
}

#[test]
fn tiny_tasks_travel_together() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 1000);
    let (mut worker, before) = (f.worker("w"), f.n_evalsha());
    run_until_idle(&mut worker, &mut Actor::echo());
    assert!(f.n_evalsha() - before < 250);
    f.assert_counters();
}

#[test]
fn the_last_tasks_are_claimed_one_by_one_so_that_all_workers_have_some() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    submit_n(&mut f.queue, 200);
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    submit_n(&mut f.queue, 7);
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Ran(1));
}

#[test]
fn after_a_slow_task_the_worker_claims_one_at_a_time_again() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 400);
    let mut worker = f.worker("w");
    let mut actor = slow_once(&f, Duration::from_millis(60));
    while actor.done.len() < 300 {
        let (before, turn) = (actor.done.len(), worker.turn(&mut actor, false).unwrap());
        if actor.done.len() - before >= 8 {
            assert!(matches!(turn, Turn::Ran(_)));
            assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Ran(1));
            return;
        }
    }
    panic!("there was no batch");
}

#[test]
fn tasks_behind_a_slow_one_go_back_to_the_front_and_run_elsewhere() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 300);
    let mut slow = f.worker("slow");
    let mut actor = slow_once(&f, Duration::from_millis(1500));
    let thread = std::thread::spawn(move || {
        run_until_idle(&mut slow, &mut actor);
        actor.done
    });
    wait_until(|| f.counters().get("s:RUNNING") == Some(&1));
    let waiting = f.queue.list("default").unwrap();
    assert_eq!(waiting, ids[300 - waiting.len()..]);
    let at = task::headers(&mut f.queue, &waiting[..1]).unwrap();
    assert_eq!((at[0].status, at[0].attempt, at[0].worker.as_str()), (Status::Pending, 0, ""));
    f.assert_counters();
    let mut quick = Actor::echo();
    run_until_idle(&mut f.worker("quick"), &mut quick);
    assert_eq!(quick.done.len(), waiting.len());
    let by_slow = thread.join().unwrap();
    assert_eq!(by_slow.len() + quick.done.len(), 300);
    let headers = task::headers(&mut f.queue, &ids).unwrap();
    assert!(headers.iter().all(|header| header.attempt == 1));
    assert!(headers.iter().all(|h| h.status == Status::Complete));
    f.assert_counters();
}

#[test]
fn tasks_handed_back_twice_are_handed_back_once() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 300);
    let through = attach(proxy.url());
    let worker = register(through, "w", rrq_core::connection::never(), |_| {});
    let mut worker = ready(worker.unwrap());
    let mut actor = slow_once(&f, Duration::from_millis(400));
    run_until_idle(&mut worker, &mut actor);
    let before = f.contents();
    let is_return = |call: &Request| call.last().is_some_and(|part| part.len() == 32);
    let returns: Vec<Request> = proxy.calls(&["w", "t", "n"]);
    let returns = returns.iter().filter(|call| is_return(call));
    let answers: Vec<redis::Value> = returns.map(|call| f.resend(call)).collect();
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|n| *n == redis::Value::Int(0)));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_batch_flushes_what_has_ended_while_it_goes_on() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 400);
    let mut worker = f.worker("w");
    let mut raw = f.raw();
    let mut actor = Actor::new(move |task| {
        let complete_now: u64 = raw.hget(format!("{{{ID}}}:n"), "s:COMPLETE").unwrap_or(0);
        let running: u64 = raw.hget(format!("{{{ID}}}:n"), "s:RUNNING").unwrap();
        if running >= 8 {
            sleep(Duration::from_millis(12));
        }
        complete(format!("{complete_now} {running} {}", task.attempt))
    });
    run_until_idle(&mut worker, &mut actor);
    let outcomes = task::outcomes(&mut f.queue, &ids).unwrap();
    let running: Vec<u64> = outcomes
        .iter()
        .map(|outcome| String::from_utf8(outcome.value.clone().unwrap()).unwrap())
        .map(|text| text.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    // Within a batch the number of running tasks falls by one with each flush.
    assert!(running.windows(2).any(|pair| pair[0] >= 8 && pair[1] == pair[0] - 1));
    f.assert_counters();
}

#[test]
fn an_interrupted_batch_reports_what_has_ended_and_hands_back_the_rest() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 300);
    let (mut raw, mut n_left) = (f.raw(), None);
    let mut actor = Actor::new(move |_| {
        let running: i64 = raw.hget(format!("{{{ID}}}:n"), "s:RUNNING").unwrap();
        let mut verdict = complete("done");
        n_left = n_left.or((running >= 8).then_some(3)).map(|n: i32| n - 1);
        verdict.interrupted = n_left == Some(0);
        verdict
    });
    let reason = f.worker("w").run(&mut actor, true).unwrap();
    assert_eq!(reason, "interrupted");
    let (ended, rest) = ids.split_at(actor.done.len());
    assert_eq!(statuses(&mut f.queue, ended), vec![Status::Complete; ended.len()]);
    assert_eq!(f.queue.list("default").unwrap(), rest);
    assert_eq!(statuses(&mut f.queue, rest), vec![Status::Pending; rest.len()]);
    f.assert_counters();
}
