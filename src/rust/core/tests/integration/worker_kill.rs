//! A worker whose process is ended from elsewhere signs off first.
#![cfg(unix)]

use std::process::{Command, Stdio};

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::worker;

use crate::support::*;

/// Not a test: a worker in a process of its own; one of its tasks has it killed.
#[test]
#[ignore = "run by another test"]
fn worker_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        let mut worker = ready(register(attach(&url), "w", never(), |_| {}).unwrap());
        let mut queue = attach(&url);
        let mut actor = Actor::new(move |task| {
            if *task.body.payload == *b"kill" {
                worker::kill(&mut queue, &["w".to_owned()]).unwrap();
                std::thread::sleep(std::time::Duration::from_secs(600));
            }
            complete("value")
        });
        worker.run(&mut actor, false).unwrap();
    }
}

#[test]
fn a_killed_worker_reports_what_it_has_finished_and_hands_back_what_it_has_not_begun() {
    let mut f = Fixture::new();
    let mut payloads = vec!["quick"; 400];
    payloads[300] = "kill";
    let ids = submit_all(&mut f.queue, &payloads);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["worker_kill::worker_in_a_child", "--exact", "--ignored"]);
    command.env("RRQ_TEST_URL", f.server.url()).stdout(Stdio::null());
    command.spawn().unwrap().wait().unwrap();
    assert_eq!(statuses(&mut f.queue, &ids[..300]), [Status::Complete; 300]);
    assert_eq!(status(&mut f.queue, &ids[300]), Status::Died);
    assert_eq!(statuses(&mut f.queue, &ids[301..]), [Status::Pending; 99]);
    assert_eq!(f.queue.list("default").unwrap(), ids[301..]);
    f.assert_counters();
}
