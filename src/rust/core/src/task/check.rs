//! Checking whether an action is possible for all tasks, before it is done to any.

use crate::error::{Error, Result};
use crate::status::Status;

/// An error if some tasks do not exist.
pub fn refuse_missing(ids: &[String], statuses: &[Status]) -> Result<()> {
    let missing = |(_, status): &(&String, &Status)| **status == Status::Missing;
    let ids: Vec<String> =
        ids.iter().zip(statuses).filter(missing).map(|(id, _)| id.clone()).collect();
    if ids.is_empty() { Ok(()) } else { Err(Error::TaskMissing { ids }) }
}

/// An error if the status of some tasks does not allow `action`.
pub fn refuse(
    action: &'static str,
    ids: &[String],
    statuses: &[Status],
    wrong: impl Fn(Status) -> bool,
) -> Result<()> {
    let (ids, statuses): (Vec<String>, Vec<String>) = ids
        .iter()
        .zip(statuses)
        .filter(|(_, status)| wrong(**status))
        .map(|(id, status)| (id.clone(), status.word().to_owned()))
        .unzip();
    if ids.is_empty() { Ok(()) } else { Err(Error::TaskState { action, ids, statuses }) }
}
