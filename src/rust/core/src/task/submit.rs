//! Submitting tasks in chunks: the next chunk is prepared while the server stores the previous one.
//! Objects that tasks share are sent once, and only if the server does not have them.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::store::{AGAIN, Naming, SMALL, Storage, Store};
use crate::task::chunk::{Chunk, Chunks, New, chunk_call};
use crate::task::confirm::confirm;
use crate::task::discard;
use crate::task::room::{OnFull, Room};
use crate::task::rules::Rules;
use crate::task::set::{ChunkReply, Prepared};
use crate::task::submission::{SharedObject, Submission};

/// Submit one task per payload and return their ids, in order. If `next_payload` fails or the server
/// refuses a chunk, the tasks already submitted are withdrawn.
pub fn submit(
    queue: &mut Queue,
    submission: &Submission,
    next_payload: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Vec<String>> {
    submit_with(queue, submission, next_payload, &mut |_, _| ())
}

/// The same; `on_full` is called before this waits for room in the queue.
pub fn submit_with(
    queue: &mut Queue,
    submission: &Submission,
    next_payload: impl FnMut() -> Result<Option<Vec<u8>>>,
    on_full: OnFull,
) -> Result<Vec<String>> {
    confirm(queue)?;
    let n_links = queue.connection.n_links();
    let mut room = Room::new(queue, submission.wait, on_full);
    room.check(&mut queue.connection)?;
    let rules = submission.rules.or(&queue.defaults);
    let mut ids = Vec::new();
    let mut set = Prepared::default();
    let sent = store_shared(queue, submission)
        .and_then(|()| {
            let last_first = submission.is_last_first();
            set.prepare(queue, &submission.parents, submission.run_on_failure, last_first)
        })
        .and_then(|()| {
            send_chunks(queue, submission, &rules, &set, &mut room, next_payload, &mut ids)
        });
    let is_withdrawn = match sent.as_ref().err().filter(|error| may_be_half_done(error)) {
        Some(error) => discard::withdraw(queue, &ids, error),
        None => matches!(&sent, Err(Error::QueueMissing { .. })),
    };
    if sent.as_ref().err().is_none_or(may_be_half_done) {
        set.close(queue);
    }
    let failed = match sent {
        Err(source) if !is_withdrawn && !ids.is_empty() => {
            return Err(Error::PartlyQueued { ids, source: Box::new(source) });
        }
        sent => sent?,
    };
    queue.known_objects.extend(submission.shared.iter().map(|object| object.hash.clone()));
    if !failed.is_empty() {
        return Err(Error::ParentFailed { parents: failed, ids });
    }
    if queue.captures.is_empty() {
        queue.stream.submitted(&ids);
    }
    queue.await_durable(&ids, n_links)?;
    Ok(ids)
}

/// Whether tasks of a submission that ended with this error may be in the queue and can be withdrawn.
pub(super) fn may_be_half_done(error: &Error) -> bool {
    !matches!(
        error,
        Error::Connection { .. }
            | Error::Authentication { .. }
            | Error::Tls { .. }
            | Error::QueueMissing { .. }
    )
}

/// Store the large objects that the tasks share, unless this session knows that they are stored.
fn store_shared(queue: &mut Queue, submission: &Submission) -> Result<()> {
    for object in &submission.shared {
        if !goes_along(&queue.storage, object) && !queue.known_objects.contains(&object.hash) {
            queue.store().put(&object.bytes, Naming::Content)?;
        }
    }
    Ok(())
}

/// Whether an object is sent with the tasks that use it.
fn goes_along(storage: &Storage, object: &SharedObject) -> bool {
    object.bytes.len() <= SMALL && !storage.is_object(object.bytes.len())
}

/// Send all chunks; returns the parents that have failed.
///
/// Invariant: a chunk is queued as a whole and once. The script that queues it also counts its references
/// to objects; before that only pins keep them, and these end with the first task that uses an object,
/// which may be deleted between two chunks. So the script first checks that all objects are stored or
/// sent along; otherwise it names the missing ones and writes nothing, and the chunk is sent again after
/// them; that may have to be repeated while other sessions store and delete the same objects. If tasks were queued before their objects are safe, a worker could claim one whose object is
/// gone.
///
/// A lost reply leaves open whether the chunk was queued. `call_each` repeats the same request, by whose
/// number the server recognises it even if its tasks have run and been deleted (`Submitter`). If no
/// repetition gets through, the submission ends with a connection error: earlier chunks stay queued, and
/// so may the last one, because without a connection nothing can be withdrawn. For other errors see
/// `may_be_half_done`. A chunk is sent when the reply to the previous one has been read, so that chunks
/// stay in order and numbers only grow, as `Submitter` requires.
fn send_chunks(
    queue: &mut Queue,
    submission: &Submission,
    rules: &Rules,
    set: &Prepared,
    room: &mut Room,
    next_payload: impl FnMut() -> Result<Option<Vec<u8>>>,
    ids: &mut Vec<String>,
) -> Result<Vec<String>> {
    let (keys, id, watch) = (queue.keys.clone(), queue.id.clone(), queue.submit_watch()?);
    let (known, submitter, storage) = (&queue.known_objects, &mut queue.submitter, &queue.storage);
    let captures = &mut queue.captures;
    let mut chunks = Chunks::new(submission, storage, rules, next_payload);
    let rules = rules.pack();
    let put = |connection: &mut Connection, object: &SharedObject| {
        Store::of_queue(connection, &keys, storage, &id).put(&object.bytes, Naming::Content)
    };
    let mut failed = Vec::new();
    let last_first = submission.is_last_first();
    let mut waiting = if last_first { chunks.rest()? } else { Vec::new() };
    if last_first {
        ids.extend(waiting.iter().flatten().map(|task| task.id.clone()));
    }
    let mut is_first = true;
    queue.connection.call_each(
        |connection| {
            let chunk = if last_first { waiting.pop() } else { chunks.next()? };
            let Some(tasks) = chunk else {
                return Ok(None);
            };
            room.send(connection, tasks.iter().map(New::bytes).sum())?;
            let (token, number) = submitter.next()?;
            let chunk = Chunk { token, number, tasks };
            for payload in chunk.payloads() {
                put(connection, payload)?;
            }
            let send = |object: &SharedObject| {
                is_first && goes_along(storage, object) && !known.contains(&object.hash)
            };
            let call = chunk_call(&keys, submission, &rules, watch, set, &chunk, send);
            is_first = false;
            let new_ids: Vec<String> = chunk.tasks.iter().map(|task| task.id.clone()).collect();
            Queue::capture(captures, &new_ids);
            if !last_first {
                ids.extend(new_ids);
            }
            Ok(Some((call, chunk)))
        },
        |connection, chunk, reply| {
            let mut outcome = ChunkReply::read(reply)?;
            for _ in 0..AGAIN {
                let ChunkReply::ObjectsMissing(missing) = &outcome else {
                    break;
                };
                let is_missing = |object: &&SharedObject| missing.contains(&object.hash);
                for object in submission.shared.iter().chain(chunk.payloads()).filter(is_missing) {
                    if !goes_along(storage, object) {
                        put(connection, object)?;
                    }
                }
                // Nothing was written, so those that went along before must do so again.
                let send = |object: &SharedObject| goes_along(storage, object);
                let again = chunk_call(&keys, submission, &rules, watch, set, &chunk, send);
                outcome = ChunkReply::read(connection.call(&again)?)?;
            }
            failed = outcome.failed_parents(&id)?;
            Ok(())
        },
    )?;
    Ok(if failed.is_empty() || set.failed.is_empty() { failed } else { set.failed.clone() })
}
