//! Tasks: queue them, ask about them, cancel and delete them.

use extendr_api::prelude::*;
use rrq_bridge::submission::submission;
use rrq_core::task;
use rrq_core::{Queue, Status};

use rrq_bridge::convert::seconds;
use rrq_bridge::serialize::{serialize, unserialize};
use rrq_bridge::{Failure, Outcome};

/// A random id, drawn without R's random numbers.
#[extendr]
fn rs_random_id() -> Outcome<String> {
    Ok(task::random_id()?)
}

#[extendr]
fn rs_task_submit(
    mut queue: ExternalPtr<Queue>,
    kind: &str,
    payloads: List,
    shared: List,
    options: List,
) -> Outcome<Vec<String>> {
    let submission = submission(kind, &shared, &options)?;
    let mut payloads = payloads.values();
    let next = || payloads.next().map(|value| serialize(&value)).transpose().map_err(Into::into);
    Ok(task::submit(&mut queue, &submission, next)?)
}

#[extendr]
fn rs_task_status(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> Outcome<Vec<&'static str>> {
    Ok(task::statuses(&mut queue, &ids)?.into_iter().map(Status::word).collect())
}

#[extendr]
fn rs_task_overview(mut queue: ExternalPtr<Queue>) -> Outcome<List> {
    let (words, counts): (Vec<&str>, Vec<f64>) = task::overview(&mut queue)?
        .into_iter()
        .map(|(status, count)| (status.word(), count as f64))
        .unzip();
    Ok(list!(status = words, count = counts))
}

#[extendr]
fn rs_task_list(mut queue: ExternalPtr<Queue>) -> Outcome<Vec<String>> {
    Ok(task::list(&mut queue)?)
}

#[extendr]
fn rs_task_outcomes(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> Outcome<List> {
    let outcomes = task::outcomes(&mut queue, &ids)?;
    let status: Vec<&str> = outcomes.iter().map(|outcome| outcome.status.word()).collect();
    let worker: Vec<&str> = outcomes.iter().map(|outcome| outcome.worker.as_str()).collect();
    let value = outcomes.iter().map(|outcome| match &outcome.value {
        Some(bytes) => unserialize(bytes),
        None => Ok(().into()),
    });
    let value: Vec<Robj> = value.collect::<Outcome<_>>()?;
    Ok(list!(status = status, worker = worker, value = List::from_values(value)))
}

#[extendr]
fn rs_task_times(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> Outcome<List> {
    let headers = task::headers(&mut queue, &ids)?;
    let column = |time: fn(&task::Header) -> u64| -> Vec<f64> {
        headers.iter().map(|header| seconds(time(header))).collect()
    };
    Ok(list!(submit = column(|h| h.submit), start = column(|h| h.start), end = column(|h| h.end)))
}

#[extendr]
fn rs_task_info(mut queue: ExternalPtr<Queue>, id: &str) -> Outcome<List> {
    let ids = [id.to_owned()];
    let header = task::headers(&mut queue, &ids)?.remove(0);
    let body = task::bodies(&mut queue, &ids)?.remove(0);
    let extra = match task::extra(&mut queue, id)? {
        Some(bytes) if header.has_extra() => unserialize(&bytes)?,
        _ => ().into(),
    };
    Ok(list!(
        status = header.status.word(),
        queue = header.queue,
        worker = header.worker,
        attempt = header.attempt as i32,
        timeout = body.timeout_s,
        parents = body.parents.into_iter().map(|parent| parent.id).collect::<Vec<_>>(),
        children = task::dependents(&mut queue, id)?,
        extra = extra
    ))
}

#[extendr]
fn rs_task_deferred(mut queue: ExternalPtr<Queue>) -> Outcome<List> {
    let deferred = task::deferred(&mut queue)?;
    Ok(List::from_pairs(deferred.into_iter().map(|(id, parents)| {
        let (ids, words): (Vec<String>, Vec<&str>) =
            parents.into_iter().map(|(id, status)| (id, status.word())).unzip();
        (id, Robj::from(list!(id = ids, status = words)))
    })))
}

#[extendr]
fn rs_task_data(mut queue: ExternalPtr<Queue>, id: &str) -> Outcome<List> {
    let body = task::bodies(&mut queue, &[id.to_owned()])?.remove(0);
    let mut shared = Vec::new();
    for object in &body.shared {
        let bytes = rrq_core::worker::fetch_object(&mut queue, &object.hash)?;
        shared.push((object.name.clone(), unserialize(&bytes)?));
    }
    let payload = unserialize(&body.payload)?;
    let kind = body.kind.word();
    Ok(list!(kind = kind, payload = payload, shared = List::from_pairs(shared)))
}

#[extendr]
fn rs_task_progress(mut queue: ExternalPtr<Queue>, id: &str) -> Outcome<Robj> {
    match task::progress(&mut queue, id)? {
        Some(bytes) => unserialize(&bytes),
        None => Ok(().into()),
    }
}

#[extendr]
fn rs_task_progress_update(mut queue: ExternalPtr<Queue>, id: &str, value: Robj) -> Outcome<()> {
    let bytes = serialize(&value)?;
    Ok::<(), Failure>(task::set_progress(&mut queue, id, &bytes)?)
}

/// The ids of those that run: their workers were asked to stop them.
#[extendr]
fn rs_task_cancel(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> Outcome<Vec<String>> {
    Ok(task::cancel(&mut queue, &ids)?)
}

#[extendr]
fn rs_task_delete(mut queue: ExternalPtr<Queue>, ids: Vec<String>, check: bool) -> Outcome<()> {
    Ok(task::delete(&mut queue, &ids, check)?)
}

extendr_module! {
    mod task;
    fn rs_random_id;
    fn rs_task_submit;
    fn rs_task_cancel;
    fn rs_task_delete;
    fn rs_task_status;
    fn rs_task_overview;
    fn rs_task_list;
    fn rs_task_outcomes;
    fn rs_task_times;
    fn rs_task_info;
    fn rs_task_deferred;
    fn rs_task_data;
    fn rs_task_progress;
    fn rs_task_progress_update;
}
