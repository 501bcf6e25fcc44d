//! Messages to workers: their order, their answers, and what they do.

use std::time::{Duration, Instant};

use redis::Value;
use rrq_core::Error;
use rrq_core::connection::never;
use rrq_core::message;
use rrq_core::worker::{self, StopReason, Turn};

use crate::support::*;

fn to(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn send(f: &mut Fixture, command: &str) -> String {
    message::send(&mut f.queue, command, b"argument", &to(&["w"])).unwrap()
}

fn answer(f: &mut Fixture, id: &str) -> Option<Vec<u8>> {
    message::responses(&mut f.queue, id, &to(&["w"])).unwrap().remove(0)
}

#[test]
fn messages_are_answered_in_the_order_they_were_sent() {
    let mut f = Fixture::new();
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    for command in ["A", "B", "C"] {
        send(&mut f, command);
    }
    while worker.turn(&mut actor, false).unwrap() == Turn::Answered {}
    assert_eq!(actor.done, ["A", "B", "C"]);
}

#[test]
fn messages_are_answered_before_the_next_task_runs() {
    let mut f = Fixture::new();
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    submit_n(&mut f.queue, 2);
    worker.turn(&mut actor, false).unwrap();
    send(&mut f, "PING");
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["0", "PING", "1"]);
    f.assert_counters();
}

#[test]
fn an_answer_is_stored_and_logged() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let id = send(&mut f, "PING");
    assert_eq!(answer(&mut f, &id), None);
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert_eq!(answer(&mut f, &id).as_deref(), Some(b"PING!".as_slice()));
    let log = worker::log(&mut f.queue, "w", Some(2)).unwrap();
    let lines: Vec<(&str, &str)> =
        log.iter().map(|l| (l.command.as_str(), l.message.as_str())).collect();
    assert_eq!(lines, [("MESSAGE", "PING"), ("RESPONSE", "PING")]);
    let own: Vec<String> = f.ask("KEYS {jobs}:w:w:m");
    assert!(own.is_empty());
}

#[test]
fn the_sender_hears_of_an_answer_at_once() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || {
        while worker.turn(&mut Actor::echo(), true).unwrap() != Turn::Answered {}
    });
    let (start, limit) = (Instant::now(), Duration::from_secs(10));
    let id = send(&mut f, "PING");
    let (queue, w) = (&mut f.queue, to(&["w"]));
    let answers = message::wait_responses(queue, &id, &w, limit, &never()).unwrap();
    assert_eq!(answers, [Some(b"PING!".to_vec())]);
    assert!(start.elapsed() < soon(500));
    thread.join().unwrap();
    let streams: Vec<String> = f.ask("KEYS {jobs}:ev:*");
    assert!(f.ask::<i64>(&format!("TTL {}", streams[0])) > 0);
}

#[test]
fn an_answer_that_does_not_come_is_none_when_the_limit_has_passed() {
    let mut f = Fixture::new();
    let (_w, mut v) = (f.worker("w"), f.worker("v"));
    let both = to(&["w", "v"]);
    let id = message::send(&mut f.queue, "PING", b"", &both).unwrap();
    v.turn(&mut Actor::echo(), false).unwrap();
    let limit = Duration::from_millis(150);
    let answers = message::wait_responses(&mut f.queue, &id, &both, limit, &never()).unwrap();
    assert_eq!(answers, [None, Some(b"PING!".to_vec())]);
}

#[test]
fn waiting_for_an_answer_can_be_interrupted() {
    let mut f = Fixture::new();
    let _worker = f.worker("w");
    let id = send(&mut f, "PING");
    let (start, limit) = (Instant::now(), Duration::from_secs(10));
    let stop: rrq_core::connection::Stop = std::sync::Arc::new(|| true);
    let outcome = message::wait_responses(&mut f.queue, &id, &to(&["w"]), limit, &stop);
    assert!(matches!(outcome, Err(Error::Interrupted)));
    assert!(start.elapsed() < soon(200));
}

#[test]
fn nothing_is_sent_when_one_of_the_workers_is_unknown() {
    let mut f = Fixture::new();
    let _worker = f.worker("w");
    f.worker("gone").exit("enough").unwrap();
    f.delete_submitters();
    let before = f.contents();
    match message::send(&mut f.queue, "PING", b"", &to(&["w", "gone", "nobody"])) {
        Err(Error::WorkerMissing { ids }) => assert_eq!(ids, ["gone", "nobody"]),
        other => panic!("{other:?}"),
    }
    f.delete_submitters();
    assert_eq!(f.contents(), before);
}

#[test]
fn a_message_to_nobody_is_an_error() {
    let mut f = Fixture::new();
    let outcome = message::send(&mut f.queue, "PING", b"", &[]);
    assert!(matches!(outcome, Err(Error::NoWorkers)));
}

