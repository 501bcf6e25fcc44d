//! Fetching outcomes and deleting the tasks.

use rrq_core::Queue;
use rrq_core::status::Status;
use rrq_core::task::{self, Outcome, SharedObject, Submission};

use crate::support::*;

fn take(queue: &mut Queue, ids: &[String]) -> Vec<(Status, Option<Vec<u8>>)> {
    let taken = task::take(queue, ids).unwrap();
    task::delete_taken(queue, &taken).unwrap();
    let pair = |outcome: Outcome| (outcome.result.status, outcome.result.value);
    taken.outcomes.into_iter().map(pair).collect()
}

fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn those_that_have_ended_are_deleted_with_all_that_belongs_to_them() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    let labels = vec!["one".to_owned(), "two".to_owned()];
    let large = "y".repeat(300);
    let submission = Submission { labels, ..submission("default", vec![object]) };
    let ids = submit(&mut f.queue, &submission, &["a", &large]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let open = submit_n(&mut f.queue, 1);
    let all = [ids.clone(), open.clone(), vec!["0".repeat(32)], ids[..1].to_vec()].concat();
    let found = take(&mut f.queue, &all);
    let (a, none) = ((Status::Complete, text("a")), |status| (status, None));
    let expected = [a.clone(), (Status::Complete, text(&large))];
    assert_eq!(found[..2], expected);
    assert_eq!(found[2..], [none(Status::Pending), none(Status::Missing), a]);
    assert_eq!(task::list(&mut f.queue).unwrap(), open);
    f.assert_counters();
    for key in ["r", "o", "oref", "lab"] {
        assert!(!f.has_key(key), "{key}");
    }
    assert_eq!(take(&mut f.queue, &ids)[0], none(Status::Missing));
}

#[test]
fn failed_tasks_have_their_error_and_label() {
    let mut f = Fixture::new();
    let labels = vec!["bad".to_owned()];
    let ids =
        submit(&mut f.queue, &Submission { labels, ..submission("default", Vec::new()) }, &["a"]);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| failed("no")));
    let taken = task::take(&mut f.queue, &ids).unwrap();
    assert_eq!(taken.outcomes[0].label, "bad");
    assert_eq!(taken.outcomes[0].result.value, text("no"));
    // Nothing is deleted before the caller says so.
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Error);
    task::delete_taken(&mut f.queue, &taken).unwrap();
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Missing);
}

#[test]
fn a_retried_task_stands_for_the_newest_and_goes_with_its_chain() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| failed("no")));
    task::retry(&mut f.queue, &ids).unwrap();
    assert_eq!(take(&mut f.queue, &ids), [(Status::Pending, None)]);
    assert_eq!(task::list(&mut f.queue).unwrap().len(), 2);
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    assert_eq!(take(&mut f.queue, &ids), [(Status::Complete, text("0"))]);
    assert!(task::list(&mut f.queue).unwrap().is_empty());
}

#[test]
fn a_task_that_is_retried_before_it_is_deleted_is_kept() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let taken = task::take(&mut f.queue, &ids).unwrap();
    let newer = task::retry(&mut f.attach(), &ids[..1]).unwrap();
    task::delete_taken(&mut f.queue, &taken).unwrap();
    assert_eq!(status(&mut f.queue, &newer[0]), Status::Pending);
    assert_eq!(status(&mut f.queue, &ids[1]), Status::Missing);
    f.assert_counters();
}

#[test]
fn nothing_is_lost_when_a_reply_is() {
    for n in [1, 40, 400] {
        let mut f = Fixture::new();
        let proxy = f.proxy();
        let mut queue = attach(proxy.url());
        let ids = submit_n(&mut queue, 20);
        run_until_idle(&mut f.worker("w"), &mut Actor::echo());
        proxy.cut_after(Way::Down, n);
        let found = take(&mut queue, &ids);
        let expected: Vec<_> = (0..20).map(|i| (Status::Complete, text(&i.to_string()))).collect();
        assert_eq!(found, expected);
        assert!(proxy.has_cut());
        assert!(task::list(&mut f.queue).unwrap().is_empty());
    }
}

#[test]
fn it_takes_two_requests() {
    let mut f = Fixture::new();
    let warm = submit_n(&mut f.queue, 1);
    let ids = submit_n(&mut f.queue, 50);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    take(&mut queue, &warm);
    let before = proxy.requests().len();
    take(&mut queue, &ids);
    // Three reads in one pipeline, and the script.
    assert_eq!(proxy.requests().len() - before, 4);
}
