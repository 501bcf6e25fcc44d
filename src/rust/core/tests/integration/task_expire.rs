//! Tasks that are forgotten some time after their end.

use rrq_core::task::{self, Rules, SharedObject, Submission};
use rrq_core::{Queue, Status, worker};

use crate::support::*;

const SWEEP: [&str; 4] = ["w", "t", "n", "due"];
const DELETE: [&str; 4] = ["t", "b", "r", "x"];

fn expiring() -> Submission {
    let rules = Rules { ttl_s: Some(1000.0), retry: None };
    Submission { rules, ..submission("default", Vec::new()) }
}

fn submit_expiring(queue: &mut Queue) -> String {
    submit(queue, &expiring(), &["a"]).remove(0)
}

/// A task that has completed and will be forgotten.
fn complete_expiring(f: &mut Fixture) -> String {
    let id = submit_expiring(&mut f.queue);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    id
}

fn expire(f: &mut Fixture, id: &str) {
    f.pass_time(&format!("X:{id}"));
    worker::sweep(&mut f.queue).unwrap();
}

fn cancel(queue: &mut Queue, ids: &[String]) {
    task::cancel(queue, ids).unwrap();
}

/// Tasks that depend on one, each in a set of its own.
fn children(f: &mut Fixture, parent: &String, n: usize) -> Vec<String> {
    (0..n).map(|_| submit(&mut f.queue, &after(&[parent]), &["child"]).remove(0)).collect()
}

#[test]
fn a_task_is_forgotten_with_all_that_is_stored_for_it() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    let asked = Submission {
        shared: vec![object],
        labels: vec!["name".into()],
        rules: Rules { ttl_s: Some(1000.0), ..Rules::default() },
        ..submission("default", Vec::new())
    };
    let ids = submit(&mut f.queue, &asked, &["a", "b"]);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::new(|_| complete("r".repeat(1000))));
    worker.exit("done").unwrap();
    let ended = task::headers(&mut f.queue, &ids).unwrap()[0].end;
    let due: f64 = f.ask(&format!("ZSCORE {{jobs}}:due X:{}", ids[0]));
    assert!((due * 1000.0 - ended as f64 - 1e9).abs() < 1e7);
    expire(&mut f, &ids[0]);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Missing, Status::Complete]);
    expire(&mut f, &ids[1]);
    for key in ["t", "b", "r", "lab", "o", "oref", "due"] {
        assert!(!f.has_key(key), "{key}");
    }
    f.assert_counters();
}

