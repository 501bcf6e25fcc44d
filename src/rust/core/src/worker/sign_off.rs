//! What is sent for a worker before it leaves or its process ends. What it has finished is reported
//! here; the request that follows, `exit` or `restart`, says what else it has begun, and the server
//! hands back the rest.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::worker::batch::Batch;
use crate::worker::request::{Registration, Step};

/// Report what has ended. Whoever calls this holds the lock of the batch, so that the main thread
/// neither starts a task meanwhile nor reports one as well.
pub fn report_finished(
    connection: &mut Connection,
    registration: &Registration,
    batch: &mut Batch,
) -> Result<()> {
    if !batch.finished.is_empty() {
        batch.sequence += 1;
        connection.call(&registration.step(&Step::REPORT, batch))?;
        batch.finished.clear();
    }
    Ok(())
}

/// Report what has ended and that the worker has left. The same holds.
pub fn sign_off(
    connection: &mut Connection,
    registration: &Registration,
    batch: &mut Batch,
    reason: &str,
) -> Result<()> {
    match report_finished(connection, registration, batch) {
        // There is no memory for its results: they are lost, and the tasks count as begun.
        Ok(()) | Err(Error::ServerFull { .. }) => {}
        Err(error) => return Err(error),
    }
    connection.call(&registration.exit(reason, &batch.begun())).map(|_| ())
}
