//! Tasks in processes of their own, as the worker looks after them. A shell script stands in for the
//! server that forks: it talks over its stdin, which is a socket.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rrq_core::status::Status;
use rrq_core::task::{self, Isolation, TaskResult};
use rrq_core::worker::{Turn, Worker, write_outcome};

use crate::support::*;

/// A server whose tasks do `body`, in which `$dir` is their folder; then it says how they ended.
fn serve(body: &str) -> Actor {
    let mut actor = Actor::echo();
    actor.server = format!(
        "echo ready >&0\nwhile read verb grace dir; do echo pid 1000000000 >&0\n{body}\ndone"
    );
    actor
}

/// What a task's process leaves when it completes with this value.
fn said(value: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    write_outcome(folder.path(), complete(value)).unwrap();
    let copy = format!("cp {}/outcome $dir/outcome; echo exit 0 >&0", folder.path().display());
    (folder, copy)
}

fn isolated(f: &mut Fixture, isolation: Isolation, timeout_s: f64, n: usize) -> Vec<String> {
    let mut submission = submission("default", Vec::new());
    submission.special.isolation = isolation;
    submission.timeout_s = timeout_s;
    submit(&mut f.queue, &submission, &vec!["task"; n])
}

fn quick(f: &Fixture) -> Worker {
    f.worker_with("w", |config| config.timeout_process_die = 0.1)
}

fn outcome(f: &mut Fixture, id: &str) -> TaskResult {
    task::results(&mut f.queue, &[id.to_owned()]).unwrap().remove(0)
}

/// Run one task on such a server; how it ended, and what was said of it.
fn run_one(f: &mut Fixture, actor: &mut Actor, timeout_s: f64) -> (Status, String) {
    let id = isolated(f, Isolation::Fork, timeout_s, 1).remove(0);
    let mut worker = quick(f);
    run_until_idle(&mut worker, actor);
    worker.exit("done").unwrap();
    let outcome = outcome(f, &id);
    f.assert_counters();
    (outcome.status, String::from_utf8(outcome.value.unwrap_or_default()).unwrap())
}

#[test]
fn a_task_ends_as_its_process_says_and_not_in_the_worker() {
    let mut f = Fixture::new();
    let (_folder, copy) = said("value");
    let mut actor = serve(&copy);
    let ended = run_one(&mut f, &mut actor, 0.0);
    assert_eq!(ended, (Status::Complete, "value".to_owned()));
    assert!(actor.done.is_empty());
}

#[test]
fn a_process_that_ends_without_a_word_has_died_for_a_reason() {
    for (how, reason) in [
        ("exit 3", "its process ended with exit code 3 and no result"),
        ("signal 11", "its process was ended by signal 11 (SIGSEGV)"),
        ("signal 42", "its process was ended by signal 42"),
        ("failed no memory", "its process could not be started: no memory"),
    ] {
        let mut actor = serve(&format!("echo {how} >&0"));
        let ended = run_one(&mut Fixture::new(), &mut actor, 0.0);
        assert_eq!(ended, (Status::Died, reason.to_owned()));
    }
}

#[test]
fn an_outcome_that_is_cut_short_is_none() {
    let mut actor = serve("printf abc > $dir/outcome; echo exit 0 >&0");
    assert_eq!(run_one(&mut Fixture::new(), &mut actor, 0.0).0, Status::Died);
}

#[test]
fn a_server_that_does_not_start_is_explained_by_what_it_printed() {
    let mut actor = Actor::echo();
    actor.server = "echo no such package >&2; exit 1".to_owned();
    let (status, reason) = run_one(&mut Fixture::new(), &mut actor, 0.0);
    assert_eq!(status, Status::Died);
    assert_eq!(reason, "its process could not be started: no such package");
}

#[test]
fn a_task_that_takes_too_long_is_told_to_end() {
    let mut actor = serve("read word; [ $word = end ] && echo signal 15 >&0");
    assert_eq!(run_one(&mut Fixture::new(), &mut actor, 0.05).0, Status::Timeout);
}

#[test]
fn what_completes_though_told_to_end_is_complete() {
    let (_folder, copy) = said("late");
    let mut actor = serve(&format!("read word; {copy}"));
    assert_eq!(run_one(&mut Fixture::new(), &mut actor, 0.05).0, Status::Complete);
}

#[test]
fn a_server_that_does_not_end_its_task_is_ended() {
    let mut f = Fixture::new();
    let mut actor = serve("while true; do sleep 1; done");
    let begun = Instant::now();
    assert_eq!(run_one(&mut f, &mut actor, 0.05).0, Status::Timeout);
    assert!(begun.elapsed() < soon(10_000));
    let (_folder, copy) = said("next");
    assert_eq!(run_one(&mut f, &mut serve(&copy), 0.0).1, "next");
}

/// Cancel tasks from another thread when the first of them runs; it returns them.
fn cancel_once_running(f: &Fixture, ids: Vec<String>) -> std::thread::JoinHandle<Vec<String>> {
    let mut queue = f.attach();
    std::thread::spawn(move || {
        wait_until(|| status(&mut queue, &ids[0]) == Status::Running);
        task::cancel(&mut queue, &ids).unwrap();
        ids
    })
}

#[test]
fn a_cancelled_task_is_told_to_end() {
    let mut f = Fixture::new();
    let ids = isolated(&mut f, Isolation::Fork, 0.0, 1);
    let cancelling = cancel_once_running(&f, ids);
    run_until_idle(&mut quick(&f), &mut serve("read word; echo signal 15 >&0"));
    // The first turn may have come before the cancel: it returns once the task has ended.
    let ids = cancelling.join().unwrap();
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Cancelled);
    f.assert_counters();
}

