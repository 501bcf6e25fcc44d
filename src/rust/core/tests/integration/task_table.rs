//! Many tasks at a glance.

use rrq_core::Status;
use rrq_core::task::{self, Filter, Submission};

use crate::support::*;

fn ids(f: &mut Fixture, filter: &Filter) -> Vec<String> {
    let rows = task::table(&mut f.queue, None, filter).unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

fn labelled(labels: &[&str], tags: &[&str]) -> Submission {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Submission { labels: owned(labels), tags: owned(tags), ..submission("default", Vec::new()) }
}

#[test]
fn all_tasks_are_listed_in_the_order_they_came() {
    let mut f = Fixture::new();
    let expected = submit_n(&mut f.queue, 700);
    assert_eq!(ids(&mut f, &Filter::default()), expected);
}

#[test]
fn each_task_has_its_label_and_all_have_the_tags() {
    let mut f = Fixture::new();
    submit(&mut f.queue, &labelled(&["one", "two"], &["t", "u"]), &["a", "b"]);
    submit(&mut f.queue, &labelled(&["same"], &[]), &["c", "d"]);
    submit_n(&mut f.queue, 1);
    let rows = task::table(&mut f.queue, None, &Filter::default()).unwrap();
    let labels: Vec<&str> = rows.iter().map(|row| row.label.label.as_str()).collect();
    assert_eq!(labels, ["one", "two", "same", "same", ""]);
    let n_tags: Vec<usize> = rows.iter().map(|row| row.label.tags.len()).collect();
    assert_eq!(n_tags, [2, 2, 0, 0, 0]);
}

#[test]
fn tasks_are_found_by_status_queue_tag_and_time() {
    let mut f = Fixture::new();
    let first = submit(&mut f.queue, &labelled(&[], &["t"]), &["a"]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let second = submit(&mut f.queue, &labelled(&[], &["t", "u"]), &["b"]);
    let third = submit(&mut f.queue, &submission("fast", Vec::new()), &["c"]);
    let since_us = task::headers(&mut f.queue, &second).unwrap()[0].submit;
    let all = Filter::default;
    let complete = Filter { status: vec![Status::Complete, Status::Error], ..all() };
    assert_eq!(ids(&mut f, &complete), first);
    assert_eq!(ids(&mut f, &Filter { queue: Some("fast".into()), ..all() }), third);
    let tagged = Filter { tag: Some("t".into()), ..all() };
    assert_eq!(ids(&mut f, &tagged), [first, second.clone()].concat());
    assert_eq!(ids(&mut f, &Filter { tag: Some("u".into()), ..all() }), second);
    assert_eq!(ids(&mut f, &Filter { since_us, ..tagged }), second);
    assert_eq!(ids(&mut f, &Filter { since_us, ..all() }), [second, third].concat());
}

#[test]
fn given_ids_keep_their_order_and_unknown_ones_are_left_out() {
    let mut f = Fixture::new();
    let mut asked = submit_n(&mut f.queue, 3);
    asked.reverse();
    let mut with_unknown = asked.clone();
    with_unknown.insert(1, "nobody".into());
    let rows = task::table(&mut f.queue, Some(&with_unknown), &Filter::default()).unwrap();
    assert_eq!(rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), asked);
    assert!(task::table(&mut f.queue, Some(&[]), &Filter::default()).unwrap().is_empty());
}

#[test]
fn labels_go_with_their_tasks_and_stay_with_retried_ones() {
    let mut f = Fixture::new();
    let ids = submit(&mut f.queue, &labelled(&["name"], &["t"]), &["a"]);
    task::cancel(&mut f.queue, &ids).unwrap();
    let new_ids = task::retry(&mut f.queue, &ids).unwrap();
    let label = task::labels(&mut f.queue, &new_ids).unwrap().remove(0);
    assert_eq!((label.label.as_str(), label.tags), ("name", vec!["t".to_owned()]));
    task::delete(&mut f.queue, &ids, true).unwrap();
    assert!(!f.has_key("lab"));
}
