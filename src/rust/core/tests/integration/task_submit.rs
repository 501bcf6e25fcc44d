//! Queueing tasks: what is stored, what is sent, and that repeating it changes nothing.

use std::time::Duration;

use redis::Value;
use rrq_core::Error;
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::{self, SharedObject, Submission};
use rrq_core::worker;

use crate::support::*;

/// A server that knows the script, so that nothing is sent twice for want of it.
fn primed() -> Fixture {
    let mut f = Fixture::new();
    submit(&mut f.queue, &submission("other", Vec::new()), &["a"]);
    load_task_submit(&mut f.queue);
    f
}

fn object(bytes: usize) -> SharedObject {
    SharedObject::new("x", vec![b'#'; bytes])
}

/// How often the bytes of an object stand in a request.
fn n_sent(proxy: &Proxy, object: &SharedObject) -> usize {
    let requests = proxy.requests();
    requests.iter().flatten().filter(|part| **part == object.bytes).count()
}

#[test]
fn a_submission_creates_these_keys_and_no_others() {
    let mut f = Fixture::new();
    let before = f.keyspace();
    submit_n(&mut f.queue, 2);
    let mut expected = before;
    let new = ["b hash", "k:default zset", "q:default list", "t hash"];
    expected.extend(new.map(|key| format!("{{{ID}}}:{key}")));
    expected.sort();
    assert_eq!(f.keyspace(), expected);
}

#[test]
fn a_task_waits_with_a_header_and_a_body() {
    let mut f = Fixture::new();
    let ids = submit_all(&mut f.queue, &["one"]);
    let header = task::headers(&mut f.queue, &ids).unwrap().remove(0);
    assert_eq!(
        (header.status, header.attempt, header.queue.as_str()),
        (Status::Pending, 0, "default")
    );
    assert!(header.submit > 1_600_000_000_000_000);
    assert_eq!((header.start, header.end, header.worker.as_str()), (0, 0, ""));
    let body = task::bodies(&mut f.queue, &ids).unwrap().remove(0);
    assert_eq!(body.payload.as_slice(), b"one");
}

#[test]
fn counters_follow_the_queues() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 3);
    submit(&mut f.queue, &submission("fast", Vec::new()), &["a", "b"]);
    f.assert_counters();
    assert_eq!(f.queue.length("default").unwrap(), 3);
    assert_eq!(f.queue.length("fast").unwrap(), 2);
    assert_eq!(f.queue.length("none").unwrap(), 0);
}

#[test]
fn submitting_nothing_writes_nothing() {
    let mut f = Fixture::new();
    let before = f.contents();
    assert!(submit_n(&mut f.queue, 0).is_empty());
    assert_eq!(f.contents(), before);
}

#[test]
fn a_submission_repeated_late_changes_nothing() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut through = attach(proxy.url());
    submit(&mut through, &submission("default", vec![object(50)]), &["a", "b"]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let before = f.contents();
    let replies = f.resend_all(&proxy.calls(&["t", "b", "n"]));
    assert!(replies.iter().all(|reply| *reply == Value::Array(vec![Value::Int(0)])));
    assert_eq!(f.contents(), before);
}

#[test]
fn a_submission_repeated_after_its_tasks_were_deleted_does_not_bring_them_back() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let mut through = attach(proxy.url());
    let rules = task::Rules { ttl_s: Some(0.001), retry: None };
    let short = Submission { rules, ..submission("default", vec![object(50)]) };
    let mut ids = submit(&mut through, &short, &["a", "b"]);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    wait_until(|| {
        worker::sweep(&mut f.queue).unwrap();
        !f.has_key("t")
    });
    ids.extend(submit(&mut through, &submission("default", vec![object(50)]), &["c"; 40]));
    task::delete(&mut f.queue, &ids[2..3], true).unwrap();
    let before = f.contents();
    let calls = proxy.calls(&["t", "b", "n"]);
    assert!(calls.len() >= 3);
    for call in &calls {
        assert_eq!(f.resend(call), Value::Array(vec![Value::Int(0)]));
    }
    assert_eq!(f.contents(), before);
}

#[test]
fn what_a_process_has_submitted_is_recorded_once_and_not_for_ever() {
    let mut f = Fixture::new();
    for _ in 0..3 {
        submit_n(&mut f.queue, 40);
    }
    let first = f.submitters();
    assert_eq!(first.len(), 1);
    // As if that had been long ago.
    let _: i64 = f.ask(&format!("HSET {{{ID}}}:cfg {} 6,1000000", first[0]));
    wait_until(|| {
        submit_n(&mut f.attach(), 1);
        !f.submitters().contains(&first[0])
    });
    f.queue.destroy(None).unwrap();
    assert_eq!(f.keyspace(), Vec::<String>::new());
}

#[test]
fn an_object_is_sent_once_and_counted_for_every_task() {
    let f = primed();
    let (proxy, x) = (f.proxy(), object(1000));
    let mut queue = attach(proxy.url());
    submit(&mut queue, &submission("default", vec![x.clone()]), &["a"; 40]);
    submit(&mut queue, &submission("default", vec![x.clone()]), &["b"; 2]);
    assert_eq!(n_sent(&proxy, &x), 1);
    let counts: Vec<String> = f.ask(&format!("HVALS {{{ID}}}:oref"));
    assert_eq!(counts, ["42"]);
    let stored: Vec<Vec<u8>> = f.ask(&format!("HVALS {{{ID}}}:o"));
    assert_eq!(stored, [x.bytes]);
}

