//! Sentinels: they know where the server is, also after another one has taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::{Connection, Error, Queue};

use crate::support::*;

/// A server, its replica, and a Sentinel that watches them.
struct Watched {
    primary: OwnServer,
    replica: OwnServer,
    sentinel: OwnServer,
}

impl Watched {
    fn start() -> Self {
        let primary = OwnServer::start(&[]);
        let port = primary.port.to_string();
        let replica = OwnServer::start(&["--replicaof", "127.0.0.1", &port]);
        replica.await_info("INFO replication", "master_link_status:up");
        let config = format!(
            "sentinel monitor main 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n"
        );
        let sentinel = OwnServer::with_config(&config, &["--sentinel"]);
        sentinel.await_info("INFO sentinel", "slaves=1");
        Watched { primary, replica, sentinel }
    }

    /// One of the Sentinels that it names is gone.
    fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:1,{}/main", self.sentinel.address())
    }

    fn attach(&self) -> Queue {
        let mut connection = Connection::open(&self.url(), never()).unwrap();
        connection.set_retry_timeout(Duration::from_secs(60), never());
        attach_to(connection, ID, "test").unwrap()
    }

    fn worker(&self) -> rrq_core::worker::Worker {
        ready(register(self.attach(), "w", never(), |_| {}).unwrap())
    }
}

#[test]
fn a_server_is_found_by_the_name_that_sentinels_know() {
    let watched = Watched::start();
    let mut queue = watched.attach();
    assert_eq!(queue.connection.address(), watched.primary.address());
    let ids = submit_all(&mut queue, &["x"]);
    run_until_idle(&mut watched.worker(), &mut Actor::echo());
    assert_eq!(wait_for(&mut queue, &ids), [Status::Complete]);
    match Connection::open(&watched.url().replace("/main", "/other"), never()) {
        Err(error) => assert!(error.to_string().contains("no server `other`"), "{error}"),
        Ok(_) => panic!("there is no such server"),
    }
}

#[test]
fn sentinels_that_are_not_there_are_named() {
    match Connection::open("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", never()) {
        Err(Error::Connection { .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// The server is killed in the middle of 10 000 tasks. The replica has all of them, since the submitter
/// has waited for that. It may lack some of the last ends: those tasks are RUNNING there, or PENDING, and
/// run once more, or are DIED.
#[test]
fn a_fail_over_during_a_run_loses_no_task() {
    let mut watched = Watched::start();
    let mut queue = watched.attach();
    let ids = submit_n(&mut queue, 10_000);
    assert_eq!(watched.primary.ask::<i64>("WAIT 1 10000"), 1);
    let done = Arc::new(AtomicBool::new(false));
    let worker = work(watched.worker(), &done);
    assert_eq!(wait_for(&mut queue, &ids[3000..3001]), [Status::Complete]);
    watched.primary.kill();
    let statuses = wait_for(&mut queue, &ids);
    assert_eq!(statuses.len(), 10_000);
    let n_complete = statuses.iter().filter(|status| **status == Status::Complete).count();
    assert!(n_complete > 9_000, "{n_complete} of 10 000 are complete");
    assert_eq!(queue.connection.address(), watched.replica.address());
    done.store(true, Ordering::Relaxed);
    assert!(worker.join().unwrap() >= n_complete);
}
