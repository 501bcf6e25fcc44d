//! The stored form of a task: the mutable header, which only scripts write (its lines are those of
//! `lua/_common.lua`), and the immutable body, which scripts never look into.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::status::Status;
use crate::task::{Rules, Seed};

const FLAG_EXTRA: u64 = 1;
const FLAG_CANCEL: u64 = 8;
const FLAG_UNQUEUED: u64 = 16;
const FLAG_SCHEDULED: u64 = 32;

/// The state of a task.
#[derive(Debug, Clone)]
pub struct Header {
    /// Where the task stands.
    pub status: Status,
    /// How many times a worker took it.
    pub attempt: u64,
    /// When it was submitted, in µs of server time.
    pub submit: u64,
    /// When it was started, or 0.
    pub start: u64,
    /// When it ended, or 0.
    pub end: u64,
    flags: u64,
    /// The queue it was submitted to.
    pub queue: String,
    /// The worker that took it, or empty.
    pub worker: String,
    /// What happens to it after an end.
    pub rules: Rules,
    /// Its result, when small; else empty.
    pub result: Vec<u8>,
}

impl Header {
    /// Read a stored header.
    pub fn parse(id: &str, stored: &[u8]) -> Result<Self> {
        Header::read(stored).ok_or_else(|| Error::corrupt(format!("task {id}"), "bad header"))
    }

    fn read(stored: &[u8]) -> Option<Self> {
        let mut fields = stored.splitn(12, |byte| *byte == b'\n');
        let status = stored_status(fields.next()?);
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
        let (attempt, submit, start) = (number()?, number()?, number()?);
        let (end, flags) = (number()?, number()?);
        let mut text = || String::from_utf8(fields.next()?.to_vec()).ok();
        let (queue, worker, _watch) = (text()?, text()?, text()?);
        let (rules, _set) = (Rules::parse(&text()?), text()?);
        let result = fields.next()?.to_vec();
        Some(Header { status, attempt, submit, start, end, flags, queue, worker, rules, result })
    }

    /// Whether rare attributes are stored for it.
    pub fn has_extra(&self) -> bool {
        self.flags & FLAG_EXTRA != 0
    }

    /// Whether it runs and its worker was asked to stop it.
    pub fn is_to_stop(&self) -> bool {
        self.status == Status::Running && self.flags & FLAG_CANCEL != 0
    }

    /// Whether it stands in its queue, where workers take it.
    pub fn is_queued(&self) -> bool {
        self.status == Status::Pending && self.flags & (FLAG_UNQUEUED | FLAG_SCHEDULED) == 0
    }
}

/// The status in a stored header, without reading the rest: it is asked for in great numbers.
pub fn stored_status(stored: &[u8]) -> Status {
    stored.first().map_or(Status::Missing, |letter| Status::from_letter(*letter))
}

/// What kind of code a task runs, and so what its payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An expression with its variables.
    #[serde(rename = "e")]
    Expression,
    /// A function with its arguments.
    #[serde(rename = "c")]
    Call,
    /// One row of a bulk of expressions: the values of its columns.
    #[serde(rename = "E")]
    BulkExpression,
    /// One element of a bulk of calls: its arguments.
    #[serde(rename = "C")]
    BulkCall,
}

impl Kind {
    /// The word users' code has for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Expression => "expr",
            Kind::Call => "call",
            Kind::BulkExpression => "bulk_expr",
            Kind::BulkCall => "bulk_call",
        }
    }

    /// The kind with this word; any other word is an expression.
    pub fn from_word(word: &str) -> Self {
        let kinds = [Kind::Call, Kind::BulkExpression, Kind::BulkCall];
        kinds.into_iter().find(|kind| kind.word() == word).unwrap_or(Kind::Expression)
    }
}

/// A shared object as a task refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedRef {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// The hash it is stored under.
    pub hash: String,
}

/// A task another one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// What its value is called in the dependent task; empty where only the order matters.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// Where a task's code runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// In the worker's own process.
    #[default]
    #[serde(rename = "n")]
    None,
    /// In a process forked for it from one that has the worker's environment.
    #[serde(rename = "f")]
    Fork,
    /// In a new R process.
    #[serde(rename = "r")]
    Fresh,
}

impl Isolation {
    /// The word users have for it.
    pub fn word(self) -> &'static str {
        match self {
            Isolation::None => "none",
            Isolation::Fork => "fork",
            Isolation::Fresh => "fresh",
        }
    }

    /// The isolation with this word; any other word is none.
    pub fn from_word(word: &str) -> Self {
        let all = [Isolation::Fork, Isolation::Fresh];
        all.into_iter().find(|isolation| isolation.word() == word).unwrap_or_default()
    }
}

/// What few tasks ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Special {
    /// Where its random numbers start.
    pub seed: Option<Seed>,
    /// Where it runs.
    pub isolation: Isolation,
    /// Whether what it prints is kept, also when it is not isolated.
    pub capture: bool,
    /// Only errors of these classes are tried again; all of them where there is none.
    pub retry_classes: Vec<String>,
}

/// What a task runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Body {
    /// How to read the payload.
    pub kind: Kind,
    /// What is this task's alone, serialised.
    pub payload: ByteBuf,
    /// What it shares with others.
    pub shared: Vec<SharedRef>,
    /// Seconds it may run; 0 for no limit.
    pub timeout_s: f64,
    /// What it depends on.
    pub parents: Vec<Parent>,
    /// What few tasks ask for; nothing for the others, which saves bytes.
    pub special: Option<Special>,
}

impl Body {
    /// Where it runs.
    pub fn isolation(&self) -> Isolation {
        self.special.as_ref().map(|special| special.isolation).unwrap_or_default()
    }

    /// The stored form.
    pub fn pack(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec(self).map_err(|error| Error::corrupt("a task's body", error))
    }

    /// Read the stored form.
    pub fn unpack(id: &str, packed: &[u8]) -> Result<Self> {
        rmp_serde::from_slice(packed)
            .map_err(|error| Error::corrupt(format!("the body of task {id}"), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_as_written() {
        let body = Body {
            kind: Kind::BulkCall,
            payload: ByteBuf::from(vec![0, 159, 146, 150]),
            shared: vec![SharedRef { name: String::new(), hash: "ab".into() }],
            timeout_s: 1.5,
            parents: vec![Parent { name: "x".into(), id: "cd".into() }],
            special: None,
        };
        let read = Body::unpack("x", &body.pack().unwrap()).unwrap();
        assert_eq!((read.kind, read.payload, read.shared), (body.kind, body.payload, body.shared));
    }

    #[test]
    fn a_header_keeps_a_result_with_line_ends() {
        let header =
            Header::parse("x", b"C\n2\n10\n20\n30\n1\nq\nw_1\n7\n500,0,0,0,0,0\n\na\nb\n").unwrap();
        assert_eq!((header.status, header.attempt, header.end), (Status::Complete, 2, 30));
        assert_eq!((header.queue.as_str(), header.worker.as_str()), ("q", "w_1"));
        assert_eq!(header.result, b"a\nb\n");
        assert!(header.has_extra());
        assert_eq!(header.rules.ttl_s, Some(0.5));
    }

    #[test]
    fn what_is_no_header_is_an_error_and_has_no_status() {
        assert!(Header::parse("x", b"C\n2").is_err());
        assert_eq!(stored_status(&[]), Status::Missing);
    }
}
