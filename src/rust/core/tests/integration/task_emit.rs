//! The events that tasks emit.

use rrq_core::task::{self, EVENT_BYTES, EVENTS};

use crate::support::*;

/// A task whose end its worker has not reported.
fn running(f: &mut Fixture) -> String {
    let id = submit_n(&mut f.queue, 1).remove(0);
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    id
}

fn texts(f: &mut Fixture, id: &str) -> Vec<String> {
    let found = task::events(&mut f.queue, id).unwrap().events;
    found.into_iter().map(|event| String::from_utf8(event).unwrap()).collect()
}

#[test]
fn only_a_running_task_emits_and_deleting_it_leaves_nothing() {
    let mut f = Fixture::new();
    let waiting = submit_n(&mut f.queue, 1).remove(0);
    assert!(!task::emit(&mut f.queue, &waiting, b"x").unwrap());
    assert!(!f.has_key("em"));
    let mut queue = f.attach();
    let mut actor = Actor::new(move |task| {
        for event in ["1", "2"] {
            assert!(task::emit(&mut queue, &task.id, event.as_bytes()).unwrap());
        }
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(texts(&mut f, &waiting), ["1", "2"]);
    assert!(!task::emit(&mut f.queue, &waiting, b"late").unwrap());
    assert_eq!(texts(&mut f, &waiting), ["1", "2"]);
    task::delete(&mut f.queue, &[waiting], true).unwrap();
    assert!(!f.has_key("em"));
}

#[test]
fn the_oldest_events_make_room() {
    let mut f = Fixture::new();
    let id = running(&mut f);
    for i in 0..EVENTS + 20 {
        task::emit(&mut f.queue, &id, i.to_string().as_bytes()).unwrap();
    }
    let found = task::events(&mut f.queue, &id).unwrap();
    assert_eq!((found.first, found.next), (21, EVENTS as u64 + 21));
    assert_eq!(found.events[0], b"20");
    let large = vec![b'x'; EVENT_BYTES - 2];
    task::emit(&mut f.queue, &id, &large).unwrap();
    let found = task::events(&mut f.queue, &id).unwrap();
    assert_eq!(found.events.len(), 1);
    let fields: usize = f.ask(&format!("HLEN {{{ID}}}:em"));
    assert_eq!(fields, 2);
}

#[test]
fn a_repeated_request_adds_nothing() {
    let mut f = Fixture::new();
    let id = running(&mut f);
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    task::emit(&mut queue, &id, b"1").unwrap();
    task::emit(&mut queue, &id, b"2").unwrap();
    let before = f.contents();
    f.resend_all(&proxy.calls(&["t", "em"]));
    assert_eq!(f.contents(), before);
    assert_eq!(texts(&mut f, &id), ["1", "2"]);
}

#[test]
fn an_event_whose_reply_is_lost_is_emitted_once() {
    let mut f = Fixture::new();
    let id = running(&mut f);
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    task::emit(&mut queue, &id, b"1").unwrap();
    proxy.cut_after(Way::Down, 1);
    task::emit(&mut queue, &id, b"2").unwrap();
    assert!(proxy.has_cut());
    assert_eq!(texts(&mut f, &id), ["1", "2"]);
}
