//! Watching tasks from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::watch::{News, Watch, WatchState, end_capture};
use rrq_core::{Error, Queue};

use crate::support::*;

const LONG: Duration = Duration::from_secs(30);

/// What each task did, by its id: the status it ended with, or its event.
fn told(news: Vec<News>) -> Vec<(String, String)> {
    let text = |news: News| {
        let event = news.event.map(|event| String::from_utf8(event).unwrap());
        (news.id, news.status.map(|status| status.word().to_owned()).or(event).unwrap())
    };
    news.into_iter().map(text).collect()
}

/// All that is told until no task is left.
fn all(watch: &Watch) -> Vec<(String, String)> {
    let mut news = Vec::new();
    loop {
        let state = watch.wait(LONG, &never()).unwrap();
        news.extend(told(watch.drain().unwrap()));
        match state {
            WatchState::News => {}
            WatchState::Idle => return news,
            other => panic!("{other:?}: {news:?}"),
        }
    }
}

fn with(status: &str, ids: &[String]) -> Vec<(String, String)> {
    ids.iter().map(|id| (id.clone(), status.to_owned())).collect()
}

fn n_streams(f: &Fixture) -> usize {
    f.ask::<Vec<String>>(&format!("KEYS {{{ID}}}:ev:*")).len()
}

/// A worker that runs what there is, each task emitting these events.
fn run_emitting(f: &Fixture, events: &'static [&'static str]) {
    let mut queue = f.attach();
    let mut actor = Actor::new(move |task| {
        for event in events {
            assert!(task::emit(&mut queue, &task.id, event.as_bytes()).unwrap());
        }
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
}

#[test]
fn each_end_is_told_once_those_of_before_first() {
    let mut f = Fixture::new();
    let before = submit_n(&mut f.queue, 2);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let watch = Watch::open(&mut f.queue, true).unwrap();
    assert_eq!(watch.wait(LONG, &never()).unwrap(), WatchState::Idle);
    let after = submit_n(&mut f.queue, 3);
    watch.add(&mut f.queue, &[before.clone(), after.clone()].concat()).unwrap();
    assert_eq!(told(watch.drain().unwrap()), with("COMPLETE", &before));
    watch.add(&mut f.queue, &after).unwrap();
    assert_eq!(watch.wait(Duration::ZERO, &never()).unwrap(), WatchState::Waiting);
    assert_eq!(watch.n_open().unwrap(), 3);
    run_until_idle(&mut f.worker("v"), &mut Actor::new(|_| failed("no")));
    assert_eq!(all(&watch), with("ERROR", &after));
    assert!(watch.drain().unwrap().is_empty());
}

#[test]
fn unknown_tasks_are_an_error_and_nothing_is_watched() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let ids = [submit_n(&mut f.queue, 1), vec!["0".repeat(32)]].concat();
    match watch.add(&mut f.queue, &ids) {
        Err(Error::TaskMissing { ids: missing }) => assert_eq!(missing, ids[1..]),
        other => panic!("{other:?}"),
    }
    assert_eq!(watch.n_open().unwrap(), 0);
}

#[test]
fn tasks_submitted_within_a_capture_are_watched_without_a_request() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let before = submit_n(&mut f.queue, 1);
    watch.capture(&mut f.queue).unwrap();
    let ids = submit_n(&mut f.queue, 40);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    let n_watches = f.n_calls("cmdstat_pexpire:");
    end_capture(&mut f.queue, true);
    let mut ended = all(&watch);
    assert_eq!(f.n_calls("cmdstat_pexpire:"), n_watches);
    ended.sort();
    let mut expected = with("COMPLETE", &ids);
    expected.sort();
    assert_eq!(ended, expected);
    // Other waits hear of them, too.
    watch.capture(&mut f.queue).unwrap();
    let ids = submit_n(&mut f.queue, 1);
    end_capture(&mut f.queue, false);
    let mut waiter = task::Waiter::new(&mut f.queue, &ids, true).unwrap();
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    waiter.wait(&mut f.queue, LONG, false, &never()).unwrap();
    assert_eq!(waiter.take_ended(), [(ids[0].clone(), Status::Complete)]);
    assert_eq!(watch.n_open().unwrap(), 0);
    assert_eq!(status(&mut f.queue, &before[0]), Status::Complete);
}

