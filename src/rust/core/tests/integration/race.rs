//! What two do at the same time, in both orders: requests are recorded and sent at the moment that
//! matters, after the checks their senders made.

use redis::Value;
use rrq_core::task::{self, Submission};
use rrq_core::worker::{self, Worker};
use rrq_core::{Queue, Status};

use crate::support::*;

/// The first keys of requests.
const CANCEL: [&str; 2] = ["t", "n"];
const DELETE: [&str; 4] = ["t", "b", "r", "x"];
const RETRY: [&str; 4] = ["t", "b", "lab", "mv"];
const SUBMIT: [&str; 5] = ["t", "b", "n", "o", "oref"];

/// The request by which `act` does something to a task, for `id` instead.
fn request(
    f: &mut Fixture,
    keys: &[&str],
    id: &str,
    act: impl FnOnce(&mut Queue, &[String]),
) -> Request {
    let proxy = f.proxy();
    let other = submit_all(&mut f.queue, &["other"]);
    act(&mut attach(proxy.url()), &other);
    let call = proxy.calls(keys).pop().unwrap();
    task::delete(&mut f.queue, &other, false).unwrap();
    replace(&call, &other[0], id)
}

fn cancel_request(f: &mut Fixture, id: &str) -> Request {
    request(f, &CANCEL, id, |queue, other| drop(task::cancel(queue, other).unwrap()))
}

fn delete_request(f: &mut Fixture, id: &str) -> Request {
    request(f, &DELETE, id, |queue, other| task::delete(queue, other, true).unwrap())
}

fn retry_request(f: &mut Fixture, id: &str) -> Request {
    request(f, &RETRY, id, |queue, other| {
        task::cancel(queue, other).unwrap();
        task::retry(queue, other).unwrap();
    })
}

/// A worker that has run its task and not reported it yet.
fn about_to_finish(f: &Fixture, id: &str, actor: &mut Actor) -> Worker {
    let mut worker = f.worker(id);
    worker.turn(actor, false).unwrap();
    worker
}

fn fails() -> Actor {
    Actor::new(|_| failed("no"))
}

fn after_two(f: &mut Fixture) -> (Vec<String>, String) {
    let parents = submit_all(&mut f.queue, &["a", "b"]);
    let child = submit(&mut f.queue, &after(&[&parents[0], &parents[1]]), &["child"]).remove(0);
    (parents, child)
}

#[test]
fn two_parents_that_complete_together_release_a_task_once() {
    for order in [[0, 1], [1, 0]] {
        for sweeps in [false, true] {
            let mut f = Fixture::new();
            let (_, child) = after_two(&mut f);
            let mut workers =
                ["a", "b"].map(|id| Some(about_to_finish(&f, id, &mut Actor::echo())));
            for at in order {
                workers[at].take().unwrap().exit("done").unwrap();
                if sweeps {
                    worker::sweep(&mut f.queue).unwrap();
                }
            }
            worker::sweep(&mut f.queue).unwrap();
            assert_eq!(f.queue.list("default").unwrap(), [child]);
            f.assert_counters();
        }
    }
}

#[test]
fn a_parent_that_fails_as_the_other_completes_makes_a_task_impossible() {
    for order in [[0, 1], [1, 0]] {
        for (mut first, mut second) in [(Actor::echo(), fails()), (fails(), fails())] {
            let mut f = Fixture::new();
            let (_, child) = after_two(&mut f);
            let mut workers = [
                Some(about_to_finish(&f, "a", &mut first)),
                Some(about_to_finish(&f, "b", &mut second)),
            ];
            for at in order {
                workers[at].take().unwrap().exit("done").unwrap();
            }
            worker::sweep(&mut f.queue).unwrap();
            assert_eq!(status(&mut f.queue, &child), Status::Impossible);
            assert!(f.queue.list("default").unwrap().is_empty());
            f.assert_counters();
        }
    }
}

