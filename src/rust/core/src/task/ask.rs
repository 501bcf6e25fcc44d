//! One task from its submission to its outcome, for callers who want nothing else of it.

use std::time::Duration;

use crate::connection::{Stop, never};
use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::room::OnFull;
use crate::task::submit::may_be_half_done;
use crate::task::{Outcome, Submission, WaitState, Waiter, delete, discard, outcomes, post};

/// A task that was asked for its outcome.
pub struct Asked {
    /// Its id.
    pub id: String,
    /// How it ended, unless it has not.
    pub outcome: Option<Outcome>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// Submit a task and wait up to `limit` for its end: both requests are on their way before a reply is read.
/// If the task completes with a small value and refers to no object, it is deleted: the request is sent, and
/// nobody waits for the reply. If this fails, nothing stays in the queue, unless the server cannot be reached.
pub fn ask(
    queue: &mut Queue,
    submission: &Submission,
    payload: Vec<u8>,
    on_full: OnFull,
    limit: Duration,
    stop: &Stop,
) -> Result<Asked> {
    let is_bare = submission.shared.is_empty() && !queue.storage.is_object(payload.len());
    let id = post(queue, submission, payload, on_full)?;
    let ids = [id.clone()];
    let outcome = await_outcome(queue, &ids, limit, stop).inspect_err(|error| {
        if may_be_half_done(error) {
            let _ = discard(queue, &ids, Duration::ZERO, &never());
        } else {
            queue.posted = None;
        }
    })?;
    let is_small = |outcome: &Outcome| {
        outcome.result.status == Status::Complete && outcome.result.object.is_none()
    };
    let deleted = is_bare && outcome.as_ref().is_some_and(is_small);
    if deleted {
        delete::post(queue, &ids);
    }
    Ok(Asked { id, outcome, deleted })
}

fn await_outcome(
    queue: &mut Queue,
    ids: &[String],
    limit: Duration,
    stop: &Stop,
) -> Result<Option<Outcome>> {
    let mut waiter = Waiter::new(queue, ids, true)?;
    let state = waiter.wait(queue, limit, false, stop)?;
    waiter.finish(queue)?;
    match state {
        WaitState::Waiting => Ok(None),
        WaitState::Done => Ok(outcomes(queue, ids, true)?.pop()),
    }
}
