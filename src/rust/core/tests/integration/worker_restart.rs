//! Workers whose process starts anew: between two tasks, or because one does not end.

use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rrq_core::config::WorkerConfig;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::{self, Options, Restart, Worker};

use crate::support::*;

fn state(f: &mut Fixture, id: &str) -> &'static str {
    let mut states = worker::states(&mut f.queue).unwrap().into_iter();
    states.find(|worker| worker.id == id).unwrap().status.word()
}

fn start(url: &str, config: WorkerConfig, resume: Option<&str>, restart: Restart) -> Worker {
    let (resume, restart) = (resume.map(str::to_owned), Some(restart));
    let options = Options { config, restart, resume, ..options("w") };
    Worker::register(attach(url), options, never()).unwrap()
}

fn config(change: impl FnOnce(&mut WorkerConfig)) -> WorkerConfig {
    let mut config = WorkerConfig { verbose: false, ..WorkerConfig::default() };
    change(&mut config);
    config
}

/// A means to start anew that only remembers what it is given, and then what is done with it.
fn with_nonce(act: impl Fn(&str) + Send + Sync + 'static) -> Restart {
    Restart(Arc::new(move |nonce| {
        act(nonce);
        io::Error::other("not in a test")
    }))
}

#[test]
fn a_worker_that_has_done_enough_hands_its_registration_on() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    let url = f.server.url();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (seen_inside, inner_url) = (seen.clone(), url.clone());
    let restart = with_nonce(move |nonce| {
        let mut queue = attach(&inner_url);
        let before = worker::states(&mut queue).unwrap().remove(0).status.word();
        let plain = config(|_| {});
        let mut next = ready(start(&inner_url, plain, Some(nonce), with_nonce(|_| {})));
        let mut actor = Actor::echo();
        run_until_idle(&mut next, &mut actor);
        seen_inside.lock().unwrap().push((before, actor.done));
    });
    let mut worker = ready(start(&url, config(|c| c.max_tasks = 2.0), None, restart));
    worker.run(&mut Actor::echo(), true).unwrap();
    assert_eq!(*seen.lock().unwrap(), [("STARTING", vec!["2".to_owned()])]);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 3]);
    assert_eq!(f.ask::<i64>("HGET {jobs}:n incarnation"), 1);
    f.assert_counters();
}

#[test]
fn one_that_was_declared_lost_while_it_started_registers_anew() {
    let mut f = Fixture::new();
    let url = f.server.url();
    submit_n(&mut f.queue, 1);
    let kept = Arc::new(Mutex::new(String::new()));
    let inside = kept.clone();
    let restart = with_nonce(move |nonce| *inside.lock().unwrap() = nonce.to_owned());
    let mut worker = ready(start(&url, config(|c| c.max_tasks = 1.0), None, restart));
    worker.run(&mut Actor::echo(), true).unwrap();
    assert_eq!(state(&mut f, "w"), "EXITED"); // it could not start anew
    let nonce = kept.lock().unwrap().clone();
    let mut next = ready(start(&url, config(|_| {}), Some(&nonce), with_nonce(|_| {})));
    assert_eq!(state(&mut f, "w"), "IDLE");
    let ids = submit_n(&mut f.queue, 1);
    run_until_idle(&mut next, &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete]);
}

#[test]
fn the_request_repeated_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    submit_n(&mut f.queue, 1);
    let seen = proxy.clone();
    let again = Arc::new(Mutex::new(Vec::new()));
    let inside = again.clone();
    let restart = with_nonce(move |_| {
        let keys = ["w", "t", "n", "due", "w:w:log"];
        *inside.lock().unwrap() = seen.calls(&keys);
        // What it leaves behind is compared below: the worker must not go on.
        std::panic::resume_unwind(Box::new("enough"));
    });
    let url = proxy.url().to_owned();
    let thread = std::thread::spawn(move || {
        let mut worker = ready(start(&url, config(|c| c.max_tasks = 1.0), None, restart));
        let _ = worker.run(&mut Actor::echo(), true);
    });
    assert!(thread.join().is_err());
    let before = f.contents();
    // The first was for a script that the server did not have yet.
    let call = again.lock().unwrap().pop().unwrap();
    assert_eq!(f.resend(&call), redis::Value::Int(1));
    assert_eq!(f.contents(), before);
    assert_eq!(state(&mut f, "w"), "STARTING");
}

