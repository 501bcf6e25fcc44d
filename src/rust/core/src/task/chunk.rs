//! The tasks of a submission, cut into chunks, and the request that queues a chunk.

use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::error::Result;
use crate::keys::Keys;
use crate::scripts::{Call, TASK_QUEUE, TASK_SUBMIT};
use crate::store::Storage;
use crate::task::seed::next_stream;
use crate::task::set::{KEPT_MS, Prepared};
use crate::task::submission::{SharedObject, Start, Submission};
use crate::task::{Body, Rules, SharedRef, Special};
use crate::value;

/// The first chunks are small, so that workers start while the rest is still being sent.
const CHUNKS: [usize; 3] = [32, 128, 500];
/// A chunk is sent when its bodies reach this size, however few they are.
const CHUNK_BYTES: u64 = 512 * 1024;

/// A task about to be queued.
pub(super) struct New {
    /// Its place in the submission, from 0.
    place: usize,
    pub id: String,
    body: Vec<u8>,
    label: String,
    /// Its own data, if they are stored as an object.
    payload: Option<SharedObject>,
}

impl New {
    /// The bytes to be sent for it.
    pub fn bytes(&self) -> u64 {
        (self.body.len() + self.payload.as_ref().map_or(0, |large| large.bytes.len())) as u64
    }
}

/// The tasks of one request, and what identifies the request, see `Submitter`.
pub(super) struct Chunk {
    pub token: String,
    pub number: u64,
    pub tasks: Vec<New>,
}

impl Chunk {
    /// The objects of single tasks.
    pub fn payloads(&self) -> impl Iterator<Item = &SharedObject> {
        self.tasks.iter().filter_map(|task| task.payload.as_ref())
    }
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

/// The request that queues a chunk with the objects that are to be sent along.
pub(super) fn chunk_call(
    keys: &Keys,
    submission: &Submission,
    rules: &str,
    watch: u64,
    set: &Prepared,
    chunk: &Chunk,
    send: impl Fn(&SharedObject) -> bool,
) -> Call {
    let waiters = watch.to_string();
    if set.number.is_empty() && submission.is_plain() && chunk.payloads().next().is_none() {
        return plain_call(keys, &submission.queue, rules, &waiters, chunk);
    }
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
        waiters: &waiters,
        token: &chunk.token,
        number: chunk.number,
        n_objects: submission.shared.len() + chunk.payloads().count(),
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
    for payload in chunk.payloads() {
        call.push(&payload.hash);
        call.push(1);
        call.push("");
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

/// The request for tasks that need only a worker.
fn plain_call(keys: &Keys, queue: &str, rules: &str, waiters: &str, chunk: &Chunk) -> Call {
    let key_names = vec![
        keys.tasks(),
        keys.bodies(),
        keys.counters(),
        keys.config(),
        keys.queue(queue),
        keys.wake(queue),
    ];
    let mut call = Call::new(&TASK_QUEUE, key_names)
        .arg(keys.prefix())
        .arg(queue)
        .arg(waiters)
        .arg(rules)
        .arg(&chunk.token)
        .arg(chunk.number);
    for task in &chunk.tasks {
        call.push(&task.id);
        call.push(task.body.as_slice());
    }
    call
}

/// The tasks of a submission, a chunk at a time.
pub(super) struct Chunks<'a, N> {
    submission: &'a Submission,
    storage: &'a Storage,
    next_payload: N,
    body: Body,
    n_tasks: usize,
    n_chunks: usize,
}

impl<'a, N: FnMut() -> Result<Option<Vec<u8>>>> Chunks<'a, N> {
    pub fn new(
        submission: &'a Submission,
        storage: &'a Storage,
        rules: &Rules,
        next_payload: N,
    ) -> Self {
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
        Chunks { submission, storage, next_payload, body, n_tasks: 0, n_chunks: 0 }
    }

    pub fn next(&mut self) -> Result<Option<Vec<New>>> {
        let size = CHUNKS[self.n_chunks.min(2)];
        let mut chunk: Vec<New> = Vec::new();
        let mut bytes = 0;
        while chunk.len() < size && bytes < CHUNK_BYTES {
            let Some(payload) = (self.next_payload)()? else {
                break;
            };
            let task = self.task(payload)?;
            bytes += task.bytes();
            chunk.push(task);
        }
        self.n_chunks += 1;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    pub fn rest(&mut self) -> Result<Vec<Vec<New>>> {
        std::iter::from_fn(|| self.next().transpose()).collect()
    }

    fn task(&mut self, payload: Vec<u8>) -> Result<New> {
        let mut large = None;
        if self.storage.is_object(payload.len()) {
            let object = SharedObject::new("", payload);
            self.body.special.get_or_insert_default().payload.clone_from(&object.hash);
            self.body.payload = ByteBuf::new();
            large = Some(object);
        } else {
            if let Some(special) = &mut self.body.special {
                special.payload.clear();
            }
            self.body.payload = ByteBuf::from(payload);
        }
        let body = self.body.pack()?;
        if let Some(seed) = self.body.special.as_mut().and_then(|special| special.seed.as_mut()) {
            *seed = (0..self.submission.seed_step).fold(*seed, |seed, _| next_stream(seed));
        }
        let place = self.n_tasks;
        let label = self.submission.label(place);
        self.n_tasks += 1;
        Ok(New { place, id: value::random_id()?, body, label, payload: large })
    }
}

fn reference(object: &SharedObject) -> SharedRef {
    SharedRef { name: object.name.clone(), hash: object.hash.clone() }
}
