//! What one may tell a worker's control thread, and pings: questions it answers at any moment. An
//! answer goes to the event stream of who asks, which expires with them.

use std::time::{Duration, Instant};

use redis::Cmd;

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::message::open_stream;
use crate::process;
use crate::queue::Queue;
use crate::scripts::{Call, WORKER_CONTROL};
use crate::value;

/// What nobody took by then is dropped.
const LIFETIME: Duration = Duration::from_secs(60);
/// How many workers one request tells something.
const CHUNK: usize = 256;

/// What an entry of the control list says.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Some task that this worker holds was cancelled.
    Cancel,
    /// Answer to the event stream of this number.
    Ping {
        /// Whose stream.
        watch: u64,
        /// Which question.
        nonce: String,
    },
    /// End the process.
    Kill,
    /// Nothing to this worker.
    Nothing,
}

impl Order {
    /// Read an entry; what was for another incarnation of the worker says nothing.
    pub fn parse(entry: &str, incarnation: i64) -> Self {
        let words: Vec<&str> = entry.split(' ').collect();
        match words[..] {
            ["cancel"] => Order::Cancel,
            [whose, ..] if whose.parse() != Ok(incarnation) => Order::Nothing,
            [_, "ping", watch, nonce] => {
                Order::Ping { watch: watch.parse().unwrap_or(0), nonce: nonce.to_owned() }
            }
            [_, "kill"] => Order::Kill,
            _ => Order::Nothing,
        }
    }
}

/// What a worker answers to a ping.
#[derive(Debug, Clone)]
pub struct Pong {
    /// From the question to this answer.
    pub round_trip: Duration,
    /// The task it runs.
    pub task: Option<String>,
    /// Since when.
    pub task_age: Option<Duration>,
    /// The memory of its process in bytes, where known.
    pub memory: Option<u64>,
    /// Since when it works.
    pub uptime: Duration,
}

/// Ask workers how they are, and wait for their answers up to `limit`. One that has not answered by
/// then, or is not alive, has none.
pub fn ping(
    queue: &mut Queue,
    workers: &[String],
    limit: Duration,
    stop: &Stop,
) -> Result<Vec<Option<Pong>>> {
    let mut pongs: Vec<Option<Pong>> = vec![None; workers.len()];
    let watch = queue.own_watch()?;
    let stream = queue.keys.events(watch);
    let (nonce, mut position) = (value::random_id()?, open_stream(queue, &stream)?);
    let asked = Instant::now();
    let absent = tell(queue, workers, &format!("ping {watch} {nonce}"))?;
    let mut silent: Vec<&String> = workers.iter().filter(|id| !absent.contains(id)).collect();
    while !silent.is_empty() && asked.elapsed() < limit {
        if stop() {
            return Err(Error::Interrupted);
        }
        let left = limit.saturating_sub(asked.elapsed()).min(SLICE);
        for answer in read(queue, &stream, &mut position, left)? {
            let Some((worker, pong)) = parse(&answer, &nonce, asked.elapsed()) else {
                continue;
            };
            silent.retain(|id| **id != worker);
            for (id, answered) in workers.iter().zip(&mut pongs) {
                if *id == worker {
                    *answered = Some(pong.clone());
                }
            }
        }
    }
    Ok(pongs)
}

/// End the processes of workers, wherever they are; returns those that were not alive any more.
pub fn kill(queue: &mut Queue, workers: &[String]) -> Result<Vec<String>> {
    tell(queue, workers, "kill")
}

/// Put an entry on the control lists of workers; returns those that are not alive.
fn tell(queue: &mut Queue, workers: &[String], entry: &str) -> Result<Vec<String>> {
    let mut absent = Vec::new();
    for chunk in workers.chunks(CHUNK) {
        let mut names = vec![queue.keys.workers()];
        names.extend(chunk.iter().map(|id| queue.keys.worker(id).control()));
        let call = Call::new(&WORKER_CONTROL, names)
            .arg(entry)
            .arg(LIFETIME.as_millis() as u64)
            .arg(chunk);
        for id in value::array(queue.connection.call(&call)?)? {
            absent.push(value::text(id)?);
        }
    }
    Ok(absent)
}

/// The answers that have come to the stream since `position`.
fn read(
    queue: &mut Queue,
    stream: &str,
    position: &mut String,
    limit: Duration,
) -> Result<Vec<String>> {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(1000).arg("BLOCK").arg(limit.as_millis().max(1) as u64);
    command.arg("STREAMS").arg(stream).arg(&*position);
    let mut answers = Vec::new();
    for stream in value::array(queue.connection.command(&command)?)? {
        let entries = value::array(stream)?.pop().unwrap_or_default();
        for entry in value::array(entries)? {
            let mut parts = value::array(entry)?.into_iter();
            *position = value::text(parts.next().unwrap_or_default())?;
            let mut fields = value::array(parts.next().unwrap_or_default())?.into_iter();
            if let (Some(field), Some(answer)) = (fields.next(), fields.next())
                && value::text(field)? == "p"
            {
                answers.push(value::text(answer)?);
            }
        }
    }
    Ok(answers)
}

/// The request that answers, unless nobody waits any more.
pub fn answer(keys: &Keys, watch: u64, answer: &str) -> Cmd {
    let mut command = redis::cmd("XADD");
    command.arg(keys.events(watch)).arg("NOMKSTREAM").arg("*").arg("p").arg(answer);
    command
}

/// An answer: words, the worker's name last because it may contain spaces.
pub fn describe(nonce: &str, id: &str, task: &str, age: Duration, uptime: Duration) -> String {
    let memory = process::memory().unwrap_or(0);
    format!("{nonce} {task} {} {memory} {} {id}", age.as_micros(), uptime.as_micros())
}

fn parse(answer: &str, nonce: &str, round_trip: Duration) -> Option<(String, Pong)> {
    let mut words = answer.splitn(6, ' ');
    let mut next = || words.next();
    if next()? != nonce {
        return None;
    }
    let (task, age, memory, uptime, id) = (next()?, next()?, next()?, next()?, next()?);
    let task = (task != "-").then(|| task.to_owned());
    let micros = |text: &str| text.parse().ok().map(Duration::from_micros);
    let pong = Pong {
        round_trip,
        task_age: if task.is_some() { micros(age) } else { None },
        task,
        memory: memory.parse().ok().filter(|bytes| *bytes > 0),
        uptime: micros(uptime)?,
    };
    Some((id.to_owned(), pong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_one_incarnation() {
        assert_eq!(Order::parse("7 kill", 7), Order::Kill);
        assert_eq!(Order::parse("7 kill", 8), Order::Nothing);
        let ping = Order::Ping { watch: 3, nonce: "abc".into() };
        assert_eq!(Order::parse("7 ping 3 abc", 7), ping);
        assert_eq!(Order::parse("cancel", 7), Order::Cancel);
        assert_eq!(Order::parse("7 dance", 7), Order::Nothing);
    }

    #[test]
    fn an_answer_reads_back_as_written() {
        let (age, uptime) = (Duration::from_micros(1500), Duration::from_secs(9));
        let text = describe("n", "a worker", "t", age, uptime);
        let (id, pong) = parse(&text, "n", SLICE).unwrap();
        assert_eq!((id.as_str(), pong.task.as_deref()), ("a worker", Some("t")));
        assert_eq!((pong.task_age, pong.uptime), (Some(age), uptime));
        assert!(parse(&text, "m", SLICE).is_none());
        let idle = parse(&describe("n", "w", "-", age, uptime), "n", SLICE).unwrap().1;
        assert_eq!((idle.task, idle.task_age), (None, None));
    }
}
