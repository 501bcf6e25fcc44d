//! What is submitted: the options that tasks of one submission have in common, and the objects they
//! share.

use crate::task::{Kind, Parent, Rules, Special};
use crate::value;

/// An object that tasks share.
#[derive(Debug, Clone)]
pub struct SharedObject {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// Its serialised form.
    pub bytes: Vec<u8>,
    pub(super) hash: String,
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
    /// Whether to wait while the queue stores more than it may; else that is an error.
    pub wait: bool,
    /// By how many random number streams each task is ahead of the one before.
    pub seed_step: usize,
}

impl Submission {
    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty() || !self.tags.is_empty()
    }

    /// Whether its tasks need only a worker.
    pub(super) fn is_plain(&self) -> bool {
        self.shared.is_empty()
            && self.parents.is_empty()
            && self.start == Start::Now
            && !self.at_front
            && !self.has_labels()
    }

    /// At the front of a queue the last chunk is stored first, so that the order is kept.
    pub(super) fn is_last_first(&self) -> bool {
        let is_delayed = matches!(self.start, Start::After(seconds) if seconds > 0.0);
        self.at_front && !is_delayed
    }

    /// The stored form of the label and tags of the task at `place`.
    pub(super) fn label(&self, place: usize) -> String {
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
            wait: true,
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