#[test]
fn of_a_cancel_and_a_claim_the_first_one_counts() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let cancel = cancel_request(&mut f, &id);
    f.resend(&cancel);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!((status(&mut f.queue, &id), actor.done.len()), (Status::Cancelled, 0));

    let id = submit_n(&mut f.queue, 1).remove(0);
    let cancel = cancel_request(&mut f, &id);
    let mut worker = about_to_finish(&f, "v", &mut actor);
    assert_eq!(f.resend(&cancel), Value::BulkString(b"B".to_vec()));
    assert_eq!(status(&mut f.queue, &id), Status::Running);
    let header = task::headers(&mut f.queue, std::slice::from_ref(&id)).unwrap().remove(0);
    assert!(header.is_to_stop());
    run_until_idle(&mut worker, &mut actor);
    assert!(status(&mut f.queue, &id).is_terminal());
    wait_until(|| !f.has_key("w:v:ctl")); // the control thread of the worker takes it
    let before = f.contents();
    f.resend(&cancel);
    assert_eq!(f.contents(), before);
    f.assert_counters();
}

#[test]
fn of_a_delete_and_a_finish_the_delete_waits_for_the_finish() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let delete = delete_request(&mut f, &id);
    let mut worker = about_to_finish(&f, "w", &mut Actor::echo());
    let before = f.contents();
    let running = Value::Array(vec![Value::Int(1), Value::BulkString(id.clone().into_bytes())]);
    assert_eq!(f.resend(&delete), running);
    assert_eq!(f.contents(), before);
    worker.exit("done").unwrap();
    assert_eq!(f.resend(&delete), Value::Array(vec![Value::Int(0), Value::Int(0)]));
    assert_eq!(status(&mut f.queue, &id), Status::Missing);
    f.assert_counters();
}

#[test]
fn of_a_delete_and_a_claim_the_first_one_counts() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let delete = delete_request(&mut f, &id);
    f.resend(&delete);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert!(actor.done.is_empty());
    assert!(!f.has_key("t") && !f.has_key("b"));
    f.assert_counters();
}

#[test]
fn of_two_retries_one_is_served_and_the_other_told() {
    for swapped in [false, true] {
        let mut f = Fixture::new();
        let id = submit_n(&mut f.queue, 1).remove(0);
        task::cancel(&mut f.queue, std::slice::from_ref(&id)).unwrap();
        let mut requests = [retry_request(&mut f, &id), retry_request(&mut f, &id)];
        if swapped {
            requests.reverse();
        }
        assert_eq!(f.resend(&requests[0]), Value::BulkString(b"E".to_vec()));
        let before = f.contents();
        assert_eq!(f.resend(&requests[1]), Value::BulkString(b"J".to_vec()));
        assert_eq!(f.contents(), before);
        assert_eq!(f.queue.length("default").unwrap(), 1);
        f.assert_counters();
    }
}

#[test]
fn of_a_retry_and_a_delete_the_later_one_sees_the_other() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    task::cancel(&mut f.queue, std::slice::from_ref(&id)).unwrap();
    let (delete, retry) = (delete_request(&mut f, &id), retry_request(&mut f, &id));
    f.resend(&retry);
    let newest = f.queue.list("default").unwrap().remove(0);
    // The one that deletes is told what else there is of the chain.
    let more = Value::Array(vec![Value::Int(2), Value::BulkString(newest.into_bytes())]);
    assert_eq!(f.resend(&delete), more);
    assert_eq!(status(&mut f.queue, &id), Status::Moved);
    task::delete(&mut f.queue, std::slice::from_ref(&id), true).unwrap();
    let before = f.contents();
    assert_eq!(f.resend(&retry), Value::BulkString(b"-".to_vec()));
    assert_eq!(f.contents(), before);
    f.assert_counters();
}

