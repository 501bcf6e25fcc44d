//! The few plain commands that many parts of the engine send.

use redis::Cmd;

use super::Connection;
use crate::error::Result;
use crate::value;

impl Connection {
    /// A field of a hash.
    pub(crate) fn hash_get(&mut self, key: String, field: &str) -> Result<Option<Vec<u8>>> {
        value::maybe_bytes(self.command(Cmd::new().arg("HGET").arg(key).arg(field))?)
    }

    /// The names of the fields of a hash, in no order.
    pub(crate) fn hash_fields(&mut self, key: String) -> Result<Vec<String>> {
        value::texts(self.command(Cmd::new().arg("HKEYS").arg(key))?)
    }
}
