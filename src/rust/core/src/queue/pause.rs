//! Pausing queues: workers take no tasks from one that is paused.

use crate::config;
use crate::error::Result;
use crate::keys::field::PAUSE;
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_PAUSE};
use crate::value;

impl Queue {
    /// Pause the queue `name`, or resume it. Returns whether that changed anything.
    pub fn pause(&mut self, name: &str, pause: bool) -> Result<bool> {
        let (token, number) = self.number_request()?;
        let keys = &self.keys;
        let names = vec![keys.config(), keys.counters(), keys.queue(name), keys.wake(name)];
        let call = Call::new(&QUEUE_PAUSE, names)
            .arg(keys.prefix())
            .arg(name)
            .arg(i64::from(pause))
            .arg(token)
            .arg(number);
        let changed = value::integer(self.connection.call(&call)?)?;
        if changed < 0 { Err(self.missing()) } else { Ok(changed == 1) }
    }

    /// The names of the queues that are paused.
    pub fn paused(&mut self) -> Result<Vec<String>> {
        config::names(self, PAUSE)
    }
}
