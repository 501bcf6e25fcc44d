//! Queueing tasks: in chunks, the next one prepared while the server stores the one before. What
//! tasks share is sent once and only where the server does not have it.

use redis::Value;
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_SUBMIT};
use crate::task::{Body, Kind, Parent, Rules, SharedRef, Special};
use crate::value;

/// The first chunks are small, so that workers start while the rest is still being sent.
const CHUNKS: [usize; 3] = [32, 128, 500];
/// A chunk is sent when its bodies reach this size, however few they are.
const CHUNK_BYTES: usize = 512 * 1024;
/// Objects up to this size are sent without asking whether the server has them.
const SMALL_OBJECT: usize = 64 * 1024;

/// A value that tasks share.
#[derive(Debug, Clone)]
pub struct SharedObject {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// Its serialised form.
    pub bytes: Vec<u8>,
    hash: String,
}

impl SharedObject {
    /// Address `bytes` by its hash.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes));
        SharedObject { name: name.into(), bytes, hash }
    }
}

/// What the tasks of one submission have in common.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The queue they wait in.
    pub queue: String,
    /// What they run.
    pub kind: Kind,
    /// Values they all use.
    pub shared: Vec<SharedObject>,
    /// Seconds each may run; 0 for no limit.
    pub timeout_s: f64,
    /// What they all wait for.
    pub parents: Vec<Parent>,
    /// Whether they run although one of those failed.
    pub run_on_failure: bool,
    /// Whether they go before all others in their queue.
    pub at_front: bool,
    /// When they may start.
    pub start: Start,
    /// What happens to them after an end.
    pub rules: Rules,
    /// A name for each, one for all, or none.
    pub labels: Vec<String>,
    /// Words to find them by.
    pub tags: Vec<String>,
    /// What few tasks ask for. Its seed is that of the first task; each later one has the next
    /// stream.
    pub special: Special,
}

impl Submission {
    /// Tasks of `kind` in `queue` that ask for nothing else.
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

/// What became of a chunk.
enum Verdict {
    Queued,
    ObjectsMissing(Vec<String>),
    ParentsMissing(Vec<String>),
    ParentsFailed(Vec<String>),
}

/// Queue a task per payload and return their ids, in order.
pub fn submit(
    queue: &mut Queue,
    submission: &Submission,
    mut next_payload: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Vec<String>> {
    let (keys, watch) = (queue.keys.clone(), queue.own_watch()?);
    let known = &queue.known_objects;
    let mut ids = Vec::new();
    let mut n_chunks = 0;
    let mut failed = Vec::new();
    queue.connection.call_each(
        || {
            let chunk = fill_chunk(submission, CHUNKS[n_chunks.min(2)], &mut next_payload)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let send = |object: &SharedObject| {
                n_chunks == 0 && object.bytes.len() <= SMALL_OBJECT && !known.contains(&object.hash)
            };
            let call = chunk_call(&keys, submission, watch, &chunk, send);
            n_chunks += 1;
            ids.extend(chunk.iter().map(|(id, _)| id.clone()));
            Ok(Some((call, chunk)))
        },
        |connection, chunk, reply| {
            let mut verdict = read_verdict(reply)?;
            if let Verdict::ObjectsMissing(missing) = &verdict {
                let send = |object: &SharedObject| missing.contains(&object.hash);
                let again = chunk_call(&keys, submission, watch, &chunk, send);
                verdict = read_verdict(connection.call(&again)?)?;
            }
            match verdict {
                Verdict::ParentsMissing(ids) => return Err(Error::TaskMissing { ids }),
                Verdict::ParentsFailed(parents) => failed = parents,
                Verdict::ObjectsMissing(hashes) => {
                    return Err(Error::corrupt(hashes.join(", "), "the server lost it again"));
                }
                Verdict::Queued => {}
            }
            Ok(())
        },
    )?;
    queue.known_objects.extend(submission.shared.iter().map(|object| object.hash.clone()));
    if !failed.is_empty() {
        return Err(Error::ParentFailed { parents: failed, ids });
    }
    queue.stream.submitted(&ids);
    Ok(ids)
}

fn read_verdict(reply: Value) -> Result<Verdict> {
    let mut parts = value::array(reply)?.into_iter();
    let code = value::integer(parts.next().unwrap_or_default())?;
    let texts: Vec<String> = parts.map(value::text).collect::<Result<_>>()?;
    Ok(match code {
        1 => Verdict::ObjectsMissing(texts),
        2 => Verdict::ParentsMissing(texts),
        3 => Verdict::ParentsFailed(texts.chunks(2).map(|pair| pair.join(" is ")).collect()),
        _ => Verdict::Queued,
    })
}

fn chunk_call(
    keys: &Keys,
    submission: &Submission,
    watch: u64,
    chunk: &[(String, Vec<u8>)],
    send: impl Fn(&SharedObject) -> bool,
) -> Call {
    let key_names = vec![
        keys.tasks(),
        keys.bodies(),
        keys.counters(),
        keys.objects(),
        keys.object_refs(),
        keys.queue(&submission.queue),
        keys.wake(&submission.queue),
    ];
    let mut call = Call::new(&TASK_SUBMIT, key_names)
        .arg(&submission.queue)
        .arg(watch)
        .arg(keys.prefix())
        .arg(submission.shared.len())
        .arg(submission.parents.len())
        .arg(i64::from(submission.run_on_failure));
    for object in &submission.shared {
        call.push(&object.hash);
        call.push(chunk.len());
        call.push(if send(object) { object.bytes.as_slice() } else { &[] });
    }
    for parent in &submission.parents {
        call.push(&parent.id);
    }
    for (id, body) in chunk {
        call.push(id);
        call.push(body.as_slice());
    }
    call
}

fn fill_chunk(
    submission: &Submission,
    size: usize,
    next_payload: &mut impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut body = Body {
        kind: submission.kind,
        payload: ByteBuf::new(),
        shared: submission.shared.iter().map(reference).collect(),
        timeout_s: submission.timeout_s,
        parents: submission.parents.clone(),
        special: (submission.special != Special::default()).then(|| submission.special.clone()),
    };
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while chunk.len() < size && bytes < CHUNK_BYTES {
        let Some(payload) = next_payload()? else {
            break;
        };
        body.payload = ByteBuf::from(payload);
        let packed = body.pack()?;
        bytes += packed.len();
        chunk.push((value::random_id()?, packed));
    }
    Ok(chunk)
}

fn reference(object: &SharedObject) -> SharedRef {
    SharedRef { name: object.name.clone(), hash: object.hash.clone() }
}
