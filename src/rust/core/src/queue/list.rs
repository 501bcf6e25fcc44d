//! The tasks that wait in a queue.

use std::collections::HashSet;

use redis::Cmd;

use crate::error::Result;
use crate::keys::field::QUEUE;
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_WAITING};
use crate::task::{Header, query};
use crate::value;

impl Queue {
    /// How many tasks wait in the queue `name`.
    pub fn length(&mut self, name: &str) -> Result<u64> {
        self.counter(&waiting(name))
    }

    pub(super) fn counter(&mut self, field: &str) -> Result<u64> {
        Ok(number(self.connection.hash_get(self.keys.counters(), field)?))
    }

    /// How many tasks wait in each queue anything was ever submitted to.
    pub fn lengths(&mut self) -> Result<Vec<(String, u64)>> {
        let mut command = Cmd::new();
        command.arg("HGETALL").arg(self.keys.counters());
        let pairs = value::pairs(self.connection.command(&command)?)?;
        let length = |(field, count): (String, Vec<u8>)| {
            let name = field.strip_prefix(QUEUE)?.to_owned();
            Some((name, String::from_utf8(count).ok()?.parse().ok()?))
        };
        Ok(pairs.into_iter().filter_map(length).collect())
    }

    /// The ids waiting in the queue `name`, the next to run first.
    pub fn list(&mut self, name: &str) -> Result<Vec<String>> {
        // Not a transaction, which a server without memory rejects.
        let names = vec![self.keys.tasks(), self.keys.counters()];
        let call = Call::new(&QUEUE_WAITING, names).arg(self.keys.prefix()).arg(name);
        let mut reply = value::array(self.connection.call(&call)?)?.into_iter();
        let n_waiting = number(value::maybe_bytes(reply.next().unwrap_or_default())?);
        let listed = reply.map(value::text).collect::<Result<Vec<_>>>()?;
        // Every waiting task is listed, so if there are as many ids as tasks, they are those tasks.
        if listed.len() as u64 == n_waiting {
            Ok(listed)
        } else {
            self.waiting_among(name, &listed)
        }
    }

    /// Those of the listed ids whose tasks wait here: the list is a hint, the headers decide.
    fn waiting_among(&mut self, name: &str, listed: &[String]) -> Result<Vec<String>> {
        let headers = query::headers_if_any(self, listed)?;
        let mut seen = HashSet::new();
        let waits = |(id, header): &(&String, Option<Header>)| {
            let here = |header: &Header| header.is_queued() && header.queue == name;
            header.as_ref().is_some_and(here) && seen.insert((*id).clone())
        };
        Ok(listed.iter().zip(headers).filter(waits).map(|(id, _)| id.clone()).collect())
    }
}

/// The counter of the tasks that wait in the queue `name`.
fn waiting(name: &str) -> String {
    format!("{QUEUE}{name}")
}

fn number(text: Option<Vec<u8>>) -> u64 {
    text.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}
