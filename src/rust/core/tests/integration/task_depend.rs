//! Tasks that wait for others.

use std::collections::BTreeSet;

use rrq_core::task::{self, Parent, Submission};
use rrq_core::worker::sweep;
use rrq_core::{Error, Queue, Status};

use crate::support::*;

fn submit_after(queue: &mut Queue, parents: &[&String], payload: &str) -> String {
    submit(queue, &after(parents), &[payload]).remove(0)
}

#[test]
fn a_task_waits_for_all_it_depends_on_and_runs_first_then() {
    let mut f = Fixture::new();
    let parents = submit_all(&mut f.queue, &["a", "b"]);
    let child = submit_after(&mut f.queue, &[&parents[0], &parents[1]], "child");
    submit_all(&mut f.queue, &["c"]);
    assert_eq!(status(&mut f.queue, &child), Status::Deferred);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(status(&mut f.queue, &child), Status::Complete);
    assert_eq!(actor.done.len(), 4);
    f.assert_counters();
}

#[test]
fn a_released_task_goes_to_the_front_in_order() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    let children = submit(&mut f.queue, &after(&[&parent]), &["x", "y", "z"]);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    submit_all(&mut f.queue, &["later"]);
    worker.exit("done").unwrap();
    sweep(&mut f.queue).unwrap();
    assert_eq!(f.queue.list("default").unwrap()[..3], children[..]);
}

/// What stands in the queue once the parent has ended and its dependants were released.
fn released(f: &mut Fixture) -> Vec<String> {
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    worker.exit("done").unwrap();
    sweep(&mut f.queue).unwrap();
    f.queue.list("default").unwrap()
}

#[test]
fn a_bulk_that_was_sent_in_chunks_is_released_in_order() {
    for at_front in [false, true] {
        let mut f = Fixture::new();
        let parent = submit_all(&mut f.queue, &["a"]).remove(0);
        let bulk = Submission { at_front, ..after(&[&parent]) };
        let children = submit(&mut f.queue, &bulk, &["x"; 1300]);
        assert!(released(&mut f) == children, "at the front: {at_front}");
        f.assert_counters();
    }
}

#[test]
fn tasks_that_wait_for_the_same_one_are_released_in_order() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    let mut children = submit(&mut f.queue, &after(&[&parent]), &["x"; 30]);
    children.extend((0..300).map(|_| submit_after(&mut f.queue, &[&parent], "x")));
    assert!(released(&mut f) == children);
}

#[test]
fn a_bulk_that_takes_several_sweeps_to_release_runs_in_order() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    let payloads: Vec<String> = (0..3000).map(|n| n.to_string()).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    submit(&mut f.queue, &after(&[&parent]), &payloads);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert!(actor.done[1..] == payloads);
}

#[test]
fn when_one_fails_everything_downstream_is_impossible() {
    let mut f = Fixture::new();
    let parents = submit_all(&mut f.queue, &["good", "bad"]);
    let child = submit_after(&mut f.queue, &[&parents[0], &parents[1]], "child");
    let grandchild = submit_after(&mut f.queue, &[&child], "grandchild");
    let mut actor = Actor::new(|task| {
        if task.body.payload.as_slice() == b"bad" { failed("no") } else { complete("") }
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let impossible = [child, grandchild];
    assert_eq!(statuses(&mut f.queue, &impossible), [Status::Impossible; 2]);
    assert_eq!(actor.done, ["good", "bad"]);
    f.assert_counters();
    let cause = Some(parents[1].clone());
    assert_eq!(task::causes(&mut f.queue, &impossible).unwrap(), [cause.clone(), cause]);
    assert_eq!(task::causes(&mut f.queue, &parents[..1]).unwrap(), [None]);
}

#[test]
fn a_diamond_runs_its_last_task_once() {
    let mut f = Fixture::new();
    let top = submit_all(&mut f.queue, &["top"]).remove(0);
    let sides = submit(&mut f.queue, &after(&[&top]), &["left", "right"]);
    submit_after(&mut f.queue, &[&sides[0], &sides[1]], "bottom");
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["top", "left", "right", "bottom"]);
}

#[test]
fn a_task_may_ask_to_run_although_what_it_depends_on_failed() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    let any = Submission { run_on_failure: true, ..after(&[&parent]) };
    let early = submit(&mut f.queue, &any, &["early"]).remove(0);
    let is_child = |payload: &[u8]| payload == b"early" || payload == b"late";
    let mut actor =
        Actor::new(
            move |task| {
                if is_child(&task.body.payload) { complete("") } else { failed("no") }
            },
        );
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut actor);
    let late = submit(&mut f.queue, &any, &["late"]).remove(0);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(statuses(&mut f.queue, &[early, late]), [Status::Complete; 2]);
}

#[test]
fn what_depends_on_a_failed_task_is_recorded_as_impossible_and_an_error() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| failed("no")));
    let mut payloads = [b"child".to_vec()].into_iter();
    let outcome = task::submit(&mut f.queue, &after(&[&parent]), || Ok(payloads.next()));
    match outcome {
        Err(Error::ParentFailed { parents, ids }) => {
            assert_eq!(parents, [format!("{parent} is ERROR")]);
            assert_eq!(statuses(&mut f.queue, &ids), [Status::Impossible]);
        }
        other => panic!("{other:?}"),
    }
    f.assert_counters();
}

#[test]
fn what_depends_on_an_unknown_task_is_not_queued() {
    let mut f = Fixture::new();
    let before = f.contents();
    let unknown = "0".repeat(32);
    let mut payloads = [b"child".to_vec()].into_iter();
    let outcome = task::submit(&mut f.queue, &after(&[&unknown]), || Ok(payloads.next()));
    assert!(matches!(outcome, Err(Error::TaskMissing { ids }) if ids == [unknown]));
    assert_eq!(f.contents(), before);
}