/// The request that submits a task after `parent`, as if it had never been sent.
fn submit_request(f: &mut Fixture, parent: &str, asked: &Submission) -> Request {
    let request = request(f, &SUBMIT, parent, |queue, other| {
        let mut asked = asked.clone();
        asked.parents = after(&[&other[0]]).parents;
        let ids = submit(queue, &asked, &["child"]);
        task::delete(queue, &ids, true).unwrap();
    });
    f.delete_submitters();
    request
}

#[test]
fn a_task_submitted_as_its_parent_finishes_runs_after_it() {
    for submitted_first in [true, false] {
        let mut f = Fixture::new();
        let parent = submit_n(&mut f.queue, 1).remove(0);
        let asked = submit_request(&mut f, &parent, &submission("default", Vec::new()));
        let mut worker = about_to_finish(&f, "w", &mut Actor::echo());
        if submitted_first {
            f.resend(&asked);
            assert_eq!(f.counters()["s:DEFERRED"], 1);
        }
        worker.exit("done").unwrap();
        f.resend(&asked);
        worker::sweep(&mut f.queue).unwrap();
        assert_eq!(f.queue.length("default").unwrap(), 1);
        f.assert_counters();
        let mut actor = Actor::echo();
        run_until_idle(&mut f.worker("v"), &mut actor);
        assert_eq!(actor.done, ["child"]);
    }
}

#[test]
fn a_task_submitted_as_its_parent_fails_is_impossible() {
    for submitted_first in [true, false] {
        let mut f = Fixture::new();
        let parent = submit_n(&mut f.queue, 1).remove(0);
        let asked = submit_request(&mut f, &parent, &submission("default", Vec::new()));
        let mut worker = about_to_finish(&f, "w", &mut fails());
        if submitted_first {
            f.resend(&asked);
        }
        worker.exit("done").unwrap();
        let failed = [parent.into_bytes(), b"ERROR".to_vec()].map(Value::BulkString);
        let failed = [vec![Value::Int(3)], failed.to_vec()].concat();
        // Told again, if the answer was lost.
        for _ in 0..2 {
            let answer = f.resend(&asked);
            if !submitted_first {
                assert_eq!(answer, Value::Array(failed.clone()));
            }
        }
        worker::sweep(&mut f.queue).unwrap();
        assert_eq!(f.counters()["s:IMPOSSIBLE"], 1);
        f.assert_counters();
    }
}

#[test]
fn a_task_submitted_as_its_parent_is_deleted_is_impossible_or_refused() {
    for submitted_first in [true, false] {
        let mut f = Fixture::new();
        let parent = submit_n(&mut f.queue, 1).remove(0);
        let asked = submit_request(&mut f, &parent, &submission("default", Vec::new()));
        if submitted_first {
            f.resend(&asked);
        }
        task::delete(&mut f.queue, std::slice::from_ref(&parent), true).unwrap();
        let before = f.contents();
        f.resend(&asked);
        assert_eq!(f.contents(), before);
        let n_impossible = f.counters().get("s:IMPOSSIBLE").copied().unwrap_or(0);
        assert_eq!(n_impossible, i64::from(submitted_first));
    }
}

#[test]
fn a_parent_deleted_before_all_were_told_of_its_end_leaves_none_waiting() {
    for completes in [true, false] {
        let mut f = Fixture::new();
        let parent = submit_n(&mut f.queue, 1).remove(0);
        let children: Vec<String> = (0..300)
            .map(|_| submit(&mut f.queue, &after(&[&parent]), &["child"]).remove(0))
            .collect();
        let mut actor = if completes { Actor::echo() } else { fails() };
        let mut worker = about_to_finish(&f, "w", &mut actor);
        // This tells 256 of the 300 sets.
        worker.exit("done").unwrap();
        task::delete(&mut f.queue, &[parent], true).unwrap();
        let expected = if completes { Status::Pending } else { Status::Impossible };
        assert!(statuses(&mut f.queue, &children).iter().all(|status| *status == expected));
        assert!(!f.has_key("dn"));
        f.assert_counters();
    }
}