#[test]
fn an_object_the_server_has_lost_is_asked_for_and_sent_again() {
    let f = primed();
    let (proxy, x) = (f.proxy(), object(1000));
    let mut queue = attach(proxy.url());
    submit(&mut queue, &submission("default", vec![x.clone()]), &["a"]);
    let _: i64 = f.ask(&format!("DEL {{{ID}}}:o"));
    submit(&mut queue, &submission("default", vec![x.clone()]), &["b"; 50]);
    assert_eq!(n_sent(&proxy, &x), 2);
    assert_eq!(queue.list("default").unwrap().len(), 51);
    let stored: Vec<Vec<u8>> = f.ask(&format!("HVALS {{{ID}}}:o"));
    assert_eq!(stored, [x.bytes]);
}

#[test]
fn a_large_object_is_sent_only_if_it_is_not_stored() {
    let f = primed();
    // What gets smaller is compressed, and would not be recognised.
    let (proxy, x) = (f.proxy(), SharedObject::new("x", noise(64 * 1024 + 1)));
    let mut queue = attach(proxy.url());
    submit(&mut queue, &submission("default", vec![x.clone()]), &["a"]);
    let mut other = attach(proxy.url());
    submit(&mut other, &submission("default", vec![x.clone()]), &["b"]);
    assert_eq!(n_sent(&proxy, &x), 1);
    assert_eq!(queue.list("default").unwrap().len(), 2);
}

#[test]
fn workers_read_the_objects_tasks_share() {
    let mut f = Fixture::new();
    let x = object(70_000);
    submit(&mut f.queue, &submission("default", vec![x.clone()]), &["a", "b"]);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.objects, [x.bytes.clone(), x.bytes]);
}

#[test]
fn a_large_bulk_keeps_its_order_over_many_chunks() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2000);
    assert_eq!(f.queue.list("default").unwrap(), ids);
    f.assert_counters();
    let bodies = task::bodies(&mut f.queue, &ids).unwrap();
    let payload = |i: usize| String::from_utf8(bodies[i].payload.to_vec()).unwrap();
    assert!((0..2000).all(|i| payload(i) == i.to_string()));
}

#[test]
fn a_chunk_is_cut_by_its_size_in_bytes_too() {
    let f = primed();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let payload = "x".repeat(200 * 1024);
    submit_all(&mut queue, &[payload.as_str(); 7]);
    assert_eq!(proxy.calls(&["t", "b", "n"]).len(), 3);
    assert_eq!(queue.length("default").unwrap(), 7);
}

#[test]
fn a_bulk_that_fails_in_the_middle_leaves_nothing_and_the_connection_in_step() {
    let mut f = primed();
    let before = task::list(&mut f.queue).unwrap();
    let mut n = 0;
    let outcome = task::submit(&mut f.queue, &submission("default", Vec::new()), || {
        n += 1;
        if n > 40 {
            return Err(Error::Interrupted);
        }
        Ok(Some(vec![b'x']))
    });
    assert!(matches!(outcome, Err(Error::Interrupted)));
    assert_eq!(f.queue.length("default").unwrap(), 0);
    assert_eq!(task::list(&mut f.queue).unwrap(), before);
}

#[test]
fn a_server_out_of_memory_refuses_requests_as_a_whole() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 3);
    task::cancel(&mut f.queue, &ids[..1]).unwrap();
    f.delete_submitters();
    let before = f.contents();
    let _: String = f.ask("CONFIG SET maxmemory 1");
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    let rules = task::Rules { ttl_s: Some(1.0), retry: None };
    let object = SharedObject::new("x", vec![1; 99]);
    let asked =
        Submission { rules, shared: vec![object], labels: vec!["a".into()], ..after(&[&ids[1]]) };
    for queue in ["default", "other"] {
        let mut payloads = [b"a".to_vec()].into_iter();
        let asked = Submission { queue: queue.into(), ..asked.clone() };
        let refused = task::submit(&mut f.queue, &asked, || Ok(payloads.next()));
        assert!(matches!(refused, Err(Error::ServerFull { .. })), "{refused:?}");
    }
    assert!(task::retry(&mut f.queue, &ids[..1]).is_err());
    assert!(f.queue.remove("default", &ids).is_err());
    assert!(f.queue.pause("default", true).is_err());
    // That chunks were given up is recorded nevertheless.
    f.delete_submitters();
    assert_eq!(f.contents(), before);
    task::delete(&mut f.queue, &ids, true).unwrap();
    assert!(!f.has_key("t") && !f.has_key("q:default"));
}

#[test]
fn a_queue_whose_name_is_taken_by_something_else_gets_no_half_of_a_task() {
    let mut f = Fixture::new();
    let _: String = f.ask("SET {jobs}:q:taken value");
    let before = f.contents();
    let asked = submission("taken", vec![SharedObject::new("x", vec![1; 99])]);
    let mut payloads = [b"a".to_vec()].into_iter();
    assert!(task::submit(&mut f.queue, &asked, || Ok(payloads.next())).is_err());
    // That the chunk was given up is recorded for a while.
    f.delete_submitters();
    assert_eq!(f.contents(), before);
}
