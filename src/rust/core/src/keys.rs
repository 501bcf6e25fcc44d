//! The names of all keys of a queue, and of the fields and timers that are not ids. No other file spells
//! them: the engine uses the functions and constants below, and scripts use `KEY.tasks` or
//! `FIELD.LAYOUT`, which `scripts.rs` replaces by the text defined here. All keys share the hash tag
//! `{<queue id>}`, so that a cluster keeps a queue in one slot.

/// What scripts call a name, and the text that replaces it.
type Name = (&'static str, &'static str);

/// The tables that scripts use.
pub(crate) const TABLES: [(&str, &[Name]); 6] = [
    ("KEY", Keys::NAMES),
    (
        "KEY",
        &[
            ("queue", QUEUE),
            ("wake", WAKE),
            ("events", EVENTS),
            ("worker", WORKER),
            ("object", OBJECT),
        ],
    ),
    ("WORKER", WorkerKeys::NAMES),
    ("FIELD", field::NAMES),
    ("SET", set::NAMES),
    ("DUE", due::NAMES),
];

const QUEUE: &str = "q:";
const WAKE: &str = "k:";
const EVENTS: &str = "ev:";
const FILE: &str = "f:";
const WORKER: &str = "w:";
const OBJECT: &str = "o:";

/// A function for each key, and the table of the same names.
macro_rules! keys {
    ($owner:ident: $($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl $owner {
            const NAMES: &[Name] = &[$((stringify!($name), $text),)*];

            fn name(&self, rest: &str) -> String {
                format!("{}{rest}", self.prefix)
            }

            $($(#[$doc])*
            pub fn $name(&self) -> String {
                self.name($text)
            })*
        }
    };
}

/// A module with a constant for each text, and the table of the same names.
macro_rules! texts {
    ($(#[$about:meta])* $module:ident: $($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $(#[$about])*
        pub(crate) mod $module {
            $($(#[$doc])*
            #[allow(dead_code)] // many are for scripts alone
            pub const $name: &str = $text;)*
            pub(super) const NAMES: &[(&str, &str)] = &[$((stringify!($name), $text),)*];
        }
    };
}

/// Names the keys of one queue.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

keys! { Keys:
    /// HASH task id → header, with the result behind it when small.
    tasks = "t";
    /// HASH task id → what to run.
    bodies = "b";
    /// HASH task id → result, when too large for the header.
    results = "r";
    /// HASH task id → rare attributes, such as warnings.
    extras = "x";
    /// HASH `<task id>:<attempt>` → how an attempt ended that was not the last.
    attempts = "at";
    /// HASH task id → its label and its tags, as lines.
    labels = "lab";
    /// HASH task id → the id it was retried under, when, and its status before.
    moved = "mv";
    /// HASH task id → the id of the task it is a retry of.
    was = "mu";
    /// HASH task id → latest progress value.
    progress = "prog";
    /// HASH task id → state of its events; `<task id>:<n>` → its nth event, see `lua/_emitted.lua`.
    emitted = "em";
    /// HASH task id → what it printed.
    logs = "lg";
    /// HASH of counters, see `field`.
    counters = "n";
    /// ZSET of what happens at a time (server ms): `<kind><subject>`, see `due`.
    due = "due";
    /// HASH worker id → record.
    workers = "w";
    /// HASH worker id → what it says of itself.
    worker_infos = "wi";
    /// HASH of the queue's settings, see `field`.
    config = "cfg";
    /// HASH content hash → object, when small.
    objects = "o";
    /// HASH content hash → where a larger object is stored, see `lua/_object.lua`.
    stored_objects = "ox";
    /// ZSET `h:<hash>:<tag>` and `t:<tag>NUL<hash>`: the tags that refer to objects.
    object_tags = "otag";
    /// HASH file → bytes: files outside the server whose objects are gone, still to be deleted.
    lost_files = "olost";
    /// HASH content hash → how many tasks refer to the object.
    object_refs = "oref";
    /// ZSET of the names of stored files, by when they expire (server ms).
    files = "f";
    /// ZSET `<task>:<set>`: which sets of tasks depend on a task; `<task>+<set>` where none waits.
    dependents = "dn";
    /// ZSET `<set>:<position>:<task>`: the tasks of a set.
    deferred = "dl";
    /// HASH `<set><field>` of sets of tasks that depend on the same others, see `set`.
    sets = "ds";
}

impl Keys {
    /// The keys of queue `id`.
    pub fn new(id: &str) -> Self {
        Keys { prefix: format!("{{{id}}}:") }
    }

    /// The keys of an object store of its own, each with this prefix.
    pub fn with_prefix(prefix: &str) -> Self {
        Keys { prefix: prefix.to_owned() }
    }

    /// What every key starts with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The keys whose names contain nothing else.
    pub(crate) fn all_fixed(&self) -> Vec<String> {
        Keys::NAMES.iter().map(|(_, text)| self.name(text)).collect()
    }

    /// LIST of the ids waiting in a queue; the headers decide.
    pub fn queue(&self, name: &str) -> String {
        self.name(&format!("{QUEUE}{name}"))
    }

    /// ZSET with at most one member, the marker that wakes a worker idle on a queue.
    pub fn wake(&self, name: &str) -> String {
        self.name(&format!("{WAKE}{name}"))
    }

    /// STREAM of the events that one waiter waits for.
    pub fn events(&self, waiter: u64) -> String {
        self.name(&format!("{EVENTS}{waiter}"))
    }

    /// HASH position → chunk of a stored file, and how many there are; expires by itself.
    pub fn file(&self, name: &str) -> String {
        self.name(&format!("{FILE}{name}"))
    }

    /// HASH position → chunk of a large object, also of one that is being sent.
    pub fn object(&self, name: &str) -> String {
        self.name(&format!("{OBJECT}{name}"))
    }

    /// The hashes with a field for each task, which is removed from all of them when the task is
    /// deleted. In the order of `lua/task_delete.lua`.
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

    /// How the keys of all workers begin.
    pub(crate) fn all_workers(&self) -> String {
        self.name(WORKER)
    }

    /// The keys of one worker.
    pub fn worker(&self, id: &str) -> WorkerKeys {
        WorkerKeys { prefix: self.name(&format!("{WORKER}{id}:")) }
    }
}

/// The prefix of a key of a queue, and the rest.
pub(crate) fn split(key: &str) -> Option<(&str, &str)> {
    let end = key.find("}:").filter(|_| key.starts_with('{'))?;
    key.split_at_checked(end + 2)
}

/// The type of a key, of which this is the part after the prefix. For the contents see above.
pub(crate) fn type_of(rest: &str) -> &'static str {
    match rest {
        "due" | "otag" | "f" | "dn" | "dl" => "zset",
        _ if rest.starts_with(QUEUE) => "list",
        _ if rest.starts_with(WAKE) => "zset",
        _ if rest.starts_with(EVENTS) => "stream",
        _ if rest.starts_with(WORKER) => match rest.rsplit(':').next() {
            Some("k") => "zset",
            Some("hb") => "string",
            Some("resp") => "hash",
            _ => "list",
        },
        _ => "hash",
    }
}

/// Names the keys of one worker.
#[derive(Debug, Clone)]
pub struct WorkerKeys {
    prefix: String,
}

keys! { WorkerKeys:
    /// LIST of messages not yet answered.
    messages = "m";
    /// ZSET with at most one member, the marker that wakes this worker.
    wake = "k";
    /// HASH message id → answer.
    responses = "resp";
    /// LIST of log lines, the newest last, capped.
    log = "log";
    /// STRING that expires unless the worker lives.
    heartbeat = "hb";
    /// LIST of commands, which wakes the worker's control thread.
    control = "ctl";
    /// LIST of signals for the process that keeps the heartbeat, as `heartbeat::kill` names it.
    signals = "hb:signal";
}

impl WorkerKeys {
    /// Every key a worker can have.
    pub fn all(&self) -> [String; 7] {
        [
            self.messages(),
            self.wake(),
            self.responses(),
            self.log(),
            self.heartbeat(),
            self.control(),
            self.signals(),
        ]
    }
}

texts! {
    /// Fields of the settings, and of the counters.
    field:
    /// Setting: the layout of the stored data.
    LAYOUT = "layout";
    /// Setting, followed by a name: a worker configuration.
    WORKER_CONFIG = "worker:";
    /// Setting: the function that builds the workers' environment.
    ENVIR = "envir";
    /// Setting: the last controllers that attached.
    CONTROLLERS = "controllers";
    /// Setting: the default rules of tasks.
    DEFAULTS = "defaults";
    /// Setting: how its files are told from those of a queue of the same name, see `Storage`.
    MARK = "mark";
    /// Setting, followed by a token: the last chunk that this process has submitted, and when.
    SUBMITTER = "sub:";
    /// Setting, followed by a queue: the queue is paused.
    PAUSE = "pause:";
    /// Counter, followed by the word of a status: tasks of this status.
    STATUS = "s:";
    /// Counter, followed by a queue: tasks that wait in it. 0 means that the queue exists.
    QUEUE = "q:";
    /// Counter: queues that are paused.
    PAUSED = "paused";
    /// Last number given out to a waiter.
    WATCH = "watch";
    /// Last number given out to a worker.
    INCARNATION = "incarnation";
    /// Last number given out to a set of tasks.
    SET = "set";
}

texts! {
    /// Fields of a set of tasks that depend on the same others, preceded by its number.
    set:
    /// How many tasks it has.
    SIZE = ":n";
    /// How many of them have not ended.
    OPEN = ":open";
    /// What they depend on: ids without separator. Followed by a number: the parts after the first.
    ON = ":on";
    /// The number of these further parts.
    PARTS = ":parts";
    /// While it is prepared: how many of its dependencies were given.
    GIVEN = ":given";
    /// While it waits: for how many tasks.
    LEFT = ":left";
    /// The task it waited for that has failed, if one has.
    FAILED = ":failed";
    /// While it waits: whether its tasks run although one of those failed.
    ANY = ":any";
    /// While it waits: the queue of its tasks.
    QUEUE = ":queue";
    /// While it waits: the earliest time its tasks may start (server ms).
    START = ":start";
    /// While it is resolved: where to continue.
    AT = ":at";
}

texts! {
    /// Timed work, followed by what it is for.
    due:
    /// The lease of a worker ends.
    LEASE = "L:";
    /// A scheduled task is queued.
    SCHEDULED = "S:";
    /// A task expires.
    EXPIRY = "X:";
    /// A set is released: all it waited for is complete.
    RELEASE = "R:";
    /// A set becomes impossible: something it waited for has failed.
    IMPOSSIBLE = "I:";
    /// More sets are to be notified of a task that is complete.
    COMPLETE = "C:";
    /// More sets are to be notified of a task that has failed.
    FAILED = "F:";
    /// More links of a deleted task are to be removed.
    LINKS = "D:";
    /// More links to a set that no longer exists are to be removed.
    SET = "E:";
    /// A set was prepared, but its submitter has stopped sending requests.
    PREPARED = "P:";
    /// The pin of an object ends, or the time in which all chunks of a new one must have arrived.
    OBJECT = "O:";
    /// The set is followed by `:` and the number of a part: that part of its dependencies is needed again.
    NEEDED = "N:";
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

    #[test]
    fn no_text_stands_for_two_things() {
        for (table, names) in TABLES {
            let mut texts: Vec<&str> = names.iter().map(|(_, text)| *text).collect();
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), names.len(), "{table}");
        }
    }
}