#[test]
fn the_new_process_says_what_the_server_did_not_hear_from_the_old_one() {
    let mut f = Fixture::new();
    let url = f.server.url();
    let ids = submit_n(&mut f.queue, 600);
    let mut worker = ready(start(&url, config(|_| {}), None, with_nonce(|_| {})));
    warm_up(&mut worker);
    run_until_vanished(&mut worker, 3);
    drop(worker);
    let record = record(&f, "w");
    let held: Vec<String> = record.held().collect();
    // In the middle of the third task, which was ended; the first two were not reported.
    let handover = format!(
        "{},{},G{},{},ended",
        record.nonce,
        record.sequence + 1,
        held[2],
        held[..3].join(" ")
    );
    let mut next = ready(start(&url, config(|_| {}), Some(&handover), with_nonce(|_| {})));
    assert_eq!(f.ask::<i64>("HGET {jobs}:n incarnation"), 1);
    let died = [Status::Died, Status::Died, Status::Timeout];
    assert_eq!(statuses(&mut f.queue, &held[..3]), died);
    assert_eq!(statuses(&mut f.queue, &held[3..]), vec![Status::Pending; held.len() - 3]);
    let mut actor = Actor::echo();
    run_until_idle(&mut next, &mut actor);
    let at = ids.iter().position(|id| *id == held[2]).unwrap();
    assert_eq!(actor.done[0], (at + 1).to_string());
    assert_eq!(actor.done.len(), 600 - at - 1);
    f.assert_counters();
}

#[test]
fn a_copy_of_the_request_that_comes_when_the_new_process_works_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 3);
    let handover = Arc::new(Mutex::new(String::new()));
    let inside = handover.clone();
    let restart = with_nonce(move |text| {
        *inside.lock().unwrap() = text.to_owned();
        // The worker must not go on.
        std::panic::resume_unwind(Box::new("enough"));
    });
    let url = proxy.url().to_owned();
    let thread = std::thread::spawn(move || {
        let mut worker = ready(start(&url, config(|c| c.max_tasks = 1.0), None, restart));
        let _ = worker.run(&mut Actor::echo(), true);
    });
    assert!(thread.join().is_err());
    let calls = proxy.calls(&["w", "t", "n", "due", "w:w:log"]);
    let handover = handover.lock().unwrap().clone();
    let url = f.server.url();
    let mut next = ready(start(&url, config(|_| {}), Some(&handover), with_nonce(|_| {})));
    next.turn(&mut Actor::echo(), false).unwrap();
    let before = f.contents();
    assert!(!calls.is_empty());
    for call in calls {
        assert_eq!(f.resend(&call), redis::Value::Int(1));
    }
    assert_eq!(f.contents(), before);
    assert_eq!(state(&mut f, "w"), "BUSY");
}

/// Stop a worker in the middle of the `k`th task of its next batch.
fn run_until_vanished(worker: &mut Worker, k: usize) {
    let mut n = 0;
    let mut actor = Actor::new(move |_| {
        n += 1;
        if n == k {
            std::panic::resume_unwind(Box::new("vanished"));
        }
        complete("value")
    });
    let turn = std::panic::AssertUnwindSafe(|| worker.turn(&mut actor, false).is_ok());
    std::panic::catch_unwind(turn).unwrap_err();
}

#[test]
fn what_ended_before_a_long_task_of_its_batch_is_reported_while_that_runs() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let (mut other, mut n, all) = (f.attach(), 0, ids.clone());
    let mut actor = Actor::new(move |task| {
        n += 1;
        if n == 3 {
            let at = all.iter().position(|id| *id == task.id).unwrap();
            wait_until(|| statuses(&mut other, &all[at - 2..at]) == [Status::Complete; 2]);
            assert_eq!(status(&mut other, &task.id), Status::Running);
        }
        complete("done")
    });
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 600]);
    f.assert_counters();
}

/// Not a test: a worker in a process that the signal does not end, with one task that never does.
#[test]
#[ignore = "run by another test"]
fn worker_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        let config = config(|config| config.timeout_process_die = 0.2);
        let mut worker = ready(start(&url, config, None, with_nonce(|_| {})));
        let mut actor = Actor::new(|task| {
            if *task.body.payload == *b"endless" {
                std::thread::sleep(Duration::from_secs(600));
            }
            complete("value")
        });
        worker.run(&mut actor, false).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_task_that_never_ends_is_ended_and_the_others_of_its_batch_go_back() {
    let mut f = Fixture::new();
    let mut payloads = vec!["quick"; 400];
    payloads[300] = "endless";
    let ids = submit_all(&mut f.queue, &payloads);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["worker_restart::worker_in_a_child", "--exact", "--ignored"]);
    command.env("RRQ_TEST_URL", f.server.url()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until(|| status(&mut f.queue, &ids[299]) == Status::Complete);
    wait_until(|| status(&mut f.queue, &ids[300]) == Status::Running);
    task::cancel(&mut f.queue, &ids[300..301]).unwrap();
    // Its means to start anew fails, and then the process ends.
    child.wait().unwrap();
    assert_eq!(status(&mut f.queue, &ids[300]), Status::Cancelled);
    assert_eq!(state(&mut f, "w"), "STARTING");
    assert_eq!(statuses(&mut f.queue, &ids[..300]), [Status::Complete; 300]);
    assert_eq!(statuses(&mut f.queue, &ids[301..]), [Status::Pending; 99]);
    let log = worker::log(&mut f.queue, "w", Some(2)).unwrap();
    let commands: Vec<&str> = log.iter().map(|line| line.command.as_str()).collect();
    assert_eq!(commands, ["TASK_CANCELLED", "RESTART"]);
    f.assert_counters();
}
