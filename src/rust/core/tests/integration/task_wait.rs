//! Waiting for tasks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, WaitState, Waiter};
use rrq_core::worker::Worker;
use rrq_core::{Error, Queue};

use crate::support::*;

const LONG: Duration = Duration::from_secs(10);

/// Wait for all of these tasks, and return how they ended.
fn wait_for(queue: &mut Queue, ids: &[String]) -> Vec<(String, Status)> {
    let mut waiter = Waiter::new(queue, ids, true).unwrap();
    let progress = waiter.wait(queue, LONG, false, &never()).unwrap();
    assert_eq!(progress, WaitState::Done);
    waiter.finish(queue).unwrap();
    waiter.take_ended()
}

fn in_background(mut worker: Worker, pause: Duration) -> std::thread::JoinHandle<Worker> {
    std::thread::spawn(move || {
        run_until_idle(&mut worker, &mut Actor::slow(pause));
        worker
    })
}

#[test]
fn many_short_waits_leave_no_long_stream() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    for _ in 0..700 {
        let ids = submit_n(&mut f.queue, 1);
        run_until_idle(&mut worker, &mut Actor::echo());
        wait_for(&mut f.queue, &ids);
    }
    let streams: Vec<String> = f.ask(&format!("KEYS {{{ID}}}:ev:*"));
    assert_eq!(streams.len(), 1);
    // Each end brings a value, too.
    assert!(f.ask::<usize>(&format!("XLEN {}", streams[0])) < 500);
}

#[test]
fn the_value_of_a_small_task_comes_with_its_end() {
    let mut f = Fixture::new();
    let before = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    wait_for(&mut f.queue, &before);
    let fetches = |f: &mut Fixture, ids: &[String]| {
        let n = |f: &Fixture| f.ask::<String>("INFO commandstats").matches("cmdstat_hmget").count();
        let _: String = f.ask("CONFIG RESETSTAT");
        let outcome = task::outcomes(&mut f.queue, ids, true).unwrap().remove(0).result;
        let told = (outcome.status, outcome.attempt, outcome.worker, outcome.value);
        assert_eq!(told, (Status::Complete, 1, "v".to_owned(), Some(b"0".to_vec())));
        n(f) > 0
    };
    let mut worker = f.worker("v");
    for change in [false, true] {
        let ids = submit_n(&mut f.queue, 1);
        run_until_idle(&mut worker, &mut Actor::echo());
        wait_for(&mut f.queue, &ids);
        if change {
            task::delete(&mut f.queue, &before, true).unwrap();
        }
        assert_eq!(fetches(&mut f, &ids), change);
        assert!(fetches(&mut f, &ids));
    }
}

#[test]
fn tasks_that_have_ended_are_told_at_once() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let progress = waiter.wait(&mut f.queue, Duration::ZERO, false, &never()).unwrap();
    assert_eq!(progress, WaitState::Done);
    assert_eq!(waiter.take_ended().len(), 2);
}

#[test]
fn waiting_for_nothing_is_done_at_once() {
    let mut f = Fixture::new();
    let mut waiter = Waiter::new(&mut f.queue, &[], true).unwrap();
    let progress = waiter.wait(&mut f.queue, LONG, false, &never()).unwrap();
    assert_eq!(progress, WaitState::Done);
}

#[test]
fn a_waiter_wakes_as_soon_as_the_last_task_ends() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    let thread = in_background(f.worker("w"), Duration::from_millis(100));
    let ended = wait_for(&mut f.queue, &ids);
    let now: Vec<i64> = f.ask("TIME");
    let headers = task::headers(&mut f.queue, &ids).unwrap();
    let last = headers.iter().map(|header| header.end).max().unwrap();
    assert!(now[0] as u64 * 1_000_000 + now[1] as u64 - last < soon(300).as_micros() as u64);
    assert_eq!(ended.len(), 3);
    thread.join().unwrap();
}

#[test]
fn unknown_tasks_are_named_by_the_error() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 1);
    ids.push("nobody".into());
    match Waiter::new(&mut f.queue, &ids, true) {
        Err(Error::TaskMissing { ids }) => assert_eq!(ids, ["nobody"]),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_controller_can_wait_for_the_tasks_of_another() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    let thread = in_background(f.worker("w"), Duration::from_millis(50));
    let mut other = f.attach();
    assert_eq!(wait_for(&mut other, &ids).len(), 3);
    thread.join().unwrap();
}

#[test]
fn waiting_for_any_returns_with_the_first() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let mut worker = f.worker("w");
    for _ in 0..2 {
        worker.turn(&mut Actor::echo(), false).unwrap();
    }
    let progress = waiter.wait(&mut f.queue, LONG, true, &never()).unwrap();
    assert_eq!((progress, waiter.n_open()), (WaitState::Waiting, 1));
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Complete)]);
}