#[test]
fn a_paused_worker_takes_no_tasks_until_it_is_resumed() {
    let mut f = Fixture::new();
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    send(&mut f, "PAUSE");
    run_until_idle(&mut worker, &mut actor);
    submit_n(&mut f.queue, 1);
    assert_eq!(worker.turn(&mut actor, false).unwrap(), Turn::Idle);
    assert_eq!(worker::states(&mut f.queue).unwrap()[0].status.word(), "PAUSED");
    send(&mut f, "RESUME");
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["PAUSE", "RESUME", "0"]);
    f.assert_counters();
}

#[test]
fn a_worker_told_to_stop_leaves_only_its_log_and_its_answers() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let id = send(&mut f, "STOP");
    send(&mut f, "PING");
    let reason = worker.run(&mut Actor::echo(), false).unwrap();
    assert_eq!(reason, Some(StopReason::Message("told to stop".into())));
    let mut own: Vec<String> = f.ask("KEYS {jobs}:w:*");
    own.sort();
    assert_eq!(own, ["{jobs}:w:w:log", "{jobs}:w:w:resp"]);
    assert_eq!(answer(&mut f, &id).as_deref(), Some(b"STOP!".as_slice()));
    assert_eq!(worker::states(&mut f.queue).unwrap()[0].status.word(), "EXITED");
}

#[test]
fn a_message_can_change_how_long_a_worker_stays_idle() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    send(&mut f, "IDLE");
    let reason = worker.run(&mut Actor::echo(), false).unwrap();
    assert_eq!(reason, Some(StopReason::IdleTimeout));
}

#[test]
fn a_message_wakes_an_idle_worker() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || {
        while worker.turn(&mut Actor::echo(), true).unwrap() != Turn::Answered {}
    });
    wait_until(|| f.ask::<String>("CLIENT LIST").contains("cmd=bzpopmin"));
    let start = Instant::now();
    send(&mut f, "PING");
    thread.join().unwrap();
    assert!(start.elapsed() < soon(500));
}

#[test]
fn a_message_repeated_late_is_not_delivered_again() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    for command in ["A", "B"] {
        message::send(&mut queue, command, b"", &to(&["w"])).unwrap();
    }
    let calls = proxy.calls(&["w", "cfg", "w:w:m", "w:w:k"]);
    let repeat_all = || {
        assert!(f.resend_all(&calls).iter().all(|reply| *reply == Value::Array(Vec::new())));
    };
    repeat_all();
    worker.turn(&mut actor, false).unwrap();
    repeat_all();
    run_until_idle(&mut worker, &mut actor);
    worker.exit("enough").unwrap();
    repeat_all();
    assert_eq!(actor.done, ["A", "B"]);
    assert_eq!(f.ask::<i64>("EXISTS {jobs}:w:w:m"), 0);
}

#[test]
fn an_answer_repeated_late_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let mut worker = ready(worker.unwrap());
    for command in ["PAUSE", "RESUME"] {
        send(&mut f, command);
    }
    while worker.turn(&mut Actor::echo(), false).unwrap() == Turn::Answered {}
    let before = f.contents();
    let replies = f.resend_all(&proxy.calls(&["w:w:m", "w:w:resp"]));
    assert!(replies.iter().all(|reply| *reply == Value::Int(0)));
    assert_eq!(f.contents(), before);
}

#[test]
fn answers_are_forgotten_a_week_after_the_last() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    for _ in 0..2 {
        send(&mut f, "PING");
        worker.turn(&mut Actor::echo(), false).unwrap();
        let left: i64 = f.ask("TTL {jobs}:w:w:resp");
        assert!((7 * 86_400 - 10..=7 * 86_400).contains(&left), "{left}");
        let _: i64 = f.ask("EXPIRE {jobs}:w:w:resp 100");
    }
}

#[test]
fn an_answer_does_not_outlive_a_queue_that_expires() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    send(&mut f, "PING");
    f.queue.destroy(Some(100)).unwrap();
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert!((0..=100).contains(&f.ask::<i64>("TTL {jobs}:w:w:resp")));
}

#[test]
fn answers_are_listed_in_time_order_and_can_be_forgotten() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let ids = ["A", "B", "C"].map(|command| send(&mut f, command));
    while worker.turn(&mut Actor::echo(), false).unwrap() == Turn::Answered {}
    assert_eq!(message::response_ids(&mut f.queue, "w").unwrap(), ids);
    message::delete_responses(&mut f.queue, &ids[1], &to(&["w"])).unwrap();
    let left = [ids[0].clone(), ids[2].clone()];
    assert_eq!(message::response_ids(&mut f.queue, "w").unwrap(), left);
}
