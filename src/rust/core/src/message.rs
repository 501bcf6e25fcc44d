//! Messages to workers and their answers. A message is one string: its id, the number of the
//! sender's event stream, the command and the serialised argument, separated by zero bytes. Scripts
//! and workers compare it as a whole.

use std::time::{Duration, Instant};

use redis::Pipeline;

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::events;
use crate::queue::Queue;
use crate::scripts::{Call, MESSAGE_SEND};
use crate::value;

/// A message as a worker gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: the server's time when it was sent.
    pub id: String,
    /// The number of the sender's event stream.
    pub watch: u64,
    /// The command.
    pub command: String,
    /// The serialised argument; empty for none.
    pub argument: Vec<u8>,
    /// The message as stored.
    pub raw: Vec<u8>,
}

impl Message {
    fn new(id: &str, watch: u64, command: &str, argument: &[u8]) -> Self {
        let mut raw = format!("{id}\0{watch}\0{command}\0").into_bytes();
        raw.extend_from_slice(argument);
        let (id, command, argument) = (id.into(), command.into(), argument.into());
        Message { id, watch, command, argument, raw }
    }

    /// Read a stored message.
    pub fn parse(raw: Vec<u8>) -> Result<Self> {
        let mut parts = raw.splitn(4, |byte| *byte == 0).map(<[u8]>::to_vec);
        let mut next =
            || parts.next().ok_or_else(|| Error::corrupt("a message", "it is truncated"));
        let mut text =
            || String::from_utf8(next()?).map_err(|error| Error::corrupt("a message", error));
        let (id, watch, command) = (text()?, text()?, text()?);
        let argument = next()?;
        Ok(Message { id, watch: watch.parse().unwrap_or(0), command, argument, raw })
    }
}

/// Send a message to workers, all of which must be active; returns its id.
pub fn send(
    queue: &mut Queue,
    command: &str,
    argument: &[u8],
    workers: &[String],
) -> Result<String> {
    if workers.is_empty() {
        return Err(Error::NoWorkers);
    }
    let watch = queue.own_watch()?;
    let id = server_time(queue)?;
    let message = Message::new(&id, watch, command, argument);
    let mut keys = vec![queue.keys.workers(), queue.keys.config()];
    for worker in workers {
        let worker = queue.keys.worker(worker);
        keys.extend([worker.messages(), worker.wake()]);
    }
    let (token, number) = queue.number_request()?;
    let call = Call::new(&MESSAGE_SEND, keys).arg(token).arg(number).arg(message.raw).arg(workers);
    let unknown = value::texts(queue.connection.call(&call)?)?;
    if unknown.is_empty() {
        return Ok(id);
    }
    // A copy must not reach a worker that takes the name later.
    queue.withdraw_requests()?;
    Err(Error::WorkerMissing { ids: unknown })
}

/// Seconds with six decimals, as text: ids sort by time and never pass through a number.
fn server_time(queue: &mut Queue) -> Result<String> {
    let reply = value::array(queue.connection.command(&redis::cmd("TIME"))?)?;
    let parts: Vec<i64> = reply.into_iter().map(value::integer).collect::<Result<_>>()?;
    match parts[..] {
        [seconds, micros] => Ok(format!("{seconds}.{micros:06}")),
        _ => Err(Error::corrupt("the server's time", "it is not two numbers")),
    }
}

/// The answer of each worker to a message; `None` where there is none yet.
pub fn responses(queue: &mut Queue, id: &str, workers: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut pipeline = Pipeline::new();
    for worker in workers {
        pipeline.cmd("HGET").arg(queue.keys.worker(worker).responses()).arg(id);
    }
    let replies = queue.connection.pipeline(&pipeline)?;
    replies.into_iter().map(value::maybe_bytes).collect()
}

/// Wait until all workers have answered or `limit` has passed; returns the answers there are.
pub fn wait_responses(
    queue: &mut Queue,
    id: &str,
    workers: &[String],
    limit: Duration,
    stop: &Stop,
) -> Result<Vec<Option<Vec<u8>>>> {
    let end = Instant::now() + limit;
    let watch = queue.own_watch()?;
    let stream = queue.keys.events(watch);
    let mut position = String::new();
    if !limit.is_zero() {
        position = events::open(queue, watch)?;
    }
    loop {
        let answers = responses(queue, id, workers)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || answers.iter().all(Option::is_some) {
            return Ok(answers);
        }
        if stop() {
            return Err(Error::Interrupted);
        }
        // The stream only wakes: whatever arrives, the answers are read again.
        events::read(&mut queue.connection, &stream, &mut position, left.min(SLICE))?;
    }
}

/// The ids of the messages a worker has answered, in time order.
pub fn response_ids(queue: &mut Queue, worker: &str) -> Result<Vec<String>> {
    let mut ids = queue.connection.hash_fields(&queue.keys.worker(worker).responses())?;
    ids.sort();
    Ok(ids)
}

/// Delete the answers to a message.
pub fn delete_responses(queue: &mut Queue, id: &str, workers: &[String]) -> Result<()> {
    let mut pipeline = Pipeline::new();
    for worker in workers {
        pipeline.cmd("HDEL").arg(queue.keys.worker(worker).responses()).arg(id);
    }
    queue.connection.pipeline(&pipeline).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_as_written() {
        let sent = Message::new("12.000001", 7, "EVAL", &[1, 0, 2]);
        assert_eq!(Message::parse(sent.raw.clone()).unwrap(), sent);
    }

    #[test]
    fn a_message_cut_short_is_an_error() {
        assert!(Message::parse(b"12\x007".to_vec()).is_err());
    }
}
