//! Information about tasks as R lists.

use extendr_api::prelude::*;
use rrq_core::task::{
    self, Attempt, Filter, Flag, Header, Isolation, Outcome, Output, Parent, Retry, Row,
    TaskResult, Tree,
};
use rrq_core::{Queue, Status};

use crate::condition::{Failure, RResult, is_damage};
use crate::convert::{field, log_list, or_null, seconds, texts};
use crate::serialize::{unserialize, unserialize_any, unserialize_each, unserialize_from};

/// Everything about one task.
pub fn task_info(queue: &mut Queue, id: &str) -> RResult<List> {
    let ids = [id.to_owned()];
    let header = task::headers(queue, &ids)?.remove(0);
    let newest = task::newest(queue, &ids)?;
    let body = task::bodies(queue, &newest)?.remove(0);
    let special = body.special.clone().unwrap_or_default();
    let extra = match task::extra(queue, id)? {
        Some(bytes) if header.has(Flag::Extra) => unserialize(&bytes)?,
        _ => ().into(),
    };
    let attempts = task::attempts(queue, id, &header)?;
    let label = task::labels(queue, &ids)?.remove(0);
    let moved = task::moves(queue, &ids)?.remove(0);
    let down = task::descendants(queue, id)?.into_iter();
    let ended = moved.as_ref().map_or(header.status, |moved| moved.status);
    Ok(list!(
        status = header.status.word(),
        ended = ended.word(),
        queue = &header.queue,
        worker = &header.worker,
        attempt = header.attempt as i32,
        start = seconds(header.start),
        end = seconds(header.end),
        isolation = special.isolation.word(),
        isolated = special.isolation != Isolation::None,
        timeout = body.timeout_s,
        up = named_tree(&task::ancestors(queue, id)?)?,
        down = List::from_pairs(down.map(|(id, ids)| (id, Robj::from(ids)))),
        was = task::earlier(queue, id)?,
        moved = task::later(queue, id)?,
        attempts = List::from_values(attempts.iter().map(attempt).collect::<RResult<Vec<_>>>()?),
        retry = or_null(header.rules.retry.as_ref().map(|r| policy(r, &special.retry_classes))),
        ttl = or_null(header.rules.ttl_s),
        label = label.label,
        tags = label.tags,
        seed = or_null(special.seed.map(|seed| seed.to_vec())),
        extra = extra
    ))
}

/// The dependencies of tasks, as columns: `up` with names where a task uses their values, `down` of
/// their dependants. All tasks must exist.
pub fn graph_columns(queue: &mut Queue, ids: &[String]) -> RResult<List> {
    task::headers(queue, ids)?;
    let (up, down) = task::graph(queue, ids)?;
    let ((mut from, mut to), mut names) = ((Vec::new(), Vec::new()), Vec::new());
    for (id, parents) in up {
        for parent in parents {
            from.push(parent.id);
            names.push(parent.name);
            to.push(id.clone());
        }
    }
    let (from_down, to_down): (Vec<String>, Vec<String>) = down
        .into_iter()
        .flat_map(|(id, ids)| ids.into_iter().map(move |to| (id.clone(), to)))
        .unzip();
    Ok(list!(
        up = list!(from = from, to = to, name = names),
        down = list!(from = from_down, to = to_down)
    ))
}

/// By task its dependencies, named where a task uses their values.
fn named_tree(tree: &Tree<Parent>) -> RResult<List> {
    let mut pairs = Vec::with_capacity(tree.len());
    for (id, parents) in tree {
        let mut ids: Robj = parents.iter().map(|parent| parent.id.as_str()).collect_robj();
        if parents.iter().any(|parent| !parent.name.is_empty()) {
            let names = parents.iter().map(|parent| parent.name.as_str());
            ids.set_names(names).map_err(|error| Failure::Serialize(error.to_string()))?;
        }
        pairs.push((id.as_str(), ids));
    }
    Ok(List::from_pairs(pairs))
}

fn attempt(attempt: &Attempt) -> RResult<List> {
    Ok(list!(
        status = attempt.status.word(),
        worker = &attempt.worker,
        start = seconds(attempt.start),
        end = seconds(attempt.end),
        error = unserialize_any(attempt.value.as_deref())?
    ))
}

