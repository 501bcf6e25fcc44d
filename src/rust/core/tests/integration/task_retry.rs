//! Trying tasks again by hand.

use rrq_core::task::{self, Submission};
use rrq_core::{Error, Queue, Status};

use crate::support::*;

const RETRY: [&str; 4] = ["t", "b", "lab", "mv"];

fn retry(queue: &mut Queue, ids: &[String]) -> Vec<String> {
    task::retry(queue, ids).unwrap()
}

fn retry_one(queue: &mut Queue, id: &str) -> String {
    retry(queue, &[id.to_owned()]).remove(0)
}

fn cancel(queue: &mut Queue, ids: &[String]) {
    task::cancel(queue, ids).unwrap();
}

fn run(f: &Fixture, actor: &mut Actor) {
    run_until_idle(&mut f.worker("w"), actor);
}

#[test]
fn a_retried_task_has_moved_and_runs_again_under_a_new_id() {
    let mut f = Fixture::new();
    let id = submit_all(&mut f.queue, &["a"]).remove(0);
    run(&f, &mut Actor::new(|_| failed("no")));
    let new_id = retry_one(&mut f.queue, &id);
    let both = [id.clone(), new_id.clone()];
    assert_eq!(statuses(&mut f.queue, &both), [Status::Moved, Status::Pending]);
    let moved = task::moves(&mut f.queue, &both).unwrap();
    assert_eq!(moved[0].as_ref().map(|m| (&m.to, m.status)), Some((&new_id, Status::Error)));
    assert_eq!((moved[1].clone(), task::earlier(&mut f.queue, &new_id).unwrap()), (None, vec![id]));
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("v"), &mut actor);
    assert_eq!(actor.done, ["a"]);
    assert_eq!(statuses(&mut f.queue, &both), [Status::Moved, Status::Complete]);
    f.assert_counters();
}

#[test]
fn the_result_of_a_retried_task_is_its_own_unless_the_chain_is_followed() {
    let mut f = Fixture::new();
    let id = submit_all(&mut f.queue, &["a"]).remove(0);
    run(&f, &mut Actor::new(|_| failed("no")));
    let both = [id.clone(), retry_one(&mut f.queue, &id)];
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    let mut results = |follow| {
        let outcomes = task::outcomes(&mut f.queue, &both, follow).unwrap().into_iter();
        let results = outcomes.map(|outcome| outcome.result);
        results.map(|r| (r.status, r.value.unwrap())).collect::<Vec<_>>()
    };
    let (old, new) = ((Status::Error, b"no".to_vec()), (Status::Complete, b"a".to_vec()));
    assert_eq!(results(false), [old, new.clone()]);
    assert_eq!(results(true), [new.clone(), new]);
}

#[test]
fn any_id_of_a_chain_stands_for_the_newest() {
    let mut f = Fixture::new();
    let asked = Submission { labels: vec!["name".into()], ..submission("q", Vec::new()) };
    let mut chain = submit(&mut f.queue, &asked, &["a"]);
    for _ in 0..3 {
        let newest = chain.last().unwrap().clone();
        cancel(&mut f.queue, &[newest]);
        chain.push(retry_one(&mut f.queue, &chain[0]));
    }
    let newest = chain[3].clone();
    assert_eq!(task::newest(&mut f.queue, &chain).unwrap(), vec![newest.clone(); 4]);
    let is_moved = |status: &Status| *status == Status::Moved;
    let followed = task::following(&mut f.queue, &chain, task::statuses, is_moved).unwrap();
    assert_eq!(followed, [Status::Pending; 4]);
    assert_eq!(f.queue.list("q").unwrap(), [newest]);
    assert_eq!(task::labels(&mut f.queue, &chain[3..]).unwrap()[0].label, "name");
}

#[test]
fn retried_tasks_are_queued_in_the_order_given() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 150);
    cancel(&mut f.queue, &ids);
    ids.reverse();
    let new_ids = retry(&mut f.queue, &ids);
    assert_eq!(f.queue.list("default").unwrap(), new_ids);
    let headers = task::headers(&mut f.queue, &new_ids).unwrap();
    assert!(headers.is_sorted_by_key(|header| header.submit));
}