#[test]
fn many_tasks_on_many_others_cost_their_sum() {
    let mut f = Fixture::new();
    let payloads: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let parents = submit_all(&mut f.queue, &payloads);
    let many: Vec<&str> = std::iter::repeat_n("child", 2000).collect();
    let children = submit(&mut f.queue, &after(&parents.iter().collect::<Vec<_>>()), &many);
    let links: usize = f.ask(&format!("ZCARD {{{ID}}}:dn"));
    assert!(links < 2_000 * 100 / 50, "{links}");
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert!(statuses(&mut f.queue, &children).iter().all(|s| *s == Status::Complete));
    f.assert_counters();
    let all: Vec<String> = parents.into_iter().chain(children).collect();
    task::delete(&mut f.queue, &all, true).unwrap();
    let left = |key: &String| [":dn ", ":dl ", ":ds "].iter().any(|part| key.contains(part));
    assert!(!f.keyspace().iter().any(left), "{:?}", f.keyspace());
}

#[test]
fn a_task_names_its_own_dependents_only() {
    let mut f = Fixture::new();
    let parents = submit_all(&mut f.queue, &["a", "b"]);
    // The first set is '1'; those from '10' on begin with its name.
    let child = submit_after(&mut f.queue, &[&parents[0]], "child");
    for _ in 0..12 {
        submit_after(&mut f.queue, &[&parents[1]], "other");
    }
    assert_eq!(task::dependents(&mut f.queue, &parents[..1]).unwrap(), [[child]]);
    assert_eq!(task::dependents(&mut f.queue, &parents[1..2]).unwrap()[0].len(), 12);
}

#[test]
fn a_task_that_depends_on_thousands_leaves_no_link_when_it_is_deleted() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 2500);
    let child = submit(&mut f.queue, &after(&parents.iter().collect::<Vec<_>>()), &["child"]);
    assert_eq!(f.ask::<i64>("ZCARD {jobs}:dn"), 2500);
    task::delete(&mut f.queue, &child, true).unwrap();
    for key in ["dn", "dl", "ds", "due"] {
        assert!(!f.has_key(key), "{key}");
    }
}

#[test]
fn a_parent_deleted_in_the_middle_of_a_submission_leaves_none_of_its_tasks() {
    let mut f = Fixture::new();
    load_task_submit(&mut f.queue);
    let parent = submit_n(&mut f.queue, 1);
    let (mut other, mut n) = (f.attach(), 0);
    let outcome = task::submit(&mut f.queue, &after(&[&parent[0]]), || {
        n += 1;
        if n == 100 {
            wait_until(|| task::list(&mut other).unwrap().len() == 33);
            task::delete(&mut other, &parent, true).unwrap();
        }
        Ok((n < 1000).then(|| b"child".to_vec()))
    });
    assert!(matches!(outcome, Err(Error::TaskMissing { ids }) if ids == parent));
    assert_eq!(task::list(&mut f.queue).unwrap(), Vec::<String>::new());
    f.assert_counters();
}

#[test]
fn a_lost_worker_makes_what_waits_for_its_task_impossible() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["a"]).remove(0);
    let child = submit_after(&mut f.queue, &[&parent], "child");
    let mut worker = f.worker("w");
    let mut actor = Actor::new(|_| panic!("the worker dies here"));
    let turn = std::panic::AssertUnwindSafe(|| worker.turn(&mut actor, false));
    assert!(std::panic::catch_unwind(turn).is_err());
    worker.exit("gone").unwrap();
    sweep(&mut f.queue).unwrap();
    assert_eq!(statuses(&mut f.queue, &[parent, child]), [Status::Died, Status::Impossible]);
    f.assert_counters();
}

#[test]
fn the_trees_of_dependencies_are_complete() {
    let mut f = Fixture::new();
    let child = |f: &mut Fixture, parents: &[&String]| {
        let named = parents.iter().enumerate();
        let named = named.map(|(n, id)| Parent { name: "xy"[n..=n].into(), id: (*id).clone() });
        let parents = named.collect();
        let asked = Submission { parents, ..after(&[]) };
        submit(&mut f.queue, &asked, &["child"]).remove(0)
    };
    let a = submit_n(&mut f.queue, 1).remove(0);
    let b = child(&mut f, &[&a]);
    let c = child(&mut f, &[&a]);
    let d = child(&mut f, &[&b, &c]);
    let named = |name: &str, id: &String| Parent { name: name.into(), id: id.clone() };
    let up = [
        (d.clone(), vec![named("x", &b), named("y", &c)]),
        (b.clone(), vec![named("x", &a)]),
        (c.clone(), vec![named("x", &a)]),
    ];
    assert_eq!(task::ancestors(&mut f.queue, &d).unwrap(), up);
    let down =
        [(a.clone(), vec![b.clone(), c.clone()]), (b.clone(), vec![d.clone()]), (c, vec![d])];
    let mut found = task::descendants(&mut f.queue, &a).unwrap();
    found.sort_by_key(|(id, _)| down.iter().position(|(other, _)| other == id));
    let found: Vec<(String, BTreeSet<String>)> =
        found.into_iter().map(|(id, ids)| (id, ids.into_iter().collect())).collect();
    assert_eq!(found, down.map(|(id, ids)| (id, ids.into_iter().collect())));
    assert!(task::ancestors(&mut f.queue, &a).unwrap().is_empty());
}
