//! Requests whose copies arrive long after the first: when a connection breaks, the network may still deliver
//! what was sent over it.

use redis::Value;
use rrq_core::config::{self, WorkerConfig};
use rrq_core::connection::never;
use rrq_core::worker::{self, Worker};
use rrq_core::{Queue, message};

use crate::support::*;

/// A queue, and a session and a worker that reach it through a proxy.
fn watched() -> (Fixture, Proxy, Queue) {
    let f = Fixture::new();
    let proxy = f.proxy();
    let queue = attach(proxy.url());
    (f, proxy, queue)
}

fn worker_at(url: &str, id: &str) -> Worker {
    ready(register(attach(url), id, never(), |_| {}).unwrap())
}

fn to_w() -> Vec<String> {
    vec!["w".to_owned()]
}

/// Copies of the requests whose first keys are these change nothing.
fn change_nothing(f: &Fixture, proxy: &Proxy, keys: &[&str]) {
    let before = f.contents();
    f.resend_all(&proxy.calls(keys));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_message_is_not_answered_again_after_its_response_was_deleted() {
    let (mut f, proxy, mut queue) = watched();
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    let id = message::send(&mut queue, "EVAL", b"x", &to_w()).unwrap();
    run_until_idle(&mut worker, &mut actor);
    message::delete_responses(&mut f.queue, &id, &to_w()).unwrap();
    change_nothing(&f, &proxy, &["w", "cfg", "w:w:m"]);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["EVAL"]);
}

#[test]
fn a_message_that_found_no_worker_does_not_reach_a_later_one() {
    let (f, proxy, mut queue) = watched();
    message::send(&mut queue, "STOP", b"", &to_w()).unwrap_err();
    let _worker = f.worker("w");
    change_nothing(&f, &proxy, &["w", "cfg", "w:w:m"]);
}

#[test]
fn an_order_to_end_does_not_reach_a_later_worker_of_the_same_name() {
    let (f, proxy, mut queue) = watched();
    f.worker("w").exit("enough").unwrap();
    worker::kill(&mut queue, &to_w()).unwrap();
    let _later = f.worker("w");
    f.resend_all(&proxy.calls(&["w", "cfg", "w:w:ctl"]));
    assert!(!f.has_key("w:w:ctl"));
}

#[test]
fn a_queue_that_was_resumed_is_not_paused_again() {
    let (mut f, proxy, mut queue) = watched();
    queue.pause("default", true).unwrap();
    f.queue.pause("default", false).unwrap();
    change_nothing(&f, &proxy, &["cfg", "n", "q:default"]);
    assert!(queue.paused().unwrap().is_empty());
}

#[test]
fn a_setting_does_not_replace_a_later_one() {
    let (mut f, proxy, mut queue) = watched();
    let after = |timeout_idle| WorkerConfig { timeout_idle, ..WorkerConfig::default() };
    config::save(&mut queue, "localhost", &after(1.0), true).unwrap();
    config::save(&mut f.queue, "localhost", &after(2.0), true).unwrap();
    let before = f.contents();
    let is_set = |call: &Request| call[4].starts_with(b"worker:");
    f.resend_all(&proxy.calls(&["cfg"]).into_iter().filter(is_set).collect::<Vec<_>>());
    assert_eq!(f.contents(), before);
}

#[test]
fn a_worker_that_was_deleted_is_not_registered_again() {
    let (mut f, proxy, _queue) = watched();
    let mut worker = worker_at(proxy.url(), "w");
    worker.exit("enough").unwrap();
    worker::delete_exited(&mut f.queue, &to_w()).unwrap();
    change_nothing(&f, &proxy, &["w", "wi", "n"]);
    f.queue.destroy(None).unwrap();
    change_nothing(&f, &proxy, &["w", "wi", "n"]);
    assert!(f.keyspace().is_empty());
}

#[test]
fn a_line_in_the_log_of_a_worker_does_not_outlive_it() {
    let (mut f, proxy, mut queue) = watched();
    f.worker("w").exit("enough").unwrap();
    worker::write_log(&mut queue, "w", "NOTE", "text").unwrap();
    worker::delete_exited(&mut f.queue, &to_w()).unwrap();
    change_nothing(&f, &proxy, &["w:w:log", "w"]);
}

#[test]
fn a_later_worker_is_not_deleted_in_place_of_an_earlier_one() {
    let (f, proxy, mut queue) = watched();
    for _ in 0..2 {
        f.worker("w").exit("enough").unwrap();
        if proxy.calls(&["w", "wi", "cfg"]).is_empty() {
            worker::delete_exited(&mut queue, &to_w()).unwrap();
        }
    }
    change_nothing(&f, &proxy, &["w", "wi", "cfg"]);
}

#[test]
fn a_worker_that_restarts_does_not_count_as_alive_because_it_once_was() {
    let (f, proxy, _queue) = watched();
    let mut worker = worker_at(proxy.url(), "w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    let registered = record(&f, "w");
    let handover = format!("{},{},,,enough", registered.nonce, registered.sequence + 1);
    let options = worker::Options { resume: Some(handover), ..options("w") };
    let _next = Worker::register(f.attach(), options, never()).unwrap();
    assert_eq!(record(&f, "w").state, "STARTING");
    f.resend_all(&proxy.calls(&["w", "w:w:log"]));
    assert_eq!(record(&f, "w").state, "STARTING");
}

#[test]
fn a_queue_created_anew_is_not_destroyed_in_place_of_the_earlier_one() {
    let (f, proxy, mut queue) = watched();
    queue.destroy(None).unwrap();
    let mut again = f.attach();
    submit_n(&mut again, 3);
    let is_attach = |call: &Request| call[4].ends_with(b":n");
    let before = f.contents();
    f.resend_all(
        &proxy.calls(&["cfg"]).into_iter().filter(|call| !is_attach(call)).collect::<Vec<_>>(),
    );
    assert_eq!(f.contents(), before);
    assert_eq!(again.list("default").unwrap().len(), 3);
}

#[test]
fn a_destroyed_queue_is_not_created_by_a_controller_of_before() {
    let (f, proxy, mut queue) = watched();
    queue.destroy(None).unwrap();
    let attaching = proxy.calls(&["cfg", "n"]);
    // As if it had been sent an hour ago.
    let mut call = attaching[0].clone();
    let sent: u64 = String::from_utf8_lossy(call.last().unwrap()).parse().unwrap();
    *call.last_mut().unwrap() = (sent - 3_600_000).to_string().into_bytes();
    assert_eq!(f.resend(&call), Value::Nil);
    assert!(f.keyspace().is_empty());
}
