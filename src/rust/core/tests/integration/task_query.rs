//! Asking about tasks.

use rrq_core::Error;
use rrq_core::status::Status;
use rrq_core::task::{self, Submission};
use rrq_core::worker::Evaluation;

use crate::support::*;

fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A task that fails, one with a small value, one with a large value, in this order.
fn finished(f: &mut Fixture) -> Vec<String> {
    let ids = submit_all(&mut f.queue, &["fail", "small", "large"]);
    let mut actor = Actor::new(|task| match task.body.payload.as_slice() {
        b"fail" => failed("why"),
        b"small" => complete("s"),
        _ => complete("l".repeat(1000)),
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    ids
}

#[test]
fn an_unknown_id_has_the_status_missing() {
    let mut f = Fixture::new();
    let known = submit_n(&mut f.queue, 1).remove(0);
    let asked = [known, "nobody".to_owned()];
    assert_eq!(statuses(&mut f.queue, &asked), [Status::Pending, Status::Missing]);
}

#[test]
fn asking_about_no_tasks_is_not_an_error() {
    let mut f = Fixture::new();
    assert!(statuses(&mut f.queue, &[]).is_empty());
    assert!(task::results(&mut f.queue, &[]).unwrap().is_empty());
    assert!(task::list(&mut f.queue).unwrap().is_empty());
}

#[test]
fn unknown_ids_are_all_named_by_the_error() {
    let mut f = Fixture::new();
    let mut asked = submit_n(&mut f.queue, 1);
    asked.extend(ids(&["nobody", "nothing"]));
    match task::headers(&mut f.queue, &asked) {
        Err(Error::TaskMissing { ids }) => assert_eq!(ids, ["nobody", "nothing"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn outcomes_come_in_the_order_asked_whatever_their_size() {
    let mut f = Fixture::new();
    let ids = finished(&mut f);
    let outcomes = task::results(&mut f.queue, &ids).unwrap();
    let statuses: Vec<Status> = outcomes.iter().map(|outcome| outcome.status).collect();
    assert_eq!(statuses, [Status::Error, Status::Complete, Status::Complete]);
    let sizes: Vec<usize> =
        outcomes.iter().map(|outcome| outcome.value.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [3, 1, 1000]);
    assert!(outcomes.iter().all(|outcome| outcome.worker == "w"));
}

#[test]
fn failed_tasks_have_their_label_and_tasks_that_warned_their_warnings() {
    let mut f = Fixture::new();
    let labelled = Submission {
        labels: vec!["first".into(), "second".into()],
        ..submission("default", Vec::new())
    };
    let ids = submit(&mut f.queue, &labelled, &["fail", "warn"]);
    let mut actor = Actor::new(|task| match task.body.payload.as_slice() {
        b"fail" => failed("no"),
        _ => Evaluation { extra: b"warnings".to_vec(), ..complete("yes") },
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let outcomes = task::outcomes(&mut f.queue, &ids, true).unwrap();
    let labels: Vec<&str> = outcomes.iter().map(|outcome| outcome.label.as_str()).collect();
    assert_eq!(labels, ["first", ""]);
    assert_eq!(outcomes[0].result.attempt, 1);
    assert_eq!((&outcomes[0].extra, outcomes[1].extra.as_deref()), (&None, Some(&b"warnings"[..])));
    let outputs = task::outputs(&mut f.queue, &ids).unwrap();
    assert_eq!(outputs, [(None, None), (None, Some(b"warnings".to_vec()))]);
}

#[test]
fn more_ids_than_one_command_takes_keep_their_order() {
    let mut f = Fixture::new();
    let three = finished(&mut f);
    let ids: Vec<String> = three.iter().cycle().take(12_003).cloned().collect();
    let outcomes = task::results(&mut f.queue, &ids).unwrap();
    assert_eq!(outcomes.len(), ids.len());
    let size = |i: usize| outcomes[i].value.as_ref().unwrap().len();
    assert!((0..ids.len()).all(|i| size(i) == [3, 1, 1000][i % 3]));
}

#[test]
fn tasks_that_wait_or_run_have_no_outcome_and_are_all_named() {
    let mut f = Fixture::new();
    let done = finished(&mut f);
    let ids = submit_n(&mut f.queue, 2);
    f.worker("other").turn(&mut Actor::echo(), false).unwrap();
    let asked = [done[0].clone(), ids[0].clone(), ids[1].clone()];
    match task::results(&mut f.queue, &asked).unwrap_err() {
        Error::TaskUnfinished { ids: open, statuses } => {
            assert_eq!((open, statuses), (ids, vec!["RUNNING".to_owned(), "PENDING".to_owned()]));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_overview_counts_every_status() {
    let mut f = Fixture::new();
    finished(&mut f);
    submit_n(&mut f.queue, 4);
    let overview = task::overview(&mut f.queue).unwrap();
    let not_zero: Vec<(Status, u64)> = overview.into_iter().filter(|(_, n)| *n > 0).collect();
    assert_eq!(not_zero, [(Status::Pending, 4), (Status::Complete, 2), (Status::Error, 1)]);
}

#[test]
fn the_list_holds_all_tasks_whatever_their_status() {
    let mut f = Fixture::new();
    let mut expected = finished(&mut f);
    expected.extend(submit_n(&mut f.queue, 2));
    expected.sort();
    let mut listed = task::list(&mut f.queue).unwrap();
    listed.sort();
    assert_eq!(listed, expected);
}

#[test]
fn progress_is_the_last_value_set_while_the_task_runs() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let id = ids[0].clone();
    task::set_progress(&mut f.queue, &id, b"too early").unwrap();
    assert_eq!(task::progress(&mut f.queue, &ids).unwrap(), [None]);
    let mut inside = f.attach();
    let mut actor = Actor::new(move |task| {
        for value in [b"10 %", b"20 %"] {
            task::set_progress(&mut inside, &task.id, value).unwrap();
        }
        complete("")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    task::set_progress(&mut f.queue, &id, b"too late").unwrap();
    assert_eq!(task::progress(&mut f.queue, &ids).unwrap(), [Some(b"20 %".to_vec())]);
}

#[test]
fn progress_of_many_tasks_comes_in_their_order_and_names_those_missing() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 3);
    let mut inside = f.attach();
    let second = ids[1].clone();
    let mut actor = Actor::new(move |task| {
        if task.id == second {
            task::set_progress(&mut inside, &task.id, b"half way").unwrap();
        }
        complete("")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let expected = [None, Some(b"half way".to_vec()), None];
    assert_eq!(task::progress(&mut f.queue, &ids).unwrap(), expected);
    ids[0] = "unknown".into();
    let missing = task::progress(&mut f.queue, &ids).unwrap_err();
    assert!(matches!(missing, Error::TaskMissing { ids } if ids == ["unknown"]));
}
