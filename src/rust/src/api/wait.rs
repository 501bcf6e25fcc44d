//! Waiting for tasks.

use extendr_api::prelude::*;
use rrq_core::task::{self, WaitState, Waiter, waits_for};
use rrq_core::{Queue, Status};

use rrq_bridge::RResult;
use rrq_bridge::convert::{limit, or_null, stop};
use rrq_bridge::tasks::outcome_columns;

/// How many of the open tasks are looked at to say what a wait waits for.
const SOME: usize = 100;

#[extendr]
fn rs_wait_start(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    follow: bool,
) -> RResult<ExternalPtr<Waiter>> {
    Ok(ExternalPtr::new(Waiter::new(&mut queue, &ids, follow)?))
}

/// Wait up to `limit_s` seconds. Returns the ids of the tasks that failed if all have ended, otherwise
/// the waiter.
#[extendr]
fn rs_wait_briefly(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    follow: bool,
    limit_s: f64,
) -> RResult<Robj> {
    let mut waiter = Waiter::new(&mut queue, &ids, follow)?;
    if waiter.wait(&mut queue, limit(limit_s), false, &stop())? == WaitState::Waiting {
        return Ok(ExternalPtr::new(waiter).into());
    }
    waiter.finish(&mut queue)?;
    let failed = waiter.take_ended().into_iter().filter(|(_, status)| *status != Status::Complete);
    Ok(failed.map(|(id, _)| id).collect::<Vec<String>>().into())
}

/// Wait up to `limit_s` seconds for any of the tasks, whether `wanted` or not. Returns the ids of those that
/// have ended, and the outcome of the first of these that is `wanted`, or NULL.
#[extendr]
fn rs_wait_first(
    mut queue: ExternalPtr<Queue>,
    wanted: Vec<String>,
    others: Vec<String>,
    limit_s: f64,
) -> RResult<List> {
    let ids = [wanted.as_slice(), others.as_slice()].concat();
    let mut waiter = Waiter::new(&mut queue, &ids, false)?;
    waiter.wait(&mut queue, limit(limit_s), true, &stop())?;
    waiter.finish(&mut queue)?;
    let ended: Vec<String> = waiter.take_ended().into_iter().map(|(id, _)| id).collect();
    let outcome = match ended.iter().find(|id| wanted.contains(id)) {
        Some(id) => Some(task::outcomes(&mut queue, std::slice::from_ref(id), false)?),
        None => None,
    };
    let outcome = outcome.map(|outcome| outcome_columns(&mut queue, &outcome)).transpose()?;
    Ok(list!(ended = ended, outcome = or_null(outcome)))
}

#[extendr]
fn rs_wait_next(
    mut queue: ExternalPtr<Queue>,
    mut waiter: ExternalPtr<Waiter>,
    limit_s: f64,
    any: bool,
) -> RResult<List> {
    waiter.wait(&mut queue, limit(limit_s), any, &stop())?;
    let (ids, statuses): (Vec<String>, Vec<&str>) =
        waiter.take_ended().into_iter().map(|(id, status)| (id, status.word())).unzip();
    Ok(list!(open = waiter.n_open() as f64, ids = ids, status = statuses))
}

/// Whether any of the tasks runs, the queues in which they wait for a worker, whether one is in its
/// queue, how many go there later, and when the first of these does.
#[extendr]
fn rs_wait_for_what(mut queue: ExternalPtr<Queue>, waiter: ExternalPtr<Waiter>) -> RResult<List> {
    let found = waits_for(&mut queue, waiter.some_open(SOME))?;
    let queues: Vec<String> = found.queues.into_iter().collect();
    let first = found.first_ms.map(|ms| ms as f64 / 1000.0);
    Ok(list!(
        running = found.running,
        queues = queues,
        queued = found.queued,
        n_scheduled = found.n_scheduled as f64,
        first = first
    ))
}

#[extendr]
fn rs_wait_end(mut queue: ExternalPtr<Queue>, waiter: ExternalPtr<Waiter>) -> RResult<()> {
    Ok(waiter.finish(&mut queue)?)
}

extendr_module! {
    mod wait;
    fn rs_wait_start;
    fn rs_wait_briefly;
    fn rs_wait_first;
    fn rs_wait_next;
    fn rs_wait_for_what;
    fn rs_wait_end;
}
