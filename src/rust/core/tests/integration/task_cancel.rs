//! Cancelling tasks that wait, and stopping those that run.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, Parent, Waiter};
use rrq_core::worker;
use rrq_core::{Error, Queue};

use crate::support::*;

fn cancel(queue: &mut Queue, ids: &[String]) {
    task::cancel(queue, ids).unwrap();
}

#[test]
fn a_cancelled_task_keeps_the_order_of_the_others_and_never_runs() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 4);
    cancel(&mut f.queue, &ids[1..2]);
    assert_eq!(status(&mut f.queue, &ids[1]), Status::Cancelled);
    assert_eq!(f.queue.list("default").unwrap(), [&ids[..1], &ids[2..]].concat());
    assert_eq!(f.queue.length("default").unwrap(), 3);
    f.assert_counters();
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["0", "2", "3"]);
    f.assert_counters();
}

#[test]
fn with_the_last_task_goes_the_list() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    cancel(&mut f.queue, &ids);
    assert_eq!(statuses(&mut f.queue, &ids), vec![Status::Cancelled; 600]);
    assert!(f.keyspace().iter().all(|key| !key.contains(":q:") && !key.contains(":k:")));
    f.assert_counters();
}

#[test]
fn a_cancelled_task_has_an_end_and_no_value() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    cancel(&mut f.queue, &ids);
    assert!(task::headers(&mut f.queue, &ids).unwrap()[0].end > 0);
    let outcome = task::results(&mut f.queue, &ids).unwrap().remove(0);
    assert_eq!((outcome.status, outcome.value), (Status::Cancelled, None));
}

#[test]
fn tasks_that_have_ended_are_listed_by_the_error_and_nothing_is_changed() {
    let mut f = Fixture::new();
    let ended = submit_n(&mut f.queue, 1).remove(0);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let waiting = submit_n(&mut f.queue, 1).remove(0);
    let before = f.contents();
    match task::cancel(&mut f.queue, &[waiting.clone(), ended.clone()]) {
        Err(Error::TaskState { ids, statuses, .. }) => {
            assert_eq!((ids, statuses), (vec![ended], vec!["COMPLETE".to_owned()]));
        }
        other => panic!("{other:?}"),
    }
    match task::cancel(&mut f.queue, &[waiting, "nobody".to_owned()]) {
        Err(Error::TaskMissing { ids }) => assert_eq!(ids, ["nobody"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(f.contents(), before);
}

#[test]
fn a_repeated_request_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 3);
    f.worker("w").turn(&mut Actor::echo(), false).unwrap();
    cancel(&mut attach(proxy.url()), &ids[1..]);
    let before = f.contents();
    f.resend(&proxy.calls(&["t", "n"])[0]);
    assert_eq!(f.contents(), before);
}

#[test]
fn waiters_hear_of_it() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    cancel(&mut f.attach(), &ids);
    waiter.wait(&mut f.queue, Duration::from_millis(900), false, &never()).unwrap();
    let ended = waiter.take_ended();
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|(_, status)| *status == Status::Cancelled));
}

/// A task that depends on another.
fn after(queue: &mut Queue, parent: &str) -> String {
    let mut child = submission("default", Vec::new());
    child.parents = vec![Parent { name: String::new(), id: parent.to_owned() }];
    submit(queue, &child, &["child"]).remove(0)
}

#[test]
fn what_depends_on_a_cancelled_task_is_impossible() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1).remove(0);
    let child = after(&mut f.queue, &parent);
    let grandchild = after(&mut f.queue, &child);
    cancel(&mut f.queue, &[parent]);
    assert_eq!(statuses(&mut f.queue, &[child, grandchild]), [Status::Impossible; 2]);
    f.assert_counters();
}

#[test]
fn a_cancelled_deferred_task_stays_so_when_its_parent_completes() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1).remove(0);
    let (child, other) = (after(&mut f.queue, &parent), after(&mut f.queue, &parent));
    cancel(&mut f.queue, std::slice::from_ref(&child));
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(
        statuses(&mut f.queue, &[parent, child, other]),
        [Status::Complete, Status::Cancelled, Status::Complete]
    );
    f.assert_counters();
}

#[test]
fn a_task_and_what_depends_on_it_can_be_cancelled_together() {
    let mut f = Fixture::new();
    let parent = submit_n(&mut f.queue, 1).remove(0);
    let child = after(&mut f.queue, &parent);
    let ids = [parent, child];
    cancel(&mut f.queue, &ids);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Cancelled; 2]);
    f.assert_counters();
}

