//! The few plain commands that many parts of the engine send.

use std::collections::HashSet;

use redis::Cmd;

use super::Connection;
use crate::error::{Error, Result};
use crate::value;

/// About how many fields a reply returns.
const FIELDS: usize = 5000;

impl Connection {
    /// A field of a hash.
    pub(crate) fn hash_get(&mut self, key: String, field: &str) -> Result<Option<Vec<u8>>> {
        value::maybe_bytes(self.command(Cmd::new().arg("HGET").arg(key).arg(field))?)
    }

    /// Read a hash of any size in slices, so that the server is not blocked for long. A field may come more
    /// than once, and one that is added meanwhile may be left out.
    pub(crate) fn hash_scan(
        &mut self,
        key: &str,
        slice: usize,
        mut each: impl FnMut(String, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = "0".to_owned();
        loop {
            let mut command = Cmd::new();
            command.arg("HSCAN").arg(key).arg(&cursor).arg("COUNT").arg(slice);
            let mut reply = value::array(self.command(&command)?)?.into_iter();
            cursor = value::text(reply.next().unwrap_or_default())?;
            for (field, stored) in value::pairs(reply.next().unwrap_or_default())? {
                each(field, stored)?;
            }
            if cursor == "0" {
                return Ok(());
            }
            if (self.stop())() {
                return Err(Error::Interrupted);
            }
        }
    }

    /// The server's time in microseconds.
    pub(crate) fn now_us(&mut self) -> Result<u64> {
        let mut times = value::texts(self.command(&redis::cmd("TIME"))?)?.into_iter();
        let mut next = || times.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(next().saturating_mul(1_000_000).saturating_add(next()))
    }

    /// The names of the fields of a hash, in no order, read in slices: of one that is added meanwhile it is
    /// left open whether it is among them.
    pub(crate) fn hash_fields(&mut self, key: &str) -> Result<Vec<String>> {
        let mut fields = HashSet::new();
        self.hash_scan(key, FIELDS, |field, _| {
            fields.insert(field);
            Ok(())
        })?;
        Ok(fields.into_iter().collect())
    }
}