#[test]
fn a_repeated_request_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 3);
    cancel(&mut f.queue, &ids);
    let new_ids = retry(&mut attach(proxy.url()), &ids);
    let request = proxy.calls(&RETRY).remove(0);
    let before = f.contents();
    f.resend(&request);
    assert_eq!(f.contents(), before);
    // Also when what came of it has gone on.
    cancel(&mut f.queue, &new_ids[..1]);
    retry(&mut f.queue, &new_ids[..1]);
    let before = f.contents();
    f.resend(&request);
    assert_eq!(f.contents(), before);
}

/// Retry a task over a connection that is cut after so many bytes of the answers; returns how many
/// bytes those have.
fn retry_with_cut(f: &mut Fixture, cut: Option<usize>) -> usize {
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let ids = submit_n(&mut f.queue, 1);
    cancel(&mut f.queue, &ids);
    let before = proxy.passed(Way::Down);
    if let Some(n) = cut {
        proxy.cut_after(Way::Down, n);
    }
    let new_ids = retry(&mut queue, &ids);
    assert!(proxy.has_cut());
    assert_eq!(f.queue.list("default").unwrap(), new_ids, "{cut:?}");
    f.assert_counters();
    task::delete(&mut f.queue, &ids, true).unwrap();
    assert_eq!(task::list(&mut f.queue).unwrap(), Vec::<String>::new());
    proxy.passed(Way::Down) - before
}

#[test]
fn a_cut_anywhere_in_the_answers_leaves_one_new_task() {
    let mut f = Fixture::new();
    retry_with_cut(&mut f, None); // loads the script
    let total = retry_with_cut(&mut f, None);
    for n in (1..total).step_by(4).chain([total]) {
        retry_with_cut(&mut f, Some(n));
    }
}

#[test]
fn what_cannot_be_retried_is_listed_by_the_error_and_nothing_is_changed() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 4);
    cancel(&mut f.queue, &ids[..1]);
    let waits = submit(&mut f.queue, &after(&[&ids[3]]), &["child"]).remove(0);
    let impossible = submit(&mut f.queue, &after(&[&ids[2]]), &["child"]).remove(0);
    cancel(&mut f.queue, &ids[2..3]);
    f.worker("w").turn(&mut Actor::echo(), false).unwrap();
    let asked = [ids[0].clone(), ids[1].clone(), ids[3].clone(), waits, impossible];
    let before = f.contents();
    match task::retry(&mut f.queue, &asked) {
        Err(Error::TaskState { ids, statuses, .. }) => {
            assert_eq!(ids, asked[1..]);
            assert_eq!(statuses, ["RUNNING", "PENDING", "DEFERRED", "IMPOSSIBLE"]);
        }
        other => panic!("{other:?}"),
    }
    let unknown = [ids[0].clone(), "nobody".to_owned()];
    let outcome = task::retry(&mut f.queue, &unknown);
    assert!(matches!(outcome, Err(Error::TaskMissing { ids }) if ids == ["nobody"]));
    let twice = [ids[0].clone(), ids[0].clone()];
    let outcome = task::retry(&mut f.queue, &twice);
    assert!(matches!(outcome, Err(Error::TaskRepeated { ids }) if ids == twice[1..]));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_retried_child_keeps_its_place_and_uses_its_parents_values_again() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["value"]).remove(0);
    let mut asked = after(&[&parent]);
    asked.parents[0].name = "value".into();
    let mut children = submit(&mut f.queue, &asked, &["x", "y", "z"]);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::echo());
    children[1] = retry_one(&mut f.queue, &children[1]);
    assert_eq!(task::dependents(&mut f.queue, &[parent]).unwrap()[0], children);
    let mut reader = f.attach();
    let mut actor = Actor::new(move |task| {
        let ids: Vec<String> = task.body.parents.iter().map(|parent| parent.id.clone()).collect();
        complete(task::parent_results(&mut reader, &ids).unwrap()[0].value.clone().unwrap())
    });
    run_until_idle(&mut worker, &mut actor);
    let outcome = task::results(&mut f.queue, &children[1..2]).unwrap().remove(0);
    assert_eq!(outcome.value.as_deref(), Some(b"value".as_slice()));
}