#[test]
fn a_cancel_that_comes_after_the_end_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 1);
    let (mut worker, mut other, done) = (f.worker("w"), attach(proxy.url()), ids.clone());
    let mut actor = Actor::new(move |task| {
        assert_eq!(task::cancel(&mut other, &done).unwrap(), [Status::Running]);
        complete(&task.body.payload)
    });
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Complete);
    wait_until(|| !f.has_key("w:w:ctl")); // the control thread takes what the cancel left there
    let before = f.contents();
    f.resend(&proxy.calls(&["t", "n"])[0]);
    assert_eq!(f.contents(), before);
    f.assert_counters();
}

#[test]
fn tasks_of_a_batch_that_are_cancelled_while_they_wait_behind_another_end() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let (mut other, mut first, all) = (f.attach(), true, ids.clone());
    let mut actor = Actor::new(move |task| {
        if std::mem::take(&mut first) {
            let at = all.iter().position(|id| *id == task.id).unwrap();
            let ids = &all[at + 1..at + 4];
            assert_eq!(task::cancel(&mut other, ids).unwrap(), [Status::Running; 3]);
            wait_until(|| statuses(&mut other, ids) == [Status::Cancelled; 3]);
        }
        complete("done")
    });
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(f.counters()["s:CANCELLED"], 3);
    assert_eq!(f.counters()["s:COMPLETE"], 597);
    let log = worker::log(&mut f.queue, "w", None).unwrap();
    assert_eq!(log.iter().filter(|line| line.command == "TASK_CANCELLED").count(), 3);
    f.assert_counters();
}

#[test]
fn a_running_task_that_was_cancelled_is_so_also_when_its_worker_is_lost() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    drop(worker);
    f.end_control_thread("w");
    cancel(&mut f.queue, &ids);
    assert_eq!(f.ask::<i64>("LLEN {jobs}:w:w:ctl"), 1);
    let _: i64 = f.ask("ZADD {jobs}:due XX 0 L:w");
    worker::sweep(&mut f.queue).unwrap();
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Cancelled);
    assert_eq!(f.ask::<Vec<String>>("KEYS {jobs}:w:w:*"), ["{jobs}:w:w:log"]);
    f.assert_counters();
}

#[test]
fn tasks_cancelled_while_workers_take_them_end_once() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3000);
    let threads = ["a", "b"].map(|id| {
        let mut worker = f.worker(id);
        std::thread::spawn(move || {
            let mut actor = Actor::echo();
            run_until_idle(&mut worker, &mut actor);
            worker.exit("done").unwrap();
            actor.done.len()
        })
    });
    for chunk in ids.rchunks(7) {
        match task::cancel(&mut f.queue, chunk) {
            Ok(_) | Err(Error::TaskState { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let run: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
    let statuses = statuses(&mut f.queue, &ids);
    let n = |status| statuses.iter().filter(|s| **s == status).count();
    assert_eq!(n(Status::Complete) + n(Status::Cancelled), 3000);
    assert!(run >= n(Status::Complete) && n(Status::Cancelled) > 0);
    f.assert_counters();
}

/// Not a test: a worker in a process that the signal does not end. Its first task ends as one does
/// that was interrupted.
#[test]
#[ignore = "run by another test"]
fn worker_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        let mut worker = ready(register(attach(&url), "child", never(), |_| {}).unwrap());
        let mut first = true;
        let mut actor = Actor::new(move |_| {
            let mut evaluation = complete("value");
            if std::mem::take(&mut first) {
                std::thread::sleep(Duration::from_millis(600));
                (evaluation.status, evaluation.interrupted) = (Status::Died, true);
            }
            evaluation
        });
        worker.run(&mut actor, false).unwrap();
    }
}

struct InChild(Child);

impl InChild {
    fn start(f: &Fixture) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["task_cancel::worker_in_a_child", "--exact", "--ignored"]);
        command.env("RRQ_TEST_URL", f.server.url()).stdout(Stdio::null()).stderr(Stdio::null());
        InChild(command.spawn().unwrap())
    }
}

impl Drop for InChild {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[cfg(unix)]
fn a_running_task_is_stopped_and_its_worker_goes_on() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let _child = InChild::start(&f);
    wait_until(|| status(&mut f.queue, &ids[0]) == Status::Running);
    assert_eq!(task::cancel(&mut f.queue, &ids[..1]).unwrap(), [Status::Running]);
    wait_until(|| status(&mut f.queue, &ids[1]) == Status::Complete);
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Cancelled);
    let outcome = task::results(&mut f.queue, &ids[..1]).unwrap().remove(0);
    assert_eq!((outcome.value, outcome.worker.as_str()), (None, "child"));
    f.assert_counters();
}
