//! Deleting tasks leaves nothing of them.

use std::time::Duration;

use rrq_core::Error;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, Parent, SharedObject, Waiter};

use crate::support::*;

/// What is stored for tasks.
const STORES: [&str; 10] = ["t", "b", "r", "x", "prog", "o", "oref", "dn", "dl", "ds"];

fn assert_no_tasks(f: &Fixture) {
    for key in f.keyspace() {
        let name = key.strip_prefix("{jobs}:").unwrap().split(' ').next().unwrap();
        assert!(!STORES.contains(&name) && !name.starts_with("q:"), "{key}");
    }
    assert!(f.counters().is_empty(), "{:?}", f.counters());
}

fn delete(f: &mut Fixture, ids: &[String]) {
    task::delete(&mut f.queue, ids, true).unwrap();
}

/// Ends with a value too large for the header, with warnings and with progress.
fn rich(f: &Fixture) -> Actor {
    let mut other = f.attach();
    Actor::new(move |task| {
        task::set_progress(&mut other, &task.id, b"half").unwrap();
        let mut evaluation = complete("r".repeat(1000));
        evaluation.extra = b"warnings".to_vec();
        evaluation
    })
}

#[test]
fn deleting_all_tasks_leaves_nothing_of_them() {
    let mut f = Fixture::new();
    let objects = ["x", "y"].map(|name| SharedObject::new(name, name.repeat(100).into_bytes()));
    let mut ids = submit(&mut f.queue, &submission("default", objects.to_vec()), &["a", "b"]);
    let mut actor = rich(&f);
    run_until_idle(&mut f.worker("w"), &mut actor);
    ids.extend(submit(&mut f.queue, &submission("other", objects.to_vec()), &["c"]));
    ids.extend(submit_n(&mut f.queue, 2));
    let mut child = submission("default", Vec::new());
    child.parents = vec![Parent { name: String::new(), id: ids[4].clone() }];
    ids.extend(submit(&mut f.queue, &child, &["child", "child"]));
    f.queue.remove("default", &ids[3..4]).unwrap();
    f.assert_counters();
    delete(&mut f, &ids);
    assert_no_tasks(&f);
}

/// With one command per hash, and with more if a task is not plain.
#[test]
fn deleting_plain_tasks_takes_few_commands_and_leaves_nothing_of_them() {
    let mut f = Fixture::new();
    let mut actor = rich(&f);
    let ids = submit_n(&mut f.queue, 5);
    run_until_idle(&mut f.worker("w"), &mut actor);
    let before = f.n_calls("cmdstat_hdel:");
    delete(&mut f, &ids);
    assert_eq!(f.n_calls("cmdstat_hdel:") - before, 10);
    assert_no_tasks(&f);
    let mut ids = submit_n(&mut f.queue, 2);
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    ids.extend(submit_n(&mut f.queue, 1));
    delete(&mut f, &ids);
    assert_no_tasks(&f);
}

#[test]
fn objects_go_with_the_last_task_that_refers_to_them() {
    let mut f = Fixture::new();
    let (shared, own) = (SharedObject::new("x", vec![1; 99]), SharedObject::new("y", vec![2; 99]));
    let both = submission("default", vec![shared.clone(), own]);
    let first = submit(&mut f.queue, &both, &["a", "b"]);
    let second = submit(&mut f.queue, &submission("default", vec![shared]), &["c"]);
    delete(&mut f, &first[..1]);
    assert_eq!(f.ask::<Vec<i64>>("HVALS {jobs}:oref").iter().sum::<i64>(), 3);
    assert_eq!(f.ask::<i64>("HLEN {jobs}:o"), 2);
    delete(&mut f, &first[1..]);
    assert_eq!(f.ask::<Vec<i64>>("HVALS {jobs}:oref"), [1]);
    assert_eq!(f.ask::<i64>("HLEN {jobs}:o"), 1);
    delete(&mut f, &second);
    assert_no_tasks(&f);
}

#[test]
fn an_object_deleted_with_its_tasks_can_be_used_again() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    let with_object = submission("default", vec![object]);
    let ids = submit(&mut f.queue, &with_object, &["a"]);
    delete(&mut f, &ids);
    submit(&mut f.queue, &with_object, &["b"]);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.objects, [vec![1; 99]]);
}

#[test]
fn an_object_deleted_with_its_tasks_can_be_used_again_beside_a_new_one() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    for own in 2..4 {
        let shared = vec![object.clone(), SharedObject::new("y", vec![own; 99])];
        let ids = submit(&mut f.queue, &submission("default", shared), &["a"]);
        delete(&mut f, &ids);
    }
    assert_no_tasks(&f);
}

#[test]
fn a_deleted_task_is_not_run_and_the_others_keep_their_order() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 4);
    delete(&mut f, &ids[1..2]);
    assert_eq!(status(&mut f.queue, &ids[1]), Status::Missing);
    assert_eq!(f.queue.list("default").unwrap(), [&ids[..1], &ids[2..]].concat());
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["0", "2", "3"]);
    f.assert_counters();
}

#[test]
fn running_tasks_are_listed_by_the_error_and_nothing_is_changed() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let (mut worker, mut other, all) = (f.worker("w"), f.attach(), ids.clone());
    let mut actor = Actor::new(move |task| {
        match task::delete(&mut other, &all, true) {
            Err(Error::TaskState { ids, statuses, .. }) => {
                assert_eq!((ids, statuses), (vec![task.id.clone()], vec!["RUNNING".to_owned()]));
            }
            other => panic!("{other:?}"),
        }
        complete("value")
    });
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(actor.done.len(), 1);
    assert_eq!(f.ask::<i64>("HLEN {jobs}:t"), 600);
    f.assert_counters();
}

