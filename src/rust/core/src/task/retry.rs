//! Trying tasks again by hand, and finding one's way along a chain of retries.

use std::collections::HashMap;

use redis::Cmd;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_RETRY};
use crate::status::Status;
use crate::task::control::{refuse, refuse_missing};
use crate::task::query::{self, Outcome};
use crate::value;

/// How many tasks one request changes.
const CHUNK: usize = 100;
const ID_WIDTH: usize = 32;
const RETRY: &str = "retry tasks that have not ended, or are impossible";

/// Where a task went when it was retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The task that followed it.
    pub to: String,
    /// When, in µs of server time.
    pub time_us: u64,
    /// What its status was before.
    pub status: Status,
}

/// Queue tasks that have ended again; returns the new ids. An id that was retried before stands for
/// the newest of its chain; a chain can only be meant once.
pub fn retry(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let newest = newest(queue, ids)?;
    refuse_repeated(ids, &newest)?;
    let statuses = query::statuses(queue, &newest)?;
    refuse_missing(&newest, &statuses)?;
    refuse(RETRY, &newest, &statuses, |status| !is_retriable(status))?;
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

/// Which of the ids stand for the same task as one before them.
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

/// Where each of some tasks went, if it was retried.
pub fn moves(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Move>>> {
    let stored = query::fetch_one(queue, queue.keys.moved(), ids)?;
    Ok(stored.iter().map(|stored| read_move(stored.as_deref()?)).collect())
}

fn read_move(stored: &[u8]) -> Option<Move> {
    let mut parts = std::str::from_utf8(stored).ok()?.split(' ');
    let (to, time_us) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    let status = Status::from_letter(*parts.next()?.as_bytes().first()?);
    (to.len() == ID_WIDTH).then_some(Move { to, time_us, status })
}

/// The task that this one is a retry of.
pub fn was(queue: &mut Queue, id: &str) -> Result<Option<String>> {
    let mut command = Cmd::new();
    command.arg("HGET").arg(queue.keys.was()).arg(id);
    value::maybe_bytes(queue.connection.command(&command)?)?
        .map(|id| {
            String::from_utf8(id).map_err(|error| Error::corrupt("a chain of retries", error))
        })
        .transpose()
}

/// The last of the chain that each of some tasks is of; a task that was not retried itself.
pub fn newest(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let mut newest = ids.to_vec();
    let mut open: Vec<usize> = (0..ids.len()).collect();
    while !open.is_empty() {
        let at: Vec<String> = open.iter().map(|place| newest[*place].clone()).collect();
        let moves = moves(queue, &at)?;
        let mut moved = Vec::new();
        for (place, found) in open.into_iter().zip(moves) {
            if let Some(found) = found {
                newest[place] = found.to;
                moved.push(place);
            }
        }
        open = moved;
    }
    Ok(newest)
}

/// How tasks ended. Of one that was retried that is, with `follow`, how the newest of its chain
/// did, else how it did itself before that.
pub fn outcomes_of(queue: &mut Queue, ids: &[String], follow: bool) -> Result<Vec<Outcome>> {
    let is_moved = |outcome: &Outcome| outcome.status == Status::Moved;
    if follow {
        return following(queue, ids, query::outcomes, is_moved);
    }
    let mut outcomes = query::outcomes(queue, ids)?;
    let places: Vec<usize> = (0..ids.len()).filter(|place| is_moved(&outcomes[*place])).collect();
    let moved: Vec<String> = places.iter().map(|place| ids[*place].clone()).collect();
    for (place, found) in places.into_iter().zip(moves(queue, &moved)?) {
        outcomes[place].status = found.map_or(Status::Moved, |found| found.status);
    }
    Ok(outcomes)
}

/// What `read` says of some tasks; of those that were retried, what it says of the newest of their
/// chains. That costs more only where there are such tasks.
pub fn following<T>(
    queue: &mut Queue,
    ids: &[String],
    read: impl Fn(&mut Queue, &[String]) -> Result<Vec<T>>,
    is_moved: impl Fn(&T) -> bool,
) -> Result<Vec<T>> {
    let mut answers = read(queue, ids)?;
    let places: Vec<usize> = (0..ids.len()).filter(|place| is_moved(&answers[*place])).collect();
    if !places.is_empty() {
        let moved: Vec<String> = places.iter().map(|place| ids[*place].clone()).collect();
        let newest = newest(queue, &moved)?;
        for (place, answer) in places.into_iter().zip(read(queue, &newest)?) {
            answers[place] = answer;
        }
    }
    Ok(answers)
}
