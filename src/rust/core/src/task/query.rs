//! Asking about tasks. Reads only: nothing here changes a task's state.

use redis::{Cmd, Pipeline, Value};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_PROGRESS};
use crate::status::Status;
use crate::task::header::stored_status;
use crate::task::{Body, Header};
use crate::value;

/// How many tasks one command asks about: a reply stays small, the server free for others.
const CHUNK: usize = 5000;

/// How a finished task ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its status.
    pub status: Status,
    /// Its serialised value or error; none where no worker lived to send one.
    pub value: Option<Vec<u8>>,
    /// The worker that ran it, or empty.
    pub worker: String,
}

/// The same fields of a hash for all ids, in one round trip.
fn fetch(queue: &mut Queue, keys: &[String], ids: &[String]) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
    let mut pipeline = Pipeline::new();
    for key in keys {
        for chunk in ids.chunks(CHUNK) {
            pipeline.cmd("HMGET").arg(key).arg(chunk);
        }
    }
    let mut values = Vec::with_capacity(keys.len() * ids.len());
    if !ids.is_empty() {
        for reply in queue.connection.pipeline(&pipeline)? {
            for item in value::array(reply)? {
                values.push(value::maybe_bytes(item)?);
            }
        }
    }
    let mut columns = Vec::with_capacity(keys.len());
    for _ in keys {
        let rest = values.split_off(ids.len().min(values.len()));
        columns.push(std::mem::replace(&mut values, rest));
    }
    Ok(columns)
}

fn fetch_one(queue: &mut Queue, key: String, ids: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    Ok(fetch(queue, &[key], ids)?.pop().unwrap_or_default())
}

/// The status of each task.
pub fn statuses(queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    Ok(packed
        .iter()
        .map(|header| header.as_deref().map_or(Status::Missing, stored_status))
        .collect())
}

/// The header of one task, asked for over any connection.
pub(crate) fn header(connection: &mut Connection, keys: &Keys, id: &str) -> Result<Option<Header>> {
    let reply = connection.command(Cmd::new().arg("HGET").arg(keys.tasks()).arg(id))?;
    value::maybe_bytes(reply)?.map(|stored| Header::parse(id, &stored)).transpose()
}

/// The headers of tasks that must all exist.
pub fn headers(queue: &mut Queue, ids: &[String]) -> Result<Vec<Header>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    unpack_headers(ids, packed)
}

fn unpack_headers(ids: &[String], packed: Vec<Option<Vec<u8>>>) -> Result<Vec<Header>> {
    let missing: Vec<String> =
        ids.iter().zip(&packed).filter(|(_, p)| p.is_none()).map(|(id, _)| id.clone()).collect();
    if !missing.is_empty() {
        return Err(Error::TaskMissing { ids: missing });
    }
    ids.iter().zip(packed.into_iter().flatten()).map(|(id, p)| Header::parse(id, &p)).collect()
}

/// The headers of those tasks that exist.
pub(crate) fn headers_if_any(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Header>>> {
    let packed = fetch_one(queue, queue.keys.tasks(), ids)?;
    let parse = |(id, header): (&String, Option<Vec<u8>>)| {
        header.map(|header| Header::parse(id, &header)).transpose()
    };
    ids.iter().zip(packed).map(parse).collect()
}

/// The bodies of tasks that must all exist.
pub fn bodies(queue: &mut Queue, ids: &[String]) -> Result<Vec<Body>> {
    let packed = fetch_one(queue, queue.keys.bodies(), ids)?;
    ids.iter()
        .zip(packed)
        .map(|(id, body)| match body {
            Some(body) => Body::unpack(id, &body),
            None => Err(Error::TaskMissing { ids: vec![id.clone()] }),
        })
        .collect()
}

/// The bodies of those tasks that exist.
pub(super) fn bodies_if_any(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Body>>> {
    let packed = fetch_one(queue, queue.keys.bodies(), ids)?;
    let unpack = |(id, body): (&String, Option<Vec<u8>>)| {
        body.map(|body| Body::unpack(id, &body)).transpose()
    };
    ids.iter().zip(packed).map(unpack).collect()
}

/// How tasks ended, all of them in one round trip. One that has not ended is an error.
pub fn outcomes(queue: &mut Queue, ids: &[String]) -> Result<Vec<Outcome>> {
    let keys = [queue.keys.tasks(), queue.keys.results()];
    let mut columns = fetch(queue, &keys, ids)?;
    let large = columns.pop().unwrap_or_default();
    let headers = unpack_headers(ids, columns.pop().unwrap_or_default())?;
    ids.iter()
        .zip(headers.into_iter().zip(large))
        .map(|(id, (header, r))| outcome(id, header, r))
        .collect()
}

fn outcome(id: &str, header: Header, large: Option<Vec<u8>>) -> Result<Outcome> {
    let status = header.status;
    if !status.is_terminal() {
        return Err(Error::TaskUnfinished { id: id.to_owned(), status: status.word().to_owned() });
    }
    let small = (!header.result.is_empty()).then_some(header.result);
    Ok(Outcome { status, value: small.or(large), worker: header.worker })
}

/// How many tasks there are of each status, from the counters.
pub fn overview(queue: &mut Queue) -> Result<Vec<(Status, u64)>> {
    let fields: Vec<String> = Status::ALL.iter().map(|s| format!("s:{}", s.word())).collect();
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
    let reply = queue.connection.command(Cmd::new().arg("HKEYS").arg(queue.keys.tasks()))?;
    value::array(reply)?.into_iter().map(value::text).collect()
}

/// The rare attributes of a task, serialised.
pub fn extra(queue: &mut Queue, id: &str) -> Result<Option<Vec<u8>>> {
    hash_field(queue, queue.keys.extras(), id)
}

/// The latest progress value of a task, serialised.
pub fn progress(queue: &mut Queue, id: &str) -> Result<Option<Vec<u8>>> {
    hash_field(queue, queue.keys.progress(), id)
}

/// Store a running task's progress.
pub fn set_progress(queue: &mut Queue, id: &str, value: &[u8]) -> Result<()> {
    let keys = vec![queue.keys.tasks(), queue.keys.progress()];
    let call = Call::new(&TASK_PROGRESS, keys).arg(id).arg(value);
    queue.connection.call(&call).map(|_| ())
}

fn hash_field(queue: &mut Queue, key: String, field: &str) -> Result<Option<Vec<u8>>> {
    let reply: Value = queue.connection.command(Cmd::new().arg("HGET").arg(key).arg(field))?;
    value::maybe_bytes(reply)
}
