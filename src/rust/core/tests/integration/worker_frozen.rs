//! Workers whose server does not answer, for instance because every packet is lost.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rrq_core::config::WorkerConfig;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::Submission;
use rrq_core::worker::{Options, Restart, Worker};

use crate::support::*;

/// A worker whose lease thread makes a request every few moments.
fn worker(proxy: &Proxy) -> Worker {
    let often = |config: &mut WorkerConfig| config.heartbeat_period = Some(0.15);
    ready(register(attach(proxy.url()), "w", never(), often).unwrap())
}

/// Freeze, and wait until the lease thread waits for a reply.
fn freeze(proxy: &Proxy) {
    let n_beats = || proxy.calls(&["w", "due", "w:w:hb"]).len();
    wait_until(|| n_beats() > 0);
    proxy.freeze(true);
    let before = proxy.n_held_back();
    wait_until(|| proxy.n_held_back() > before);
}

#[test]
fn a_time_limit_holds() {
    let mut f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    let limited = Submission { timeout_s: 0.3, ..submission("default", Vec::new()) };
    let ids = submit(&mut f.queue, &limited, &["endless"]);
    let mut worker = worker(&proxy);
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone()).unwrap();
    let freezing = proxy.clone();
    let mut actor = Actor::new(move |_| {
        freeze(&freezing);
        let end = Instant::now() + soon(10_000);
        while !interrupted.load(Ordering::Relaxed) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        freezing.freeze(false);
        let mut evaluation = complete("value");
        evaluation.interrupted = interrupted.load(Ordering::Relaxed);
        evaluation
    });
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Timeout]);
    f.assert_counters();
}

/// Not a test: a worker in a process that the signal does not end, with one task that never does. The
/// process cannot be replaced, so it ends.
#[test]
#[ignore = "run by another test"]
fn worker_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        let restart = Restart(Arc::new(|_: &str| std::io::Error::other("not in a test")));
        let config = WorkerConfig {
            verbose: false,
            timeout_process_die: 0.2,
            heartbeat_period: Some(0.15),
            ..WorkerConfig::default()
        };
        let options = Options { config, restart: Some(restart), ..options("w") };
        let mut worker = ready(Worker::register(attach(&url), options, never()).unwrap());
        let mut raw = raw(&std::env::var("RRQ_TEST_DIRECT").unwrap());
        let mut actor = Actor::new(move |_| {
            redis::cmd("SET").arg("begun").arg(1).exec(&mut raw).unwrap();
            std::thread::sleep(Duration::from_secs(600));
            complete("value")
        });
        worker.run(&mut actor, false).unwrap();
    }
}

#[test]
fn a_task_that_ignores_its_interrupt_is_ended() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let limited = Submission { timeout_s: 0.3, ..submission("default", Vec::new()) };
    submit(&mut f.queue, &limited, &["endless"]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["worker_frozen::worker_in_a_child", "--exact", "--ignored"]);
    command.env("RRQ_TEST_URL", proxy.url()).env("RRQ_TEST_DIRECT", f.server.url());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until(|| f.ask::<i64>("EXISTS begun") == 1);
    proxy.freeze(true);
    wait_until(|| child.try_wait().unwrap().is_some());
}

#[test]
fn a_worker_can_leave() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut worker = worker(&proxy);
    freeze(&proxy);
    let thread = std::thread::spawn(move || drop(worker.exit("enough").unwrap_err()));
    wait_until(|| thread.is_finished());
    thread.join().unwrap();
}
