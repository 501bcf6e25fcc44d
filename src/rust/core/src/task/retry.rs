//! Retrying tasks by hand.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_RETRY};
use crate::status::Status;
use crate::task::check::{refuse, refuse_missing};
use crate::task::{newest, query};
use crate::value;

/// How many tasks one request changes.
const CHUNK: usize = 100;
const RETRY: &str = "retry tasks that have not ended or are IMPOSSIBLE";

/// Queue tasks again that have ended; returns the new ids. An id that was retried before stands for
/// the newest of its chain. Each chain may be given once.
pub fn retry(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let n_links = queue.connection.n_links();
    queue.stream.forget_values();
    let newest = newest(queue, ids)?;
    refuse_repeated(ids, &newest)?;
    let statuses = query::statuses(queue, &newest)?;
    refuse_missing(&newest, &statuses)?;
    refuse(RETRY, &newest, &statuses, |status| !is_retriable(status))?;
    newest.iter().for_each(|id| queue.stream.forget(id));
    let watch = queue.own_watch()?;
    let mut new_ids = Vec::with_capacity(ids.len());
    for chunk in newest.chunks(CHUNK) {
        let fresh = chunk.iter().map(|_| value::random_id()).collect::<Result<Vec<_>>>()?;
        let call = retry_call(queue, watch, chunk, &fresh);
        let letters = value::bytes(queue.connection.call(&call)?)?;
        let statuses: Vec<Status> = letters.into_iter().map(Status::from_letter).collect();
        refuse_missing(chunk, &statuses)?;
        refuse(RETRY, chunk, &statuses, |status| !is_retriable(status))?;
        new_ids.extend(fresh);
    }
    queue.stream.submitted(&new_ids);
    queue.await_durable(&new_ids, n_links)?;
    Ok(new_ids)
}

fn is_retriable(status: Status) -> bool {
    status.is_terminal() && !matches!(status, Status::Missing | Status::Moved | Status::Impossible)
}

fn retry_call(queue: &Queue, watch: u64, ids: &[String], fresh: &[String]) -> Call {
    let keys = &queue.keys;
    let names = vec![
        keys.tasks(),
        keys.bodies(),
        keys.labels(),
        keys.moved(),
        keys.was(),
        keys.counters(),
        keys.due(),
    ];
    let mut call = Call::new(&TASK_RETRY, names).arg(keys.prefix()).arg(watch);
    for (id, new_id) in ids.iter().zip(fresh) {
        call.push(id);
        call.push(new_id);
    }
    call
}

/// An error if several ids stand for the same task.
fn refuse_repeated(ids: &[String], newest: &[String]) -> Result<()> {
    let mut first: HashMap<&String, &String> = HashMap::new();
    let repeated: Vec<String> = ids
        .iter()
        .zip(newest)
        .filter(|(id, newest)| first.insert(newest, id).is_some())
        .map(|(id, _)| id.clone())
        .collect();
    if repeated.is_empty() { Ok(()) } else { Err(Error::TaskRepeated { ids: repeated }) }
}
