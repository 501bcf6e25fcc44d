//! The names of all keys of a queue. Nothing else in the engine spells one. All share the hash
//! tag `{<queue id>}`, so that a cluster keeps a queue in one slot.

/// Names the keys of one queue.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys of queue `id`.
    pub fn new(id: &str) -> Self {
        Keys { prefix: format!("{{{id}}}:") }
    }

    /// What every key starts with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// HASH task id → header, with the result behind it when small.
    pub fn tasks(&self) -> String {
        self.name("t")
    }

    /// HASH task id → what to run.
    pub fn bodies(&self) -> String {
        self.name("b")
    }

    /// HASH task id → result, when too large for the header.
    pub fn results(&self) -> String {
        self.name("r")
    }

    /// HASH task id → rare attributes, such as warnings.
    pub fn extras(&self) -> String {
        self.name("x")
    }

    /// HASH `<task id>:<attempt>` → how an attempt ended that was not the last.
    pub fn attempts(&self) -> String {
        self.name("at")
    }

    /// HASH task id → its label and its tags, as lines.
    pub fn labels(&self) -> String {
        self.name("lab")
    }

    /// HASH task id → the id it was retried under, when, and its status before.
    pub fn moved(&self) -> String {
        self.name("mv")
    }

    /// HASH task id → the id of the task it is a retry of.
    pub fn was(&self) -> String {
        self.name("mu")
    }

    /// HASH task id → latest progress value.
    pub fn progress(&self) -> String {
        self.name("prog")
    }

    /// HASH task id → what it printed.
    pub fn logs(&self) -> String {
        self.name("lg")
    }

    /// HASH of counters: `s:<status>`, `q:<queue>`, and the last numbers given out.
    pub fn counters(&self) -> String {
        self.name("n")
    }

    /// ZSET of what happens at a time (server ms): worker leases end, tasks become due, expire.
    pub fn due(&self) -> String {
        self.name("due")
    }

    /// HASH worker id → record.
    pub fn workers(&self) -> String {
        self.name("w")
    }

    /// HASH worker id → what it says of itself.
    pub fn worker_infos(&self) -> String {
        self.name("wi")
    }

    /// HASH of the queue's settings: layout, worker configurations, environment, controllers.
    pub fn config(&self) -> String {
        self.name("cfg")
    }

    /// HASH content hash → object.
    pub fn objects(&self) -> String {
        self.name("o")
    }

    /// HASH content hash → how many tasks refer to the object.
    pub fn object_refs(&self) -> String {
        self.name("oref")
    }

    /// ZSET of the names of stored files, by when they are forgotten (server ms).
    pub fn files(&self) -> String {
        self.name("f")
    }

    /// HASH position → chunk of a stored file, and how many there are; forgotten by itself.
    pub fn file(&self, name: &str) -> String {
        self.name(&format!("f:{name}"))
    }

    /// ZSET `<task>:<set>`: which sets of tasks depend on a task; `<task>+<set>` where none waits.
    pub fn dependents(&self) -> String {
        self.name("dn")
    }

    /// ZSET `<set>:<position>:<task>`: the tasks of a set.
    pub fn deferred(&self) -> String {
        self.name("dl")
    }

    /// HASH of the sets: `<set>:n` tasks it has, `<set>:open` of them have not ended, `<set>:on`, what
    /// they depend on; while they wait `<set>:left`, for how many, and what is to become of them.
    pub fn sets(&self) -> String {
        self.name("ds")
    }

    /// LIST of the ids waiting in a queue; the headers decide.
    pub fn queue(&self, name: &str) -> String {
        self.name(&format!("q:{name}"))
    }

    /// ZSET with at most one member, the marker that wakes a worker idle on a queue.
    pub fn wake(&self, name: &str) -> String {
        self.name(&format!("k:{name}"))
    }

    /// STREAM of what one waiter waits for.
    pub fn events(&self, waiter: u64) -> String {
        self.name(&format!("ev:{waiter}"))
    }

    /// The hashes with a field for each task, all of which a task leaves when it is deleted. In the
    /// order of `lua/task_delete.lua`.
    pub fn task_hashes(&self) -> [String; 10] {
        [
            self.tasks(),
            self.bodies(),
            self.results(),
            self.extras(),
            self.progress(),
            self.attempts(),
            self.labels(),
            self.moved(),
            self.was(),
            self.logs(),
        ]
    }

    /// The keys of one worker.
    pub fn worker(&self, id: &str) -> WorkerKeys {
        WorkerKeys { prefix: self.name(&format!("w:{id}:")) }
    }
}

/// Names the keys of one worker.
#[derive(Debug, Clone)]
pub struct WorkerKeys {
    prefix: String,
}

impl WorkerKeys {
    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// LIST of messages not yet answered.
    pub fn messages(&self) -> String {
        self.name("m")
    }

    /// ZSET with at most one member, the marker that wakes this worker.
    pub fn wake(&self) -> String {
        self.name("k")
    }

    /// HASH message id → answer.
    pub fn responses(&self) -> String {
        self.name("resp")
    }

    /// LIST of log lines, the newest last, capped.
    pub fn log(&self) -> String {
        self.name("log")
    }

    /// STRING that expires unless the worker lives.
    pub fn heartbeat(&self) -> String {
        self.name("hb")
    }

    /// LIST that wakes the worker's control thread and tells it what for.
    pub fn control(&self) -> String {
        self.name("ctl")
    }

    /// Every key a worker can have.
    pub fn all(&self) -> [String; 6] {
        [
            self.messages(),
            self.wake(),
            self.responses(),
            self.log(),
            self.heartbeat(),
            self.control(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_carries_the_hash_tag() {
        let keys = Keys::new("jobs");
        for key in [keys.tasks(), keys.queue("a"), keys.events(3), keys.worker("w_1").log()] {
            assert!(key.starts_with("{jobs}:"), "{key}");
        }
    }
}
