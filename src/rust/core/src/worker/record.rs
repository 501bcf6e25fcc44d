//! A worker's record. Only scripts write it; `lua/_record.lua` is the scripts' counterpart of this file,
//! and a test below compares the two.

use crate::error::{Error, Result};
use crate::stored::stored_as_array;

/// The length of a task id.
const ID_WIDTH: usize = 32;

/// A worker's record.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Which registration of this name it is.
    pub incarnation: u64,
    /// The number of its last step.
    pub sequence: u64,
    /// `STARTING`, `IDLE`, `BUSY`, `PAUSED`, `EXITED` or `LOST`.
    pub state: String,
    held: String,
    /// When its lease ends, in ms of server time.
    pub lease: u64,
    /// How long a lease lasts.
    pub lease_ms: u64,
    /// What it registered with.
    pub nonce: String,
    /// How many of the tasks it holds, at the end, have definitely not begun.
    pub n_open: usize,
}

stored_as_array! {
    Record { [incarnation, sequence, state, held, lease, lease_ms] nonce, n_open }
}

impl Record {
    /// Read the stored form.
    pub fn unpack(id: &str, packed: &[u8]) -> Result<Self> {
        rmp_serde::from_slice(packed).map_err(|error| Error::corrupt(format!("worker {id}"), error))
    }

    /// The ids of the tasks it holds, the first to run first.
    pub fn held(&self) -> impl Iterator<Item = String> {
        let ids = self.held.as_bytes().chunks(ID_WIDTH);
        ids.map(|id| String::from_utf8_lossy(id).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_scripts_are_in_the_same_order() {
        let scripts = include_str!("../../lua/_record.lua");
        let fields =
            ["incarnation", "sequence", "state", "held", "lease", "lease_ms", "nonce", "n_open"];
        let read = fields.iter().zip(1..).map(|(name, place)| format!("{name} = f[{place}]"));
        let written = fields.map(|name| format!("r.{name}"));
        let words: Vec<&str> = scripts.split_whitespace().collect();
        let text = words.join(" ");
        assert!(text.contains(&read.collect::<Vec<_>>().join(", ")));
        assert!(text.contains(&format!("cmsgpack.pack({{ {} }})", written.join(", "))));
        let stored = rmp_serde::to_vec(&(1, 2, "IDLE", "h".repeat(64), 5, 6, "nonce", 1)).unwrap();
        let record = Record::unpack("w", &stored).unwrap();
        assert_eq!((record.incarnation, record.sequence), (1, 2));
        assert_eq!((record.lease, record.lease_ms, record.n_open), (5, 6, 1));
        assert_eq!((record.state.as_str(), record.nonce.as_str()), ("IDLE", "nonce"));
        assert_eq!(record.held().count(), 2);
    }
}
