//! Attaching to a queue.

use rrq_core::config::{self, WorkerConfig};
use rrq_core::connection::never;
use rrq_core::{Connection, Error};

use crate::support::*;

#[test]
fn a_new_queue_has_settings_and_counters_and_nothing_else() {
    let f = Fixture::new();
    assert_eq!(f.keyspace(), ["{jobs}:cfg hash", "{jobs}:n hash"]);
}

#[test]
fn a_worker_does_not_create_a_queue() {
    let f = Fixture::new();
    let connection = Connection::open(&f.server.url(), never()).unwrap();
    match attach_to(connection, "nobody's", "") {
        Err(Error::QueueMissing { queue }) => assert_eq!(queue, "nobody's"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    assert_eq!(f.keyspace().len(), 2);
}

#[test]
fn attaching_again_keeps_tasks_and_settings() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let config = WorkerConfig { timeout_idle: 7.0, ..WorkerConfig::default() };
    config::save(&mut f.queue, "localhost", &config, true).unwrap();
    let mut other = f.attach();
    assert_eq!(config::read(&mut other, "localhost").unwrap(), config);
    assert_eq!(other.list("default").unwrap(), ids);
}

#[test]
fn a_queue_laid_out_by_another_version_is_refused_and_left_alone() {
    let f = Fixture::new();
    let _: i64 = f.ask("HSET {jobs}:cfg layout 99");
    let before = f.contents();
    let connection = Connection::open(&f.server.url(), never()).unwrap();
    match attach_to(connection, ID, "test") {
        Err(Error::Layout { queue, found, .. }) => {
            assert_eq!((queue.as_str(), found.as_str()), (ID, "99"));
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    assert_eq!(f.contents(), before);
}

#[test]
fn only_the_latest_controllers_are_remembered() {
    let f = Fixture::new();
    let size = || -> usize { f.ask("HSTRLEN {jobs}:cfg controllers") };
    for _ in 0..9 {
        f.attach();
    }
    let full = size();
    f.attach();
    assert_eq!(size(), full);
}

#[test]
fn two_queues_on_one_server_do_not_see_each_other() {
    let mut f = Fixture::new();
    let connection = Connection::open(&f.server.url(), never()).unwrap();
    let mut other = attach_to(connection, "other", "test").unwrap();
    submit_n(&mut f.queue, 3);
    assert_eq!(other.length("default").unwrap(), 0);
    submit_n(&mut other, 1);
    assert_eq!(f.queue.length("default").unwrap(), 3);
}
