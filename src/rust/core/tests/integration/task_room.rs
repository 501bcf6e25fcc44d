//! Queues that may store only so much.

use rrq_core::connection::never;
use rrq_core::queue::Settings;
use rrq_core::task::{self, Submission};
use rrq_core::{Connection, Error, Queue};

use crate::support::*;

/// A queue that may store 100 000 bytes.
fn limited(f: &Fixture) -> Queue {
    let mut connection = Connection::open(&f.server.url(), never()).unwrap();
    let settings = Settings { max_bytes: Some(1e5), ..Settings::default() };
    Queue::configure(&mut connection, "limited", &settings).unwrap();
    attach_to(connection, "limited", "test").unwrap()
}

#[test]
fn a_queue_that_stores_too_much_refuses_tasks_that_do_not_wait() {
    let f = Fixture::new();
    let mut queue = limited(&f);
    let big = "b".repeat(60_000);
    let asked = Submission { wait: false, ..submission("default", Vec::new()) };
    let ids = submit(&mut queue, &asked, &[&big, &big]);
    let mut payloads = [b"a".to_vec()].into_iter();
    match task::submit(&mut queue, &asked, || Ok(payloads.next())) {
        Err(Error::QueueFull { bytes, limit: 100_000, .. }) => assert!(bytes > 120_000),
        other => panic!("{other:?}"),
    }
    task::delete(&mut queue, &ids, true).unwrap();
    // It is also noticed in the middle, and nothing stays of it.
    let mut payloads = std::iter::repeat_n(big.into_bytes(), 40);
    let refused = task::submit(&mut queue, &asked, || Ok(payloads.next()));
    assert!(matches!(refused, Err(Error::QueueFull { .. })), "{refused:?}");
    assert!(payloads.len() > 0);
    assert!(task::list(&mut queue).unwrap().is_empty());
    submit(&mut queue, &asked, &["a"]);
}

#[test]
fn a_submission_goes_on_when_the_queue_has_room_again() {
    let f = Fixture::new();
    let mut queue = limited(&f);
    let big = "b".repeat(150_000);
    let ids = submit(&mut queue, &submission("default", Vec::new()), &[&big]);
    let (told, hear) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let mut payloads = [b"a".to_vec()].into_iter();
        let (asked, next) = (submission("default", Vec::new()), || Ok(payloads.next()));
        let mut on_full = |bytes, limit| told.send((bytes, limit)).unwrap();
        task::submit_with(&mut queue, &asked, next, &mut on_full).unwrap();
        queue
    });
    let (bytes, limit) = hear.recv().unwrap();
    assert!(bytes > 150_000 && limit == 100_000);
    let connection = Connection::open(&f.server.url(), never()).unwrap();
    task::delete(&mut attach_to(connection, "limited", "other").unwrap(), &ids, true).unwrap();
    let mut queue = waiting.join().unwrap();
    assert_eq!(task::list(&mut queue).unwrap().len(), 1);
    assert!(hear.recv().is_err(), "it was told twice");
}
