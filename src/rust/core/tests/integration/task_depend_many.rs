//! Tasks that depend on more others than one script looks at.

use rrq_core::task::{self, Body, Parent, Submission};
use rrq_core::worker::sweep;
use rrq_core::{Error, Keys, Queue, Status};

use crate::support::*;

/// The first set of a queue.
const SET: &str = "1000000001";

fn after_all(parents: &[String]) -> Submission {
    after(&parents.iter().collect::<Vec<_>>())
}

fn submit_many(queue: &mut Queue, asked: &Submission, n: usize) -> rrq_core::Result<Vec<String>> {
    let mut payloads = std::iter::repeat_n(b"child".to_vec(), n);
    task::submit(queue, asked, || Ok(payloads.next()))
}

/// What a submission sent: the calls that prepare its set, with ids, then those that queue its tasks.
struct Recorded {
    prepare: Vec<Request>,
    submit: Vec<Request>,
    children: Vec<String>,
}

/// Submit `n` tasks after these, and delete them again: what was sent can be sent anew in any order.
fn record(f: &mut Fixture, parents: &[String], n: usize) -> Recorded {
    load_task_submit(&mut f.queue);
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let children = submit_many(&mut queue, &after_all(parents), n).unwrap();
    task::delete(&mut f.queue, &children, true).unwrap();
    f.delete_submitters();
    let mut prepare = proxy.calls(&["t", "n", "cfg"]);
    prepare.retain(|call| ids_in(call, parents) > 0);
    Recorded { prepare, submit: proxy.calls(&["t", "b", "n"]), children }
}

fn ids_in(call: &Request, ids: &[String]) -> usize {
    let is_id = |part: &&Vec<u8>| ids.iter().any(|id| id.as_bytes() == part.as_slice());
    call.iter().filter(is_id).count()
}

#[test]
fn bodies_do_not_repeat_what_tasks_wait_for() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 500);
    let children = submit_many(&mut f.queue, &after_all(&parents), 200).unwrap();
    let size = |id: &String| f.ask::<usize>(&format!("HSTRLEN {{{ID}}}:b {id}"));
    assert!(children.iter().all(|id| size(id) < 200));
    let deferred = task::deferred(&mut f.queue).unwrap();
    assert_eq!(deferred.len(), 200);
    for (_, waits_for) in deferred {
        assert!(waits_for.iter().map(|(id, _)| id).eq(&parents));
    }
}

#[test]
fn bodies_keep_the_tasks_whose_values_are_used() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 2);
    let mut asked = after_all(&ids);
    asked.parents[1].name = "x".into();
    let children = submit_many(&mut f.queue, &asked, 1).unwrap();
    let body = task::bodies(&mut f.queue, &children).unwrap().remove(0);
    assert_eq!(body.parents, [Parent { name: "x".into(), id: ids[1].clone() }]);
    let tree = task::ancestors(&mut f.queue, &children[0]).unwrap();
    assert_eq!(tree, [(children[0].clone(), asked.parents)]);
}

#[test]
fn a_task_recorded_as_impossible_by_an_earlier_version_still_names_what_failed() {
    let mut f = Fixture::new();
    let parents = vec![Parent { name: String::new(), id: "0".repeat(32) }];
    let other = submit_n(&mut f.queue, 1);
    let body = Body { parents, ..task::bodies(&mut f.queue, &other).unwrap().remove(0) };
    let id = "1".repeat(32);
    let key = Keys::new("jobs");
    let mut store = redis::pipe();
    store.hset(key.tasks(), &id, "I\n0\n1\n0\n2\n0\ndefault\n\n1\n\n\n");
    store.hset(key.bodies(), &id, body.pack().unwrap());
    store.exec(&mut f.raw()).unwrap();
    let tree = task::ancestors(&mut f.queue, &id).unwrap();
    assert_eq!(tree, [(id, body.parents)]);
}

