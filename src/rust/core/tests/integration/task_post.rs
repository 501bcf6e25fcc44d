//! Tasks whose requests are on their way when the next request is made.

use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, WaitState, Waiter};
use rrq_core::{Error, Queue};

use crate::support::*;

fn post(queue: &mut Queue, payload: &str) -> String {
    let plain = submission("default", vec![]);
    task::post(queue, &plain, payload.as_bytes().to_vec(), &mut |_, _| ()).unwrap()
}

/// A controller that has waited before, so that it reads the reply to what it posts later.
fn poster(url: &str) -> Queue {
    let mut queue = attach(url);
    let first = submit_n(&mut queue, 1);
    let waiter = Waiter::new(&mut queue, &first, true).unwrap();
    waiter.finish(&mut queue).unwrap();
    task::delete(&mut queue, &first, true).unwrap();
    queue
}

fn await_end(queue: &mut Queue, id: &str) -> Status {
    let mut waiter = Waiter::new(queue, &[id.to_owned()], true).unwrap();
    let state = waiter.wait(queue, soon(10_000), false, &never()).unwrap();
    waiter.finish(queue).unwrap();
    assert_eq!(state, WaitState::Done);
    waiter.take_ended()[0].1
}

#[test]
fn a_posted_task_is_queued_before_anything_else_is_requested() {
    let mut f = Fixture::new();
    let mut queue = poster(&f.server.url());
    let id = post(&mut queue, "a");
    wait_until(|| task::list(&mut f.queue).unwrap() == [id.clone()]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(await_end(&mut queue, &id), Status::Complete);
    assert_eq!(status(&mut queue, &id), Status::Complete);
}

#[test]
fn a_wait_notices_that_the_request_or_its_reply_was_lost() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    for way in [Way::Up, Way::Down] {
        let proxy = f.proxy();
        let mut queue = poster(proxy.url());
        proxy.cut_after(way, 1);
        let id = post(&mut queue, "a");
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| await_end(&mut queue, &id));
            wait_until(|| task::list(&mut f.queue).unwrap().contains(&id));
            run_until_idle(&mut worker, &mut Actor::echo());
            assert_eq!(ended.join().unwrap(), Status::Complete, "{way:?}");
        });
        assert!(proxy.has_cut());
    }
    assert_eq!(task::list(&mut f.queue).unwrap().len(), 2);
    f.assert_counters();
}

#[test]
fn the_next_submission_comes_after_a_task_whose_request_or_reply_was_lost() {
    let mut f = Fixture::new();
    for way in [Way::Up, Way::Down] {
        let proxy = f.proxy();
        let mut queue = poster(proxy.url());
        proxy.cut_after(way, 1);
        let first = post(&mut queue, "a");
        let second = post(&mut queue, "b");
        let third = submit_all(&mut queue, &["c"]).remove(0);
        assert_eq!(f.queue.list("default").unwrap(), [first, second, third], "{way:?}");
        let ids = task::list(&mut f.queue).unwrap();
        task::delete(&mut f.queue, &ids, false).unwrap();
    }
    f.assert_counters();
}

#[test]
fn nothing_of_a_discarded_task_comes_later() {
    let mut f = Fixture::new();
    for way in [Way::Up, Way::Down] {
        let proxy = f.proxy();
        let mut queue = poster(proxy.url());
        proxy.cut_after(way, 1);
        let id = post(&mut queue, "a");
        task::discard(&mut queue, std::slice::from_ref(&id), Duration::ZERO, &never()).unwrap();
        let calls = proxy.calls(&["t", "b", "n", "cfg"]);
        // The server knows the number of the request by now, so a late copy is ignored.
        assert!(calls.last().unwrap().contains(&id.into_bytes()), "{way:?}");
        f.resend_all(&calls);
        assert!(task::list(&mut f.queue).unwrap().is_empty(), "{way:?}");
    }
    f.assert_counters();
}

#[test]
fn a_task_that_is_refused_is_an_error_of_the_wait() {
    let f = Fixture::new();
    let mut queue = poster(&f.server.url());
    let _: () = f.ask("FLUSHDB");
    let id = post(&mut queue, "a");
    let mut waiter = Waiter::new(&mut queue, &[id], true).unwrap();
    let refused = waiter.wait(&mut queue, soon(10_000), false, &never());
    assert!(matches!(refused, Err(Error::QueueMissing { .. })), "{refused:?}");
    assert!(f.keyspace().is_empty());
}

#[test]
fn a_task_is_queued_although_the_server_has_lost_the_script() {
    let mut f = Fixture::new();
    let mut queue = poster(&f.server.url());
    let _: () = f.ask("SCRIPT FLUSH");
    let id = post(&mut queue, "a");
    let mut waiter = Waiter::new(&mut queue, std::slice::from_ref(&id), true).unwrap();
    assert_eq!(
        waiter.wait(&mut queue, Duration::ZERO, false, &never()).unwrap(),
        WaitState::Waiting
    );
    assert_eq!(task::list(&mut f.queue).unwrap(), [id]);
}
