//! Following chains of retries: a task that was retried by hand stands for the newest task of its
//! chain.

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::status::Status;
use crate::task::fetch::{fetch, fetch_one};
use crate::task::outcome::{self, Outcome};
use crate::task::query::{result, unpack_headers};
use crate::task::result::TaskResult;

const ID_WIDTH: usize = 32;
/// What errors call it.
const CHAIN: &str = "a chain of retries";
/// Nobody retries a task so often: a longer chain leads back to itself.
const LONGEST: usize = 10_000;

/// The retry of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The new task.
    pub to: String,
    /// When, in µs of server time.
    pub time_us: u64,
    /// The previous status of the old task.
    pub status: Status,
}

/// The retry of each task, if there was one.
pub fn moves(queue: &mut Queue, ids: &[String]) -> Result<Vec<Option<Move>>> {
    let stored = fetch_one(queue, queue.keys.moved(), ids)?;
    Ok(stored.iter().map(|stored| read_move(stored.as_deref()?)).collect())
}

fn read_move(stored: &[u8]) -> Option<Move> {
    let mut parts = std::str::from_utf8(stored).ok()?.split(' ');
    let (to, time_us) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    let status = Status::from_letter(*parts.next()?.as_bytes().first()?);
    (to.len() == ID_WIDTH).then_some(Move { to, time_us, status })
}

/// The tasks of the chain of retries before this one, the oldest first.
pub fn earlier(queue: &mut Queue, id: &str) -> Result<Vec<String>> {
    let mut chain = vec![id.to_owned()];
    while let Some(id) = chain.last() {
        match queue.connection.hash_get(queue.keys.was(), id)? {
            Some(id) => extend(
                &mut chain,
                String::from_utf8(id).map_err(|error| Error::corrupt(CHAIN, error))?,
            )?,
            None => break,
        }
    }
    chain.reverse();
    chain.pop();
    Ok(chain)
}

/// The tasks of the chain after this one, the newest last.
pub fn later(queue: &mut Queue, id: &str) -> Result<Vec<String>> {
    let mut chain = vec![id.to_owned()];
    while let Some(id) = chain.last() {
        match moves(queue, std::slice::from_ref(id))?.pop().flatten() {
            Some(moved) => extend(&mut chain, moved.to)?,
            None => break,
        }
    }
    chain.remove(0);
    Ok(chain)
}

/// Add the next task of a chain. A chain that never ends is corrupt.
fn extend(chain: &mut Vec<String>, id: String) -> Result<()> {
    if chain.len() >= LONGEST {
        return Err(endless());
    }
    chain.push(id);
    Ok(())
}

fn endless() -> Error {
    Error::corrupt(CHAIN, format!("it has more than {LONGEST} tasks"))
}

/// The newest task of the chain of each task; the task itself if it was not retried.
pub fn newest(queue: &mut Queue, ids: &[String]) -> Result<Vec<String>> {
    let mut newest = ids.to_vec();
    let mut open: Vec<usize> = (0..ids.len()).collect();
    for _ in 0..LONGEST {
        if open.is_empty() {
            return Ok(newest);
        }
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
    Err(endless())
}

/// The results of tasks, with what sessions show beside them. For a task that was retried this is,
/// with `follow`, the result of the newest task of its chain, otherwise its own result before the
/// retry.
pub fn outcomes(queue: &mut Queue, ids: &[String], follow: bool) -> Result<Vec<Outcome>> {
    if let Some(told) = queue.stream.take_told(ids) {
        return Ok(told.into_iter().map(Outcome::plain).collect());
    }
    let is_moved = |outcome: &Outcome| outcome.result.status == Status::Moved;
    if follow {
        return following(queue, ids, outcome::read, is_moved);
    }
    let mut outcomes = outcome::read(queue, ids)?;
    let places: Vec<usize> = (0..ids.len()).filter(|place| is_moved(&outcomes[*place])).collect();
    let moved: Vec<String> = places.iter().map(|place| ids[*place].clone()).collect();
    for (place, found) in places.into_iter().zip(moves(queue, &moved)?) {
        outcomes[place].result.status = found.map_or(Status::Moved, |found| found.status);
    }
    Ok(outcomes)
}

/// What `read` returns for tasks; for those that were retried, what it returns for the newest task
/// of their chain. Only such tasks cost further requests.
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

/// The results of the dependencies of a task. For one that was retried this is the result of the
/// last task of its chain that has ended: the newest may not have.
pub fn parent_results(queue: &mut Queue, ids: &[String]) -> Result<Vec<TaskResult>> {
    let keys = [queue.keys.tasks(), queue.keys.results()];
    let mut found: Vec<Option<TaskResult>> = vec![None; ids.len()];
    let mut open: Vec<(usize, String)> = ids.iter().cloned().enumerate().collect();
    for _ in 0..LONGEST {
        if open.is_empty() {
            let missing = |id: &String| Error::TaskMissing { ids: vec![id.clone()] };
            let found = ids.iter().zip(found);
            return found.map(|(id, result)| result.ok_or_else(|| missing(id))).collect();
        }
        let at: Vec<String> = open.iter().map(|(_, id)| id.clone()).collect();
        let mut columns = fetch(queue, &keys, &at)?;
        let large = columns.pop().unwrap_or_default();
        let headers = unpack_headers(&at, columns.pop().unwrap_or_default())?;
        let moves = moves(queue, &at)?;
        let mut further = Vec::new();
        for (((place, _), header), (large, moved)) in
            open.into_iter().zip(headers).zip(large.into_iter().zip(moves))
        {
            if header.status.is_terminal() {
                let status = moved.as_ref().map_or(header.status, |moved| moved.status);
                found[place] = Some(TaskResult { status, ..result((header, large)) });
            }
            further.extend(moved.map(|moved| (place, moved.to)));
        }
        open = further;
    }
    Err(endless())
}