#[test]
fn no_call_takes_thousands_of_dependencies() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 3000);
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let children = submit_many(&mut queue, &after_all(&parents), 700).unwrap();
    let calls = proxy.requests();
    let most = calls.iter().map(|call| ids_in(call, &parents)).max();
    assert_eq!(most, Some(500));
    assert_eq!(calls.iter().map(|call| ids_in(call, &parents)).sum::<usize>(), 3000);
    assert!(statuses(&mut f.queue, &children).iter().all(|s| *s == Status::Deferred));
    let deferred = task::deferred(&mut f.queue).unwrap();
    assert!(deferred.iter().all(|(_, on)| on.iter().map(|(id, _)| id).eq(&parents)));
    assert_eq!(task::dependents(&mut f.queue, &parents[2999..]).unwrap()[0], children);
    let mut actor = Actor::echo();
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(actor.done.len(), 3700);
    f.assert_counters();
    let all: Vec<String> = parents.into_iter().chain(children).collect();
    task::delete(&mut f.queue, &all, true).unwrap();
    for key in ["dn", "dl", "ds"] {
        assert!(!f.has_key(key), "{key}");
    }
}

#[test]
fn few_dependencies_take_no_call_of_their_own() {
    let mut f = Fixture::new();
    load_task_submit(&mut f.queue);
    let parents = submit_n(&mut f.queue, 500);
    let before = f.n_evalsha();
    submit_many(&mut f.queue, &after_all(&parents), 1).unwrap();
    assert_eq!(f.n_evalsha(), before + 1);
}

#[test]
fn a_set_that_was_prepared_but_never_used_goes_when_its_time_has_come() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 1700);
    let sent = record(&mut f, &parents, 1);
    assert_eq!(sent.prepare.len(), 4);
    let before = f.contents();
    for n in [2, 4] {
        for call in &sent.prepare[..n] {
            f.resend(call);
        }
        assert!(f.has_key("ds") && f.has_key("dn"));
        f.pass_time(&format!("P:{SET}"));
        sweep(&mut f.queue).unwrap();
        assert_eq!(f.contents(), before);
    }
}

#[test]
fn repeating_any_request_changes_nothing() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 1200);
    let sent = record(&mut f, &parents, 40);
    let calls: Vec<&Request> = sent.prepare.iter().chain(&sent.submit).collect();
    assert_eq!(calls.len(), 3 + 2);
    for (i, call) in calls.iter().enumerate() {
        f.resend(call);
        let once = f.contents();
        for earlier in &calls[..=i] {
            f.resend(earlier);
        }
        assert_eq!(f.contents(), once);
    }
}

#[test]
fn an_end_between_two_calls_counts_once() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 1200);
    let sent = record(&mut f, &parents, 40);
    f.resend(&sent.prepare[0]);
    let mut worker = f.worker("w");
    for _ in 0..20 {
        worker.turn(&mut Actor::echo(), false).unwrap();
    }
    f.resend(&sent.prepare[1]);
    f.resend(&sent.prepare[2]);
    f.resend(&sent.submit[0]);
    assert_eq!(status(&mut f.queue, &sent.children[0]), Status::Deferred);
    let mut actor = Actor::echo();
    run_until_idle(&mut worker, &mut actor);
    // All have ended: the second chunk has nothing to wait for.
    f.resend(&sent.submit[1]);
    assert_eq!(status(&mut f.queue, &sent.children[39]), Status::Pending);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(actor.done.iter().filter(|payload| *payload == "child").count(), 40);
    f.pass_time(&format!("P:{SET}"));
    sweep(&mut f.queue).unwrap();
    task::delete(&mut f.queue, &sent.children, true).unwrap();
    assert!(!f.has_key("ds") && !f.has_key("dn"));
    f.assert_counters();
}

#[test]
fn what_failed_before_makes_all_tasks_impossible() {
    let mut f = Fixture::new();
    let mut parents = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| failed("no")));
    let open = submit_n(&mut f.queue, 1100);
    parents.splice(0..0, open);
    match submit_many(&mut f.queue, &after_all(&parents), 40) {
        Err(Error::ParentFailed { parents: failed, ids }) => {
            assert_eq!(failed, [format!("{} is ERROR", parents[1100])]);
            assert_eq!(statuses(&mut f.queue, &ids), [Status::Impossible; 40]);
            let tree = task::ancestors(&mut f.queue, &ids[0]).unwrap();
            assert_eq!(tree, [(ids[0].clone(), after_all(&parents).parents)]);
        }
        other => panic!("{other:?}"),
    }
    f.assert_counters();
}