#[test]
fn the_value_of_a_chain_is_that_of_its_last_end() {
    let mut f = Fixture::new();
    let id = submit_all(&mut f.queue, &["a"]);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::new(|_| complete("first")));
    let value = |f: &mut Fixture| {
        let outcome = task::parent_results(&mut f.queue, &id).unwrap().remove(0);
        (outcome.status, outcome.value)
    };
    retry(&mut f.queue, &id);
    assert_eq!(value(&mut f), (Status::Complete, Some(b"first".to_vec())));
    run_until_idle(&mut worker, &mut Actor::new(|_| failed("second")));
    assert_eq!(value(&mut f), (Status::Error, Some(b"second".to_vec())));
}

#[test]
fn what_is_submitted_after_a_retried_task_waits_for_the_newest() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["parent"]).remove(0);
    cancel(&mut f.queue, std::slice::from_ref(&parent));
    retry_one(&mut f.queue, &parent);
    let child = submit(&mut f.queue, &after(&[&parent]), &["child"]).remove(0);
    assert_eq!(status(&mut f.queue, &child), Status::Deferred);
    let mut actor = Actor::echo();
    run(&f, &mut actor);
    assert_eq!(actor.done, ["parent", "child"]);
}

#[test]
fn a_task_cancelled_while_it_waits_and_retried_waits_again() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["parent"]).remove(0);
    let child = submit(&mut f.queue, &after(&[&parent]), &["child"]);
    cancel(&mut f.queue, &child);
    let again = retry_one(&mut f.queue, &child[0]);
    assert_eq!(status(&mut f.queue, &again), Status::Deferred);
    let mut actor = Actor::echo();
    run(&f, &mut actor);
    assert_eq!(actor.done, ["parent", "child"]);
    f.assert_counters();
}

#[test]
fn a_task_cancelled_before_a_parent_failed_cannot_be_retried() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["parent"]);
    let child = submit(&mut f.queue, &after(&[&parent[0]]), &["child"]);
    cancel(&mut f.queue, &child);
    cancel(&mut f.queue, &parent);
    let before = f.contents();
    assert!(matches!(task::retry(&mut f.queue, &child), Err(Error::TaskState { .. })));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_chain_whose_newest_runs_is_kept_with_all_that_was_to_be_deleted() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 300);
    cancel(&mut f.queue, &ids);
    let newest = retry_one(&mut f.queue, &ids[299]);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    let before = f.contents();
    assert!(matches!(task::delete(&mut f.queue, &ids, true), Err(Error::TaskState { .. })));
    assert_eq!(f.contents(), before);
    run_until_idle(&mut worker, &mut Actor::echo());
    ids.truncate(299);
    ids.push(newest);
    task::delete(&mut f.queue, &ids, true).unwrap();
    assert_eq!(task::list(&mut f.queue).unwrap(), Vec::<String>::new());
}

#[test]
fn many_long_chains_are_deleted_by_any_of_their_ids() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 256);
    for _ in 0..12 {
        let newest = task::newest(&mut f.queue, &ids).unwrap();
        cancel(&mut f.queue, &newest);
        retry(&mut f.queue, &newest);
    }
    task::delete(&mut f.queue, &ids, true).unwrap();
    for key in ["t", "b", "mv", "mu"] {
        assert!(!f.has_key(key), "{key}");
    }
    f.assert_counters();
}

#[test]
fn one_chain_longer_than_a_reply_names_is_deleted() {
    let mut f = Fixture::new();
    let first = submit_n(&mut f.queue, 1);
    let mut newest = first.clone();
    for _ in 0..1100 {
        cancel(&mut f.queue, &newest);
        newest = retry(&mut f.queue, &newest);
    }
    task::delete(&mut f.queue, &first, true).unwrap();
    assert!(!f.has_key("t") && !f.has_key("mv"));
}