#[test]
fn a_wait_ends_at_its_limit_and_can_be_continued() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let (start, limit) = (Instant::now(), Duration::from_millis(150));
    let progress = waiter.wait(&mut f.queue, limit, false, &never()).unwrap();
    assert_eq!((progress, waiter.n_open()), (WaitState::Waiting, 2));
    assert!((limit..limit + soon(450)).contains(&start.elapsed()));
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let progress = waiter.wait(&mut f.queue, LONG, false, &never()).unwrap();
    assert_eq!(progress, WaitState::Done);
}

#[test]
fn a_wait_can_be_interrupted_within_200_ms() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let asked = Instant::now() + Duration::from_millis(250);
    let stop: rrq_core::connection::Stop = Arc::new(move || Instant::now() >= asked);
    let outcome = waiter.wait(&mut f.queue, LONG, false, &stop);
    assert!(matches!(outcome, Err(Error::Interrupted)));
    assert!(asked.elapsed() < soon(200));
}

#[test]
fn every_end_is_told_once_however_many_tasks() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 2500);
    let thread = in_background(f.worker("w"), Duration::ZERO);
    let mut told: Vec<String> =
        wait_for(&mut f.queue, &ids).into_iter().map(|(id, _)| id).collect();
    told.sort();
    ids.sort();
    assert_eq!(told, ids);
    thread.join().unwrap();
}

#[test]
fn a_waiter_that_read_much_removes_its_stream_and_all_streams_expire() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 150);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let streams = |f: &Fixture| -> Vec<String> { f.ask("KEYS {jobs}:ev:*") };
    let stream = streams(&f).remove(0);
    assert!(f.ask::<i64>(&format!("PTTL {stream}")) > 60_000);
    run_until_idle(&mut f.worker("w"), &mut Actor::slow(Duration::from_millis(3)));
    waiter.wait(&mut f.queue, LONG, false, &never()).unwrap();
    waiter.finish(&mut f.queue).unwrap();
    assert!(streams(&f).is_empty());
}

#[test]
fn a_waiter_settles_a_lost_worker_when_nobody_else_does() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let mut worker = f.short_lived("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    drop(worker);
    let ended = wait_for(&mut f.queue, &ids);
    assert_eq!(ended, [(ids[0].clone(), Status::Died)]);
}

#[test]
fn a_second_wait_of_one_controller_hears_only_of_its_own_tasks() {
    let mut f = Fixture::new();
    let (first, second) = (submit_n(&mut f.queue, 2), submit_n(&mut f.queue, 2));
    let thread = in_background(f.worker("w"), Duration::from_millis(20));
    wait_for(&mut f.queue, &first);
    let told = wait_for(&mut f.queue, &second);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(id, _)| second.contains(id)));
    thread.join().unwrap();
}

#[test]
fn a_lost_stream_delays_a_wait_but_does_not_end_it() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    waiter.set_recheck(Duration::from_millis(300));
    let mut worker = f.worker("w");
    for _ in 0..2 {
        let streams: Vec<String> = f.ask("KEYS {jobs}:ev:*");
        let _: i64 = f.ask(&format!("DEL {}", streams[0]));
        worker.turn(&mut Actor::echo(), false).unwrap();
        let limit = Duration::from_millis(700);
        waiter.wait(&mut f.queue, limit, false, &never()).unwrap();
    }
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Complete)]);
    run_until_idle(&mut worker, &mut Actor::echo());
    let progress = waiter.wait(&mut f.queue, LONG, false, &never()).unwrap();
    assert_eq!(progress, WaitState::Done);
}

#[test]
fn many_waiters_on_one_task_all_wake() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let waits: Vec<_> = (0..20)
        .map(|_| {
            let (mut queue, ids) = (f.attach(), ids.clone());
            std::thread::spawn(move || wait_for(&mut queue, &ids))
        })
        .collect();
    wait_until(|| f.ask::<String>("CLIENT LIST").matches("cmd=xread").count() == 20);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    for wait in waits {
        assert_eq!(wait.join().unwrap(), [(ids[0].clone(), Status::Complete)]);
    }
}

#[test]
fn a_wait_within_another_loses_nothing_for_it() {
    let mut f = Fixture::new();
    let outer_ids = submit_n(&mut f.queue, 150);
    let mut outer = Waiter::new(&mut f.queue, &outer_ids, true).unwrap();
    let inner_ids = submit_n(&mut f.queue, 1);
    let mut worker = f.worker("w");
    run_until_idle(&mut worker, &mut Actor::slow(Duration::from_millis(3)));
    assert_eq!(wait_for(&mut f.queue, &inner_ids).len(), 1);
    let later = submit_n(&mut f.queue, 1);
    run_until_idle(&mut worker, &mut Actor::echo());
    assert_eq!(wait_for(&mut f.queue, &later).len(), 1);
    let progress = outer.wait(&mut f.queue, Duration::ZERO, false, &never()).unwrap();
    assert_eq!((progress, outer.take_ended().len()), (WaitState::Done, 150));
}