fn policy(retry: &Retry, classes: &[String]) -> Robj {
    let on: Vec<&str> = retry.on.iter().map(|cause| cause.word()).collect();
    list!(
        max_attempts = f64::from(retry.max_attempts),
        delay = retry.delay_s,
        backoff = retry.backoff,
        max_delay = retry.max_delay_s,
        on = on,
        classes = or_null((!classes.is_empty()).then(|| classes.to_vec())),
        max_lost = f64::from(retry.max_lost)
    )
    .into()
}

/// When tasks were submitted, started and ended.
pub fn times<'a>(headers: &(impl Iterator<Item = &'a Header> + Clone)) -> List {
    let column = |time: fn(&Header) -> u64| -> Vec<f64> {
        headers.clone().map(|header| seconds(time(header))).collect()
    };
    list!(submit = column(|h| h.submit), start = column(|h| h.start), end = column(|h| h.end))
}

/// Rows of tasks as columns.
pub fn columns(rows: &[Row]) -> List {
    let texts = |text: fn(&Row) -> &str| -> Vec<&str> { rows.iter().map(text).collect() };
    list!(
        id = texts(|row| &row.id),
        label = texts(|row| &row.label.label),
        status = texts(|row| row.header.status.word()),
        queue = texts(|row| &row.header.queue),
        worker = texts(|row| &row.header.worker),
        attempt = rows.iter().map(|row| row.header.attempt as i32).collect::<Vec<_>>(),
        times = times(&rows.iter().map(|row| &row.header))
    )
}

/// How tasks ended as columns; those after `value` only if one of the tasks needs them.
pub fn outcome_columns(queue: &mut Queue, outcomes: &[Outcome]) -> RResult<List> {
    let results = outcomes.iter().map(|outcome| &outcome.result);
    let mut status: Vec<&str> = results.clone().map(|result| result.status.word()).collect();
    let worker: Vec<&str> = results.clone().map(|result| result.worker.as_str()).collect();
    // One large value at a time.
    let mut value = Vec::with_capacity(outcomes.len());
    for (place, result) in results.clone().enumerate() {
        let read = match &result.object {
            Some(hash) => {
                queue.store().reader(hash).map_err(Failure::from).and_then(unserialize_from)
            }
            None => unserialize_any(result.value.as_deref()),
        };
        value.push(read.or_else(|failure| {
            // R says what is missing. The values of other tasks are not lost for it.
            status[place] = Status::Error.word();
            if is_damage(&failure) { Ok(().into()) } else { Err(failure) }
        })?);
    }
    let value = List::from_values(value);
    let is_plain = |result: &TaskResult| !result.has_extra;
    if status.iter().all(|word| *word == Status::Complete.word()) && results.clone().all(is_plain) {
        return Ok(list!(status = status, worker = worker, value = value));
    }
    let attempt: Vec<i32> = results.map(|result| result.attempt as i32).collect();
    let label: Vec<&str> = outcomes.iter().map(|outcome| outcome.label.as_str()).collect();
    let extra = unserialize_each(outcomes.iter().map(|outcome| outcome.extra.as_deref()))?;
    Ok(list!(
        status = status,
        worker = worker,
        value = value,
        attempt = attempt,
        poison = outcomes.iter().map(|outcome| outcome.result.is_poison).collect::<Vec<bool>>(),
        label = label,
        extra = extra
    ))
}

/// What tasks printed as columns.
pub fn output_columns(outputs: &[Output]) -> RResult<List> {
    let logs: Vec<Robj> = outputs
        .iter()
        .map(|(log, _)| or_null(log.as_ref().map(|log| log_list(log, 0.0))))
        .collect();
    let extra = unserialize_each(outputs.iter().map(|(_, extra)| extra.as_deref()))?;
    Ok(list!(log = List::from_values(logs), extra = extra))
}

/// A filter from the list the R half checked.
pub fn task_filter(filter: &List) -> Filter {
    let text = |name| field(filter, name).as_str().map(str::to_owned);
    Filter {
        status: texts(&field(filter, "status"))
            .iter()
            .filter_map(|s| Status::from_word(s))
            .collect(),
        tag: text("tag"),
        queue: text("queue"),
        since_us: field(filter, "since").as_real().map_or(0, |s| (s * 1e6).max(0.0) as u64),
    }
}
