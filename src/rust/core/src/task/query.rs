//! Queries about tasks. They only read, except for the progress of a running task.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::{Keys, field};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_PROGRESS};
use crate::status::Status;
use crate::task::fetch::{fetch, fetch_one};
use crate::task::header::{Flag, stored_status};
use crate::task::result::TaskResult;
use crate::task::{Body, Header};

/// The status of each task.
pub fn statuses(queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    Ok(packed
        .iter()
        .map(|header| header.as_deref().map_or(Status::Missing, stored_status))
        .collect())
}

/// The header of one task, read over any connection.
pub(crate) fn header(connection: &mut Connection, keys: &Keys, id: &str) -> Result<Option<Header>> {
    let stored = connection.hash_get(keys.tasks(), id)?;
    Ok(stored.map(|stored| Header::parse(&stored)))
}

/// The headers of tasks that must all exist.
pub fn headers(queue: &mut Queue, ids: &[String]) -> Result<Vec<Header>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    unpack_headers(ids, packed)
}

pub(super) fn unpack_headers(ids: &[String], packed: Vec<Option<Vec<u8>>>) -> Result<Vec<Header>> {
    let missing: Vec<String> =
        ids.iter().zip(&packed).filter(|(_, p)| p.is_none()).map(|(id, _)| id.clone()).collect();
    if !missing.is_empty() {
        return Err(Error::TaskMissing { ids: missing });
    }
    Ok(packed.into_iter().flatten().map(|stored| Header::parse(&stored)).collect())
}

/// The header of each task; `None` for those that do not exist.
pub(crate) fn headers_if_any(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Header>>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    Ok(packed.iter().map(|stored| stored.as_deref().map(Header::parse)).collect())
}

/// The bodies of tasks that must all exist.
pub fn bodies(queue: &mut Queue, ids: &[String]) -> Result<Vec<Body>> {
    let packed = fetch_one(queue, queue.keys.bodies(), ids)?;
    ids.iter()
        .zip(packed)
        .map(|(id, body)| match body {
            Some(body) => Body::unpack(&body)
                .map_err(|error| Error::unreadable(queue.keys.bodies(), id, error)),
            None => Err(Error::TaskMissing { ids: vec![id.clone()] }),
        })
        .collect()
}

