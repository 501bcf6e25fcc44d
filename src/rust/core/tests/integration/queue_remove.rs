//! Taking tasks out of a queue, and what stands in it.

use redis::Commands;
use rrq_core::status::Status;
use rrq_core::task;

use crate::support::*;

fn listed(f: &mut Fixture) -> Vec<String> {
    f.queue.list("default").unwrap()
}

#[test]
fn a_task_taken_out_stays_pending_and_is_not_run() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    assert_eq!(f.queue.remove("default", &ids[1..2]).unwrap(), [true]);
    assert_eq!(status(&mut f.queue, &ids[1]), Status::Pending);
    assert_eq!(listed(&mut f), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(f.queue.length("default").unwrap(), 2);
    f.assert_counters();
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["0", "2"]);
    assert_eq!(status(&mut f.queue, &ids[1]), Status::Pending);
    f.assert_counters();
}

#[test]
fn only_tasks_that_wait_in_that_queue_are_taken_out() {
    let mut f = Fixture::new();
    let other = submit(&mut f.queue, &submission("other", Vec::new()), &["a"]).remove(0);
    let ended = submit_n(&mut f.queue, 1).remove(0);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let waiting = submit_n(&mut f.queue, 1).remove(0);
    let before = f.contents();
    let ids = [other, ended, "unknown".to_owned()];
    assert_eq!(f.queue.remove("default", &ids).unwrap(), [false; 3]);
    assert_eq!(f.contents(), before);
    assert_eq!(f.queue.remove("default", std::slice::from_ref(&waiting)).unwrap(), [true]);
    assert_eq!(f.queue.remove("default", &[waiting]).unwrap(), [false]);
    f.assert_counters();
}

#[test]
fn with_the_last_task_goes_the_list() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    assert_eq!(f.queue.remove("default", &ids).unwrap(), vec![true; 600]);
    assert!(f.keyspace().iter().all(|key| !key.contains(":q:") && !key.contains(":k:")));
    f.assert_counters();
    let next = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &next), [Status::Complete]);
}

#[test]
fn a_repeated_request_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 3);
    attach(proxy.url()).remove("default", &ids[..2]).unwrap();
    let before = f.contents();
    let calls = proxy.calls(&["t", "n"]);
    assert_eq!(f.resend(&calls[0]), redis::Value::BulkString(b"11".to_vec()));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_task_taken_out_can_be_cancelled_and_deleted() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    f.queue.remove("default", &ids[..2]).unwrap();
    task::cancel(&mut f.queue, &ids[..1]).unwrap();
    task::delete(&mut f.queue, &ids[1..2], true).unwrap();
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Cancelled, Status::Missing, Status::Pending]);
    assert_eq!(f.queue.length("default").unwrap(), 1);
    f.assert_counters();
}

#[test]
fn an_id_given_twice_is_taken_out_once() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let twice = [ids[0].clone(), ids[0].clone()];
    assert_eq!(f.queue.remove("default", &twice).unwrap(), [true, true]);
    assert_eq!(f.queue.length("default").unwrap(), 1);
    f.assert_counters();
}

#[test]
fn an_id_that_is_listed_twice_counts_and_runs_once() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let _: i64 = f.raw().lpush("{jobs}:q:default", &[&ids[1], &ids[1], &ids[0]]).unwrap();
    assert_eq!(listed(&mut f), ids);
    let mut actor = Actor::echo();
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["0", "1"]);
    f.assert_counters();
}

#[test]
fn an_id_that_is_listed_twice_is_claimed_once_by_a_batch() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let waiting = listed(&mut f);
    let mut raw = f.raw();
    let _: i64 = raw.lpush("{jobs}:q:default", &[&waiting[0], &waiting[1], &waiting[0]]).unwrap();
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done.len(), waiting.len());
    f.assert_counters();
}

#[test]
fn stale_ids_are_passed_over_many_at_a_time() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 20_000);
    f.queue.remove("default", &ids[..19_999]).unwrap();
    let (mut worker, mut actor, before) = (f.worker("w"), Actor::echo(), f.n_evalsha());
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["19999"]);
    assert!(f.n_evalsha() - before < 20);
    assert_eq!(f.ask::<i64>("EXISTS {jobs}:q:default"), 0);
    f.assert_counters();
}

#[test]
fn what_a_worker_takes_meanwhile_is_not_taken_out() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2000);
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || {
        run_until_idle(&mut worker, &mut Actor::echo());
    });
    let mut removed = Vec::new();
    for chunk in ids.rchunks(10) {
        removed.extend(chunk.iter().cloned().zip(f.queue.remove("default", chunk).unwrap()));
    }
    thread.join().unwrap();
    for (id, out) in removed {
        let expected = if out { Status::Pending } else { Status::Complete };
        assert_eq!(status(&mut f.queue, &id), expected);
    }
    f.assert_counters();
}
