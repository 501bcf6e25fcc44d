//! Submitting tasks in chunks: the next chunk is prepared while the server stores the previous one.
//! Objects that tasks share are sent once, and only if the server does not have them.

use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_SUBMIT};
use crate::task::seed::next_stream;
use crate::task::set::{ChunkReply, KEPT_MS, Prepared};
use crate::task::{Body, Kind, Parent, Rules, SharedRef, Special, discard};
use crate::value;

/// The first chunks are small, so that workers start while the rest is still being sent.
const CHUNKS: [usize; 3] = [32, 128, 500];
/// A chunk is sent when its bodies reach this size, however few they are.
const CHUNK_BYTES: usize = 512 * 1024;
/// Objects up to this size are sent without checking whether the server has them.
const SMALL_OBJECT: usize = 64 * 1024;

/// An object that tasks share.
#[derive(Debug, Clone)]
pub struct SharedObject {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// Its serialised form.
    pub bytes: Vec<u8>,
    hash: String,
}

impl SharedObject {
    /// An object under the hash of its bytes.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let hash = value::content_hash(&bytes);
        SharedObject { name: name.into(), bytes, hash }
    }
}

/// What the tasks of one submission have in common.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The queue they wait in.
    pub queue: String,
    /// How to read the payloads.
    pub kind: Kind,
    /// Objects they all use.
    pub shared: Vec<SharedObject>,
    /// Seconds each may run; 0 for no limit.
    pub timeout_s: f64,
    /// Their dependencies.
    pub parents: Vec<Parent>,
    /// Whether they run even if a dependency has failed.
    pub run_on_failure: bool,
    /// Whether they are put at the front of their queue.
    pub at_front: bool,
    /// When they may start.
    pub start: Start,
    /// Rules that override the defaults of the queue.
    pub rules: Rules,
    /// One label for each, one for all, or none.
    pub labels: Vec<String>,
    /// Their tags.
    pub tags: Vec<String>,
    /// Options that few tasks use. The seed is that of the first task.
    pub special: Special,
    /// By how many random number streams each task is ahead of the one before.
    pub seed_step: usize,
}

/// A task about to be queued.
struct New {
    /// Its place in the submission, from 0.
    place: usize,
    id: String,
    body: Vec<u8>,
    label: String,
}

/// The tasks of one request, and what identifies the request, see `Submitter`.
struct Chunk {
    token: String,
    number: u64,
    tasks: Vec<New>,
}

impl Submission {
    fn has_labels(&self) -> bool {
        !self.labels.is_empty() || !self.tags.is_empty()
    }

    /// At the front of a queue the last chunk is stored first, so that the order is kept.
    fn is_last_first(&self) -> bool {
        let is_delayed = matches!(self.start, Start::After(seconds) if seconds > 0.0);
        self.at_front && !is_delayed
    }

