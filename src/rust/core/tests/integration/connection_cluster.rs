//! Clusters: whatever node holds a queue, and whichever does a moment later, requests find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::{Connection, Queue};

use crate::support::*;

fn open(url: &str) -> Connection {
    let mut connection = Connection::open(url, never()).unwrap();
    connection.set_retry_timeout(Duration::from_secs(60), never());
    connection
}

fn attach_here(url: &str, id: &str) -> Queue {
    attach_to(open(url), id, "test").unwrap()
}

fn worker_of(url: &str) -> rrq_core::worker::Worker {
    ready(register(attach_here(url, ID), "w", never(), |_| {}).unwrap())
}

#[test]
fn queues_work_on_whichever_node_their_slot_is() {
    let cluster = Cluster::start();
    for holder in 0..3 {
        let id = &(0..).map(|n| format!("q{n}")).find(|id| cluster.holder(id) == holder).unwrap();
        let mut queue = attach_here(&cluster.url(), id);
        let ids = submit_all(&mut queue, &["x", "y"]);
        let worker = register(attach_here(&cluster.url(), id), "w", never(), |_| {});
        run_until_idle(&mut ready(worker.unwrap()), &mut Actor::echo());
        assert_eq!(wait_for(&mut queue, &ids), [Status::Complete; 2]);
        assert_eq!(queue.connection.address(), cluster.nodes[holder].address());
        queue.destroy(None).unwrap();
    }
    for node in &cluster.nodes {
        assert_eq!(node.ask::<i64>("DBSIZE"), 0);
    }
}

#[test]
fn any_node_that_lives_leads_to_the_queue() {
    let cluster = Cluster::start();
    let holder = cluster.holder(ID);
    let dead = OwnServer::start(&[]).address();
    let other = cluster.nodes[(holder + 1) % 3].address();
    let mut queue = attach_here(&format!("redis+cluster://{dead},{other}"), ID);
    submit_all(&mut queue, &["x"]);
    assert_eq!(queue.length("default").unwrap(), 1);
    assert_eq!(queue.connection.address(), cluster.nodes[holder].address());
}

/// Tasks are submitted and run while the slot wanders through the cluster.
#[test]
fn a_slot_that_moves_during_a_run_loses_nothing() {
    let cluster = Cluster::start();
    let mut queue = attach_here(&cluster.url(), ID);
    let done = Arc::new(AtomicBool::new(false));
    let workers = ["w1", "w2"].map(|id| {
        let worker = register(attach_here(&cluster.url(), ID), id, never(), |_| {}).unwrap();
        work(ready(worker), &done)
    });
    let first = submit_n(&mut queue, 2000);
    cluster.move_queue(ID);
    let second = submit_n(&mut queue, 2000);
    let ids = [first, second].concat();
    let statuses = wait_for(&mut queue, &ids);
    assert_eq!(statuses.len(), 4000);
    assert!(statuses.iter().all(|status| *status == Status::Complete));
    done.store(true, Ordering::Relaxed);
    let n_run: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert_eq!(n_run, 4000);
}

/// A replica takes over in the middle of 10 000 tasks; it is asked to, so it has everything.
#[test]
fn a_fail_over_in_order_during_a_run_loses_nothing() {
    let cluster = Cluster::start();
    let replica = cluster.replicate(cluster.holder(ID));
    let mut queue = attach_here(&cluster.url(), ID);
    let ids = submit_n(&mut queue, 10_000);
    let done = Arc::new(AtomicBool::new(false));
    let worker = work(worker_of(&cluster.url()), &done);
    let half = &ids[5000..5001];
    assert_eq!(wait_for(&mut queue, half), [Status::Complete]);
    let _: String = replica.ask("CLUSTER FAILOVER");
    let statuses = wait_for(&mut queue, &ids);
    assert!(statuses.iter().all(|status| *status == Status::Complete));
    assert_eq!(queue.connection.address(), replica.address());
    done.store(true, Ordering::Relaxed);
    assert_eq!(worker.join().unwrap(), 10_000);
}

#[test]
fn the_node_of_a_cluster_that_holds_the_queue_is_named_to_those_who_named_one() {
    let cluster = Cluster::start();
    let holder = cluster.holder("a");
    let mut other = Connection::open(&cluster.nodes[(holder + 1) % 3].url(), never()).unwrap();
    other.set_retry_timeout(Duration::ZERO, never());
    let error = other.command(redis::cmd("SET").arg("{a}").arg("b")).unwrap_err().to_string();
    assert!(error.contains(&cluster.nodes[holder].address()), "{error}");
    assert!(error.contains("redis+cluster://"), "{error}");
}
