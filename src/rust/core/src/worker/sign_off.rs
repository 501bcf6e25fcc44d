//! What is sent for a worker before it leaves or its process ends: everything it has finished is
//! reported, everything it has not begun goes back.

use crate::connection::Connection;
use crate::error::Result;
use crate::worker::batch::Batch;
use crate::worker::request::{Registration, Step};

/// Report what has ended, then hand back what has not begun. Whoever calls this holds the lock of
/// the batch, so that the main thread neither begins a task meanwhile nor reports one as well.
pub fn report_and_hand_back(
    connection: &mut Connection,
    registration: &Registration,
    batch: &mut Batch,
) -> Result<()> {
    if !batch.finished.is_empty() {
        batch.sequence += 1;
        let step = Step { queues: &[], claim_limit: 0, popped_marker: 0 };
        connection.call(&registration.step(&step, batch))?;
        batch.finished.clear();
    }
    // What is on its way back may have arrived or not.
    let mut waiting = std::mem::take(&mut batch.returning);
    waiting.append(&mut batch.waiting);
    if !waiting.is_empty() {
        connection.call(&registration.return_tasks(&waiting))?;
    }
    Ok(())
}
