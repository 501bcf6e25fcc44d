//! A server that has reached its `maxmemory`: what frees memory works, and nothing is left half done.

use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::StopReason;
use rrq_core::{Error, message};

use crate::support::*;

fn fill(f: &Fixture) {
    let _: String = f.ask("CONFIG SET maxmemory 1");
}

#[test]
fn a_queue_can_be_listed_cancelled_deleted_and_destroyed() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 10);
    f.worker("w").turn(&mut Actor::echo(), false).unwrap();
    fill(&f);
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    assert_eq!(f.queue.list("default").unwrap(), ids[1..]);
    task::cancel(&mut f.queue, &ids).unwrap();
    assert_eq!(statuses(&mut f.queue, &ids[1..]), [Status::Cancelled; 9]);
    task::delete(&mut f.queue, &ids[1..4], true).unwrap();
    f.queue.destroy(None).unwrap();
    assert_eq!(f.keyspace(), Vec::<String>::new());
}

#[test]
fn a_worker_can_be_told_to_stop() {
    let mut f = Fixture::new();
    let mut worker = f.worker("w");
    submit_n(&mut f.queue, 1);
    worker.turn(&mut Actor::echo(), false).unwrap();
    fill(&f);
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    message::send(&mut f.queue, "STOP", b"", &["w".to_owned()]).unwrap();
    let reason = worker.run(&mut Actor::echo(), false).unwrap();
    assert_eq!(reason, Some(StopReason::Message("told to stop".into())));
    assert_eq!(record(&f, "w").state, "EXITED");
}

#[test]
fn a_bulk_that_is_refused_half_way_leaves_no_task() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 1); // loads the scripts
    let before = task::list(&mut f.queue).unwrap();
    let mut raw = f.raw();
    let used: String = redis::cmd("INFO").arg("memory").query(&mut raw).unwrap();
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.parse::<u64>().unwrap() + 400_000;
    let _: String = f.ask(&format!("CONFIG SET maxmemory {limit}"));
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    let mut payloads = (0..3000).map(|_| vec![7; 1000]);
    let bulk = submission("default", Vec::new());
    let refused = task::submit(&mut f.queue, &bulk, || Ok(payloads.next()));
    assert!(matches!(refused, Err(Error::ServerFull { .. })), "{refused:?}");
    assert_eq!(task::list(&mut f.queue).unwrap(), before);
    assert_eq!(f.queue.list("default").unwrap(), before);
    f.assert_counters();
}

#[test]
fn a_bulk_whose_server_goes_away_half_way_names_the_tasks_that_may_be_queued() {
    let mut f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    queue.connection.set_retry_timeout(Duration::ZERO, never());
    let (mut n, bulk) = (0, submission("default", Vec::new()));
    let failed = task::submit(&mut queue, &bulk, || {
        n += 1;
        if n == 500 {
            wait_until(|| proxy.calls(&["t", "b"]).len() > 1);
            proxy.cut_and_close_after(Way::Up, 1);
        }
        Ok((n < 3000).then(|| b"x".to_vec()))
    });
    let Err(Error::PartlyQueued { ids, source }) = failed else {
        panic!("{failed:?}");
    };
    assert!(matches!(*source, Error::Connection { .. }));
    let queued = task::list(&mut f.queue).unwrap();
    assert!(!queued.is_empty() && queued.iter().all(|id| ids.contains(id)));
}
