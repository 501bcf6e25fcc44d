//! Tiny tasks travel in batches; a slow one among them must not hold up the others.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use redis::Commands;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::{StopReason, Turn};

use crate::support::*;

/// Sleeps in its first task.
fn slow_first(pause: Duration) -> Actor {
    let mut left = Some(pause);
    Actor::new(move |task| {
        left.take().into_iter().for_each(sleep);
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
    submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    // Long enough for a batch of 64 to be slow, even if the tasks behind it do not go back in time.
    let mut actor = slow_first(Duration::from_millis(200));
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Ran(1));
}

#[test]
fn tasks_behind_a_slow_one_go_back_to_the_front_and_run_elsewhere() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let mut slow = f.worker("slow");
    warm_up(&mut slow);
    let thread = std::thread::spawn(move || {
        run_until_idle(&mut slow, &mut slow_first(Duration::from_millis(1500)));
    });
    wait_until(|| f.counters()["s:RUNNING"] == 1);
    let waiting = f.queue.list("default").unwrap();
    assert_eq!(waiting, ids[600 - waiting.len()..]);
    let first = task::headers(&mut f.queue, &waiting[..1]).unwrap().remove(0);
    assert_eq!((first.status, first.attempt, first.worker.as_str()), (Status::Pending, 0, ""));
    f.assert_counters();
    let mut quick = Actor::echo();
    run_until_idle(&mut f.worker("quick"), &mut quick);
    assert_eq!(quick.done.len(), waiting.len());
    thread.join().unwrap();
    let headers = task::headers(&mut f.queue, &ids).unwrap();
    assert!(headers.iter().all(|h| (h.status, h.attempt) == (Status::Complete, 1)));
    f.assert_counters();
}

#[test]
fn tasks_handed_back_twice_are_handed_back_once() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 600);
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    warm_up(&mut worker);
    run_until_idle(&mut worker, &mut slow_first(Duration::from_millis(400)));
    let before = f.contents();
    let answers: Vec<redis::Value> =
        return_calls(&proxy).iter().map(|call| f.resend(call)).collect();
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|n| *n == redis::Value::Int(0)));
    assert_eq!(f.contents(), before);
}

/// Copies of the requests by which a worker handed back tasks.
fn return_calls(proxy: &Proxy) -> Vec<Request> {
    let is_return = |call: &Request| call.last().is_some_and(|part| part.len() == 32);
    proxy.calls(&["w", "t", "n"]).into_iter().filter(is_return).collect()
}

#[test]
fn a_late_copy_hands_back_no_task_that_the_worker_has_claimed_again() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 600);
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    warm_up(&mut worker);
    worker.turn(&mut slow_first(Duration::from_millis(400)), false).unwrap();
    let calls = return_calls(&proxy);
    worker.turn(&mut Actor::echo(), false).unwrap();
    let running = f.counters()["s:RUNNING"];
    let before = f.contents();
    assert!(running > 0 && !calls.is_empty());
    for call in calls {
        assert_eq!(f.resend(&call), redis::Value::Int(0));
    }
    assert_eq!(f.contents(), before);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(f.counters()["s:COMPLETE"], 600);
}

#[test]
fn a_batch_reports_what_has_ended_while_it_goes_on() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let (mut worker, mut raw) = (f.worker("w"), f.raw());
    warm_up(&mut worker);
    let mut actor = Actor::new(move |_| {
        let running: u64 = raw.hget("{jobs}:n", "s:RUNNING").unwrap();
        sleep(Duration::from_millis(15));
        complete(running.to_string())
    });
    worker.turn(&mut actor, false).unwrap();
    run_until_idle(&mut worker, &mut Actor::echo());
    let first: usize = actor.done[0].parse().unwrap();
    let outcomes = task::results(&mut f.queue, &ids[first..first + 2]).unwrap();
    let running = |i: usize| String::from_utf8(outcomes[i].value.clone().unwrap()).unwrap();
    let running = [running(0), running(1)].map(|text| text.parse::<u64>().unwrap());
    assert!(running[1] < running[0], "{running:?}");
    f.assert_counters();
}

#[test]
fn an_interrupted_batch_reports_what_has_ended_and_hands_back_the_rest() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let mut n = 0;
    let mut actor = Actor::new(move |_| {
        n += 1;
        let mut evaluation = complete("done");
        evaluation.interrupted = n == 3;
        evaluation
    });
    assert_eq!(worker.run(&mut actor, true).unwrap(), Some(StopReason::Interrupted));
    let last: usize = actor.done[2].parse().unwrap();
    let (ended, rest) = ids.split_at(last + 1);
    assert_eq!(statuses(&mut f.queue, ended), vec![Status::Complete; ended.len()]);
    assert_eq!(f.queue.list("default").unwrap(), rest);
    assert_eq!(statuses(&mut f.queue, rest), vec![Status::Pending; rest.len()]);
    f.assert_counters();
}

#[test]
fn tasks_handed_back_over_a_connection_that_breaks_run_once() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    submit_n(&mut f.queue, 1500);
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    warm_up(&mut worker);
    worker.turn(&mut slow_first(Duration::from_millis(300)), false).unwrap(); // opens it
    warm_up(&mut worker);
    let (cutting, mut first) = (proxy.clone(), true);
    let mut actor = Actor::new(move |_| {
        if std::mem::take(&mut first) {
            cutting.cut_after(Way::Down, 1);
            wait_until(|| cutting.has_cut());
        }
        complete("value")
    });
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(actor.done.len(), 1);
    run_until_idle(&mut worker, &mut Actor::echo());
    f.assert_counters();
}

#[test]
fn tasks_whose_return_the_server_took_but_then_rejects_do_not_run_here() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    submit_n(&mut f.queue, 1500);
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    warm_up(&mut worker);
    worker.turn(&mut slow_first(Duration::from_millis(300)), false).unwrap(); // opens its connections
    warm_up(&mut worker);
    let (cutting, mut raw, mut first) = (proxy.clone(), f.raw(), true);
    let mut actor = Actor::new(move |_| {
        if std::mem::take(&mut first) {
            cutting.cut_and_close_after(Way::Down, 1);
            wait_until(|| cutting.has_cut());
            // From now on the server rejects whatever may write.
            require_replicas(&mut raw, 1);
            cutting.close(false);
            wait_until(|| n_rejected(&mut raw) >= 3);
            require_replicas(&mut raw, 0);
        }
        complete("value")
    });
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(actor.done.len(), 1);
    run_until_idle(&mut worker, &mut Actor::echo());
    f.assert_counters();
}

fn require_replicas(raw: &mut redis::Connection, n: u8) {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("min-replicas-to-write").arg(n).exec(raw).unwrap();
}

fn n_rejected(raw: &mut redis::Connection) -> u64 {
    let stats: String = redis::cmd("INFO").arg("errorstats").query(raw).unwrap();
    let count = stats.lines().find_map(|line| line.strip_prefix("errorstat_NOREPLICAS:count="));
    count.map_or(0, |count| count.parse().unwrap())
}
