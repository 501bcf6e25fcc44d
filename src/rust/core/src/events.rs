//! Event streams: each controller has one, to which other processes write the events it waits for.

use std::time::Duration;

use redis::{Cmd, Value};

use crate::connection::Connection;
use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_LISTEN};
use crate::status::Status;
use crate::value::{self, ID_WIDTH};

/// How long the server keeps a stream that nobody renews.
pub const LIFETIME: Duration = Duration::from_secs(120);
/// How many events are read at once.
pub const READ: usize = 1000;
/// The kind of an event that says which tasks have ended, or that only wakes when it is empty.
pub const ENDS: &str = "t";
/// The kind of an event that says how one task has completed: its id, its worker, its attempt and its
/// value, as lines after the id. It goes with the event that says that the task has ended.
pub const VALUE: &str = "v";
/// The kind of an event that holds the answer to a ping.
pub const PONG: &str = "p";
/// The kind of an event that names a task which has emitted events, see `lua/_emitted.lua`.
pub const EMITTED: &str = "e";

/// One entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind.
    pub kind: String,
    /// Its content.
    pub value: Vec<u8>,
}

/// The tasks that an event of the kind `ENDS` names, and how they ended.
pub fn ends(ends: &[u8]) -> impl Iterator<Item = (String, Status)> + '_ {
    ends.chunks_exact(ID_WIDTH + 1).map(|end| {
        let id = String::from_utf8_lossy(&end[..ID_WIDTH]).into_owned();
        (id, Status::from_letter(end[ID_WIDTH]))
    })
}

/// Open the stream of a waiter, or keep it open; returns the position after its last entry.
pub fn open(queue: &mut Queue, watch: u64) -> Result<String> {
    let names = vec![queue.keys.config(), queue.keys.events(watch)];
    let call = Call::new(&QUEUE_LISTEN, names).arg(LIFETIME.as_millis() as u64);
    let position = value::maybe_bytes(queue.connection.call(&call)?)?;
    position.map_or_else(|| Err(queue.missing()), |text| Ok(String::from_utf8_lossy(&text).into()))
}

/// The command that adds an event, unless the stream has expired: then nobody reads it any longer.
pub fn add(stream: &str, kind: &str, value: &str) -> Cmd {
    let mut command = redis::cmd("XADD");
    command.arg(stream).arg("NOMKSTREAM").arg("*").arg(kind).arg(value);
    command
}

/// The command that reads the events after `position`; it waits for the first of them, up to `limit`.
pub fn read_command(stream: &str, position: &str, limit: Duration) -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(READ).arg("BLOCK").arg(limit.as_millis().max(1) as u64);
    command.arg("STREAMS").arg(stream).arg(position);
    command
}

/// The events in the reply to that command. `position` is advanced.
pub fn parse(reply: Value, position: &mut String) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for stream in value::array(reply)? {
        let entries = value::array(stream)?.pop().unwrap_or_default();
        for entry in value::array(entries)? {
            let mut parts = value::array(entry)?.into_iter();
            *position = value::text(parts.next().unwrap_or_default())?;
            for (kind, value) in value::pairs(parts.next().unwrap_or_default())? {
                events.push(Event { kind, value });
            }
        }
    }
    Ok(events)
}

/// The events after `position`, which is advanced; waits for the first of them, up to `limit`.
pub fn read(
    connection: &mut Connection,
    stream: &str,
    position: &mut String,
    limit: Duration,
) -> Result<Vec<Event>> {
    parse(connection.command(&read_command(stream, position, limit))?, position)
}
