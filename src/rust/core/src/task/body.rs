//! What a task runs: written once by the submitter, read by workers, opaque to scripts.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};
use crate::stored::stored_as_array;
use crate::task::Seed;

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
    /// Its name in R code.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedRef {
    /// The variable it is bound to; empty for the common part of a bulk.
    pub name: String,
    /// The hash it is stored under.
    pub hash: String,
}

/// A task that another one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parent {
    /// The name of its value in the dependant task; empty if only the order matters.
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
    /// In a process forked from one that has built the worker environment.
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

/// Rarely used options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Special {
    /// The initial state of its random numbers.
    pub seed: Option<Seed>,
    /// Where it runs.
    pub isolation: Isolation,
    /// Whether its output is kept even if it is not isolated.
    pub capture: bool,
    /// Only errors of these classes are retried; all errors if there are none.
    pub retry_classes: Vec<String>,
    /// The hash of the object that the payload is stored as; empty if it stands in the body.
    pub payload: String,
}

/// What a task runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Body {
    /// How to read the payload.
    pub kind: Kind,
    /// The task's own data, serialised.
    pub payload: ByteBuf,
    /// The objects it shares with other tasks.
    pub shared: Vec<SharedRef>,
    /// Seconds it may run; 0 for no limit.
    pub timeout_s: f64,
    /// The dependencies whose values it uses, with their names. Its set names all dependencies;
    /// earlier versions also stored all of them here.
    pub parents: Vec<Parent>,
    /// Rarely used options; absent if all have their defaults, which saves bytes.
    pub special: Option<Special>,
}

stored_as_array! {
    SharedRef { [name, hash] }
    Parent { [name, id] }
    Special { [] seed, isolation, capture, retry_classes, payload }
    Body { [kind, payload, shared, timeout_s, parents] special }
}

impl Body {
    /// Where it runs.
    pub fn isolation(&self) -> Isolation {
        self.special.as_ref().map(|special| special.isolation).unwrap_or_default()
    }

    /// The hash of the object that its payload is stored as.
    pub fn payload_object(&self) -> Option<&str> {
        let special = self.special.as_ref()?;
        Some(special.payload.as_str()).filter(|hash| !hash.is_empty())
    }

    /// The hashes of all objects it refers to.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        let shared = self.shared.iter().map(|object| object.hash.as_str());
        shared.chain(self.payload_object())
    }

    /// Whether its output is kept.
    pub fn keeps_log(&self) -> bool {
        self.special
            .as_ref()
            .is_some_and(|special| special.capture || special.isolation != Isolation::None)
    }

    /// The stored form.
    pub fn pack(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec(self).map_err(|error| Error::corrupt("a task's body", error))
    }

    /// Read the stored form.
    pub fn unpack(packed: &[u8]) -> std::result::Result<Self, rmp_serde::decode::Error> {
        rmp_serde::from_slice(packed)
    }

    /// What stands for a body that cannot be read.
    pub(crate) fn unreadable() -> Self {
        Body {
            kind: Kind::Expression,
            payload: ByteBuf::new(),
            shared: Vec::new(),
            timeout_s: 0.0,
            parents: Vec::new(),
            special: None,
        }
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
        let read = Body::unpack(&body.pack().unwrap()).unwrap();
        assert_eq!((read.kind, read.payload, read.shared), (body.kind, body.payload, body.shared));
    }

    #[test]
    fn words_read_back_and_unknown_ones_are_the_usual() {
        for kind in [Kind::Expression, Kind::Call, Kind::BulkExpression, Kind::BulkCall] {
            assert_eq!(Kind::from_word(kind.word()), kind);
        }
        for isolation in [Isolation::None, Isolation::Fork, Isolation::Fresh] {
            assert_eq!(Isolation::from_word(isolation.word()), isolation);
        }
        assert_eq!(Kind::from_word("x"), Kind::Expression);
        assert_eq!(Isolation::from_word("x"), Isolation::None);
    }

    /// Written by the first version that had bodies of this form.
    const STORED: &[u8] = b"\x96\xa1C\xc4\x04\x00\x9f\x92\x96\x91\x92\xa1x\xa2ab\xcb?\xf8\x00\x00\
        \x00\x00\x00\x00\x91\x92\xa1p\xa2cd\x94\x96\x01\xfe\x03\xfc\x05\xfa\xa1f\xc3\x91\xa1e";

    fn stored() -> Body {
        Body {
            kind: Kind::BulkCall,
            payload: ByteBuf::from(vec![0, 159, 146, 150]),
            shared: vec![SharedRef { name: "x".into(), hash: "ab".into() }],
            timeout_s: 1.5,
            parents: vec![Parent { name: "p".into(), id: "cd".into() }],
            special: Some(Special {
                seed: Some([1, -2, 3, -4, 5, -6]),
                isolation: Isolation::Fork,
                capture: true,
                retry_classes: vec!["e".into()],
                payload: String::new(),
            }),
        }
    }

    #[test]
    fn a_body_written_by_an_earlier_version_can_be_read() {
        assert_eq!(Body::unpack(STORED).unwrap(), stored());
    }

    #[test]
    fn a_body_with_fewer_or_more_elements_can_be_read() {
        // Without the last element; its length stands in the first byte.
        let mut short = STORED[..STORED.len() - 13].to_vec();
        short[0] = 0x95;
        assert_eq!(Body::unpack(&short).unwrap(), Body { special: None, ..stored() });
        // With a map behind it, and something behind the elements of `special`.
        let mut long = STORED.to_vec();
        (long[0], long[STORED.len() - 13]) = (0x97, 0x96);
        long.extend(b"\xa3new\xc0\x81\xa1k\x92\x01\x02");
        assert_eq!(Body::unpack(&long).unwrap(), stored());
    }

    #[test]
    fn what_is_no_body_is_an_error() {
        assert!(Body::unpack(b"\x91\xa1C").is_err());
        assert!(Body::unpack(b"text").is_err());
    }
}
