//! Pings, which a worker's control thread answers at any moment. An answer goes to the event stream of
//! the caller, which expires with it.

use std::time::{Duration, Instant};

use redis::Cmd;

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::events::{self, PONG};
use crate::process;
use crate::queue::Queue;
use crate::value;
use crate::worker::batch::lock;
use crate::worker::context::Context;
use crate::worker::order::{Order, tell};

/// What a worker answers to a ping.
#[derive(Debug, Clone)]
pub struct Pong {
    /// From the ping to its answer.
    pub round_trip: Duration,
    /// The task it runs.
    pub task: Option<String>,
    /// For how long it has run that task.
    pub task_age: Option<Duration>,
    /// The memory of its process in bytes, where known.
    pub memory: Option<u64>,
    /// For how long it has worked.
    pub uptime: Duration,
}

/// Ping workers and wait for their answers up to `limit`. One that has not answered by then, or is
/// not alive, has none.
pub fn ping(
    queue: &mut Queue,
    workers: &[String],
    limit: Duration,
    stop: &Stop,
) -> Result<Vec<Option<Pong>>> {
    let mut pongs: Vec<Option<Pong>> = vec![None; workers.len()];
    let watch = queue.own_watch()?;
    let stream = queue.keys.events(watch);
    let nonce = value::random_id()?;
    let mut position = events::open(queue, watch)?;
    let asked = Instant::now();
    let absent = tell(queue, workers, &Order::Ping { watch, nonce: nonce.clone() })?;
    let mut silent: Vec<&String> = workers.iter().filter(|id| !absent.contains(id)).collect();
    while !silent.is_empty() && asked.elapsed() < limit {
        if stop() {
            return Err(Error::Interrupted);
        }
        let left = limit.saturating_sub(asked.elapsed()).min(SLICE);
        let events = events::read(&mut queue.connection, &stream, &mut position, left)?;
        for event in events.iter().filter(|event| event.kind == PONG) {
            let answer = String::from_utf8_lossy(&event.value);
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

/// The request that answers, unless nobody is waiting any longer.
pub fn answer(context: &Context, watch: u64, nonce: &str) -> Cmd {
    let registration = &context.registration;
    let text = {
        let batch = lock(&context.batch);
        let task = batch.running.as_ref().map_or("-", |running| running.id.as_str());
        let age = batch.age().unwrap_or_default();
        describe(nonce, &registration.id, task, age, context.started.elapsed())
    };
    events::add(&registration.keys.events(watch), PONG, &text)
}

/// An answer: words, the worker's name last because it may contain spaces.
fn describe(nonce: &str, id: &str, task: &str, age: Duration, uptime: Duration) -> String {
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
