//! One turn of a worker: what it claims, what it reports, and that the request can be repeated.

use std::time::Duration;

use redis::Value;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, Flag};
use rrq_core::worker::{self, StopReason, Turn};

use crate::support::*;

const STEP: [&str; 4] = ["w", "t", "b", "r"];

#[test]
fn tasks_run_in_the_order_of_their_queue() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 200);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    let expected: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    assert_eq!(actor.done, expected);
    f.assert_counters();
}

#[test]
fn queues_are_emptied_in_the_order_of_the_worker() {
    let mut f = Fixture::new();
    submit_all(&mut f.queue, &["default"; 2]);
    submit(&mut f.queue, &submission("low", Vec::new()), &["low"; 2]);
    submit(&mut f.queue, &submission("high", Vec::new()), &["high"; 2]);
    let mut worker = f.worker_with("w", |c| c.queue = vec!["high".into(), "low".into()]);
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done, ["high", "high", "low", "low", "default", "default"]);
}

#[test]
fn queues_of_others_are_left_alone() {
    let mut f = Fixture::new();
    submit(&mut f.queue, &submission("other", Vec::new()), &["a"]);
    let before = f.counters();
    let mut worker = f.worker("w");
    assert_eq!(worker.turn(&mut Actor::echo(), false).unwrap(), Turn::Idle);
    assert_eq!(f.counters(), before);
}

#[test]
fn a_claim_changes_header_record_queue_and_counters() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut worker = f.worker("w");
    assert_eq!(worker.turn(&mut Actor::echo(), false).unwrap(), Turn::Ran(1));
    let header = task::headers(&mut f.queue, &ids[..1]).unwrap().remove(0);
    assert_eq!((header.status, header.attempt), (Status::Running, 1));
    assert_eq!(header.worker, "w");
    assert!(header.start >= header.submit);
    assert_eq!(f.queue.list("default").unwrap(), ids[1..]);
    let state = worker::states(&mut f.queue).unwrap().remove(0);
    assert_eq!((state.status.word(), state.task.as_ref()), ("BUSY", Some(&ids[0])));
    f.assert_counters();
}

#[test]
fn a_finish_changes_header_record_log_and_counters() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::slow(Duration::from_millis(20)));
    let header = task::headers(&mut f.queue, std::slice::from_ref(&id)).unwrap();
    assert_eq!(header[0].status, Status::Complete);
    assert!(header[0].end - header[0].start >= 20_000);
    let state = worker::states(&mut f.queue).unwrap().remove(0);
    assert_eq!((state.status.word(), state.task), ("IDLE", None));
    let log = worker::log(&mut f.queue, "w", Some(2)).unwrap();
    let lines: Vec<(&str, &str)> =
        log.iter().map(|l| (l.command.as_str(), l.message.as_str())).collect();
    assert_eq!(lines, [("TASK_START", id.as_str()), ("TASK_COMPLETE", &id)]);
    f.assert_counters();
}

#[test]
fn a_result_of_128_bytes_stands_in_the_header_and_one_of_129_elsewhere() {
    let mut f = Fixture::new();
    let ids = submit_all(&mut f.queue, &["128", "129"]);
    let mut actor = Actor::new(|task| {
        let n: usize = String::from_utf8_lossy(&task.body.payload).parse().unwrap();
        complete("\n".repeat(n))
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let apart: Vec<String> = f.ask("HKEYS {jobs}:r");
    assert_eq!(apart, ids[1..]);
    let outcomes = task::results(&mut f.queue, &ids).unwrap();
    let sizes = outcomes.iter().map(|o| o.value.as_ref().unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [128, 129]);
}

#[test]
fn rare_attributes_are_stored_apart() {
    let mut f = Fixture::new();
    let ids = submit_all(&mut f.queue, &["plain", "warns"]);
    let mut actor = Actor::new(|task| {
        let mut evaluation = complete("value");
        if *task.body.payload == *b"warns" {
            evaluation.extra = b"warnings".to_vec();
        }
        evaluation
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let headers = task::headers(&mut f.queue, &ids).unwrap();
    assert_eq!((headers[0].has(Flag::Extra), headers[1].has(Flag::Extra)), (false, true));
    let extra = task::extra(&mut f.queue, &ids[1]).unwrap();
    assert_eq!(extra.as_deref(), Some(b"warnings".as_slice()));
    assert_eq!(task::extra(&mut f.queue, &ids[0]).unwrap(), None);
}

#[test]
fn every_way_to_end_has_its_status_and_counter() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 4);
    let ways = [Status::Complete, Status::Error, Status::Timeout, Status::Died];
    let mut actor = Actor::new(move |task| {
        let mut evaluation = complete("value");
        evaluation.status = ways[usize::from(task.body.payload[0] - b'0')];
        evaluation
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), ways);
    f.assert_counters();
}

#[test]
fn an_id_in_the_list_that_is_no_waiting_task_is_skipped() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let _: i64 = f.ask(&format!("LPUSH {{jobs}}:q:default nobody {}", ids[1]));
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done, ["1", "0"]);
    assert_eq!(f.keyspace().iter().filter(|key| key.contains(":q:")).count(), 0);
    f.assert_counters();
}

