//! What the lease thread does for the rest of a batch when its current task takes long: tasks that
//! wait behind it go back to the queue, where other workers find them, and those that ended before it
//! are reported.

use std::time::Duration;

use crate::connection::{Connection, SLICE};
use crate::error::{Error, Result};
use crate::process::is_orphan;
use crate::worker::batch::{Batch, lock};
use crate::worker::context::Context;
use crate::worker::request::Step;

/// A task may delay the rest of its batch this long.
const TOLERATED_DELAY: Duration = Duration::from_millis(50);

/// Whether the current task delays others.
fn is_long(batch: &Batch) -> bool {
    batch.age().is_some_and(|age| age > TOLERATED_DELAY)
}

/// Hand back what waits behind a long task. The lock is held until the server has answered, so that
/// the main thread cannot start one of the tasks meanwhile.
///
/// The request is sent until it is answered: if only its answer was lost, the tasks are in the queue
/// again, and running them here as well would run them twice. Meanwhile `renew_lease` is called. A
/// refusal is an answer: then the tasks are still held here, and the main thread may run them.
pub fn return_waiting(
    connection: &mut Connection,
    context: &Context,
    mut renew_lease: impl FnMut(&mut Connection),
) -> Result<()> {
    let mut batch = lock(&context.batch);
    if !is_long(&batch) || batch.waiting.is_empty() {
        return Ok(());
    }
    let call = context.registration.return_tasks(&batch.waiting);
    loop {
        match connection.call(&call) {
            Err(Error::Connection { .. }) if !is_ending(context) => {
                renew_lease(connection);
                std::thread::sleep(SLICE);
            }
            Ok(_) => {
                batch.waiting.clear();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_ending(context: &Context) -> bool {
    (context.stop)() || is_orphan(context.parent)
}

/// Report what ended before a long task. If the answer is lost, it is reported once more with what
/// ends next; the second time does not count.
pub fn flush_finished(connection: &mut Connection, context: &Context) -> Result<()> {
    let mut batch = lock(&context.batch);
    if !is_long(&batch) || batch.finished.is_empty() {
        return Ok(());
    }
    batch.sequence += 1;
    let step = Step { queues: &[], claim_limit: 0, popped_marker: 0 };
    connection.call(&context.registration.step(&step, &batch))?;
    batch.finished.clear();
    Ok(())
}
