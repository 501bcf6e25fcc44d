//! Deleting a queue with every key it can have.

use crate::config;
use crate::error::{Error, Result};
use crate::files;
use crate::keys::field;
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_DESTROY};
use crate::value;
use crate::worker;

/// How many keys a reply to `SCAN` looks at.
const SLICE: usize = 10_000;

impl Queue {
    /// Delete every key of the queue, or let them expire after some seconds. Neither data that cannot be
    /// read nor a server that is out of memory keeps it from that.
    ///
    /// First the queue becomes unknown to those who attach to it or use it in a new way, such as under
    /// another name: what they stored after the keys were listed would stay for ever. If it is to expire,
    /// scripts let what they create expire with it from now on, see `_common.lua`. All of it goes in the
    /// same millisecond, so that no script finds a part.
    pub fn destroy(&mut self, after_s: Option<u64>) -> Result<()> {
        let mark = self.read_mark()?;
        let end_ms = match after_s {
            None => 0,
            Some(seconds) => {
                (self.connection.now_us()? / 1000).saturating_add(seconds.saturating_mul(1000))
            }
        };
        self.connection.call(&self.destroy_call(&mark, end_ms, Vec::new()))?;
        let (names, files) = self.all_keys()?;
        // Files first: if this process ends here, their names are still known. Values that expire with the
        // queue are needed until then; their files stay. A file that cannot be deleted keeps no key.
        let deleted = if end_ms == 0 { self.store().delete_files(&files) } else { Ok(()) };
        self.known_objects.clear();
        self.stream.close();
        self.connection.call(&self.destroy_call(&mark, end_ms, names))?;
        if let (0, Some(hub)) = (end_ms, self.hub.upgrade().filter(|hub| hub.is_own())) {
            hub.shared.end_all();
        }
        deleted
    }

    fn destroy_call(&self, mark: &[u8], end_ms: u64, names: Vec<String>) -> Call {
        let names = std::iter::once(self.keys.config()).chain(names).collect();
        Call::new(&QUEUE_DESTROY, names).arg(mark).arg(end_ms)
    }

    /// What distinguishes the queue from a later one of the same name; nothing if that cannot be read.
    fn read_mark(&mut self) -> Result<Vec<u8>> {
        match self.connection.hash_get(self.keys.config(), field::MARK) {
            Err(Error::Redis(_) | Error::Corrupt { .. }) => Ok(Vec::new()),
            mark => Ok(mark?.unwrap_or_default()),
        }
    }

    /// Every key of the queue, and the files of its objects. If something that names others cannot be read,
    /// all keys of the server are looked at; files are then found by the queue's mark.
    fn all_keys(&mut self) -> Result<(Vec<String>, Vec<String>)> {
        match self.store().inventory() {
            Ok((mut names, files)) => match self.known_keys() {
                Ok(known) => {
                    names.extend(known);
                    Ok((names, files))
                }
                Err(error) => Ok((self.keys_unless_unreachable(error)?, files)),
            },
            Err(error) => Ok((self.keys_unless_unreachable(error)?, Vec::new())),
        }
    }

    fn keys_unless_unreachable(&mut self, error: Error) -> Result<Vec<String>> {
        match error {
            Error::Corrupt { .. } | Error::Redis(_) => self.scan_keys(),
            error => Err(error),
        }
    }

    /// The keys of the server that begin with the queue's prefix.
    pub(super) fn scan_keys(&mut self) -> Result<Vec<String>> {
        let mut pattern = String::new();
        for c in self.keys.prefix().chars() {
            if "*?[]\\^-".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('*');
        let command = |cursor: &str| {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SLICE).clone()
        };
        let mut names = Vec::new();
        self.connection.scan(command, |keys| {
            names.extend(value::texts(keys)?);
            Ok(())
        })?;
        Ok(names)
    }

    /// Every key the queue can have. The counters come last: they say which others there are.
    fn known_keys(&mut self) -> Result<Vec<String>> {
        let keys = self.keys.clone();
        let mut names = Vec::from(keys.task_hashes());
        names.extend([
            keys.due(),
            keys.emitted(),
            keys.objects(),
            keys.object_refs(),
            keys.stored_objects(),
            keys.object_tags(),
            keys.lost_files(),
            keys.dependents(),
            keys.deferred(),
            keys.sets(),
            keys.files(),
        ]);
        names.extend(files::stored(self)?.iter().map(|name| keys.file(name)));
        for (queue, _) in self.lengths()? {
            names.extend([keys.queue(&queue), keys.wake(&queue)]);
        }
        for name in config::list(self)? {
            let config = config::read(self, &name)?;
            names.extend(config.queues().iter().flat_map(|q| [keys.queue(q), keys.wake(q)]));
        }
        for id in worker::all_ids(self)? {
            names.extend(keys.worker(&id).all());
        }
        names.extend((1..=self.counter(field::WATCH)?).map(|waiter| keys.events(waiter)));
        names.extend([keys.workers(), keys.worker_infos(), keys.config(), keys.counters()]);
        Ok(names)
    }
}