#[test]
fn a_step_repeated_gets_the_same_answer_and_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 3);
    let mut worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    let mut actor = Actor::echo();
    for _ in 0..2 {
        worker.turn(&mut actor, false).unwrap();
    }
    let step = proxy.calls(&STEP).pop().unwrap();
    let before = f.contents();
    for _ in 0..3 {
        let Value::Array(answer) = f.resend(&step) else {
            panic!("not an array");
        };
        assert_eq!(answer[2], Value::BulkString(ids[1].clone().into_bytes()));
    }
    assert_eq!(f.contents(), before);
}

#[test]
fn a_step_repeated_after_a_message_came_still_gives_the_tasks_it_claimed() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 1);
    let mut worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    worker.turn(&mut Actor::echo(), false).unwrap();
    let to = ["w".to_owned()];
    rrq_core::message::send(&mut f.queue, "PING", b"", &to).unwrap();
    let Value::Array(answer) = f.resend(&proxy.calls(&STEP).pop().unwrap()) else {
        panic!("not an array");
    };
    assert_eq!(answer[0], Value::BulkString(b"TASKS".to_vec()));
}

#[test]
fn a_step_older_than_the_last_is_refused_and_changes_nothing() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    submit_n(&mut f.queue, 3);
    let mut worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    run_until_idle(&mut worker, &mut Actor::echo());
    submit_n(&mut f.queue, 1);
    let before = f.contents();
    let gone = Value::Array(vec![Value::BulkString(b"GONE".to_vec())]);
    let steps = proxy.calls(&STEP);
    for step in &steps[..steps.len() - 1] {
        assert_eq!(f.resend(step), gone);
    }
    assert_eq!(f.contents(), before);
}

#[test]
fn a_finish_of_another_task_attempt_or_worker_is_refused() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let ids = submit_n(&mut f.queue, 3);
    let mut worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
    let (mut other, mut actor) = (f.worker("other"), Actor::echo());
    for _ in 0..2 {
        worker.turn(&mut actor, false).unwrap();
    }
    other.turn(&mut actor, false).unwrap();
    let step = proxy.calls(&STEP).pop().unwrap();
    let unknown = "f".repeat(32);
    let forged = [(&unknown, "1"), (&ids[0], "1"), (&ids[1], "7"), (&ids[2], "1")];
    for (offset, (id, attempt)) in (1..).zip(forged) {
        let mut forged = change_options(&step, &[(StepOption::Sequence, &(2 + offset))]);
        let at = options_of(&step) + STEP_OPTIONS;
        assert_eq!(forged[at], ids[0].as_bytes());
        forged[at] = id.clone().into_bytes();
        forged[at + 1] = attempt.into();
        f.resend(&forged);
    }
    let expected = [Status::Complete, Status::Running, Status::Running];
    assert_eq!(statuses(&mut f.queue, &ids), expected);
    f.assert_counters();
}

#[test]
fn slow_tasks_cost_one_request_each() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::echo());
    submit_n(&mut f.queue, 20);
    let before = f.n_evalsha();
    run_until_idle(&mut worker, &mut Actor::slow(Duration::from_millis(2)));
    assert_eq!(f.n_evalsha() - before, 21);
}

#[test]
fn a_worker_that_leaves_reports_what_it_has_finished() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    worker.exit("enough").unwrap();
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
    f.assert_counters();
}

#[test]
fn a_worker_that_was_idle_for_too_long_leaves() {
    let f = Fixture::new();
    let mut worker = f.worker_with("w", |config| config.timeout_idle = 0.05);
    let reason = worker.run(&mut Actor::echo(), false).unwrap();
    assert_eq!(reason, Some(StopReason::IdleTimeout));
}

#[test]
fn an_idle_worker_wakes_when_a_task_comes() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let thread = std::thread::spawn(move || {
        let mut actor = Actor::echo();
        while worker.turn(&mut actor, true).unwrap() != Turn::Ran(1) {}
    });
    wait_until(|| f.ask::<String>("CLIENT LIST").contains("cmd=bzpopmin"));
    let sent = std::time::Instant::now();
    submit_n(&mut f.queue, 1);
    thread.join().unwrap();
    assert!(sent.elapsed() < soon(500));
}

#[test]
fn one_marker_wakes_as_many_workers_as_there_are_tasks() {
    let mut f = Fixture::new();
    let run = |mut worker: worker::Worker| {
        std::thread::spawn(move || {
            let mut actor = Actor::slow(Duration::from_millis(300));
            while worker.turn(&mut actor, true).unwrap() != Turn::Ran(1) {}
            worker.exit("done").unwrap();
        })
    };
    let threads = ["a", "b", "c"].map(|id| run(f.worker(id)));
    let idle = |list: &str| list.matches("cmd=bzpopmin").count() == 3;
    wait_until(|| idle(&f.ask::<String>("CLIENT LIST")));
    let ids = submit_n(&mut f.queue, 3);
    let running = [Status::Running; 3];
    wait_until(|| statuses(&mut f.queue, &ids) == running);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
