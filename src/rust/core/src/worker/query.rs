//! Asking about workers and their logs, and deleting those that have left.

use std::cmp::Ordering;
use std::collections::HashSet;

use redis::Cmd;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, WORKER_DELETE, WORKER_DESCRIBE};
use crate::status::WorkerStatus;
use crate::value;
use crate::worker::record::Record;
use crate::worker::request::log_call;

/// How many workers one request deletes.
const CHUNK: usize = 256;

/// A worker with its status.
#[derive(Debug, Clone)]
pub struct WorkerState {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: WorkerStatus,
    /// The task it works on.
    pub task: Option<String>,
}

/// All workers, including those that have exited, in natural order of their ids.
pub fn states(queue: &mut Queue) -> Result<Vec<WorkerState>> {
    let mut command = Cmd::new();
    command.arg("HGETALL").arg(queue.keys.workers());
    let pairs = value::pairs(queue.connection.command(&command)?)?;
    let mut states: Vec<WorkerState> = pairs.into_iter().map(state).collect();
    states.sort_by(|a, b| natural_order(&a.id, &b.id));
    Ok(states)
}

/// A worker whose record cannot be read counts as lost.
fn state((id, packed): (String, Vec<u8>)) -> WorkerState {
    let record = Record::unpack(&id, &packed).unwrap_or_default();
    let status = WorkerStatus::from_word(&record.state).unwrap_or(WorkerStatus::Lost);
    WorkerState { id, status, task: record.held().next() }
}

/// The ids of all workers, including those that have exited.
pub fn all_ids(queue: &mut Queue) -> Result<Vec<String>> {
    Ok(states(queue)?.into_iter().map(|worker| worker.id).collect())
}

/// The serialised info of workers; `None` for an unknown worker.
pub fn info(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = Cmd::new();
    command.arg("HMGET").arg(queue.keys.worker_infos()).arg(ids);
    let reply = value::array(queue.connection.command(&command)?)?;
    reply.into_iter().map(value::maybe_bytes).collect()
}

/// Store the info of a worker, unless it no longer exists.
pub fn set_info(queue: &mut Queue, id: &str, info: &[u8]) -> Result<()> {
    let names = vec![queue.keys.workers(), queue.keys.worker_infos()];
    let call = Call::new(&WORKER_DESCRIBE, names).arg(id).arg(info);
    queue.connection.call(&call).map(|_| ())
}

/// Delete workers, all of which must have exited or been lost.
pub fn delete_exited(queue: &mut Queue, ids: &[String]) -> Result<()> {
    let known: HashSet<String> = all_ids(queue)?.into_iter().collect();
    let missing: Vec<String> = ids.iter().filter(|id| !known.contains(*id)).cloned().collect();
    if !missing.is_empty() {
        return Err(Error::WorkerMissing { ids: missing });
    }
    for chunk in ids.chunks(CHUNK) {
        let (token, number) = queue.number_request()?;
        let keys = &queue.keys;
        let names = vec![keys.workers(), keys.worker_infos(), keys.config()];
        let call =
            Call::new(&WORKER_DELETE, names).arg(keys.prefix()).arg(token).arg(number).arg(chunk);
        let ids = value::texts(queue.connection.call(&call)?)?;
        if !ids.is_empty() {
            queue.withdraw_requests()?;
            return Err(Error::WorkerActive { ids });
        }
    }
    Ok(())
}

/// A line of a worker's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Server time in µs.
    pub time_us: u64,
    /// The process of the task, if the task was isolated.
    pub child: Option<i32>,
    /// The command: what happened.
    pub command: String,
    /// The message.
    pub message: String,
}

/// The last `n` lines of a worker's log.
pub fn log(queue: &mut Queue, id: &str, n: Option<u64>) -> Result<Vec<LogLine>> {
    let first = n.map_or(0, |n| -i64::try_from(n).unwrap_or(i64::MAX));
    if n == Some(0) {
        return Ok(Vec::new());
    }
    let mut command = Cmd::new();
    command.arg("LRANGE").arg(queue.keys.worker(id).log()).arg(first).arg(-1);
    let mut lines = Vec::new();
    for entry in value::array(queue.connection.command(&command)?)? {
        let entry = String::from_utf8_lossy(&value::bytes(entry)?).into_owned();
        lines.extend(parse_entry(&entry).unwrap_or_default());
    }
    let surplus =
        n.map_or(0, |n| lines.len().saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)));
    Ok(lines.split_off(surplus))
}

/// An entry about tasks may name several; each becomes a line. Nothing if it is no entry.
fn parse_entry(entry: &str) -> Option<Vec<LogLine>> {
    let mut parts = entry.splitn(3, ' ');
    let time = parts.next().unwrap_or_default();
    let (time, child) = match time.split_once('/') {
        Some((time, pid)) => (time, pid.parse().ok()),
        None => (time, None),
    };
    let time_us = time.parse().ok()?;
    let command = parts.next().unwrap_or_default().to_owned();
    let message = parts.next().unwrap_or_default();
    let line = |message: &str| LogLine {
        time_us,
        child,
        command: command.clone(),
        message: message.to_owned(),
    };
    if command.starts_with("TASK_") {
        return Some(message.split(' ').map(line).collect());
    }
    Some(vec![line(message)])
}

/// Add a line to a worker's log, unless the queue no longer exists.
pub fn write_log(queue: &mut Queue, id: &str, command: &str, message: &str) -> Result<()> {
    queue.connection.call(&log_call(&queue.keys, id, command, message)).map(|_| ())
}

/// `w_2` before `w_10`: runs of digits compare as numbers.
fn natural_order(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = text.split_at(text.len() - digits);
        (stem.to_owned(), number.parse::<u64>().ok())
    };
    split(a).cmp(&split(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_listed_in_natural_order() {
        let mut ids = ["w_10", "w_2", "a_3", "w", "w_1"];
        ids.sort_by(|a, b| natural_order(a, b));
        assert_eq!(ids, ["a_3", "w", "w_1", "w_2", "w_10"]);
    }

    #[test]
    fn a_log_entry_keeps_the_spaces_of_its_message() {
        let lines = parse_entry("12 STOP the queue is gone").unwrap();
        assert_eq!((lines[0].time_us, lines[0].message.as_str()), (12, "the queue is gone"));
    }

    #[test]
    fn a_log_entry_names_the_process_of_a_task_that_had_its_own() {
        let lines = parse_entry("12/345 TASK_COMPLETE a").unwrap();
        assert_eq!((lines[0].time_us, lines[0].child), (12, Some(345)));
        assert!(parse_entry("x/345 TASK_COMPLETE a").is_none());
    }

    #[test]
    fn a_log_entry_about_tasks_is_a_line_for_each() {
        let lines = parse_entry("12 TASK_START a b").unwrap();
        let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["a", "b"]);
    }
}
