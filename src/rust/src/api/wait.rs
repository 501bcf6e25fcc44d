//! Waiting for tasks.

use extendr_api::prelude::*;
use rrq_core::Queue;
use rrq_core::task::Waiter;

use rrq_bridge::RResult;
use rrq_bridge::convert::{limit, stop};

#[extendr]
fn rs_wait_start(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    follow: bool,
) -> RResult<ExternalPtr<Waiter>> {
    Ok(ExternalPtr::new(Waiter::new(&mut queue, &ids, follow)?))
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

#[extendr]
fn rs_wait_end(mut queue: ExternalPtr<Queue>, waiter: ExternalPtr<Waiter>) -> RResult<()> {
    Ok(waiter.finish(&mut queue)?)
}

extendr_module! {
    mod wait;
    fn rs_wait_start;
    fn rs_wait_next;
    fn rs_wait_end;
}
