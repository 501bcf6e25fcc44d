//! Submissions that wait until a replica, or the disk, has the tasks.

use std::time::Duration;

use rrq_core::status::Status;
use rrq_core::{Error, Queue};

use crate::support::*;

fn durable(url: &str) -> rrq_core::Result<Queue> {
    let mut queue = attach(url);
    queue.set_durable().map(|()| queue)
}

fn replica_of(primary: &OwnServer) -> OwnServer {
    let port = primary.port.to_string();
    let replica = OwnServer::start(&["--replicaof", "127.0.0.1", &port]);
    replica.await_info("INFO replication", "master_link_status:up");
    replica
}

#[test]
fn a_server_that_can_confirm_nothing_is_refused() {
    let server = OwnServer::start(&["--appendonly", "no"]);
    match durable(&server.url()) {
        Err(Error::ServerUnsuitable { problem, .. }) => assert!(problem.contains("replica")),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_submission_waits_until_a_replica_has_it() {
    let primary = OwnServer::start(&[]);
    let mut replica = replica_of(&primary);
    let mut queue = durable(&primary.url()).unwrap();
    submit_n(&mut queue, 1200);
    assert_eq!(replica.ask::<i64>(&format!("HLEN {{{ID}}}:t")), 1200);
    replica.kill();
    primary.await_info("INFO replication", "connected_slaves:0");
    let submission = submission("default", Vec::new());
    let mut payloads = [b"x".to_vec()].into_iter();
    let mut fails = |queue: &mut Queue| {
        rrq_core::task::submit(queue, &submission, || Ok(payloads.next())).unwrap_err()
    };
    queue.connection.set_reply_timeout(Duration::from_secs(60));
    match fails(&mut queue) {
        Error::NotDurable { ids, reason } => {
            assert!(reason.contains("no replica"), "{reason}");
            assert_eq!(statuses(&mut queue, &ids), [Status::Pending]);
        }
        other => panic!("{other}"),
    }
}

/// Of the servers that the tests may run with, not all can do this.
#[test]
fn a_submission_waits_until_it_is_on_disk() {
    let server = OwnServer::start(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let Ok(mut queue) = durable(&server.url()) else {
        assert!(
            server.ask::<String>("INFO server").contains("redis_version:7.0") || is_old(&server)
        );
        return;
    };
    let ids = submit_n(&mut queue, 3);
    let info: String = server.ask("INFO persistence");
    assert!(info.contains("aof_pending_bio_fsync:0"), "{info}");
    assert_eq!(statuses(&mut queue, &ids), [Status::Pending; 3]);
}

fn is_old(server: &OwnServer) -> bool {
    server.ask::<String>("INFO server").contains("redis_version:6.")
}
