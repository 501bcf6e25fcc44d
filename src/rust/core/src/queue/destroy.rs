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
        let names = self.all_keys()?;
        let mut pipeline = Pipeline::new();
        // In one transaction: a heartbeat of a worker between two commands would create its timer
        // again.
        pipeline.atomic();
        for key in names {
            match after_s {
                None => pipeline.cmd("UNLINK").arg(key),
                Some(seconds) => pipeline.cmd("EXPIRE").arg(key).arg(seconds),
            };
        }
        self.known_objects.clear();
        self.stream.close();
        self.connection.pipeline(&pipeline).map(|_| ())
    }

    /// Every key the queue can have. The counters come last: they say which others there are.
    fn all_keys(&mut self) -> Result<Vec<String>> {
        let keys = self.keys.clone();
        let mut names = Vec::from(keys.task_hashes());
        names.extend([
            keys.due(),
            keys.objects(),
            keys.object_refs(),
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
