//! Workers whose process is known to have ended, before their lease lapses.

use rrq_core::connection::never;
use rrq_core::status::{Status, WorkerStatus};
use rrq_core::task::Waiter;
use rrq_core::worker::{self, Options, Worker};

use crate::support::*;

const TOKEN: &str = "token-1:";

/// A worker of the process with this token.
fn worker_of(f: &Fixture, id: &str, process: &str) -> Worker {
    let options = Options { process: process.to_owned(), ..options(id) };
    ready(Worker::register(f.attach(), options, never()).unwrap())
}

/// A task that such a worker runs.
fn running(f: &mut Fixture, worker: &mut Worker) -> String {
    let task = submit_n(&mut f.queue, 1).remove(0);
    worker.turn(&mut Actor::echo(), false).unwrap();
    task
}

fn lose(f: &mut Fixture, id: &str, process: &str) -> Option<WorkerStatus> {
    worker::lose(&mut f.queue, id, process).unwrap()
}

#[test]
fn the_end_of_a_process_settles_its_worker_as_a_lapsed_lease_does() {
    let mut after = Vec::new();
    for lapses in [true, false] {
        let mut f = Fixture::new();
        let mut worker = worker_of(&f, "w", TOKEN);
        let task = running(&mut f, &mut worker);
        let _: i64 = f.ask("RPUSH {jobs}:w:w:m message");
        if lapses {
            let _: i64 = f.ask("ZADD {jobs}:due XX 0 L:w");
            worker::sweep(&mut f.queue).unwrap();
        } else {
            assert_eq!(lose(&mut f, "w", TOKEN), Some(WorkerStatus::Lost));
        }
        assert_eq!(status(&mut f.queue, &task), Status::Died);
        let log = worker::log(&mut f.queue, "w", None).unwrap();
        let commands: Vec<String> = log.into_iter().map(|line| line.command).collect();
        f.assert_counters();
        after.push((f.keyspace(), f.counters(), commands));
    }
    assert_eq!(after[0], after[1]);
}

#[test]
fn a_request_repeated_changes_nothing() {
    let mut f = Fixture::new();
    let mut worker = worker_of(&f, "w", TOKEN);
    running(&mut f, &mut worker);
    lose(&mut f, "w", TOKEN);
    let before = f.contents();
    assert_eq!(lose(&mut f, "w", TOKEN), Some(WorkerStatus::Lost));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_worker_of_another_process_is_left_alone() {
    let mut f = Fixture::new();
    let mut worker = worker_of(&f, "w", "token-2:");
    let task = running(&mut f, &mut worker);
    let before = f.contents();
    assert_eq!(lose(&mut f, "w", TOKEN), None);
    assert_eq!(lose(&mut f, "absent", TOKEN), None);
    assert_eq!(f.contents(), before);
    assert_eq!(status(&mut f.queue, &task), Status::Running);
}

#[test]
fn a_worker_that_took_the_name_since_is_left_alone() {
    let mut f = Fixture::new();
    worker_of(&f, "w", TOKEN).exit("enough").unwrap();
    let _worker = worker_of(&f, "w", "token-2:");
    let before = f.contents();
    assert_eq!(lose(&mut f, "w", TOKEN), None);
    assert_eq!(f.contents(), before);
}

#[test]
fn a_worker_that_had_left_stays_as_it_is() {
    let mut f = Fixture::new();
    worker_of(&f, "w", TOKEN).exit("enough").unwrap();
    let before = f.contents();
    assert_eq!(lose(&mut f, "w", TOKEN), Some(WorkerStatus::Exited));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_worker_that_came_back_after_its_lease_is_still_of_its_process() {
    let mut f = Fixture::new();
    let mut worker = worker_of(&f, "w", TOKEN);
    let _: i64 = f.ask("ZADD {jobs}:due XX 0 L:w");
    worker::sweep(&mut f.queue).unwrap();
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert_eq!(f.ask::<i64>("HGET {jobs}:n incarnation"), 2);
    assert_eq!(lose(&mut f, "w", TOKEN), Some(WorkerStatus::Lost));
}

#[test]
fn a_process_that_replaces_itself_keeps_its_registration() {
    let mut f = Fixture::new();
    let handover = format!("{TOKEN}resumed,0,,,enough");
    let options = |resume| Options { process: TOKEN.into(), resume, ..options("w") };
    let register = |f: &Fixture| {
        ready(Worker::register(f.attach(), options(Some(handover.clone())), never()).unwrap())
    };
    let _before = register(&f);
    let _after = register(&f);
    assert_eq!(f.ask::<i64>("HGET {jobs}:n incarnation"), 1);
    assert_eq!(lose(&mut f, "w", TOKEN), Some(WorkerStatus::Lost));
}

#[test]
fn what_a_worker_reports_after_it_was_declared_lost_does_not_count() {
    let mut f = Fixture::new();
    let mut worker = worker_of(&f, "w", TOKEN);
    let task = running(&mut f, &mut worker);
    lose(&mut f, "w", TOKEN);
    worker.turn(&mut Actor::echo(), false).unwrap();
    assert_eq!(status(&mut f.queue, &task), Status::Died);
    f.assert_counters();
}

#[test]
fn waiters_hear_at_once() {
    let mut f = Fixture::new();
    let mut worker = worker_of(&f, "w", TOKEN);
    let ids = [running(&mut f, &mut worker)];
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    let mut other = f.attach();
    worker::lose(&mut other, "w", TOKEN).unwrap();
    waiter.wait(&mut f.queue, std::time::Duration::ZERO, false, &never()).unwrap();
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Died)]);
}