#[test]
fn a_deleted_task_and_those_of_a_destroyed_queue_are_missing() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let ids = submit_n(&mut f.queue, 2);
    watch.add(&mut f.queue, &ids).unwrap();
    task::delete(&mut f.queue, &ids[..1], true).unwrap();
    assert_eq!(watch.wait(LONG, &never()).unwrap(), WatchState::News);
    assert_eq!(told(watch.drain().unwrap()), with("MISSING", &ids[..1]));
    f.queue.destroy(None).unwrap();
    assert_eq!(all(&watch), with("MISSING", &ids[1..]));
    watch.wait(Duration::ZERO, &never()).unwrap();
}

#[test]
fn a_retried_task_ends_when_the_newest_of_its_chain_does() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    run_until_idle(&mut f.worker("w"), &mut Actor::new(|_| failed("no")));
    task::retry(&mut f.queue, &ids).unwrap();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    watch.add(&mut f.queue, &ids).unwrap();
    assert_eq!(watch.wait(Duration::ZERO, &never()).unwrap(), WatchState::Waiting);
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    assert_eq!(all(&watch), with("COMPLETE", &ids));
}

#[test]
fn the_thread_ends_what_a_lost_worker_held() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let ids = submit_n(&mut f.queue, 1);
    watch.add(&mut f.queue, &ids).unwrap();
    let mut worker = f.worker("w");
    worker.turn(&mut Actor::echo(), false).unwrap();
    drop(worker);
    f.pass_time("L:w");
    assert_eq!(all(&watch), with("DIED", &ids));
}

#[test]
fn events_come_in_order_before_the_end_and_once_to_each_watch() {
    let mut f = Fixture::new();
    let (one, two) = (Watch::open(&mut f.queue, true).unwrap(), f.attach());
    let ids = submit_n(&mut f.queue, 2);
    let mut queue = two;
    let other = Watch::open(&mut queue, true).unwrap();
    one.add(&mut f.queue, &ids).unwrap();
    other.add(&mut queue, &ids).unwrap();
    run_emitting(&f, &["a", "b", "c"]);
    let expected = |id: &String| {
        ["a", "b", "c", "COMPLETE"].map(|what| (id.clone(), what.to_owned())).to_vec()
    };
    for watch in [&one, &other] {
        let news = all(watch);
        for id in &ids {
            let of_task: Vec<_> = news.iter().filter(|(task, _)| task == id).cloned().collect();
            assert_eq!(of_task, expected(id));
        }
    }
    // They are still there for who comes later.
    let late = Watch::open(&mut f.queue, true).unwrap();
    late.add(&mut f.queue, &ids[..1]).unwrap();
    assert_eq!(all(&late), expected(&ids[0]));
}