#[test]
fn a_stream_that_another_wait_still_reads_is_kept() {
    let mut f = Fixture::new();
    let (first, second) = (submit_n(&mut f.queue, 150), submit_n(&mut f.queue, 1));
    let mut outer = Waiter::new(&mut f.queue, &second, true).unwrap();
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    let thread = in_background(worker, Duration::from_millis(3));
    wait_for(&mut f.queue, &first);
    assert_eq!(f.ask::<Vec<String>>("KEYS {jobs}:ev:*").len(), 1);
    assert_eq!(outer.wait(&mut f.queue, LONG, false, &never()).unwrap(), WaitState::Done);
    thread.join().unwrap();
}

#[test]
fn a_limit_of_zero_tells_what_has_ended_by_now() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    for n in [1, 1100] {
        let opener = submit_n(&mut f.queue, 1);
        Waiter::new(&mut f.queue, &opener, true).unwrap();
        let ids = submit_n(&mut f.queue, n);
        run_until_idle(&mut worker, &mut Actor::slow(Duration::from_micros(2100)));
        let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
        let progress = waiter.wait(&mut f.queue, Duration::ZERO, false, &never()).unwrap();
        assert_eq!((progress, waiter.n_open()), (WaitState::Done, 0));
    }
}

#[test]
fn tasks_that_ended_before_the_wait_are_told_in_the_order_given() {
    let mut f = Fixture::new();
    let mut ids = submit_n(&mut f.queue, 50);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    ids.reverse();
    let told: Vec<String> = wait_for(&mut f.queue, &ids).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ids);
}

/// A task that the session submitted while its stream was open, so that a wait need not ask about it, and
/// that has completed unnoticed.
fn ended_unread(f: &mut Fixture, worker: &mut Worker) -> Vec<String> {
    let first = submit_all(&mut f.queue, &["first"]);
    run_until_idle(worker, &mut Actor::echo());
    wait_for(&mut f.queue, &first);
    let ids = submit_all(&mut f.queue, &["second"]);
    run_until_idle(worker, &mut Actor::echo());
    ids
}

/// Waits for a task that was retried: only the end of its retry ends the wait.
fn waits_for_the_retry(f: &mut Fixture, mut worker: Worker, ids: &[String]) {
    let mut waiter = Waiter::new(&mut f.queue, ids, true).unwrap();
    let state = waiter.wait(&mut f.queue, Duration::from_millis(20), false, &never());
    assert_eq!(state.unwrap(), WaitState::Waiting);
    run_until_idle(&mut worker, &mut Actor::echo());
    let state = waiter.wait(&mut f.queue, soon(10_000), false, &never());
    assert_eq!(state.unwrap(), WaitState::Done);
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Complete)]);
}

#[test]
fn a_task_retried_after_its_end_is_waited_for_again() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let ids = ended_unread(&mut f, &mut worker);
    task::retry(&mut f.queue, &ids).unwrap();
    waits_for_the_retry(&mut f, worker, &ids);
}

#[test]
fn a_task_that_another_session_has_retried_after_its_end_is_waited_for_again() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    let ids = ended_unread(&mut f, &mut worker);
    task::retry(&mut f.attach(), &ids).unwrap();
    waits_for_the_retry(&mut f, worker, &ids);
}

#[test]
fn a_task_names_a_bounded_number_of_waiters_and_all_of_them_learn_of_its_end() {
    let mut f = Fixture::new();
    let ids = submit_all(&mut f.queue, &["x"]);
    let header = |f: &Fixture| f.ask::<Vec<u8>>(&format!("HGET {{jobs}}:t {}", ids[0])).len();
    for _ in 0..120 {
        drop(Waiter::new(&mut f.attach(), &ids, true).unwrap());
    }
    let full = header(&f);
    let mut queue = f.attach();
    let mut waiter = Waiter::new(&mut queue, &ids, true).unwrap();
    assert_eq!(header(&f), full);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let state = waiter.wait(&mut queue, soon(10_000), false, &never()).unwrap();
    assert_eq!(state, WaitState::Done);
}

#[test]
fn waiters_that_have_gone_make_room_for_others() {
    let mut f = Fixture::new();
    let ids = submit_all(&mut f.queue, &["x"]);
    let mut waiters: Vec<Queue> = (0..100).map(|_| f.attach()).collect();
    for queue in &mut waiters {
        Waiter::new(queue, &ids, true).unwrap();
    }
    let streams: Vec<String> = f.ask("KEYS {jobs}:ev:*");
    for stream in &streams {
        let _: i64 = f.ask(&format!("DEL {stream}"));
    }
    Waiter::new(&mut f.attach(), &ids, true).unwrap();
    let header: String = f.ask(&format!("HGET {{jobs}}:t {}", ids[0]));
    assert_eq!(header.split('\n').nth(8).unwrap().split(',').count(), 1);
}
