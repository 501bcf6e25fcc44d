//! Deleting a queue with every key it can have.

use redis::Pipeline;

use crate::config;
use crate::error::Result;
use crate::files;
use crate::keys::field;
use crate::queue::Queue;
use crate::worker;

impl Queue {
    /// Delete every key of the queue, or let them expire after some seconds.
    pub fn destroy(&mut self, after_s: Option<u64>) -> Result<()> {
        let end_ms = match after_s {
            None => {
                self.forbid_names()?;
                None
            }
            Some(seconds) => Some(self.announce_end(seconds)?),
        };
        let (mut names, files) = self.store().inventory()?;
        names.extend(self.all_keys()?);
        let mut pipeline = Pipeline::new();
        // Files first: if this process ends here, their names are still known. Values that expire with the
        // queue are needed until then; their files stay. A file that cannot be deleted keeps no key.
        let deleted = if end_ms.is_none() { self.store().delete_files(&files) } else { Ok(()) };
        // In one transaction: a heartbeat of a worker between two commands would create its timer
        // again.
        pipeline.atomic();
        for key in names {
            match end_ms {
                None => pipeline.cmd("UNLINK").arg(key),
                Some(end_ms) => pipeline.cmd("PEXPIREAT").arg(key).arg(end_ms),
            };
        }
        self.known_objects.clear();
        self.stream.close();
        self.connection.pipeline(&pipeline)?;
        if let (None, Some(hub)) = (end_ms, self.hub.upgrade().filter(|hub| hub.is_own())) {
            hub.shared.end_all();
        }
        deleted
    }

    /// From now on the queue does not exist for those who attach to it or use it in a new way, such as
    /// under another name. What they stored after the keys were listed would stay for ever.
    fn forbid_names(&mut self) -> Result<()> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.keys.config()).arg(field::LAYOUT);
        self.connection.command(&command).map(|_| ())
    }

    /// From now on scripts let what they create expire with the queue, see `_common.lua`: also what is
    /// created after the keys were listed. All of it goes in the same millisecond, so that no script
    /// finds a part. Returns when that is, by the server's clock.
    fn announce_end(&mut self, seconds: u64) -> Result<u64> {
        let now_ms = self.connection.now_us()? / 1000;
        let end_ms = now_ms.saturating_add(seconds.saturating_mul(1000));
        let mut command = redis::cmd("PEXPIREAT");
        command.arg(self.keys.config()).arg(end_ms);
        self.connection.command(&command)?;
        Ok(end_ms)
    }

    /// Every key the queue can have. The counters come last: they say which others there are.
    fn all_keys(&mut self) -> Result<Vec<String>> {
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