#[test]
fn events_arrive_while_the_task_runs() {
    let mut f = Fixture::new();
    let watch = Arc::new(Watch::open(&mut f.queue, true).unwrap());
    let ids = submit_n(&mut f.queue, 1);
    watch.add(&mut f.queue, &ids).unwrap();
    let (mut queue, seen, id) = (f.attach(), watch.clone(), ids[0].clone());
    let mut actor = Actor::new(move |_| {
        for event in ["a", "b"] {
            task::emit(&mut queue, &id, event.as_bytes()).unwrap();
            assert_eq!(seen.wait(LONG, &never()).unwrap(), WatchState::News);
            assert_eq!(told(seen.drain().unwrap()), [(id.clone(), event.to_owned())]);
        }
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(all(&watch), with("COMPLETE", &ids));
}

#[test]
fn nothing_is_missed_when_connections_are_cut() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let watch = Watch::open(&mut queue, true).unwrap();
    let ids = submit_n(&mut queue, 60);
    watch.add(&mut queue, &ids).unwrap();
    let (mut other, mut n) = (f.attach(), 0);
    let proxy = Arc::new(proxy);
    let cutter = proxy.clone();
    let mut actor = Actor::new(move |task| {
        n += 1;
        if n % 7 == 0 {
            cutter.cut_after(Way::Down, 200 + 37 * n);
        }
        task::emit(&mut other, &task.id, b"x").unwrap();
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    let news = all(&watch);
    assert_eq!(news.len(), 120);
    for id in &ids {
        let of_task: Vec<_> = news.iter().filter(|(task, _)| task == id).map(|n| &n.1).collect();
        assert_eq!(of_task, ["x", "COMPLETE"]);
    }
}

#[test]
fn a_stream_that_was_lost_is_opened_again() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let watch = Watch::open(&mut queue, true).unwrap();
    let ids = submit_n(&mut queue, 2);
    watch.add(&mut queue, &ids).unwrap();
    let stream = format!("{{{ID}}}:ev:{}", f.ask::<u64>(&format!("HGET {{{ID}}}:n watch")));
    assert_eq!(f.ask::<i64>(&format!("DEL {stream}")), 1);
    run_emitting(&f, &["a"]);
    // The thread notices when it has to connect again.
    proxy.close(true);
    let _: i64 = f.ask("CLIENT KILL TYPE normal SKIPME yes");
    wait_until(|| proxy.n_held_back() > 0);
    proxy.close(false);
    let news = all(&watch);
    assert_eq!(news.len(), 4);
    assert_eq!(f.ask::<i64>(&format!("EXISTS {stream}")), 1);
}

#[test]
fn the_thread_ends_with_the_last_watch_and_deletes_the_stream() {
    let mut f = Fixture::new();
    let before = f.keyspace();
    let mut first = Watch::open(&mut f.queue, true).unwrap();
    let mut queue = f.attach();
    // The second watch of a controller shares the thread of the first.
    let second = Watch::open(&mut f.queue, true).unwrap();
    assert_eq!(n_streams(&f), 1);
    first.close(&mut f.queue).unwrap();
    assert!(!first.is_open() && second.is_open());
    assert!(matches!(first.drain(), Err(Error::WatchClosed)));
    assert_eq!(n_streams(&f), 1);
    // As if garbage-collected.
    drop(second);
    wait_until(|| n_streams(&f) == 0);
    let mut third = Watch::open(&mut queue, true).unwrap();
    third.close(&mut queue).unwrap();
    assert_eq!(f.keyspace(), before);
}

#[test]
fn a_function_is_called_from_the_thread_when_there_is_news() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let wake = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    watch.on_event(Some(Box::new(wake))).unwrap();
    let ids = submit_n(&mut f.queue, 3);
    watch.add(&mut f.queue, &ids).unwrap();
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    wait_until(|| watch.n_open().unwrap() == 0);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    watch.drain().unwrap();
    let more = submit_n(&mut f.queue, 1);
    watch.add(&mut f.queue, &more).unwrap();
    run_until_idle(&mut f.worker("v"), &mut Actor::echo());
    wait_until(|| calls.load(Ordering::Relaxed) == 2);
}

#[test]
fn a_wait_says_that_the_server_cannot_be_reached() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let watch = Watch::open(&mut queue, true).unwrap();
    let ids = submit_n(&mut queue, 1);
    watch.add(&mut queue, &ids).unwrap();
    proxy.close(true);
    let _: i64 = f.ask("CLIENT KILL TYPE normal SKIPME yes");
    assert_eq!(watch.wait(LONG, &never()).unwrap(), WatchState::Failing);
    proxy.close(false);
    run_until_idle(&mut f.worker("w"), &mut Actor::echo());
    wait_until(|| watch.wait(LONG, &never()).unwrap() == WatchState::News);
    assert_eq!(all(&watch), with("COMPLETE", &ids));
}

#[test]
fn a_wait_can_be_interrupted() {
    let mut f = Fixture::new();
    let watch = Watch::open(&mut f.queue, true).unwrap();
    let ids = submit_n(&mut f.queue, 1);
    watch.add(&mut f.queue, &ids).unwrap();
    let stop: rrq_core::connection::Stop = Arc::new(|| true);
    assert!(matches!(watch.wait(LONG, &stop), Err(Error::Interrupted)));
}

fn drain_stream(queue: &mut Queue, ids: &[String]) {
    let mut waiter = task::Waiter::new(queue, ids, true).unwrap();
    waiter.wait(queue, LONG, false, &never()).unwrap();
}

#[test]
fn a_plain_wait_ignores_events_and_gets_one_entry_for_a_task() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 1);
    let _open = task::Waiter::new(&mut f.queue, &ids, true).unwrap();
    let mut queue = f.attach();
    let mut actor = Actor::new(move |task| {
        (0..50).for_each(|_| assert!(task::emit(&mut queue, &task.id, b"x").unwrap()));
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    drain_stream(&mut f.queue, &ids);
    let stream: Vec<String> = f.ask(&format!("KEYS {{{ID}}}:ev:*"));
    assert!(f.ask::<usize>(&format!("XLEN {}", stream[0])) <= 4);
}
