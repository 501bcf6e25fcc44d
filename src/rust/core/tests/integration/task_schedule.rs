//! Tasks that may not start before a time, and those that go first.

use rrq_core::task::{self, Start, Submission};
use rrq_core::{Queue, Status, worker};

use crate::support::*;

fn later(seconds: f64) -> Submission {
    Submission { start: Start::After(seconds), ..submission("default", Vec::new()) }
}

fn submit_later(queue: &mut Queue, payloads: &[&str]) -> Vec<String> {
    submit(queue, &later(1000.0), payloads)
}

#[test]
fn a_task_is_not_taken_before_its_time() {
    let mut f = Fixture::new();
    let id = submit_later(&mut f.queue, &["a"]).remove(0);
    let mut worker = f.worker("w");
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(
        (status(&mut f.queue, &id), f.queue.length("default").unwrap()),
        (Status::Pending, 0)
    );
    assert!(actor.done.is_empty());
    f.assert_counters();
    f.pass_time(&format!("S:{id}"));
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    f.assert_counters();
}

#[test]
fn it_waits_as_long_as_asked_by_the_servers_clock() {
    let mut f = Fixture::new();
    let id = submit_later(&mut f.queue, &["a"]).remove(0);
    let submitted = task::headers(&mut f.queue, std::slice::from_ref(&id)).unwrap()[0].submit;
    let due: f64 = f.ask(&format!("ZSCORE {{jobs}}:due S:{id}"));
    assert_eq!(due.floor() as u64, (submitted - 1) / 1000 + 1_000_000);
    let at = Submission { start: Start::At(4e9), ..submission("default", Vec::new()) };
    let id = submit(&mut f.queue, &at, &["b"]).remove(0);
    let due: f64 = f.ask(&format!("ZSCORE {{jobs}}:due S:{id}"));
    assert_eq!(due.floor(), 4e12);
}

#[test]
fn a_time_that_has_passed_is_now() {
    let mut f = Fixture::new();
    let at = Submission { start: Start::At(1e9), ..submission("default", Vec::new()) };
    let ids = submit(&mut f.queue, &at, &["a", "b"]);
    assert_eq!(f.queue.list("default").unwrap(), ids);
    f.assert_counters();
}

#[test]
fn an_idle_worker_wakes_up_in_time() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || {
        let mut actor = Actor::echo();
        while actor.done.is_empty() {
            worker.turn(&mut actor, true).unwrap();
        }
    });
    wait_until(|| f.ask::<String>("CLIENT LIST").contains("cmd=bzpopmin"));
    let before = f.n_evalsha();
    submit(&mut f.queue, &later(0.3), &["a"]);
    thread.join().unwrap();
    // Its own sleep would have been of 3 s, the heartbeat's period; it asks when there is a reason.
    assert!(f.n_evalsha() - before < 12);
}

#[test]
fn tasks_whose_time_comes_together_are_queued_in_order() {
    let mut f = Fixture::new();
    let at = Submission { start: Start::After(0.1), ..submission("default", Vec::new()) };
    let ids = submit(&mut f.queue, &at, &["x"; 30]);
    wait_until(|| {
        worker::sweep(&mut f.queue).unwrap();
        f.queue.length("default").unwrap() == 30
    });
    assert_eq!(f.queue.list("default").unwrap(), ids);
    f.assert_counters();
}

#[test]
fn more_tasks_than_one_call_serves_are_all_queued() {
    let mut f = Fixture::new();
    let ids = submit_later(&mut f.queue, &["x"; 600]);
    ids.iter().for_each(|id| f.pass_time(&format!("S:{id}")));
    worker::sweep(&mut f.queue).unwrap();
    assert_eq!(f.queue.length("default").unwrap(), 600);
    assert!(!f.has_key("due"));
    f.assert_counters();
}