#[test]
fn every_way_to_end_is_an_end() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1);
    let cancelled = submit_expiring(&mut f.queue);
    let child = Submission { rules: expiring().rules, ..after(&[&parent[0]]) };
    let impossible = submit(&mut f.queue, &child, &["child"]).remove(0);
    cancel(&mut f.queue, &[parent[0].clone(), cancelled.clone()]);
    let outcome = task::submit(&mut f.queue, &child, {
        let mut payloads = [b"child".to_vec()].into_iter();
        move || Ok(payloads.next())
    });
    let Err(rrq_core::Error::ParentFailed { ids, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    for id in [cancelled, impossible, ids[0].clone()] {
        expire(&mut f, &id);
        assert_eq!(status(&mut f.queue, &id), Status::Missing);
    }
    f.assert_counters();
}

#[test]
fn a_task_is_kept_while_another_one_needs_it() {
    let mut f = Fixture::new();
    let parent = submit_expiring(&mut f.queue);
    let child = children(&mut f, &parent, 1);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    worker.exit("done").unwrap();
    for expected in [Status::Deferred, Status::Pending] {
        assert_eq!(statuses(&mut f.queue, &child), [expected]);
        expire(&mut f, &parent);
        assert_eq!(status(&mut f.queue, &parent), Status::Complete);
    }
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    expire(&mut f, &parent);
    assert_eq!(status(&mut f.queue, &parent), Status::Missing);
    f.assert_counters();
}

#[test]
fn of_many_sets_that_depend_on_a_task_each_one_counts() {
    let mut f = Fixture::new();
    let parent = complete_expiring(&mut f);
    let children = children(&mut f, &parent, 600);
    cancel(&mut f.queue, &children[1..]);
    expire(&mut f, &parent);
    assert_eq!(status(&mut f.queue, &parent), Status::Complete);
    cancel(&mut f.queue, &children[..1]);
    // Which of the sets is looked at last is not for the test to know.
    for child in [&children[3], &children[300], &children[599]] {
        let again = task::retry(&mut f.queue, std::slice::from_ref(child)).unwrap();
        expire(&mut f, &parent);
        assert_eq!(status(&mut f.queue, &parent), Status::Complete);
        cancel(&mut f.queue, &again);
    }
    expire(&mut f, &parent);
    assert_eq!(status(&mut f.queue, &parent), Status::Missing);
    assert!(!f.has_key("dn"));
    f.assert_counters();
}

/// A sweep that names what has expired, by one that goes away then.
fn sweep_and_die(f: &mut Fixture, id: &str) {
    let proxy = f.proxy();
    worker::sweep(&mut attach(proxy.url())).unwrap();
    f.pass_time(&format!("X:{id}"));
    let named = f.resend(&proxy.calls(&SWEEP)[0]);
    assert!(format!("{named:?}").contains(id));
}

#[test]
fn should_whoever_sweeps_go_away_the_task_is_forgotten_later() {
    let mut f = Fixture::new();
    let id = complete_expiring(&mut f);
    sweep_and_die(&mut f, &id);
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    expire(&mut f, &id);
    assert_eq!(status(&mut f.queue, &id), Status::Missing);
    assert!(f.ask::<Vec<String>>("ZRANGE {jobs}:due 0 -1").iter().all(|m| !m.starts_with("X:")));
}

/// The request that forgets a task which has expired.
fn forget_request(f: &mut Fixture, id: &str) -> Request {
    let proxy = f.proxy();
    let other = submit_expiring(&mut f.queue);
    cancel(&mut f.queue, std::slice::from_ref(&other));
    f.pass_time(&format!("X:{other}"));
    worker::sweep(&mut attach(proxy.url())).unwrap();
    replace(&proxy.calls(&DELETE)[0], &other, id)
}

#[test]
fn what_comes_between_finding_a_task_expired_and_forgetting_it_keeps_it() {
    let mut f = Fixture::new();
    let id = complete_expiring(&mut f);
    let forget = forget_request(&mut f, &id);
    sweep_and_die(&mut f, &id);
    let child = children(&mut f, &id, 1);
    f.resend(&forget);
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    cancel(&mut f.queue, &child);
    f.resend(&forget);
    assert_eq!(status(&mut f.queue, &id), Status::Missing);
    f.assert_counters();
}

#[test]
fn a_child_retried_after_it_was_seen_to_have_ended_counts_again() {
    let mut f = Fixture::new();
    let id = complete_expiring(&mut f);
    let forget = forget_request(&mut f, &id);
    let children = children(&mut f, &id, 40);
    cancel(&mut f.queue, &children);
    sweep_and_die(&mut f, &id);
    let again = task::retry(&mut f.queue, &children[7..8]).unwrap();
    f.resend(&forget);
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    cancel(&mut f.queue, &again);
    expire(&mut f, &id);
    assert_eq!(status(&mut f.queue, &id), Status::Missing);
    f.assert_counters();
}

#[test]
fn a_retried_task_is_forgotten_with_its_chain_and_not_before() {
    let mut f = Fixture::new();
    let id = complete_expiring(&mut f);
    let forget = forget_request(&mut f, &id);
    sweep_and_die(&mut f, &id);
    let again = task::retry(&mut f.queue, std::slice::from_ref(&id)).unwrap();
    assert!(!f.ask::<Vec<String>>("ZRANGE {jobs}:due 0 -1").contains(&format!("X:{id}")));
    f.resend(&forget);
    f.resend(&replace(&forget, &id, &again[0]));
    assert_eq!(
        statuses(&mut f.queue, &[id.clone(), again[0].clone()]),
        [Status::Moved, Status::Pending]
    );
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    expire(&mut f, &again[0]);
    assert_eq!(task::list(&mut f.queue).unwrap(), Vec::<String>::new());
    assert!(!f.has_key("mv") && !f.has_key("mu"));
}

#[test]
fn more_tasks_than_one_call_serves_all_expire() {
    let mut f = Fixture::new();
    let ids = submit(&mut f.queue, &expiring(), &["x"; 600]);
    cancel(&mut f.queue, &ids);
    ids.iter().for_each(|id| f.pass_time(&format!("X:{id}")));
    worker::sweep(&mut f.queue).unwrap();
    assert!(!f.has_key("t") && !f.has_key("due"));
    f.assert_counters();
}
