//! Cancelling whatever is still open, discarding tasks in any state, and withdrawing what a submission
//! that failed has queued.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, SharedObject};
use rrq_core::worker::{self, Worker};
use rrq_core::{Error, Queue};

use crate::support::*;

/// A task in each state, in this order, and the worker that holds the running one.
const STATES: [Status; 8] = [
    Status::Complete,
    Status::Error,
    Status::Moved,
    Status::Cancelled,
    Status::Impossible,
    Status::Running,
    Status::Pending,
    Status::Deferred,
];

fn in_all_states(f: &mut Fixture) -> (Vec<String>, Worker) {
    let queue = &mut f.queue;
    let mut ids = submit_all(queue, &["good", "bad", "again", "cancelled"]);
    task::cancel(queue, &ids[3..]).unwrap();
    ids.push(match task::submit(queue, &after(&[&ids[3]]), one_payload()) {
        Err(Error::ParentFailed { ids, .. }) => ids[0].clone(),
        other => panic!("{other:?}"),
    });
    let mut actor = Actor::new(|task| match task.body.payload.as_slice() {
        b"good" => complete("good"),
        _ => failed("bad"),
    });
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut actor);
    task::retry(&mut f.queue, &ids[2..3]).unwrap();
    let pending = submit_n(&mut f.queue, 1).remove(0);
    let running = submit(&mut f.queue, &at_front(), &["running"]).remove(0);
    worker.turn(&mut Actor::echo(), false).unwrap();
    let deferred = submit(&mut f.queue, &after(&[&pending]), &["deferred"]).remove(0);
    ids.extend([running, pending, deferred]);
    assert_eq!(statuses(&mut f.queue, &ids), STATES);
    (ids, worker)
}

fn at_front() -> task::Submission {
    task::Submission { at_front: true, ..submission("default", Vec::new()) }
}

fn one_payload() -> impl FnMut() -> rrq_core::Result<Option<Vec<u8>>> {
    let mut payloads = [b"x".to_vec()].into_iter();
    move || Ok(payloads.next())
}

#[test]
fn what_is_open_is_cancelled_and_the_rest_is_ignored() {
    let mut f = Fixture::new();
    let (mut ids, _worker) = in_all_states(&mut f);
    ids.push("nobody".into());
    ids.push(ids[6].clone());
    let mut expected = STATES.to_vec();
    expected[6..].fill(Status::Cancelled);
    expected.extend([Status::Missing, Status::Cancelled]);
    assert_eq!(task::cancel_open(&mut f.queue, &ids).unwrap(), expected);
    assert_eq!(statuses(&mut f.queue, &ids), expected);
    f.assert_counters();
    // The lease of the worker is renewed meanwhile, so not all keys are compared.
    let stored = |f: &Fixture| f.contents().into_iter().filter(|(key, _)| !key.ends_with("}:due"));
    let stored = |f: &Fixture| stored(f).filter(|(key, _)| !key.contains(":w")).collect::<Vec<_>>();
    let before = stored(&f);
    assert_eq!(task::cancel_open(&mut f.queue, &ids).unwrap(), expected);
    assert_eq!(stored(&f), before);
}

#[test]
fn discarded_tasks_are_deleted_and_one_that_runs_expires_after_its_end() {
    let mut f = Fixture::new();
    let (mut ids, mut worker) = in_all_states(&mut f);
    ids.push("nobody".into());
    let running = vec![ids[5].clone()];
    let left = task::discard(&mut f.queue, &ids, Duration::ZERO, &never()).unwrap();
    assert_eq!(left, running);
    assert_eq!(task::list(&mut f.queue).unwrap(), running);
    f.assert_counters();
    run_until_idle(&mut worker, &mut Actor::echo());
    assert!(status(&mut f.queue, &running[0]).is_terminal());
    f.pass_time(&format!("X:{}", running[0]));
    run_until_idle(&mut worker, &mut Actor::echo());
    assert!(task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
    for key in ["t", "b", "r", "x", "o", "oref", "dn", "dl", "ds", "mv", "mu"] {
        assert!(!f.has_key(key), "{key}");
    }
}

#[test]
fn tasks_cancelled_to_be_discarded_expire_should_nobody_delete_them() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let (ids, _worker) = in_all_states(&mut f);
    let mut other = attach(proxy.url());
    task::discard(&mut other, &ids[..1], Duration::ZERO, &never()).unwrap();
    // The same request for the others, as from a session killed right after it.
    let request = replace(&proxy.calls(&["t", "n"])[0], &ids[0], &ids[1]);
    f.resend(&request);
    f.resend(&replace(&request, &ids[1], &ids[6]));
    worker::sweep(&mut f.queue).unwrap();
    for id in [&ids[1], &ids[6]] {
        f.pass_time(&format!("X:{id}"));
    }
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    let expected = [Status::Missing, Status::Missing];
    assert_eq!(statuses(&mut f.queue, &[ids[1].clone(), ids[6].clone()]), expected);
    f.assert_counters();
}