    /// The stored form of the label and tags of the task at `place`.
    fn label(&self, place: usize) -> String {
        let own = if self.labels.len() > 1 { self.labels.get(place) } else { self.labels.first() };
        let label = own.map(String::as_str).unwrap_or_default();
        [label]
            .into_iter()
            .chain(self.tags.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Tasks of `kind` in `queue` without further options.
    pub fn new(queue: impl Into<String>, kind: Kind) -> Self {
        Submission {
            queue: queue.into(),
            kind,
            shared: Vec::new(),
            timeout_s: 0.0,
            parents: Vec::new(),
            run_on_failure: false,
            at_front: false,
            start: Start::Now,
            rules: Rules::default(),
            labels: Vec::new(),
            tags: Vec::new(),
            special: Special::default(),
            seed_step: 1,
        }
    }
}

/// When a task may start, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// As soon as a worker is free.
    Now,
    /// This many seconds after it was submitted.
    After(f64),
    /// At this time, in seconds since 1970.
    At(f64),
}

/// Submit one task per payload and return their ids, in order. If `next_payload` fails or the server
/// refuses a chunk, the tasks already submitted are withdrawn.
pub fn submit(
    queue: &mut Queue,
    submission: &Submission,
    next_payload: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Vec<String>> {
    let rules = submission.rules.or(&queue.defaults);
    let mut chunks = Chunks::new(submission, &rules, next_payload);
    let mut ids = Vec::new();
    let mut set = Prepared::default();
    let sent = set
        .prepare(queue, &submission.parents, submission.run_on_failure, submission.is_last_first())
        .and_then(|()| send_chunks(queue, submission, &rules.pack(), &set, &mut chunks, &mut ids));
    if let Some(error) = sent.as_ref().err().filter(|error| may_be_half_done(error)) {
        discard::withdraw(queue, &ids, error);
    }
    if sent.as_ref().err().is_none_or(may_be_half_done) {
        set.close(queue);
    }
    let failed = sent?;
    queue.known_objects.extend(submission.shared.iter().map(|object| object.hash.clone()));
    if !failed.is_empty() {
        return Err(Error::ParentFailed { parents: failed, ids });
    }
    queue.stream.submitted(&ids);
    Ok(ids)
}

/// Whether tasks of a submission that ended with this error may be in the queue and can be withdrawn.
fn may_be_half_done(error: &Error) -> bool {
    !matches!(
        error,
        Error::Connection { .. } | Error::Authentication { .. } | Error::QueueMissing { .. }
    )
}

/// Send all chunks; returns the parents that have failed.
///
/// Invariant: a chunk is queued as a whole and once. The script that queues it also counts its references
/// to shared objects; before that nothing keeps an object, and the last task that used it may be deleted
/// between two chunks. So the script first checks that all objects are stored or sent along; otherwise
/// it names the missing ones and writes nothing, and the chunk is sent again with them. If tasks were
/// queued before their objects are safe, a worker could claim one whose object is gone.
///
/// A lost reply leaves open whether the chunk was queued. `call_each` repeats the same request, by whose
/// number the server recognises it even if its tasks have run and been deleted (`Submitter`). If no
/// repetition gets through, the submission ends with a connection error: earlier chunks stay queued, and
/// so may the last one, because without a connection nothing can be withdrawn. For other errors see
/// `may_be_half_done`. A chunk is sent when the reply to the previous one has been read, so that chunks
/// stay in order and numbers only grow, as `Submitter` requires.
fn send_chunks<N: FnMut() -> Result<Option<Vec<u8>>>>(
    queue: &mut Queue,
    submission: &Submission,
    rules: &str,
    set: &Prepared,
    chunks: &mut Chunks<'_, N>,
    ids: &mut Vec<String>,
) -> Result<Vec<String>> {
    let (keys, watch) = (queue.keys.clone(), queue.own_watch()?);
    let (known, submitter) = (&queue.known_objects, &mut queue.submitter);
    let mut failed = Vec::new();
    let last_first = submission.is_last_first();
    let mut waiting = if last_first { chunks.rest()? } else { Vec::new() };
    if last_first {
        ids.extend(waiting.iter().flatten().map(|task| task.id.clone()));
    }
    let mut is_first = true;
    queue.connection.call_each(
        || {
            let chunk = if last_first { waiting.pop() } else { chunks.next()? };
            let Some(tasks) = chunk else {
                return Ok(None);
            };
            let (token, number) = submitter.next()?;
            let chunk = Chunk { token, number, tasks };
            let send = |object: &SharedObject| {
                is_first && object.bytes.len() <= SMALL_OBJECT && !known.contains(&object.hash)
            };
            let call = chunk_call(&keys, submission, rules, watch, set, &chunk, send);
            is_first = false;
            if !last_first {
                ids.extend(chunk.tasks.iter().map(|task| task.id.clone()));
            }
            Ok(Some((call, chunk)))
        },
        |connection, chunk, reply| {
            let mut outcome = ChunkReply::read(reply)?;
            if let ChunkReply::ObjectsMissing(missing) = &outcome {
                let send = |object: &SharedObject| missing.contains(&object.hash);
                let again = chunk_call(&keys, submission, rules, watch, set, &chunk, send);
                outcome = ChunkReply::read(connection.call(&again)?)?;
            }
            failed = outcome.failed_parents(&queue.id)?;
            Ok(())
        },
    )?;
    Ok(if failed.is_empty() || set.failed.is_empty() { failed } else { set.failed.clone() })
}

/// The options of `task_submit.lua`, by these names.
#[derive(Serialize)]
struct ChunkOptions<'a> {
    prefix: &'a str,
    queue: &'a str,
    /// The number of the waiter, as in headers.
    waiters: &'a str,
    /// The token of the submitter and the number of the chunk, see `submitter.rs`.
    token: &'a str,
    number: u64,
    n_objects: usize,
    n_parents: usize,
    /// The set that was prepared for them, or empty.
    set: &'a str,
    /// How long that set is kept from now on.
    kept_ms: u64,
    /// How many tasks of that set go before these.
    position: usize,
    run_on_failure: bool,
    at_front: bool,
    /// How long the tasks wait from now on.
    delay_ms: u64,
    /// Server time before which they do not start.
    start_ms: u64,
    /// How many tasks of the submission go before the first of the chunk.
    n_before: usize,
    rules: &'a str,
    has_labels: bool,
}

fn chunk_call(
    keys: &Keys,
    submission: &Submission,
    rules: &str,
    watch: u64,
    set: &Prepared,
    chunk: &Chunk,
    send: impl Fn(&SharedObject) -> bool,
) -> Call {
    let key_names = vec![
        keys.tasks(),
        keys.bodies(),
        keys.counters(),
        keys.objects(),
        keys.object_refs(),
        keys.labels(),
        keys.config(),
        keys.queue(&submission.queue),
        keys.wake(&submission.queue),
    ];
    let (delay_s, start_s) = match submission.start {
        Start::Now => (0.0, 0.0),
        Start::After(seconds) => (seconds, 0.0),
        Start::At(time) => (0.0, time),
    };
    let parents = if set.number.is_empty() { submission.parents.as_slice() } else { &[] };
    let mut call = Call::new(&TASK_SUBMIT, key_names).options(&ChunkOptions {
        prefix: keys.prefix(),
        queue: &submission.queue,
        waiters: &watch.to_string(),
        token: &chunk.token,
        number: chunk.number,
        n_objects: submission.shared.len(),
        n_parents: parents.len(),
        set: &set.number,
        kept_ms: KEPT_MS,
        position: chunk.tasks.first().map_or(0, |task| task.place),
        run_on_failure: submission.run_on_failure,
        at_front: submission.at_front,
        delay_ms: (delay_s * 1000.0).ceil() as u64,
        start_ms: (start_s * 1000.0).ceil() as u64,
        n_before: chunk.tasks.first().map_or(0, |task| task.place),
        rules,
        has_labels: submission.has_labels(),
    });
    for object in &submission.shared {
        call.push(&object.hash);
        call.push(chunk.tasks.len());
        call.push(if send(object) { object.bytes.as_slice() } else { &[] });
    }
    for parent in parents {
        call.push(&parent.id);
    }
    for task in &chunk.tasks {
        call.push(&task.id);
        call.push(task.body.as_slice());
        if submission.has_labels() {
            call.push(&task.label);
        }
    }
    call
}

/// The tasks of a submission, a chunk at a time.
struct Chunks<'a, N> {
    submission: &'a Submission,
    next_payload: N,
    body: Body,
    n_tasks: usize,
    n_chunks: usize,
}

