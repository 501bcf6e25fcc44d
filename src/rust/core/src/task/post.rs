//! Queueing a task without waiting for the reply: for callers that wait for tasks next. The request of the
//! wait goes behind this one, so that they sleep once and not twice.

use crate::error::Result;
use crate::queue::Queue;
use crate::task::chunk::{Chunk, Chunks, chunk_call};
use crate::task::confirm::confirm;
use crate::task::room::OnFull;
use crate::task::set::Prepared;
use crate::task::submission::Submission;
use crate::task::{delete, submit_with};

/// Queue one task and return its id. A request that may be refused, or needs others before it, is waited for;
/// so is the first one, because the server may not have the script. That the request failed otherwise is
/// the error of the next wait; the caller then discards the task.
pub fn post(
    queue: &mut Queue,
    submission: &Submission,
    payload: Vec<u8>,
    on_full: OnFull,
) -> Result<String> {
    delete::collect_posted(queue);
    confirm(queue)?;
    let watch = queue.own_watch()?;
    let is_simple = submission.is_plain()
        && !queue.storage.is_object(payload.len())
        && queue.max_bytes.is_none()
        && queue.captures.is_empty()
        && queue.stream.is_fresh();
    let mut payload = Some(payload);
    let mut next_payload = || Ok(payload.take());
    if !is_simple {
        let mut ids = submit_with(queue, submission, next_payload, on_full)?;
        return Ok(ids.pop().unwrap_or_default());
    }
    let rules = submission.rules.or(&queue.defaults);
    let tasks = Chunks::new(submission, &queue.storage, &rules, &mut next_payload).next()?;
    let (token, number) = queue.submitter.next()?;
    let chunk = Chunk { token, number, tasks: tasks.unwrap_or_default() };
    let id = chunk.tasks.first().map(|task| task.id.clone()).unwrap_or_default();
    let set = Prepared::default();
    let call = chunk_call(&queue.keys, submission, &rules.pack(), watch, &set, &chunk, |_| false);
    queue.connection.post(&call);
    queue.stream.submitted(std::slice::from_ref(&id));
    queue.posted = Some(call);
    Ok(id)
}