#[test]
fn what_fails_in_the_middle_of_a_submission_makes_all_tasks_impossible() {
    let mut f = Fixture::new();
    load_task_submit(&mut f.queue);
    let parents = submit_n(&mut f.queue, 600);
    let (mut other, mut n) = (f.attach(), 0);
    let outcome = task::submit(&mut f.queue, &after_all(&parents), || {
        n += 1;
        if n == 100 {
            wait_until(|| task::list(&mut other).unwrap().len() == 632);
            task::cancel(&mut other, &parents[550..551]).unwrap();
        }
        Ok((n <= 300).then(|| b"child".to_vec()))
    });
    match outcome {
        Err(Error::ParentFailed { parents: failed, ids }) => {
            assert_eq!(failed, [format!("{} is CANCELLED", parents[550])]);
            assert_eq!(statuses(&mut f.queue, &ids), [Status::Impossible; 300]);
        }
        other => panic!("{other:?}"),
    }
    f.assert_counters();
}

#[test]
fn tasks_may_run_although_one_of_many_failed() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 600);
    task::cancel(&mut f.queue, &parents[..1]).unwrap();
    let any = Submission { run_on_failure: true, ..after_all(&parents) };
    let children = submit_many(&mut f.queue, &any, 40).unwrap();
    task::cancel(&mut f.queue, &parents[599..]).unwrap();
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(statuses(&mut f.queue, &children), [Status::Complete; 40]);
}

#[test]
fn a_refused_submission_leaves_nothing() {
    let mut f = Fixture::new();
    let mut parents = submit_n(&mut f.queue, 1600);
    // Links that were removed leave a mark at the tasks, and numbers are given out once.
    record(&mut f, &parents, 1);
    let before = f.contents();
    let unknown = "0".repeat(32);
    parents.push(unknown.clone());
    let outcome = submit_many(&mut f.queue, &after_all(&parents), 40);
    assert!(matches!(outcome, Err(Error::TaskMissing { ids }) if ids == [unknown]));
    let mut after = f.contents();
    let counters = format!("{{{ID}}}:n");
    let n = after.get_mut(&counters).unwrap();
    n.iter_mut().filter(|field| *field == "set=2").for_each(|field| *field = "set=1".into());
    assert_eq!(after, before);
}

#[test]
fn a_task_given_twice_is_waited_for_once() {
    let mut f = Fixture::new();
    let mut parents = submit_n(&mut f.queue, 700);
    parents.push(parents[0].clone());
    let child = submit_many(&mut f.queue, &after_all(&parents), 1).unwrap();
    assert_eq!(f.ask::<i64>(&format!("HGET {{{ID}}}:ds {SET}:left")), 700);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    assert_eq!(status(&mut f.queue, &child[0]), Status::Complete);
}

#[test]
fn all_are_needed_again_when_a_task_is_retried() {
    let mut f = Fixture::new();
    let parents = submit_n(&mut f.queue, 700);
    let child = submit_many(&mut f.queue, &after_all(&parents), 1).unwrap();
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let last = &parents[699];
    let _: i64 = f.ask(&format!("ZREM {{{ID}}}:dn {last}+{SET}"));
    let _: i64 = f.ask(&format!("ZADD {{{ID}}}:dn 0 {last}-{SET}"));
    task::retry(&mut f.queue, &child).unwrap();
    sweep(&mut f.queue).unwrap();
    assert_eq!(f.ask::<Option<f64>>(&format!("ZSCORE {{{ID}}}:dn {last}+{SET}")), Some(0.0));
    assert_eq!(f.ask::<i64>(&format!("ZCARD {{{ID}}}:dn")), 700);
}
