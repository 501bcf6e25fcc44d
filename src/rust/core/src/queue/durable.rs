//! Where writes are safe, and waiting until they are.

use std::time::Duration;

use crate::connection::Link;

/// How long disk and replica may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where writes are confirmed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durable {
    /// By its append-only file.
    disk: bool,
    /// By a replica.
    replica: bool,
}

impl Durable {
    /// What the server offers, by its description of itself; nothing may be.
    pub(crate) fn of(info: &str) -> Option<Self> {
        let replica = !["", "0"].contains(&field(info, "connected_slaves"));
        let durable = Durable { disk: has_disk(info), replica };
        (durable.disk || durable.replica).then_some(durable)
    }

    /// Wait until everything is safe that was written by this link; returns what is missing.
    pub(crate) fn wait(self, link: &mut Link) -> redis::RedisResult<Option<&'static str>> {
        let limit_ms = LIMIT.as_millis() as u64;
        if self.disk {
            let mut wait = redis::cmd("WAITAOF");
            let (on_disk, _): (i64, i64) = wait.arg(1).arg(0).arg(limit_ms).query(link)?;
            if on_disk < 1 {
                return Ok(Some("the server has not written them to its disk yet"));
            }
        }
        if self.replica {
            let n: i64 = redis::cmd("WAIT").arg(1).arg(limit_ms).query(link)?;
            if n < 1 {
                return Ok(Some("no replica has confirmed them yet"));
            }
        }
        Ok(None)
    }
}

/// `WAITAOF` came with version 7.2.
fn has_disk(info: &str) -> bool {
    let mut version = field(info, "redis_version").split('.').map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    field(info, "aof_enabled") == "1" && version >= (7, 2)
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let mut lines = info.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_default().trim()
}
