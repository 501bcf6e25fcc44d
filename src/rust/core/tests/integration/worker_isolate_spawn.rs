//! Isolated tasks without forks: a new process for each. A shell script stands in for it; `$0` is the
//! directory of its task.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rrq_core::status::Status;
use rrq_core::task::{self, Isolation};
use rrq_core::worker::write_outcome;

use crate::support::*;

const SIGTERM_IS_IGNORED: &str = "trap '' TERM; while true; do sleep 0.05; done";

fn spawned(script: &str) -> Actor {
    let mut actor = Actor::echo();
    (actor.server, actor.forks) = (script.to_owned(), false);
    actor
}

/// Run a task whose process runs this script; how it ended, and what was said of it.
fn run_one(f: &mut Fixture, script: &str, timeout: Duration) -> (Status, String) {
    let mut submission = submission("default", Vec::new());
    submission.special.isolation = Isolation::Fork;
    submission.timeout_s = timeout.as_secs_f64();
    let ids = submit(&mut f.queue, &submission, &["task"]);
    let mut worker = f.worker_with("w", |config| config.timeout_process_die = 0.3);
    run_until_idle(&mut worker, &mut spawned(script));
    worker.exit("done").unwrap();
    f.assert_counters();
    let outcome = task::results(&mut f.queue, &ids).unwrap().remove(0);
    (outcome.status, String::from_utf8(outcome.value.unwrap_or_default()).unwrap())
}

#[cfg(target_os = "linux")]
fn is_running(pid: &str) -> bool {
    let state = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[test]
fn the_outcome_is_the_one_that_the_process_has_written() {
    let folder = tempfile::tempdir().unwrap();
    write_outcome(folder.path(), complete("value")).unwrap();
    let copy = format!("test -f $0/request && cp {}/outcome $0", folder.path().display());
    let ended = run_one(&mut Fixture::new(), &copy, Duration::ZERO);
    assert_eq!(ended, (Status::Complete, "value".to_owned()));
}

#[test]
fn a_process_that_ends_without_an_outcome_has_died_for_a_reason() {
    for (script, reason) in [
        ("exit 3", "its process ended with exit code 3 and no result"),
        ("kill -9 $$", "its process was ended by signal 9 (SIGKILL)"),
        ("printf abc > $0/outcome", "its process ended with exit code 0 and no result"),
    ] {
        let ended = run_one(&mut Fixture::new(), script, Duration::ZERO);
        assert_eq!(ended, (Status::Died, reason.to_owned()));
    }
}

#[test]
fn a_program_that_does_not_exist_is_a_reason() {
    let mut f = Fixture::new();
    let (status, reason) = run_one(&mut f, "exec /no/such/program", Duration::ZERO);
    assert_eq!(status, Status::Died);
    assert!(reason.starts_with("its process ended with exit code 127"), "{reason}");
}

#[test]
fn a_process_that_takes_too_long_is_ended_even_if_it_ignores_that_it_should() {
    for script in ["exec sleep 60", SIGTERM_IS_IGNORED] {
        let ended = run_one(&mut Fixture::new(), script, soon(200));
        assert_eq!(ended.0, Status::Timeout);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_process_leaves_running_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("pids");
    for child in ["exec sleep 60", SIGTERM_IS_IGNORED] {
        let script = format!("({child}) & echo $! > {}", list.display());
        assert_eq!(run_one(&mut Fixture::new(), &script, Duration::ZERO).0, Status::Died);
        assert!(!is_running(fs::read_to_string(&list).unwrap().trim()));
    }
}

#[test]
fn what_it_prints_is_the_log_of_the_task() {
    let mut f = Fixture::new();
    run_one(&mut f, "echo printed; echo warned >&2", Duration::ZERO);
    let id = task::list(&mut f.queue).unwrap().remove(0);
    let log = task::log(&mut f.queue, &id).unwrap().unwrap();
    assert_eq!(log.since(0), b"printed\nwarned\n");
}
