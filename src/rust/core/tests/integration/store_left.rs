//! What processes leave in the store: values that nobody wants, and files without objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rrq_core::connection::{Stop, never};
use rrq_core::store::{Naming, Storage, Written};
use rrq_core::{Connection, Error, Queue};

use crate::support::*;

#[test]
fn what_remains_of_a_queue_on_another_server_is_not_taken_for_its_own() {
    let (f, other, folder) = (Fixture::new(), Fixture::new(), folder());
    let path = || Some(folder.path().to_str().unwrap().to_owned());
    let (mut own, mut foreign) = (f.attach(), other.attach());
    for queue in [&mut own, &mut foreign] {
        queue.set_storage(path(), 1000.0).unwrap();
    }
    let name = foreign.store().put(&noise(2000), Naming::Content).unwrap();
    assert!(own.store().orphans(Duration::ZERO, false).unwrap().is_empty());
    assert_eq!(foreign.store().get(&name).unwrap(), noise(2000));
    // The queue itself knows it.
    other.ask::<()>("DEL {jobs}:ox");
    assert_eq!(foreign.store().orphans(Duration::ZERO, false).unwrap().len(), 1);
}

#[test]
fn a_value_that_is_not_finished_leaves_nothing_behind() {
    let folder = folder();
    for (storage, n) in [(Storage::default(), 9 * MB), (on_disk(folder.path()), 2000)] {
        let f = Fixture::new();
        let mut queue = f.attach();
        queue.storage = storage;
        let before = f.keyspace();
        let mut writer = queue.store().writer();
        writer.write(&noise(n)).unwrap();
        assert_ne!(f.keyspace(), before);
        drop(writer);
        assert_eq!(f.keyspace(), before);
        assert!(files(folder.path()).is_empty());
    }
}

#[test]
fn a_value_that_cannot_be_written_leaves_nothing_behind() {
    let (mut f, folder) = (Fixture::new(), folder());
    f.queue.storage = on_disk(&folder.path().join("gone"));
    let before = f.keyspace();
    let mut writer = f.queue.store().writer();
    let refused = writer.write(&noise(2000));
    assert!(matches!(refused, Err(Error::OffloadPath { .. })), "{refused:?}");
    drop(writer);
    let mut writer = f.queue.store().writer();
    writer.write(&noise(500)).unwrap();
    assert!(matches!(writer.finish(), Ok(Written::Bytes(_))));
    assert_eq!(f.keyspace(), before);
}

#[test]
fn the_file_of_an_object_goes_with_its_pin() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    queue.storage = on_disk(folder.path());
    let name = queue.store().put(&noise(2000), Naming::Content).unwrap();
    f.pass_time(&format!("O:{name}"));
    // A process without access to the files.
    rrq_core::worker::sweep(&mut f.attach()).unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    rrq_core::worker::sweep(&mut queue).unwrap();
    assert!(files(folder.path()).is_empty());
    assert!(!f.has_key("olost"));
}

#[test]
fn a_file_that_somebody_else_has_deleted_is_written_again() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    queue.storage = on_disk(folder.path());
    let name = queue.store().put(&noise(2000), Naming::Content).unwrap();
    let stored = files(folder.path());
    std::fs::remove_dir_all(folder.path().join(ID)).unwrap();
    assert!(matches!(queue.store().get(&name), Err(Error::Offload { .. })));
    queue.store().put(&noise(2000), Naming::Content).unwrap();
    assert_eq!(files(folder.path()), stored);
    assert!(queue.store().get(&name).unwrap() == noise(2000));
}

#[test]
fn a_queue_that_is_destroyed_takes_along_what_killed_processes_have_left() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    queue.set_storage(Some(folder.path().to_str().unwrap().to_owned()), 1000.0).unwrap();
    queue.store().put(&noise(2000), Naming::Content).unwrap();
    let own = folder.path().join(ID);
    let name = files(&own).remove(0);
    // Written, but without an object; and one that is not complete.
    std::fs::copy(own.join(&name), own.join(name.replace(&name[..32], &"0".repeat(32)))).unwrap();
    std::fs::copy(own.join(&name), own.join(format!(".part-{name}"))).unwrap();
    let foreign = format!("{}-0123456789abcdef", "1".repeat(32));
    std::fs::copy(own.join(&name), own.join(&foreign)).unwrap();
    queue.destroy(None).unwrap();
    assert_eq!(files(folder.path()), [foreign]);
}

/// A connection that is told to stop when it asks for the third time from now.
fn impatient(f: &Fixture) -> (Queue, Arc<AtomicU32>) {
    let n_asked = Arc::new(AtomicU32::new(0));
    let asked = n_asked.clone();
    let stop: Stop = Arc::new(move || asked.fetch_add(1, Relaxed) > 1);
    let mut queue =
        attach_to(Connection::open(&f.server.url(), never()).unwrap(), ID, "test").unwrap();
    queue.connection = Connection::open(&f.server.url(), stop).unwrap();
    n_asked.store(0, Relaxed);
    (queue, n_asked)
}

#[test]
fn an_interrupt_ends_writing_a_file_which_leaves_nothing() {
    let (f, folder) = (Fixture::new(), folder());
    let (mut queue, _) = impatient(&f);
    queue.storage = on_disk(folder.path());
    let before = f.keyspace();
    let refused = queue.store().put(&noise(20 * MB), Naming::Content);
    assert!(matches!(refused, Err(Error::Interrupted)), "{refused:?}");
    assert!(files(folder.path()).is_empty());
    assert_eq!(f.keyspace(), before);
}

#[test]
fn an_interrupt_ends_reading_a_file() {
    let (mut f, folder) = (Fixture::new(), folder());
    let (mut queue, n_asked) = impatient(&f);
    (queue.storage, f.queue.storage) = (on_disk(folder.path()), on_disk(folder.path()));
    let name = f.queue.store().put(&noise(5 * MB), Naming::Content).unwrap();
    n_asked.store(0, Relaxed);
    let refused = queue.store().get(&name).map(|_| ());
    assert!(matches!(refused, Err(Error::Interrupted)), "{refused:?}");
}
