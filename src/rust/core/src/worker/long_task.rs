//! What the lease thread does for the rest of a batch when its current task takes long: tasks that
//! wait behind it go back to the queue, where other workers find them, and those that ended before it
//! are reported.

use std::time::Duration;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::worker::batch::{Batch, lock};
use crate::worker::context::Context;
use crate::worker::request::Step;

/// A task may delay the rest of its batch this long.
const TOLERATED_DELAY: Duration = Duration::from_millis(50);

/// Whether the current task delays others.
fn is_long(batch: &Batch) -> bool {
    batch.age().is_some_and(|age| age > TOLERATED_DELAY)
}

/// Hand back the tasks that wait behind a long one.
///
/// If a request fails, the next round sends it again: if only its reply was lost, the tasks are back in
/// the queue, and running them here as well would run them twice. Until the reply comes they stay in
/// `returning`, and the main thread begins none. If the server rejects the first sending, the tasks are
/// still held here, and the main thread may run them. But once a reply was lost, that the server rejects
/// a repetition (it has restarted and loads its data, is out of memory, ...) says nothing about the first
/// sending: then only the script itself can tell.
pub fn return_waiting(connection: &mut Connection, context: &Context) -> Result<()> {
    let call = {
        let mut batch = lock(&context.batch);
        if batch.returning.is_empty() && is_long(&batch) {
            batch.returning = std::mem::take(&mut batch.waiting);
        }
        if batch.returning.is_empty() {
            return Ok(());
        }
        context.registration.return_tasks(&batch.returning, batch.sequence)
    };
    let answer = connection.call(&call);
    let mut batch = lock(&context.batch);
    match answer {
        Ok(_) => {
            batch.returning.clear();
            batch.maybe_returned = false;
            Ok(())
        }
        Err(error) => {
            batch.maybe_returned |= matches!(error, Error::Connection { .. });
            if !batch.maybe_returned {
                batch.waiting = std::mem::take(&mut batch.returning);
            }
            Err(error)
        }
    }
}

/// Report what ended before a long task. If the answer is lost, it is reported once more with what
/// ends next; the second time does not count.
pub fn flush_finished(connection: &mut Connection, context: &Context) -> Result<()> {
    let (call, reported) = {
        let mut batch = lock(&context.batch);
        if !is_long(&batch) || batch.finished.is_empty() {
            return Ok(());
        }
        batch.sequence += 1;
        (context.registration.step(&Step::REPORT, &batch), batch.finished_keys())
    };
    connection.call(&call)?;
    lock(&context.batch).drop_reported(&reported);
    Ok(())
}