#[test]
fn cancelled_or_deleted_before_its_time_it_leaves_no_timer_and_no_marker() {
    let mut f = Fixture::new();
    let before = f.keyspace();
    let ids = submit_later(&mut f.queue, &["a", "b"]);
    assert!(f.has_key("k:default"));
    task::cancel(&mut f.queue, &ids[..1]).unwrap();
    assert_eq!(f.ask::<Vec<String>>("ZRANGE {jobs}:due 0 -1"), [format!("S:{}", ids[1])]);
    assert!(!f.has_key("k:default"));
    f.assert_counters();
    task::delete(&mut f.queue, &ids, true).unwrap();
    assert_eq!(f.keyspace(), before);
}

#[test]
fn a_queue_with_scheduled_tasks_only_is_destroyed_with_its_marker() {
    let mut f = Fixture::new();
    submit(&mut f.queue, &Submission { queue: "rare".into(), ..later(1000.0) }, &["a"]);
    assert!(f.queue.lengths().unwrap().contains(&("rare".to_owned(), 0)));
    f.queue.destroy(None).unwrap();
    assert_eq!(f.keyspace(), Vec::<String>::new());
}

#[test]
fn after_its_dependencies_it_still_waits_for_its_time() {
    let mut f = Fixture::new();
    let parent = submit_all(&mut f.queue, &["parent"]).remove(0);
    let child = Submission { start: Start::After(1000.0), ..after(&[&parent]) };
    let ids = submit(&mut f.queue, &child, &["x", "y"]);
    let mut worker = f.worker("w");
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Pending; 2]);
    assert_eq!(actor.done, ["parent"]);
    f.assert_counters();
    ids.iter().for_each(|id| f.pass_time(&format!("S:{id}")));
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done.len(), 3);
    f.assert_counters();
}

/// The scheduled tasks, in the order in which a sweep will queue them.
fn schedule(f: &Fixture) -> Vec<String> {
    let due: Vec<String> = f.ask("ZRANGE {jobs}:due 0 -1");
    due.iter().filter_map(|member| member.strip_prefix("S:")).map(str::to_owned).collect()
}

#[test]
fn tasks_that_wait_for_others_and_a_time_are_queued_in_the_order_of_submission() {
    for start in [Start::After(1000.0), Start::At(4e9)] {
        let mut f = Fixture::new();
        let parent = submit_all(&mut f.queue, &["parent"]).remove(0);
        let ids = submit(&mut f.queue, &Submission { start, ..after(&[&parent]) }, &["x"; 700]);
        run_until_idle(&mut f.worker("w"), &mut Actor::echo());
        assert!(schedule(&f) == ids, "{start:?}");
        f.assert_counters();
    }
}

#[test]
fn chunks_of_a_submission_that_start_at_a_time_are_queued_in_order() {
    for (start, at_front) in
        [(Start::At(4e9), false), (Start::At(4e9), true), (Start::After(1000.0), true)]
    {
        let mut f = Fixture::new();
        let asked = Submission { start, at_front, ..submission("default", Vec::new()) };
        let ids = submit(&mut f.queue, &asked, &["x"; 300]);
        assert!(schedule(&f) == ids, "{start:?} {at_front}");
    }
}

#[test]
fn tasks_for_the_front_go_before_all_others_in_their_own_order() {
    let mut f = Fixture::new();
    let rest = submit_n(&mut f.queue, 3);
    let payloads: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let front = Submission { at_front: true, ..submission("default", Vec::new()) };
    let first = submit(&mut f.queue, &front, &payloads);
    assert_eq!(f.queue.list("default").unwrap(), [first, rest].concat());
    f.assert_counters();
}

#[test]
fn a_repeated_request_for_the_front_or_for_later_changes_nothing() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let labels = vec!["name".to_owned()];
    let front = Submission { at_front: true, labels, ..submission("default", Vec::new()) };
    submit(&mut queue, &front, &["a", "b"]);
    submit_later(&mut queue, &["c"]);
    let before = f.contents();
    let calls = proxy.calls(&["t", "b", "n", "o"]);
    assert!(calls.len() >= 2);
    calls.iter().for_each(|call| drop(f.resend(call)));
    assert_eq!(f.contents(), before);
}