#[test]
fn a_chunk_that_arrives_after_its_submission_was_withdrawn_is_refused() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let mut through = attach(proxy.url());
    let ids = submit_n(&mut through, 40);
    task::delete(&mut f.queue, &ids, true).unwrap();
    // As if its two chunks were still on their way.
    f.delete_submitters();
    let empty = submission("default", Vec::new());
    let failed = task::submit(&mut through, &empty, || Err(Error::Interrupted));
    assert!(matches!(failed, Err(Error::Interrupted)));
    let before = f.contents();
    let chunks = proxy.calls(&["t", "b", "n"]);
    assert!(chunks.len() >= 2);
    for chunk in &chunks {
        assert_eq!(f.resend(chunk), redis::Value::Array(vec![redis::Value::Int(0)]));
    }
    assert_eq!(f.contents(), before);
    assert_eq!(submit_n(&mut through, 1).len(), 1);
    assert_eq!(f.queue.length("default").unwrap(), 1);
}

/// A worker that runs tasks in a thread of its own until it is told to end.
struct Running {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(f: &Fixture, mut actor: Actor) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (mut worker, is_over) = (f.worker("thread"), Arc::clone(&end));
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                worker.turn(&mut actor, false).unwrap();
            }
            worker.exit("done").unwrap();
        });
        Running { end, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Submit tasks, the last payload of which cannot be had once `ready`; returns the error.
fn submit_broken(queue: &mut Queue, n: usize, mut ready: impl FnMut()) -> Error {
    let mut done = 0;
    let asked = submission("default", vec![SharedObject::new("x", vec![1; 99])]);
    let submitted = task::submit(queue, &asked, || {
        done += 1;
        if done <= n {
            return Ok(Some(b"x".to_vec()));
        }
        ready();
        Err(Error::corrupt("payload", "not serialisable"))
    });
    submitted.unwrap_err()
}

/// How many tasks of the queue have this status.
fn n_of(queue: &mut Queue, status: Status) -> u64 {
    let counts = task::overview(queue).unwrap();
    counts.into_iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| n)
}

#[test]
fn a_bulk_that_breaks_is_withdrawn_although_some_of_its_tasks_have_ended() {
    let mut f = Fixture::new();
    let _worker = Running::start(&f, Actor::echo());
    let mut other = f.attach();
    let error = submit_broken(&mut f.queue, 5000, || {
        wait_until(|| n_of(&mut other, Status::Complete) > 0);
    });
    assert!(matches!(error, Error::Corrupt { .. }));
    // Where a worker held some for longer than is waited for, they expire.
    wait_until(|| task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
    assert!(!f.has_key("o") && !f.has_key("oref") && !f.has_key("q:default"));
}

#[test]
fn a_bulk_that_breaks_is_withdrawn_although_a_task_goes_on_running() {
    let mut f = Fixture::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let mut first = true;
    let actor = Actor::new(move |_| {
        if std::mem::take(&mut first) {
            let _ = wait.recv_timeout(Duration::from_secs(20));
        }
        complete("done")
    });
    let _worker = Running::start(&f, actor);
    let mut other = f.attach();
    submit_broken(&mut f.queue, 500, || {
        wait_until(|| n_of(&mut other, Status::Running) > 0);
    });
    let left = task::list(&mut f.queue).unwrap();
    assert_eq!(statuses(&mut f.queue, &left), [Status::Running]);
    go.send(()).unwrap();
    wait_until(|| task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}

#[test]
fn a_bulk_that_the_server_refuses_halfway_is_withdrawn() {
    let mut f = Fixture::new();
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    let (server, mut n) = (f.raw(), 0);
    let server = std::cell::RefCell::new(server);
    let submitted = task::submit(&mut f.queue, &submission("default", Vec::new()), || {
        n += 1;
        if n == 400 {
            let mut command = redis::cmd("CONFIG");
            command.arg("SET").arg("maxmemory").arg(1);
            command.query::<()>(&mut *server.borrow_mut()).unwrap();
        }
        Ok((n <= 2000).then(|| b"x".to_vec()))
    });
    assert!(matches!(submitted, Err(Error::ServerFull { .. })), "{submitted:?}");
    let _: String = f.ask("CONFIG SET maxmemory 0");
    assert!(task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}

/// Not a test: a session that is killed in the middle of a submission.
#[test]
#[ignore = "run by another test"]
fn session_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        submit_broken(&mut attach(&url), 1000, || std::process::abort());
    }
}

#[test]
fn what_a_session_had_queued_when_it_was_killed_is_listed_and_runs() {
    let mut f = Fixture::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["task_discard::session_in_a_child", "--exact", "--ignored"]);
    command.env("RRQ_TEST_URL", f.server.url()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(!command.status().unwrap().success());
    // The chunk sent last may arrive after that.
    wait_until(|| task::list(&mut f.queue).unwrap().len() == 32 + 128 + 500);
    let ids = task::list(&mut f.queue).unwrap();
    f.assert_counters();
    assert_eq!(f.queue.list("default").unwrap().len(), ids.len());
    let refs: Vec<String> = f.ask("HVALS {jobs}:oref");
    assert_eq!(refs, [ids.len().to_string()]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &ids), vec![Status::Complete; ids.len()]);
    task::delete(&mut f.queue, &ids, true).unwrap();
    f.assert_counters();
    assert!(["t", "b", "o", "oref", "q:default"].iter().all(|key| !f.has_key(key)));
}
