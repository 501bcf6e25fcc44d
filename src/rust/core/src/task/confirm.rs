//! Reading the reply to a task that was posted.
//!
//! Invariant: at most one task is posted and not confirmed. Chunks must arrive in the order of their numbers
//! (`Submitter`), so the next submission confirms this one first; if its reply was lost, it is sent again.
//! So does whatever may depend on the task: a wait, and what discards it. After an error it stays posted,
//! because it may be queued: whoever posted it discards it, which tries once more.

use redis::{Cmd, Value};

use crate::error::Result;
use crate::queue::Queue;
use crate::task::set::ChunkReply;

/// Make sure that the task that was posted is queued.
pub fn confirm(queue: &mut Queue) -> Result<()> {
    let Some(posted) = &queue.posted else {
        return Ok(());
    };
    let reply = queue.connection.collect(posted)?;
    accept(queue, reply)
}

/// The same, with a blocking command right behind it. Returns the reply to the command, or `None` if it must
/// be sent.
pub fn confirm_and_block(queue: &mut Queue, command: &Cmd) -> Result<Option<Value>> {
    let Some(posted) = &queue.posted else {
        return Ok(None);
    };
    let (reply, blocked) = queue.connection.collect_and_block(posted, command)?;
    accept(queue, reply)?;
    Ok(blocked)
}

fn accept(queue: &mut Queue, reply: Value) -> Result<()> {
    ChunkReply::read(reply)?.failed_parents(&queue.id)?;
    queue.posted = None;
    Ok(())
}