#[test]
fn unknown_tasks_are_an_error_only_when_asked_for() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 2);
    ids.push("nobody".into());
    let before = f.contents();
    match task::delete(&mut f.queue, &ids, true) {
        Err(Error::TaskMissing { ids }) => assert_eq!(ids, ["nobody"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(f.contents(), before);
    task::delete(&mut f.queue, &ids, false).unwrap();
    assert_no_tasks(&f);
}

#[test]
fn an_id_given_twice_is_deleted_once() {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    let ids = submit(&mut f.queue, &submission("default", vec![object]), &["a", "b"]);
    delete(&mut f, &[ids[0].clone(), ids[0].clone()]);
    assert_eq!(f.ask::<Vec<i64>>("HVALS {jobs}:oref"), [1]);
    f.assert_counters();
}

#[test]
fn a_repeated_request_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let object = SharedObject::new("x", vec![1; 99]);
    let ids = submit(&mut f.queue, &submission("default", vec![object]), &["a", "b", "c"]);
    task::delete(&mut attach(proxy.url()), &ids[..2], true).unwrap();
    let before = f.contents();
    f.resend(&proxy.calls(&["t", "b", "r", "x"])[0]);
    assert_eq!(f.contents(), before);
}

#[test]
fn waiters_hear_that_a_task_is_gone() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    task::delete(&mut f.attach(), &ids, true).unwrap();
    waiter.wait(&mut f.queue, Duration::from_millis(900), false, &never()).unwrap();
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Missing)]);
}

#[test]
fn what_depends_on_a_deleted_task_is_impossible_unless_that_was_complete() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 2);
    let mut worker = f.worker("w");
    let after = |f: &mut Fixture, parent: &String| {
        let mut child = submission("default", Vec::new());
        child.parents = vec![Parent { name: String::new(), id: parent.clone() }];
        submit(&mut f.queue, &child, &["child"]).remove(0)
    };
    let children = [after(&mut f, &parents[0]), after(&mut f, &parents[1])];
    delete(&mut f, &parents[1..]);
    assert_eq!(statuses(&mut f.queue, &children), [Status::Deferred, Status::Impossible]);
    run_until_idle(&mut worker, &mut Actor::echo());
    delete(&mut f, &parents[..1]);
    assert_eq!(statuses(&mut f.queue, &children), [Status::Complete, Status::Impossible]);
    f.assert_counters();
}

#[test]
fn a_deleted_task_that_waits_for_another_stays_away_when_that_completes() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1);
    let mut child = submission("default", Vec::new());
    child.parents = vec![Parent { name: String::new(), id: parent[0].clone() }];
    let children = submit(&mut f.queue, &child, &["x", "y"]);
    delete(&mut f, &children[..1]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &children), [Status::Missing, Status::Complete]);
    delete(&mut f, &[parent, children[1..].to_vec()].concat());
    assert_no_tasks(&f);
}

#[test]
fn a_task_that_has_ended_but_was_not_reported_cannot_be_deleted() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert!(matches!(task::delete(&mut f.queue, &ids, true), Err(Error::TaskState { .. })));
    run_until_idle(&mut worker, &mut Actor::echo());
    delete(&mut f, &ids);
    assert_no_tasks(&f);
}

#[test]
fn a_late_report_of_a_deleted_task_brings_nothing_back() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::new(|_| complete("r".repeat(1000))), false).unwrap();
    let _: i64 = f.ask("ZADD {jobs}:due XX 0 L:w");
    rrq_core::worker::sweep(&mut f.queue).unwrap();
    delete(&mut f, &ids);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_no_tasks(&f);
}

#[test]
fn tasks_deleted_while_a_worker_takes_them_are_gone_or_complete() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3000);
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || run_until_idle(&mut worker, &mut Actor::echo()));
    for chunk in ids.rchunks(7) {
        match task::delete(&mut f.queue, chunk, true) {
            Ok(()) | Err(Error::TaskState { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    thread.join().unwrap();
    let statuses = statuses(&mut f.queue, &ids);
    assert!(statuses.iter().all(|s| matches!(s, Status::Complete | Status::Missing)));
    f.assert_counters();
    let rest = task::list(&mut f.queue).unwrap();
    delete(&mut f, &rest);
    assert_no_tasks(&f);
}

/// The server's work to delete `n` tasks that share an object, in commands.
fn commands_to_delete(n: i32) -> u64 {
    let mut f = Fixture::new();
    let object = SharedObject::new("x", vec![1; 99]);
    let shared = submission("default", vec![object]);
    let mut payloads = (0..n).map(|i| i.to_string().into_bytes());
    let ids = task::submit(&mut f.queue, &shared, || Ok(payloads.next())).unwrap();
    let before = f.n_calls("cmdstat_");
    delete(&mut f, &ids);
    assert_no_tasks(&f);
    f.n_calls("cmdstat_") - before
}

#[test]
fn to_delete_a_task_costs_the_same_however_many_are_deleted() {
    let (few, many) = (commands_to_delete(2_000), commands_to_delete(20_000));
    assert!(many < 11 * few, "{few} commands for 2 000 tasks, {many} for 20 000");
}