#[test]
fn a_task_whose_server_still_starts_can_be_cancelled() {
    let mut f = Fixture::new();
    let ids = isolated(&mut f, Isolation::Fork, 0.0, 1);
    let cancelling = cancel_once_running(&f, ids);
    let mut actor = Actor::echo();
    actor.server = "exec sleep 60".to_owned();
    run_until_idle(&mut quick(&f), &mut actor);
    let ids = cancelling.join().unwrap();
    assert_eq!(status(&mut f.queue, &ids[0]), Status::Cancelled);
}

#[test]
fn a_worker_that_is_interrupted_ends_its_task_and_leaves() {
    let mut f = Fixture::new();
    let id = isolated(&mut f, Isolation::Fork, 0.0, 1).remove(0);
    let stopping = Arc::new(AtomicBool::new(false));
    let asked = stopping.clone();
    let stop = Arc::new(move || asked.load(Ordering::Relaxed));
    let mut worker = ready(register(f.attach(), "w", stop, |_| {}).unwrap());
    let mut queue = f.attach();
    let watched = id.clone();
    let interrupting = std::thread::spawn(move || {
        wait_until(|| task::log(&mut queue, &watched).unwrap().is_some());
        stopping.store(true, Ordering::Relaxed);
    });
    let mut actor = serve("read word; echo signal 15 >&0");
    let turn = worker.turn(&mut actor, false).unwrap();
    assert!(matches!(turn, Turn::Stop(_)), "{turn:?}");
    interrupting.join().unwrap();
    worker.exit("interrupted").unwrap();
    assert_eq!(outcome(&mut f, &id).status, Status::Died);
}

/// A server whose tasks complete; each adds a line to a file when it starts.
fn counted(folder: &tempfile::TempDir, copy: &str) -> Actor {
    let mut actor = serve(copy);
    actor.server = format!("echo x >> {}/starts\n{}", folder.path().display(), actor.server);
    actor
}

fn n_starts(folder: &tempfile::TempDir) -> usize {
    fs::read_to_string(folder.path().join("starts")).unwrap().lines().count()
}

#[test]
fn one_server_forks_for_all_tasks_until_the_environment_is_built_anew() {
    let mut f = Fixture::new();
    let (folder, copy) = said("value");
    let mut actor = counted(&folder, &copy);
    let mut worker = quick(&f);
    isolated(&mut f, Isolation::Fork, 0.0, 5);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(n_starts(&folder), 1);
    rrq_core::message::send(&mut f.queue, "REFRESH", b"", &["w".to_owned()]).unwrap();
    isolated(&mut f, Isolation::Fork, 0.0, 5);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(n_starts(&folder), 2);
}

#[test]
fn a_fresh_process_is_started_for_each_and_leaves_the_forking_one_alone() {
    let mut f = Fixture::new();
    let (folder, copy) = said("value");
    let mut actor = counted(&folder, &copy);
    let mut worker = quick(&f);
    for isolation in [Isolation::Fork, Isolation::Fresh, Isolation::Fresh, Isolation::Fork] {
        isolated(&mut f, isolation, 0.0, 1);
    }
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(n_starts(&folder), 3);
}

#[test]
fn a_server_that_ends_costs_its_task_and_is_replaced() {
    let mut f = Fixture::new();
    let (folder, copy) = said("value");
    let once = format!("mkdir {}/once && exit; {copy}", folder.path().display());
    let mut actor = counted(&folder, &once);
    let ids = isolated(&mut f, Isolation::Fork, 0.0, 3);
    run_until_idle(&mut quick(&f), &mut actor);
    let ways = [Status::Died, Status::Complete, Status::Complete];
    assert_eq!(statuses(&mut f.queue, &ids), ways);
    assert_eq!(n_starts(&folder), 2);
}

#[test]
fn a_server_ends_with_its_worker_and_leaves_no_folder() {
    let mut f = Fixture::new();
    let (folder, copy) = said("value");
    let path = folder.path().display();
    let mut actor = serve(&format!("echo $TMPDIR > {path}/home; {copy}"));
    actor.server.push_str(&format!("\ntouch {path}/ended"));
    isolated(&mut f, Isolation::Fork, 0.0, 1);
    let mut worker = quick(&f);
    run_until_idle(&mut worker, &mut actor);
    let home = fs::read_to_string(folder.path().join("home")).unwrap();
    assert_eq!(fs::read_dir(home.trim()).unwrap().count(), 0);
    worker.exit("done").unwrap();
    assert!(folder.path().join("ended").exists());
    assert!(!fs::exists(home.trim()).unwrap());
}

/// Not a test: it counts the open files of a process of its own, where no other test opens any.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "run by another test"]
fn many_tasks_in_a_child() {
    let mut f = Fixture::new();
    let (_folder, copy) = said("value");
    let mut actor = serve(&copy);
    let mut worker =
        ready(register(f.attach(), "w", rrq_core::connection::never(), |_| {}).unwrap());
    let mut n_open = || {
        isolated(&mut f, Isolation::Fork, 0.0, 20);
        run_until_idle(&mut worker, &mut actor);
        fs::read_dir("/proc/self/fd").unwrap().count()
    };
    let before = n_open();
    // The other threads connect when they first have something to ask: that is two at most.
    assert!(n_open() <= before + 2);
}

#[test]
#[cfg(target_os = "linux")]
fn files_are_closed_again() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["worker_isolate::many_tasks_in_a_child", "--exact", "--ignored"]);
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}
