//! Tasks: queue them, ask about them, cancel and delete them.

use std::time::Duration;

use extendr_api::prelude::*;
use rrq_bridge::submission::{Inspector, submission};
use rrq_core::task::{self, Taken};
use rrq_core::{Error, Queue, Status};

use rrq_bridge::convert::{limit, log_list, or_null, seconds, statuses, stop};
use rrq_bridge::serialize::{
    are_scalars, is_data, serialize, serialize_noting, unserialize, unserialize_each,
    unserialize_from,
};
use rrq_bridge::storage::pruned_columns;
use rrq_bridge::tasks::{
    columns, graph_columns, outcome_columns, output_columns, task_filter, task_info, times,
};
use rrq_bridge::{Failure, RResult};

/// A random id, drawn without R's random numbers.
#[extendr]
fn rs_random_id() -> RResult<String> {
    Ok(task::random_id()?)
}

#[extendr]
fn rs_task_submit(
    mut queue: ExternalPtr<Queue>,
    kind: &str,
    payloads: List,
    shared: List,
    options: List,
    ask: List,
) -> RResult<Vec<String>> {
    let inspector = Inspector::new(&ask);
    let submission = submission(kind, &shared, &options, &inspector)?;
    let mut payloads = payloads.values().enumerate();
    let serialize = |(at, value)| inspector.serialize(&value, at + 1);
    let next = || payloads.next().map(serialize).transpose().map_err(Into::into);
    let mut on_full = |bytes, limit| inspector.report_full(bytes, limit);
    Ok(task::submit_with(&mut queue, &submission, next, &mut on_full)?)
}

/// Queue one task and wait up to `limit_s` seconds for its outcome, which is NULL if it has not ended.
/// Deletes the task if it has completed and nothing else is needed of it.
#[extendr]
#[allow(clippy::too_many_arguments)]
fn rs_task_ask(
    mut queue: ExternalPtr<Queue>,
    kind: &str,
    payload: Robj,
    shared: List,
    options: List,
    ask: List,
    limit_s: f64,
) -> RResult<List> {
    let inspector = Inspector::new(&ask);
    let submission = submission(kind, &shared, &options, &inspector)?;
    let payload = inspector.serialize(&payload, 1)?;
    let mut on_full = |bytes, limit| inspector.report_full(bytes, limit);
    let limit = limit(limit_s);
    let asked = task::ask(&mut queue, &submission, payload, &mut on_full, limit, &stop())?;
    let columns = |outcome| outcome_columns(&mut queue, std::slice::from_ref(outcome));
    let outcome = or_null(asked.outcome.as_ref().map(columns).transpose()?);
    Ok(list!(id = asked.id, outcome = outcome, deleted = asked.deleted))
}

/// Queue one task and return its id, without waiting for the reply if that is possible: `rs_wait_first` does,
/// and fails if the task was refused.
#[extendr]
fn rs_task_post(
    mut queue: ExternalPtr<Queue>,
    kind: &str,
    payload: Robj,
    shared: List,
    options: List,
    ask: List,
) -> RResult<String> {
    let inspector = Inspector::new(&ask);
    let submission = submission(kind, &shared, &options, &inspector)?;
    let payload = inspector.serialize(&payload, 1)?;
    let mut on_full = |bytes, limit| inspector.report_full(bytes, limit);
    Ok(task::post(&mut queue, &submission, payload, &mut on_full)?)
}

/// Whether a value holds an external pointer to something, which cannot be sent.
#[extendr]
fn rs_holds_pointer(value: Robj) -> RResult<bool> {
    Ok(serialize_noting(&value)?.1)
}

/// Whether a list is data alone, without functions and classes.
#[extendr]
fn rs_is_data(value: Robj) -> bool {
    is_data(&value)
}

/// Whether a list holds nothing but single values of one type.
#[extendr]
fn rs_are_scalars(values: Robj) -> bool {
    are_scalars(&values)
}

#[extendr]
fn rs_task_status(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    follow: bool,
) -> RResult<Vec<&'static str>> {
    let is_moved = |status: &Status| follow && *status == Status::Moved;
    let statuses = task::following(&mut queue, &ids, task::statuses, is_moved)?;
    Ok(statuses.into_iter().map(Status::word).collect())
}

