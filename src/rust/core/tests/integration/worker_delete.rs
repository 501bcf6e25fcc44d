//! Forgetting workers that have left.

use rrq_core::Error;
use rrq_core::worker;

use crate::support::*;

fn delete(f: &mut Fixture, ids: &[&str]) -> rrq_core::Result<()> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    worker::delete_exited(&mut f.queue, &ids)
}

#[test]
fn a_worker_that_left_is_forgotten_without_a_trace() {
    let mut f = Fixture::new();
    let before = f.keyspace();
    let mut worker = f.worker("w");
    rrq_core::message::send(&mut f.queue, "PING", b"", &["w".to_owned()]).unwrap();
    run_until_idle(&mut worker, &mut Actor::echo());
    worker.exit("enough").unwrap();
    assert_ne!(f.keyspace(), before);
    delete(&mut f, &["w"]).unwrap();
    assert_eq!(f.keyspace(), before);
}

#[test]
fn unknown_and_active_workers_are_refused_and_all_are_kept() {
    let mut f = Fixture::new();
    f.worker("gone").exit("enough").unwrap();
    let _active = f.worker("active");
    let before = worker::all_ids(&mut f.queue).unwrap();
    match delete(&mut f, &["gone", "nobody"]) {
        Err(Error::WorkerMissing { ids }) => assert_eq!(ids, ["nobody"]),
        other => panic!("{other:?}"),
    }
    match delete(&mut f, &["gone", "active"]) {
        Err(Error::WorkerActive { ids }) => assert_eq!(ids, ["active"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(worker::all_ids(&mut f.queue).unwrap(), before);
    assert_eq!(worker::log(&mut f.queue, "gone", Some(1)).unwrap().len(), 1);
}

#[test]
fn the_name_of_a_forgotten_worker_can_be_taken() {
    let mut f = Fixture::new();
    f.worker("w").exit("enough").unwrap();
    delete(&mut f, &["w"]).unwrap();
    let mut worker = f.worker("w");
    submit_n(&mut f.queue, 1);
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done.len(), 1);
}
