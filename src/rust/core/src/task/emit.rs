//! The events that tasks emit while they run: an append-only list per task, of which the newest are
//! kept, and which is deleted with the task.

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_EMIT, TASK_EVENTS};
use crate::task::emitted::Emitted;
use crate::value::{self, random_id};

/// How many events of a task are kept.
pub const EVENTS: usize = 1000;
/// How many bytes these may have; the newest one is kept in any case.
pub const EVENT_BYTES: usize = 1_000_000;
/// Of how many tasks one request reads the events.
pub const EVENTS_CHUNK: usize = 16;

/// Append an event to those of a running task. Returns whether it runs.
pub fn emit(queue: &mut Queue, id: &str, event: &[u8]) -> Result<bool> {
    let keys = &queue.keys;
    let mut nonce = random_id()?;
    nonce.truncate(16);
    let call = Call::new(&TASK_EMIT, vec![keys.tasks(), keys.emitted()])
        .arg(keys.prefix())
        .arg(id)
        .arg(nonce)
        .arg(event)
        .arg(EVENTS)
        .arg(EVENT_BYTES);
    Ok(value::integer(queue.connection.call(&call)?)? == 1)
}

/// The events of tasks after the one with the given number, of at most `EVENTS_CHUNK` tasks.
pub fn events_after(queue: &mut Queue, known: &[(&str, u64)]) -> Result<Vec<Emitted>> {
    let mut call = Call::new(&TASK_EVENTS, vec![queue.keys.emitted()]).arg(queue.keys.prefix());
    for (id, after) in known {
        call.push(id);
        call.push(after);
    }
    value::array(queue.connection.call(&call)?)?.into_iter().map(read).collect()
}

/// All events of one task.
pub fn events(queue: &mut Queue, id: &str) -> Result<Emitted> {
    Ok(events_after(queue, &[(id, 0)])?.pop().unwrap_or_default())
}

fn read(reply: redis::Value) -> Result<Emitted> {
    let mut parts = value::array(reply)?.into_iter();
    let mut number = || parts.next().map(value::integer).transpose();
    let (first, next) = (number()?.unwrap_or(1), number()?.unwrap_or(1));
    let events = parts.map(value::bytes).collect::<Result<_>>()?;
    Ok(Emitted { first: first.unsigned_abs(), next: next.unsigned_abs(), events })
}