/// The body of each task; `None` for those that do not exist or cannot be read.
pub(super) fn bodies_if_any(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Body>>> {
    let packed = fetch_one(queue, queue.keys.bodies(), ids)?;
    Ok(packed.iter().map(|body| Body::unpack(body.as_deref()?).ok()).collect())
}

/// The results of tasks, in one round trip. It is an error if one has not ended.
pub fn results(queue: &mut Queue, ids: &[String]) -> Result<Vec<TaskResult>> {
    let keys = [queue.keys.tasks(), queue.keys.results()];
    let mut columns = fetch(queue, &keys, ids)?;
    let large = columns.pop().unwrap_or_default();
    let headers = unpack_headers(ids, columns.pop().unwrap_or_default())?;
    check_ended(ids, &headers)?;
    Ok(headers.into_iter().zip(large).map(result).collect())
}

fn check_ended(ids: &[String], headers: &[Header]) -> Result<()> {
    let open = ids.iter().zip(headers).filter(|(_, header)| !header.status.is_terminal());
    let (ids, statuses): (Vec<String>, Vec<String>) =
        open.map(|(id, header)| (id.clone(), header.status.word().to_owned())).unzip();
    if ids.is_empty() { Ok(()) } else { Err(Error::TaskUnfinished { ids, statuses }) }
}

pub(super) fn result((header, large): (Header, Option<Vec<u8>>)) -> TaskResult {
    let (has_extra, is_object) = (header.has(Flag::Extra), header.has(Flag::Object));
    let (has_large, is_poison) = (header.has(Flag::Large), header.has(Flag::Poison));
    let small = (!header.result.is_empty()).then_some(header.result);
    let (small, object) = match small {
        Some(hash) if is_object => (None, Some(String::from_utf8_lossy(&hash).into())),
        small => (small, None),
    };
    TaskResult {
        has_extra,
        is_poison,
        status: header.status,
        value: small.or(large.filter(|_| has_large)),
        object,
        worker: header.worker,
        attempt: header.attempt,
    }
}

/// How many tasks there are of each status, from the counters.
pub fn overview(queue: &mut Queue) -> Result<Vec<(Status, u64)>> {
    let field = |status: &Status| format!("{}{}", field::STATUS, status.word());
    let fields: Vec<String> = Status::ALL.iter().map(field).collect();
    let key = queue.keys.counters();
    let counts = fetch_one(queue, key, &fields)?;
    Ok(Status::ALL.into_iter().zip(counts.iter().map(|count| number(count.as_deref()))).collect())
}

fn number(text: Option<&[u8]>) -> u64 {
    text.and_then(|text| std::str::from_utf8(text).ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The ids of all tasks, in no order.
pub fn list(queue: &mut Queue) -> Result<Vec<String>> {
    queue.connection.hash_fields(&queue.keys.tasks())
}

/// An attempt that failed and was followed by another one.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// How it ended.
    pub status: Status,
    /// The worker that ran it.
    pub worker: String,
    /// When it started, in µs of server time.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Its serialised error; `None` where no worker was left to send one.
    pub value: Option<Vec<u8>>,
}

impl Attempt {
    fn read(stored: &[u8]) -> Option<Self> {
        let mut fields = stored.splitn(5, |byte| *byte == b'\n');
        let status = stored_status(fields.next()?);
        let mut text = || String::from_utf8(fields.next()?.to_vec()).ok();
        let (worker, start, end) = (text()?, text()?.parse().ok()?, text()?.parse().ok()?);
        let value = fields.next().filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
        Some(Attempt { status, worker, start, end, value })
    }
}

/// The attempts at a task before the latest, in order.
pub fn attempts(queue: &mut Queue, id: &str, header: &Header) -> Result<Vec<Attempt>> {
    let fields: Vec<String> =
        (1..=header.attempt).map(|attempt| format!("{id}:{attempt}")).collect();
    let stored = fetch_one(queue, queue.keys.attempts(), &fields)?;
    Ok(stored.iter().filter_map(|stored| Attempt::read(stored.as_deref()?)).collect())
}

/// The label and tags of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// Its label, or empty.
    pub label: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The labels of some tasks.
pub fn labels(queue: &mut Queue, ids: &[String]) -> Result<Vec<Label>> {
    let stored = fetch_one(queue, queue.keys.labels(), ids)?;
    Ok(stored.iter().map(|stored| read_label(stored.as_deref())).collect())
}

pub(super) fn read_label(stored: Option<&[u8]>) -> Label {
    let text = String::from_utf8_lossy(stored.unwrap_or_default());
    let mut lines = text.split('\n').map(str::to_owned);
    Label { label: lines.next().unwrap_or_default(), tags: lines.collect() }
}

/// The rare attributes of a task, serialised.
pub fn extra(queue: &mut Queue, id: &str) -> Result<Option<Vec<u8>>> {
    queue.connection.hash_get(queue.keys.extras(), id)
}

/// The latest progress values of tasks that must all exist, serialised, in one round trip.
pub fn progress(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    let keys = [queue.keys.tasks(), queue.keys.progress()];
    let mut columns = fetch(queue, &keys, ids)?;
    let values = columns.pop().unwrap_or_default();
    unpack_headers(ids, columns.pop().unwrap_or_default())?;
    Ok(values)
}

/// Store a running task's progress.
pub fn set_progress(queue: &mut Queue, id: &str, value: &[u8]) -> Result<()> {
    let keys = vec![queue.keys.tasks(), queue.keys.progress()];
    let call = Call::new(&TASK_PROGRESS, keys).arg(id).arg(value);
    queue.connection.call(&call).map(|_| ())
}