/// The newest task of each task's chain of retries.
#[extendr]
fn rs_task_newest(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<Vec<String>> {
    Ok(task::newest(&mut queue, &ids)?)
}

#[extendr]
fn rs_task_overview(mut queue: ExternalPtr<Queue>) -> RResult<List> {
    let (words, counts): (Vec<&str>, Vec<f64>) = task::overview(&mut queue)?
        .into_iter()
        .map(|(status, count)| (status.word(), count as f64))
        .unzip();
    Ok(list!(status = words, count = counts))
}

#[extendr]
fn rs_task_list(mut queue: ExternalPtr<Queue>) -> RResult<Vec<String>> {
    Ok(task::list(&mut queue)?)
}

#[extendr]
fn rs_task_outcomes(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    follow: bool,
) -> RResult<List> {
    let outcomes = task::outcomes(&mut queue, &ids, follow)?;
    outcome_columns(&mut queue, &outcomes)
}

/// The outcomes of tasks, and what it takes to delete those that have ended.
#[extendr]
fn rs_task_take(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    let taken = task::take(&mut queue, &ids)?;
    let outcomes = outcome_columns(&mut queue, &taken.outcomes)?;
    Ok(list!(outcomes = outcomes, taken = ExternalPtr::new(taken)))
}

/// Delete the tasks whose outcomes were taken.
#[extendr]
fn rs_task_delete_taken(mut queue: ExternalPtr<Queue>, taken: ExternalPtr<Taken>) -> RResult<()> {
    Ok(task::delete_taken(&mut queue, &taken)?)
}

/// The task whose failure made each of these impossible; empty if it is not known.
#[extendr]
fn rs_task_causes(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<Vec<String>> {
    let causes = task::causes(&mut queue, &ids)?;
    Ok(causes.into_iter().map(Option::unwrap_or_default).collect())
}

/// What tasks printed, and the messages they signalled.
#[extendr]
fn rs_task_outputs(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    output_columns(&task::outputs(&mut queue, &ids)?)
}

#[extendr]
fn rs_task_times(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    let headers = task::headers(&mut queue, &ids)?;
    let moves = task::moves(&mut queue, &ids)?.into_iter();
    Ok(list!(
        times = times(&headers.iter()),
        moved =
            moves.map(|moved| seconds(moved.map_or(0, |moved| moved.time_us))).collect::<Vec<_>>()
    ))
}

#[extendr]
fn rs_task_info(mut queue: ExternalPtr<Queue>, id: &str) -> RResult<List> {
    task_info(&mut queue, id)
}

#[extendr]
fn rs_task_edges(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    graph_columns(&mut queue, &ids)
}

/// Tasks as columns: those of `ids`, or all, that match the filter.
#[extendr]
fn rs_task_table(
    mut queue: ExternalPtr<Queue>,
    ids: Nullable<Vec<String>>,
    filter: List,
) -> RResult<List> {
    let ids: Option<Vec<String>> = ids.into();
    Ok(columns(&task::table(&mut queue, ids.as_deref(), &task_filter(&filter))?))
}

#[extendr]
fn rs_task_deferred(mut queue: ExternalPtr<Queue>) -> RResult<List> {
    let deferred = task::deferred(&mut queue)?;
    Ok(List::from_pairs(deferred.into_iter().map(|(id, parents)| (id, statuses(parents)))))
}

#[extendr]
fn rs_task_data(mut queue: ExternalPtr<Queue>, id: &str) -> RResult<List> {
    let newest = task::newest(&mut queue, &[id.to_owned()])?;
    let body = task::bodies(&mut queue, &newest)?.remove(0);
    let mut shared = Vec::new();
    for object in &body.shared {
        let reader = queue.store().reader(&object.hash)?;
        shared.push((object.name.clone(), unserialize_from(reader)?));
    }
    let payload = match body.payload_object() {
        Some(hash) => unserialize_from(queue.store().reader(hash)?)?,
        None => unserialize(&body.payload)?,
    };
    Ok(list!(kind = body.kind.word(), payload = payload, shared = List::from_pairs(shared)))
}

#[extendr]
fn rs_task_progress(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    unserialize_each(task::progress(&mut queue, &ids)?.iter().map(Option::as_deref))
}

#[extendr]
fn rs_task_progress_update(mut queue: ExternalPtr<Queue>, id: &str, value: Robj) -> RResult<()> {
    let bytes = serialize(&value)?;
    Ok::<(), Failure>(task::set_progress(&mut queue, id, &bytes)?)
}

/// Whether the task runs, so that the event was stored.
#[extendr]
fn rs_task_emit(mut queue: ExternalPtr<Queue>, id: &str, event: Robj) -> RResult<bool> {
    let bytes = serialize(&event)?;
    if bytes.len() > task::EVENT_BYTES {
        let (size, limit) = (bytes.len() as u64, task::EVENT_BYTES as u64);
        return Err(Error::EventLarge { size, limit }.into());
    }
    Ok(task::emit(&mut queue, id, &bytes)?)
}

/// The events of a task, and how many were dropped before the first.
#[extendr]
fn rs_task_events(mut queue: ExternalPtr<Queue>, id: &str) -> RResult<List> {
    task::headers(&mut queue, &[id.to_owned()])?;
    let found = task::events(&mut queue, id)?;
    let events = unserialize_each(found.events.iter().map(|event| Some(event.as_slice())))?;
    Ok(list!(events = events, dropped = (found.first - 1) as f64))
}

/// The output of a task from byte `offset` on, its length, and the attempt.
#[extendr]
fn rs_task_log(mut queue: ExternalPtr<Queue>, id: &str, offset: f64) -> RResult<Robj> {
    let log = task::log(&mut queue, id)?;
    Ok(or_null(log.map(|log| log_list(&log, offset))))
}

/// Whether the output of a task is kept, whether or not it has printed anything.
#[extendr]
fn rs_task_keeps_log(mut queue: ExternalPtr<Queue>, id: &str) -> RResult<bool> {
    let newest = task::newest(&mut queue, &[id.to_owned()])?;
    let body = task::bodies(&mut queue, &newest)?.remove(0);
    Ok(body.keeps_log())
}

/// The status of each afterwards; the workers of running tasks were told to stop them.
#[extendr]
fn rs_task_cancel(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    ignore_ended: bool,
) -> RResult<Vec<&'static str>> {
    let statuses = if ignore_ended {
        task::cancel_open(&mut queue, &ids)?
    } else {
        task::cancel(&mut queue, &ids)?
    };
    Ok(statuses.into_iter().map(Status::word).collect())
}

/// Release tasks whose dependencies have ended, or make them impossible.
#[extendr]
fn rs_task_resolve_dependents(mut queue: ExternalPtr<Queue>) -> RResult<()> {
    Ok(task::resolve_dependents(&mut queue)?)
}

/// The tasks that are still running after this time; they are deleted when they have ended.
#[extendr]
fn rs_task_discard(
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
    limit_s: f64,
) -> RResult<Vec<String>> {
    Ok(task::discard(&mut queue, &ids, limit(limit_s), &stop())?)
}

/// The ids under which tasks that have ended were queued again.
#[extendr]
fn rs_task_retry(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<Vec<String>> {
    Ok(task::retry(&mut queue, &ids)?)
}

#[extendr]
fn rs_task_delete(mut queue: ExternalPtr<Queue>, ids: Vec<String>, check: bool) -> RResult<()> {
    Ok(task::delete(&mut queue, &ids, check)?)
}

/// The tasks and the files that were deleted, or would be.
#[extendr]
fn rs_task_prune(
    mut queue: ExternalPtr<Queue>,
    age_s: f64,
    statuses: Vec<String>,
    dry_run: bool,
) -> RResult<List> {
    let statuses: Vec<Status> =
        statuses.iter().filter_map(|word| Status::from_word(word)).collect();
    let tasks = task::prune(&mut queue, age_s, &statuses, dry_run)?;
    if !dry_run {
        queue.store().end_pins()?;
    }
    // A process without access to the files prunes tasks.
    let (files, problem) = match queue.store().orphans(ORPHAN_AGE, dry_run) {
        Err(error @ (Error::Offload { .. } | Error::OffloadPath { .. })) => {
            (Vec::new(), Some(error.to_string()))
        }
        files => (files?, None),
    };
    Ok(pruned_columns(&tasks, &files, problem))
}

/// A file that no object has is given up after this time; a younger one may be getting its object.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

extendr_module! {
    mod task;
    fn rs_random_id;
    fn rs_task_submit;
    fn rs_task_ask;
    fn rs_task_post;
    fn rs_holds_pointer;
    fn rs_is_data;
    fn rs_are_scalars;
    fn rs_task_cancel;
    fn rs_task_resolve_dependents;
    fn rs_task_discard;
    fn rs_task_delete;
    fn rs_task_prune;
    fn rs_task_retry;
    fn rs_task_newest;
    fn rs_task_edges;
    fn rs_task_table;
    fn rs_task_status;
    fn rs_task_overview;
    fn rs_task_list;
    fn rs_task_outcomes;
    fn rs_task_take;
    fn rs_task_delete_taken;
    fn rs_task_causes;
    fn rs_task_outputs;
    fn rs_task_times;
    fn rs_task_info;
    fn rs_task_deferred;
    fn rs_task_data;
    fn rs_task_progress;
    fn rs_task_progress_update;
    fn rs_task_emit;
    fn rs_task_events;
    fn rs_task_log;
    fn rs_task_keeps_log;
}
