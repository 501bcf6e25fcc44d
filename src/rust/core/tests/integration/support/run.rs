//! Runs that take a while: a worker in a thread of its own, and a wait for tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rrq_core::Queue;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{WaitState, Waiter};
use rrq_core::worker::Worker;

use super::{Actor, soon};

/// A thread in which a worker runs whatever comes, until the flag is set.
pub fn work(worker: Worker, done: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let done = done.clone();
    spawn(move || {
        let (mut worker, mut actor) = (worker, Actor::echo());
        while !done.load(Ordering::Relaxed) {
            worker.turn(&mut actor, false).unwrap();
        }
        worker.exit("done").unwrap();
        actor.done.len()
    })
}

/// Wait for tasks however long it takes; returns how they ended.
pub fn wait_for(queue: &mut Queue, ids: &[String]) -> Vec<Status> {
    let mut waiter = Waiter::new(queue, ids, false).unwrap();
    let limit = soon(60_000);
    waiter.set_recheck(Duration::from_millis(500));
    let state = waiter.wait(queue, limit, false, &never()).unwrap();
    assert_eq!(state, WaitState::Done, "tasks have not ended within {limit:?}");
    waiter.take_ended().into_iter().map(|(_, status)| status).collect()
}
