//! The stored form of a task: the mutable header, which only scripts write (the order of its
//! fields is that of `lua/_common.lua`), and the immutable body, which scripts never look into.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::status::Status;

const FLAG_EXTRA: u32 = 1;
/// The first byte of a packed header: an array of its ten fields.
const PACKED_ARRAY: u8 = 0x9a;

/// The state of a task.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    status: u8,
    /// How many times a worker took it.
    pub attempt: u32,
    /// The queue it was submitted to.
    pub queue: String,
    /// The worker that took it, or empty.
    pub worker: String,
    /// When it was submitted, in µs of server time.
    pub submit: u64,
    /// When it was started, or 0.
    pub start: u64,
    /// When it ended, or 0.
    pub end: u64,
    _watch: String,
    flags: u32,
    /// Its result, when small; else empty.
    pub result: ByteBuf,
}

impl Header {
    /// Read a packed header.
    pub fn unpack(id: &str, packed: &[u8]) -> Result<Self> {
        rmp_serde::from_slice(packed).map_err(|error| Error::corrupt(format!("task {id}"), error))
    }

    /// Where the task stands.
    pub fn status(&self) -> Status {
        Status::from_code(self.status)
    }

    /// Whether rare attributes are stored for it.
    pub fn has_extra(&self) -> bool {
        self.flags & FLAG_EXTRA != 0
    }
}

/// The status in a packed header, without unpacking the rest: it is asked for in great numbers.
pub fn packed_status(packed: &[u8]) -> Status {
    match packed {
        [PACKED_ARRAY, code, ..] => Status::from_code(*code),
        _ => Status::Missing,
    }
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

/// A shared object as a task refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedRef {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// The hash it is stored under.
    pub hash: String,
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
}

impl Body {
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
        };
        let read = Body::unpack("x", &body.pack().unwrap()).unwrap();
        assert_eq!((read.kind, read.payload, read.shared), (body.kind, body.payload, body.shared));
    }

    #[test]
    fn what_is_no_header_has_no_status() {
        assert_eq!(packed_status(&[]), Status::Missing);
        assert_eq!(packed_status(&[0xff, 3]), Status::Missing);
        assert_eq!(packed_status(&[PACKED_ARRAY, 3]), Status::Complete);
    }
}
