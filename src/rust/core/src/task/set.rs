//! Sets of tasks with more dependencies than one script may handle. Their dependencies are sent in
//! advance, in parts; the invariants of `_links.lua` hold in between.

use redis::Value;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Call, SET_CLOSE, SET_PREPARE};
use crate::task::Parent;
use crate::task::control::resolve_dependents;
use crate::value;

/// How many dependencies one call takes.
const PARENTS: usize = 500;
/// How long a set is kept after each request of its submitter.
pub(super) const KEPT_MS: u64 = 600_000;

/// The reply to a chunk of tasks, or of dependencies.
pub(super) enum ChunkReply {
    Done(Vec<String>),
    ObjectsMissing(Vec<String>),
    ParentsMissing(Vec<String>),
    ParentsFailed(Vec<String>),
    QueueMissing,
    SetMissing,
}

impl ChunkReply {
    pub fn read(reply: Value) -> Result<Self> {
        let mut parts = value::array(reply)?.into_iter();
        let code = value::integer(parts.next().unwrap_or_default())?;
        let texts: Vec<String> = parts.map(value::text).collect::<Result<_>>()?;
        Ok(match code {
            1 => ChunkReply::ObjectsMissing(texts),
            2 => ChunkReply::ParentsMissing(texts),
            3 => ChunkReply::ParentsFailed(texts.chunks(2).map(|pair| pair.join(" is ")).collect()),
            4 => ChunkReply::QueueMissing,
            5 => ChunkReply::SetMissing,
            _ => ChunkReply::Done(texts),
        })
    }

    /// The dependencies that have failed; an error if nothing was stored.
    pub fn failed_parents(self, queue: &str) -> Result<Vec<String>> {
        match self {
            ChunkReply::Done(_) => Ok(Vec::new()),
            ChunkReply::ParentsFailed(parents) => Ok(parents),
            ChunkReply::ParentsMissing(ids) => Err(Error::TaskMissing { ids }),
            ChunkReply::QueueMissing => Err(Error::QueueMissing { queue: queue.to_owned() }),
            ChunkReply::ObjectsMissing(hashes) => {
                let what = format!("shared objects {}", hashes.join(", "));
                Err(Error::corrupt(what, "the server lost them right after they were stored"))
            }
            ChunkReply::SetMissing => {
                let reason = "the submission was interrupted for more than 10 minutes";
                Err(Error::corrupt("the dependencies of new tasks", reason))
            }
        }
    }
}

/// The set of a submission with many dependencies; for other submissions it has no number.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Its number, or empty.
    pub number: String,
    /// The dependencies that had failed when they were sent.
    pub failed: Vec<String>,
}

impl Prepared {
    /// Send dependencies in advance if there are more than one script takes, or if the chunks are
    /// stored in another order than that of their tasks: in one set, each has its place. They must all
    /// exist.
    pub fn prepare(
        &mut self,
        queue: &mut Queue,
        parents: &[Parent],
        run_on_failure: bool,
        last_first: bool,
    ) -> Result<()> {
        if parents.is_empty() || (parents.len() <= PARENTS && !last_first) {
            return Ok(());
        }
        let (keys, total) = (queue.keys.clone(), parents.len());
        let call = |set: &str, before: usize, parents: &[Parent]| {
            let call = prepare_call(&keys, set).arg(before).arg(total).arg(run_on_failure);
            parents.iter().fold(call.arg(KEPT_MS), |call, parent| call.arg(&parent.id))
        };
        let reply = ChunkReply::read(queue.connection.call(&call("", 0, &[]))?)?;
        let ChunkReply::Done(mut number) = reply else {
            return reply.failed_parents(&queue.id).map(|_| ());
        };
        self.number = number.pop().unwrap_or_default();
        let (number, failed) = (&self.number, &mut self.failed);
        let mut pieces = parents.chunks(PARENTS).enumerate();
        queue.connection.call_each(
            |_| Ok(pieces.next().map(|(i, piece)| (call(number, i * PARENTS, piece), ()))),
            |_, (), reply| {
                failed.extend(ChunkReply::read(reply)?.failed_parents(&queue.id)?);
                Ok(())
            },
        )
    }

    /// End the preparation: only what its tasks need is kept. If this does not reach the server, a timer
    /// does the same later.
    pub fn close(&self, queue: &mut Queue) {
        if self.number.is_empty() {
            return;
        }
        let call = Call::new(&SET_CLOSE, vec![queue.keys.due()])
            .arg(queue.keys.prefix())
            .arg(&self.number);
        let is_gone = queue.connection.call(&call).and_then(value::integer);
        if is_gone.is_ok_and(|gone| gone == 1) {
            let _ = resolve_dependents(queue);
        }
    }
}

fn prepare_call(keys: &Keys, set: &str) -> Call {
    let names = vec![keys.tasks(), keys.counters(), keys.config()];
    Call::new(&SET_PREPARE, names).arg(keys.prefix()).arg(set)
}
