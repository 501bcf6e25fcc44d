//! What tasks print: stored while they run, by their worker only, and gone when they are deleted.

use std::io::{self, Write};
use std::process::Command;

use rrq_core::status::Status;
use rrq_core::task::{self, Isolation, Log};

use crate::support::*;

/// An actor for isolated tasks that print what `body` prints; none of them says how it ended.
fn printing(body: &str) -> Actor {
    let mut actor = Actor::echo();
    actor.server = format!(
        "echo welcome\necho ready >&0\n\
         while read verb grace dir; do echo pid 1000000000 >&0; {body}; echo exit 0 >&0; done"
    );
    actor
}

fn isolated(f: &mut Fixture) -> String {
    let mut submission = submission("default", Vec::new());
    submission.special.isolation = Isolation::Fork;
    submit(&mut f.queue, &submission, &["task"]).remove(0)
}

fn log(f: &mut Fixture, id: &str) -> Option<Log> {
    task::log(&mut f.queue, id).unwrap()
}

fn text(f: &mut Fixture, id: &str) -> String {
    let log = log(f, id).map(|log| log.since(0)).unwrap_or_default();
    String::from_utf8(log).unwrap()
}

#[test]
fn what_a_process_prints_is_the_log_of_its_task_alone() {
    let mut f = Fixture::new();
    let ids = [isolated(&mut f), isolated(&mut f)];
    run_until_idle(&mut f.worker("w"), &mut printing("echo one; echo two >&2"));
    for id in &ids {
        assert_eq!(text(&mut f, id), "one\ntwo\n");
    }
    let log = log(&mut f, &ids[0]).unwrap();
    assert_eq!((log.attempt, log.pid, log.total), (1, 1_000_000_000, 8));
}

#[test]
fn of_a_task_that_prints_nothing_the_process_is_known() {
    let mut f = Fixture::new();
    let id = isolated(&mut f);
    run_until_idle(&mut f.worker("w"), &mut printing(":"));
    assert_eq!(status(&mut f.queue, &id), Status::Died);
    let log = log(&mut f, &id).unwrap();
    assert!(log.pid > 0);
    assert_eq!((log.attempt, log.total), (1, 0));
}

#[test]
fn a_log_can_be_read_while_its_task_runs() {
    let mut f = Fixture::new();
    let id = isolated(&mut f);
    let mut worker = f.worker("w");
    let gate = tempfile::tempdir().unwrap();
    let path = gate.path().display().to_string();
    let body = format!("echo one; until [ -e {path}/open ]; do sleep 0.05; done; echo two");
    let running = std::thread::spawn(move || run_until_idle(&mut worker, &mut printing(&body)));
    wait_until(|| text(&mut f, &id) == "one\n");
    assert_eq!(status(&mut f.queue, &id), Status::Running);
    std::fs::write(gate.path().join("open"), "").unwrap();
    running.join().unwrap();
    assert_eq!(text(&mut f, &id), "one\ntwo\n");
}

#[test]
fn all_that_was_printed_goes_to_a_file_where_there_is_a_folder() {
    let mut f = Fixture::new();
    let id = isolated(&mut f);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs");
    let mut worker = f.worker_with("w", |c| c.logdir = Some(path.display().to_string()));
    let body = "i=0; while [ $i -lt 2000 ]; do \
                printf '%0128d\\n' $i; i=$((i + 1)); done";
    run_until_idle(&mut worker, &mut printing(body));
    let written = std::fs::read_to_string(path.join(format!("{id}.log"))).unwrap();
    assert_eq!((written.lines().count(), written.len()), (2000, 2000 * 129));
    let kept = text(&mut f, &id);
    assert!(kept.len() < 140_000 && kept.contains(" bytes omitted ..."));
    assert!(written.starts_with(&kept[..1000]) && written.ends_with(&kept[kept.len() - 1000..]));
}

#[test]
fn a_log_stored_too_late_is_refused() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let id = isolated(&mut f);
    let queue = attach(proxy.url());
    let mut worker = ready(register(queue, "w", rrq_core::connection::never(), |_| {}).unwrap());
    run_until_idle(&mut worker, &mut printing("echo one"));
    let stored = proxy.calls(&["t", "lg"]).pop().unwrap();
    let before = f.contents();
    f.resend(&stored);
    assert_eq!(f.contents(), before);
    task::delete(&mut f.queue, &[id], true).unwrap();
    f.resend(&stored);
    assert!(f.keyspace().iter().all(|key| !key.contains(":lg")));
}

#[test]
fn deleting_a_task_deletes_its_log_and_no_other() {
    let mut f = Fixture::new();
    let ids = [isolated(&mut f), isolated(&mut f)];
    run_until_idle(&mut f.worker("w"), &mut printing("echo one"));
    task::delete(&mut f.queue, &ids[..1], true).unwrap();
    let left: Vec<String> = f.ask("HKEYS {jobs}:lg");
    assert_eq!(left, ids[1..]);
}

#[test]
fn destroying_the_queue_deletes_the_logs() {
    let mut f = Fixture::new();
    isolated(&mut f);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut printing("echo one"));
    worker.exit("done").unwrap();
    f.queue.destroy(None).unwrap();
    assert_eq!(f.keyspace(), Vec::<String>::new());
}

/// Not a test: it redirects the output of a process of its own, where no other test prints.
#[test]
#[ignore = "run by another test"]
fn captured_task_in_a_child() {
    let mut f = Fixture::new();
    let mut submission = submission("default", Vec::new());
    submission.special.capture = true;
    let id = submit(&mut f.queue, &submission, &["task"]).remove(0);
    let mut actor = Actor::new(|_| {
        io::stdout().write_all(b"one\n").unwrap();
        io::stderr().write_all(b"two\n").unwrap();
        complete("value")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    assert_eq!(text(&mut f, &id), "one\ntwo\n");
    io::stdout().write_all(b"three\n").unwrap();
}

#[test]
fn what_a_captured_task_prints_is_its_log_and_nothing_after_it() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["task_log::captured_task_in_a_child", "--exact", "--ignored"]);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("1 passed") && printed.contains("three"), "{output:?}");
    assert!(!printed.contains("one\n"), "{output:?}");
}
