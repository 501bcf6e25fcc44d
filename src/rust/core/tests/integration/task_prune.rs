//! Deleting tasks that ended some time ago, and asking what a queue stores.

use rrq_core::status::Status;
use rrq_core::store::Naming;
use rrq_core::task::{self, SharedObject, Submission};
use rrq_core::{Error, Queue};

use crate::support::*;

fn prune(queue: &mut Queue, age_s: f64, statuses: &[Status], dry_run: bool) -> Vec<String> {
    let pruned = task::prune(queue, age_s, statuses, dry_run).unwrap();
    pruned.into_iter().map(|task| task.id).collect()
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

#[test]
fn what_has_ended_is_deleted_unless_others_depend_on_it() {
    let mut f = Fixture::new();
    let done = submit_n(&mut f.queue, 3);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let child = submit(&mut f.queue, &after(&[&done[0]]), &["child"]).remove(0);
    let cancelled = submit_n(&mut f.queue, 1);
    task::cancel(&mut f.queue, &cancelled).unwrap();
    assert!(prune(&mut f.queue, 3600.0, &[], false).is_empty());
    let before = f.contents();
    let found = prune(&mut f.queue, 0.0, &[], true);
    assert_eq!(sorted(&found), sorted(&[&done[1..], &cancelled[..]].concat()));
    assert_eq!(f.contents(), before);
    assert_eq!(prune(&mut f.queue, 0.0, &[Status::Cancelled], false), cancelled);
    assert_eq!(sorted(&prune(&mut f.queue, 0.0, &[], false)), sorted(&done[1..]));
    let left = sorted(&[done[0].clone(), child]);
    assert_eq!(sorted(&task::list(&mut f.queue).unwrap()), left);
    f.assert_counters();
}

#[test]
fn the_newest_task_of_a_chain_of_retries_decides() {
    let mut f = Fixture::new();
    let first = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let second = task::retry(&mut f.queue, &first).unwrap();
    assert!(prune(&mut f.queue, 0.0, &[], false).is_empty());
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    assert_eq!(prune(&mut f.queue, 0.0, &[], false), second);
    assert!(!f.has_key("t") && !f.has_key("mv") && !f.has_key("mu"));
}

#[test]
fn many_tasks_are_deleted_in_slices() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 700);
    task::cancel(&mut f.queue, &ids).unwrap();
    assert_eq!(sorted(&prune(&mut f.queue, 0.0, &[], false)), sorted(&ids));
    assert!(!f.has_key("t") && !f.has_key("b"));
}

#[test]
fn pins_that_are_over_end_with_their_objects() {
    let mut f = Fixture::new();
    for n in [99, 9 * MB] {
        let hash = f.queue.store().put(&noise(n), Naming::Content).unwrap();
        f.queue.store().end_pins().unwrap();
        assert!(f.queue.store().get(&hash).is_ok());
        let _: i64 = f.ask(&format!("ZADD {{{ID}}}:due XX 2 O:{hash}"));
        f.queue.store().end_pins().unwrap();
        assert!(matches!(f.queue.store().get(&hash), Err(Error::ObjectMissing { .. })));
    }
    assert!(!f.has_key("o") && !f.has_key("ox") && !f.has_key("due"));
}

#[test]
fn what_a_queue_stores_is_measured_by_kind() {
    let (mut f, folder) = (Fixture::new(), folder());
    let object = SharedObject::new("x", vec![1; 5000]);
    let labels = vec!["big".to_owned()];
    let asked = Submission { labels, ..submission("default", vec![object]) };
    let big = "b".repeat(20_000);
    let first = submit(&mut f.queue, &asked, &[&big]).remove(0);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| complete(noise(3 * MB))));
    submit_n(&mut f.queue, 2000);
    f.queue.storage = on_disk(folder.path());
    f.queue.store().put(&noise(2000), Naming::Content).unwrap();
    let memory = f.queue.memory(5).unwrap();
    assert_eq!((memory.pending.count, memory.ended.count), (2000, 1));
    assert!(memory.pending.bytes > 2000 * 200 && memory.pending.bytes < 2000 * 600);
    assert!(memory.ended.bytes > 20_000 && memory.ended.bytes < 30_000);
    assert!((5000..7000).contains(&memory.small.bytes) && memory.small.count == 1);
    assert_eq!((memory.chunks.count, memory.chunks.bytes), (1, 3 * MB as u64));
    assert_eq!((memory.offloaded.count, memory.offloaded.bytes), (1, 2000));
    assert!(memory.logs.bytes > 0 && memory.other.bytes > 0);
    assert_eq!((&memory.tasks[0].name, memory.tasks[0].label.as_str()), (&first, "big"));
    assert_eq!(memory.tasks.len(), 5);
    assert_eq!(memory.objects[0].label, format!("result of task {first}"));
    assert_eq!(memory.objects.iter().map(|o| o.bytes).collect::<Vec<_>>()[1..], [5000, 2000]);
}
