//! The Lua scripts, one per transition, and how they are called. A script is its file behind the
//! shared prelude, with the parts it includes; servers that know `#!lua` get that line first, so
//! that they refuse keys of another slot.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, ToRedisArgs, Value};

const COMMON: &str = include_str!("../lua/_common.lua");
const PARTS: [(&str, &str); 13] = [
    ("-- include: _chain.lua", include_str!("../lua/_chain.lua")),
    ("-- include: _claim.lua", include_str!("../lua/_claim.lua")),
    ("-- include: _defer.lua", include_str!("../lua/_defer.lua")),
    ("-- include: _depend.lua", include_str!("../lua/_depend.lua")),
    ("-- include: _end.lua", include_str!("../lua/_end.lua")),
    ("-- include: _expire.lua", include_str!("../lua/_expire.lua")),
    ("-- include: _file.lua", include_str!("../lua/_file.lua")),
    ("-- include: _finish.lua", include_str!("../lua/_finish.lua")),
    ("-- include: _links.lua", include_str!("../lua/_links.lua")),
    ("-- include: _lose.lua", include_str!("../lua/_lose.lua")),
    ("-- include: _parents.lua", include_str!("../lua/_parents.lua")),
    ("-- include: _store.lua", include_str!("../lua/_store.lua")),
    ("-- include: _waiting.lua", include_str!("../lua/_waiting.lua")),
];

/// One script, in the two forms servers may want.
pub struct Script {
    modern: redis::Script,
    legacy: redis::Script,
}

impl Script {
    fn new(body: &str, flags: &str) -> Self {
        let mut source = format!("{COMMON}\n{body}");
        for (line, part) in PARTS {
            source = source.replace(line, part);
        }
        Script {
            modern: redis::Script::new(&format!("#!lua{flags}\n{source}")),
            legacy: redis::Script::new(&source),
        }
    }

    fn form(&self, shebang: bool) -> &redis::Script {
        if shebang { &self.modern } else { &self.legacy }
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $file:literal $(, $flags:literal)?;)*) => {
        $($(#[$doc])*
        pub static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(include_str!(concat!("../lua/", $file)), concat!("", $($flags)?))
        });)*
    };
}

scripts! {
    /// Set what holds for a queue.
    QUEUE_CONFIGURE: "queue_configure.lua";
    /// Attach a controller.
    QUEUE_ATTACH: "queue_attach.lua";
    /// Queue a chunk of tasks.
    TASK_SUBMIT: "task_submit.lua";
    /// Store how far a task is.
    TASK_PROGRESS: "task_progress.lua";
    /// Store what a task has printed.
    TASK_LOG: "task_log.lua";
    /// Cancel tasks.
    TASK_CANCEL: "task_cancel.lua";
    /// Forget tasks, also when memory is short: it gives some back.
    TASK_DELETE: "task_delete.lua", " flags=allow-oom";
    /// Queue tasks again that have ended.
    TASK_RETRY: "task_retry.lua";
    /// Take tasks out of a queue.
    QUEUE_REMOVE: "queue_remove.lua";
    /// Pause a queue, or resume it.
    QUEUE_PAUSE: "queue_pause.lua";
    /// Store a chunk of a file.
    FILE_CHUNK: "file_chunk.lua";
    /// Keep a file all of which is stored.
    FILE_KEEP: "file_keep.lua";
    /// Ask for a stored file.
    FILE_USE: "file_use.lua";
    /// Ask to be told when tasks end.
    TASK_WATCH: "task_watch.lua";
    /// Send a message to workers.
    MESSAGE_SEND: "message_send.lua";
    /// Answer a message.
    MESSAGE_RESPOND: "message_respond.lua";
    /// Register a worker.
    WORKER_REGISTER: "worker_register.lua";
    /// Count a worker as alive.
    WORKER_READY: "worker_ready.lua";
    /// One turn of a worker.
    WORKER_STEP: "worker_step.lua";
    /// Renew a worker's lease, even when memory is short: else every lease would lapse.
    WORKER_BEAT: "worker_beat.lua", " flags=allow-oom";
    /// Hand back tasks claimed but not started.
    WORKER_RETURN: "worker_return.lua", " flags=allow-oom";
    /// A worker's process starts anew.
    WORKER_RESTART: "worker_restart.lua", " flags=allow-oom";
    /// A worker leaves.
    WORKER_EXIT: "worker_exit.lua", " flags=allow-oom";
    /// Tell the control threads of workers something.
    WORKER_CONTROL: "worker_control.lua", " flags=allow-oom";
    /// Settle lost workers.
    WORKER_SWEEP: "worker_sweep.lua", " flags=allow-oom";
    /// Declare a worker lost whose process has ended.
    WORKER_LOSE: "worker_lose.lua", " flags=allow-oom";
    /// Forget workers that have left.
    WORKER_DELETE: "worker_delete.lua", " flags=allow-oom";
    /// Add to a worker's log.
    WORKER_LOG: "worker_log.lua";
}

/// A script with its keys and arguments, ready to be sent, and sent again.
pub struct Call {
    script: &'static Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    /// A call of `script` on `keys`.
    pub fn new(script: &'static Script, keys: Vec<String>) -> Self {
        Call { script, keys, args: Vec::new() }
    }

    /// Add an argument.
    pub fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.push(value);
        self
    }

    /// Add an argument in place.
    pub fn push(&mut self, value: impl ToRedisArgs) {
        self.args.extend(value.to_redis_args());
    }

    /// The request as sent, by the script's hash.
    pub fn command(&self, shebang: bool) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.form(shebang).get_hash()).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.args);
        command
    }

    /// Run it, loading the script first where the server does not have it.
    pub fn run(&self, connection: &mut redis::Connection, shebang: bool) -> RedisResult<Value> {
        match self.command(shebang).query(connection) {
            Err(error) if is_no_script(&error) => {
                self.load(connection, shebang)?;
                self.command(shebang).query(connection)
            }
            other => other,
        }
    }

    /// Make the script known to the server.
    pub fn load(&self, connection: &mut redis::Connection, shebang: bool) -> RedisResult<()> {
        self.script.form(shebang).prepare_invoke().load(connection).map(|_| ())
    }
}

/// Whether the server does not know the script (any more).
pub fn is_no_script(error: &redis::RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the server, from what `INFO server` says, knows `#!lua`.
pub fn knows_shebang(info: &str) -> bool {
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let major = version.and_then(|version| version.split('.').next());
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_from_version_7_get_the_first_line() {
        assert!(knows_shebang("# Server\r\nredis_version:7.0.15\r\n"));
        assert!(!knows_shebang("# Server\r\nredis_version:6.2.0\r\n"));
        assert!(!knows_shebang(""));
    }
}
