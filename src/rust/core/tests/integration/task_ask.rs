//! A task from its submission to its outcome in one call.

use std::sync::Arc;
use std::time::Duration;

use rrq_core::Error;
use rrq_core::connection::{Stop, never};
use rrq_core::status::Status;
use rrq_core::task::{self, Asked, Submission};
use rrq_core::{Queue, Result};

use crate::support::*;

fn ask(queue: &mut Queue, submission: &Submission, limit: Duration, stop: &Stop) -> Result<Asked> {
    task::ask(queue, submission, b"value".to_vec(), &mut |_, _| (), limit, stop)
}

fn plain() -> Submission {
    submission("default", vec![])
}

/// A worker that takes what comes until `stop` says so, in a thread.
fn at_work(f: &Fixture) -> Helper {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut worker = f.worker("w");
    let told = stop.clone();
    let thread = std::thread::spawn(move || {
        while !told.load(std::sync::atomic::Ordering::Relaxed) {
            worker.turn(&mut Actor::echo(), false).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    Helper { stop, thread: Some(thread) }
}

struct Helper {
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_task_that_has_completed_is_deleted_without_waiting() {
    let mut f = Fixture::new();
    let helper = at_work(&f);
    for _ in 0..3 {
        let asked = ask(&mut f.queue, &plain(), soon(10_000), &never()).unwrap();
        assert!(asked.deleted);
        assert_eq!(asked.outcome.unwrap().result.value.unwrap(), b"value");
    }
    drop(helper);
    assert!(task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}

#[test]
fn wherever_the_connection_breaks_the_value_comes_and_the_next_call_deletes_what_is_left() {
    let mut f = Fixture::new();
    let _helper = at_work(&f);
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let value = |queue: &mut Queue| {
        let asked = ask(queue, &plain(), soon(10_000), &never()).unwrap();
        assert_eq!(asked.outcome.unwrap().result.value.unwrap(), b"value");
    };
    // The first deletion loads the script.
    value(&mut queue);
    value(&mut queue);
    for way in [Way::Up, Way::Down] {
        let before = proxy.passed(way);
        value(&mut queue);
        let n = proxy.passed(way) - before;
        for part in 0..8 {
            proxy.cut_after(way, 1 + n * part / 8);
            value(&mut queue);
            value(&mut queue);
            assert!(proxy.has_cut());
            // The last deletion is on its way.
            queue.connection.command(&redis::cmd("PING")).unwrap();
            assert!(task::list(&mut f.queue).unwrap().is_empty(), "{way:?} after {part}/8");
        }
    }
    f.assert_counters();
}

#[test]
fn a_task_that_has_not_ended_is_kept() {
    let mut f = Fixture::new();
    let asked = ask(&mut f.queue, &plain(), Duration::ZERO, &never()).unwrap();
    assert!(asked.outcome.is_none() && !asked.deleted);
    assert_eq!(status(&mut f.queue, &asked.id), Status::Pending);
}

#[test]
fn nothing_stays_after_an_interrupt() {
    let mut f = Fixture::new();
    let stop: Stop = Arc::new(|| true);
    let asked = ask(&mut f.queue, &plain(), soon(10_000), &stop);
    assert!(matches!(asked, Err(Error::Interrupted)));
    assert!(task::list(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}