impl<'a, N: FnMut() -> Result<Option<Vec<u8>>>> Chunks<'a, N> {
    fn new(submission: &'a Submission, rules: &Rules, next_payload: N) -> Self {
        let classes = rules.retry.iter().flat_map(|retry| retry.classes.clone()).collect();
        let special = Special { retry_classes: classes, ..submission.special.clone() };
        let body = Body {
            kind: submission.kind,
            payload: ByteBuf::new(),
            shared: submission.shared.iter().map(reference).collect(),
            timeout_s: submission.timeout_s,
            parents: submission.parents.iter().filter(|p| !p.name.is_empty()).cloned().collect(),
            special: (special != Special::default()).then_some(special),
        };
        Chunks { submission, next_payload, body, n_tasks: 0, n_chunks: 0 }
    }

    fn next(&mut self) -> Result<Option<Vec<New>>> {
        let size = CHUNKS[self.n_chunks.min(2)];
        let mut chunk: Vec<New> = Vec::new();
        let mut bytes = 0;
        while chunk.len() < size && bytes < CHUNK_BYTES {
            let Some(payload) = (self.next_payload)()? else {
                break;
            };
            let task = self.task(payload)?;
            bytes += task.body.len();
            chunk.push(task);
        }
        self.n_chunks += 1;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    fn rest(&mut self) -> Result<Vec<Vec<New>>> {
        std::iter::from_fn(|| self.next().transpose()).collect()
    }

    fn task(&mut self, payload: Vec<u8>) -> Result<New> {
        self.body.payload = ByteBuf::from(payload);
        let body = self.body.pack()?;
        if let Some(seed) = self.body.special.as_mut().and_then(|special| special.seed.as_mut()) {
            *seed = (0..self.submission.seed_step).fold(*seed, |seed, _| next_stream(seed));
        }
        let place = self.n_tasks;
        let label = self.submission.label(place);
        self.n_tasks += 1;
        Ok(New { place, id: value::random_id()?, body, label })
    }
}

fn reference(object: &SharedObject) -> SharedRef {
    SharedRef { name: object.name.clone(), hash: object.hash.clone() }
}
