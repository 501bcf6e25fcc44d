//! The Lua scripts, one per transition, and how they are called. A script is its file with the parts it
//! includes, preceded by `_common.lua`; names of keys and fields are replaced by their text in
//! `keys.rs`. Servers that know `#!lua` get that line first, so that they reject keys of another slot.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{Cmd, ConnectionLike, ErrorKind, RedisResult, ServerErrorKind, ToRedisArgs, Value};
use serde::Serialize;

use crate::keys::TABLES;

const INCLUDE: &str = "-- include: ";
/// A line that most runs of a script do not get past. Functions that are called only further down are
/// defined there, because a server creates functions one by one as it gets to them.
const REST: &str = "-- the rest\n";

macro_rules! parts {
    ($($file:literal)*) => { &[$(($file, include_str!(concat!("../lua/", $file))),)*] };
}

/// Files that scripts include, and what they hold.
const PARTS: &[(&str, &str)] = parts! {
    "_chain.lua" "_claim.lua" "_clamp.lua" "_common.lua" "_defer.lua" "_depend.lua" "_due.lua" "_emitted.lua"
    "_end.lua" "_expire.lua" "_file.lua" "_finish.lua" "_fresh.lua" "_header.lua" "_held.lua" "_leave.lua"
    "_links.lua" "_object.lua" "_parents.lua" "_plain.lua" "_prepared.lua" "_queue.lua"
    "_record.lua" "_small.lua" "_store.lua" "_submitter.lua" "_watch.lua" "_worker_keys.lua"
};

/// The text of a script: each part where it is first included, without the functions that the script
/// does not call, because the server creates all of them on every run.
fn source(body: &str) -> String {
    let mut text = String::new();
    expand(&format!("{INCLUDE}_common.lua\n{body}"), &mut Vec::new(), &mut text);
    let (mut first, mut rest) = match text.split_once(REST) {
        Some((first, rest)) => (first.to_owned(), rest.to_owned()),
        None => (String::new(), text),
    };
    let mut late = Vec::new();
    while let Some((smaller, unused)) = without_unused(&first) {
        first = smaller;
        late.push(unused);
    }
    // A function that calls another one was found before it.
    rest.insert_str(0, &late.into_iter().rev().collect::<String>());
    let mut text = first + &rest;
    while let Some((smaller, _)) = without_unused(&text) {
        text = smaller;
    }
    let mut names: Vec<(String, &str)> = TABLES
        .iter()
        .flat_map(|(table, names)| {
            names.iter().map(move |(n, text)| (format!("{table}.{n}"), *text))
        })
        .collect();
    // A name may begin another one.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.iter().fold(text, |text, (name, value)| text.replace(name, &format!("'{value}'")))
}

/// Append `text` with the parts it includes, except those in `included`. A test finds unknown ones.
fn expand(text: &str, included: &mut Vec<&'static str>, whole: &mut String) {
    for line in text.lines() {
        let asked = line.trim().strip_prefix(INCLUDE);
        match asked.and_then(|asked| PARTS.iter().find(|(file, _)| *file == asked)) {
            None => {
                whole.push_str(line);
                whole.push('\n');
            }
            Some((file, part)) if !included.contains(file) => {
                included.push(file);
                expand(part, included, whole);
            }
            Some(_) => {}
        }
    }
}

/// The text without comments and uncalled functions, and those functions; `None` if there is nothing to
/// remove. Functions begin and end at the left margin.
fn without_unused(text: &str) -> Option<(String, String)> {
    let code = text.lines().map(|line| line.split("-- ").next().unwrap_or_default().trim_end());
    let lines: Vec<&str> = code.filter(|line| !line.is_empty()).collect();
    let words =
        lines.iter().flat_map(|line| line.split(|c: char| c != '_' && !c.is_alphanumeric()));
    let mut n_used: HashMap<&str, usize> = HashMap::new();
    words.for_each(|word| *n_used.entry(word).or_default() += 1);
    let (mut left, mut unused) = (String::new(), String::new());
    let mut is_unused = false;
    for line in &lines {
        let name = line.strip_prefix("local function ").and_then(|rest| rest.split('(').next());
        is_unused = is_unused || name.is_some_and(|name| n_used.get(name) == Some(&1));
        let to = if is_unused { &mut unused } else { &mut left };
        to.push_str(line);
        to.push('\n');
        is_unused = is_unused && *line != "end";
    }
    (left.len() < text.len()).then_some((left, unused))
}

/// One script, in the two forms servers may want.
pub struct Script {
    modern: Form,
    legacy: Form,
}

struct Form {
    text: String,
    hash: String,
}

impl Form {
    fn new(text: String) -> Self {
        Form { hash: redis::Script::new(&text).get_hash().to_owned(), text }
    }

    fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

impl Script {
    fn new(body: &str, flags: &str) -> Self {
        let source = source(body);
        Script { modern: Form::new(format!("#!lua{flags}\n{source}")), legacy: Form::new(source) }
    }

    fn form(&self, shebang: bool) -> &Form {
        if shebang { &self.modern } else { &self.legacy }
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $file:literal $(, $flags:literal)?;)*) => {
        $($(#[$doc])*
        pub static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(include_str!(concat!("../lua/", $file)), concat!("", $($flags)?))
        });)*

        #[cfg(test)]
        const FILES: &[(&str, &str)] = parts! { $($file)* };
    };
}

scripts! {
    /// Set the default rules of a queue.
    QUEUE_CONFIGURE: "queue_configure.lua";
    /// Store a setting.
    CONFIG_SET: "config_set.lua";
    /// Attach a controller.
    QUEUE_ATTACH: "queue_attach.lua";
    /// Prepare a set of tasks that depend on many others.
    SET_PREPARE: "set_prepare.lua";
    /// End the preparation of a set; may free memory.
    SET_CLOSE: "set_close.lua", " flags=allow-oom";
    /// Queue a chunk of tasks.
    TASK_SUBMIT: "task_submit.lua";
    /// The same for tasks without any options.
    TASK_QUEUE: "task_queue.lua";
    /// Reject chunks of tasks that have not arrived yet.
    TASK_WITHDRAW: "task_withdraw.lua", " flags=allow-oom";
    /// Store the progress of a task.
    TASK_PROGRESS: "task_progress.lua";
    /// Append an event to those of a task.
    TASK_EMIT: "task_emit.lua";
    /// Read the events of tasks; may be needed when memory is short.
    TASK_EVENTS: "task_events.lua", " flags=allow-oom";
    /// Store the output of a task.
    TASK_LOG: "task_log.lua";
    /// Cancel tasks, even when memory is short, so that they can be deleted.
    TASK_CANCEL: "task_cancel.lua", " flags=allow-oom";
    /// Delete tasks, even when memory is short, because this frees some.
    TASK_DELETE: "task_delete.lua", " flags=allow-oom";
    /// Queue tasks again that have ended.
    TASK_RETRY: "task_retry.lua";
    /// Mend a task, even when memory is short.
    TASK_MEND: "task_mend.lua", " flags=allow-oom";
    /// Remove tasks from a queue.
    QUEUE_REMOVE: "queue_remove.lua";
    /// Delete a queue, even when memory is short.
    QUEUE_DESTROY: "queue_destroy.lua", " flags=allow-oom";
    /// Read what waits in a queue, even when memory is short.
    QUEUE_WAITING: "queue_waiting.lua", " flags=allow-oom";
    /// Pause a queue, or resume it.
    QUEUE_PAUSE: "queue_pause.lua";
    /// Open the event stream of a waiter, even when memory is short: it waits for workers to stop.
    QUEUE_LISTEN: "queue_listen.lua", " flags=allow-oom";
    /// Write something that changes nothing.
    QUEUE_TOUCH: "queue_touch.lua";
    /// Give a waiter its number.
    QUEUE_NUMBER: "queue_number.lua";
    /// Store a chunk of a file.
    FILE_CHUNK: "file_chunk.lua";
    /// Keep a file whose chunks are all stored.
    FILE_KEEP: "file_keep.lua";
    /// Ask for a stored file.
    FILE_USE: "file_use.lua";
    /// Ask for objects before they are stored.
    OBJECT_BEGIN: "object_begin.lua";
    /// Check that a chunk of an object is wanted.
    OBJECT_CHUNK: "object_chunk.lua", " flags=allow-oom";
    /// Name an object whose chunks are all stored.
    OBJECT_KEEP: "object_keep.lua";
    /// Tag objects.
    OBJECT_TAG: "object_tag.lua";
    /// Remove a tag from all objects, even when memory is short, because this frees some.
    OBJECT_DROP: "object_drop.lua", " flags=allow-oom";
    /// Claim the key of a heartbeat.
    HEARTBEAT_CLAIM: "heartbeat_claim.lua";
    /// Subscribe to the ends of tasks.
    TASK_WATCH: "task_watch.lua";
    /// The same, and find out which of them have emitted events.
    WATCH_ADD: "watch_add.lua";
    /// Send a message to workers, even when memory is short: they can be told to stop.
    MESSAGE_SEND: "message_send.lua", " flags=allow-oom";
    /// Answer a message, even when memory is short.
    MESSAGE_RESPOND: "message_respond.lua", " flags=allow-oom";
    /// Register a worker.
    WORKER_REGISTER: "worker_register.lua";
    /// Count a worker as alive.
    WORKER_READY: "worker_ready.lua";
    /// One turn of a worker.
    WORKER_STEP: "worker_step.lua";
    /// Renew a worker's lease, even when memory is short; otherwise every lease would expire.
    WORKER_BEAT: "worker_beat.lua", " flags=allow-oom";
    /// Announce that a worker is about to begin more of the tasks it holds.
    WORKER_BEGIN: "worker_begin.lua", " flags=allow-oom";
    /// Hand back tasks claimed but not started.
    WORKER_RETURN: "worker_return.lua", " flags=allow-oom";
    /// A worker's process restarts.
    WORKER_RESTART: "worker_restart.lua", " flags=allow-oom";
    /// A worker leaves.
    WORKER_EXIT: "worker_exit.lua", " flags=allow-oom";
    /// Send a command to the control threads of workers.
    WORKER_CONTROL: "worker_control.lua", " flags=allow-oom";
    /// Put back what was for another worker of the same name.
    WORKER_PUT_BACK: "worker_put_back.lua", " flags=allow-oom";
    /// Wake the main thread of a worker.
    WORKER_WAKE: "worker_wake.lua", " flags=allow-oom";
    /// Store a worker's description of itself.
    WORKER_DESCRIBE: "worker_describe.lua";
    /// Do what is due: resolve lost workers, release, queue and expire tasks.
    WORKER_SWEEP: "worker_sweep.lua", " flags=allow-oom";
    /// Declare a worker lost whose process has ended.
    WORKER_LOSE: "worker_lose.lua", " flags=allow-oom";
    /// Delete workers that have exited.
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

    /// Add options as one argument, a map. If they cannot be packed, the script fails at once.
    pub fn options(self, options: &impl Serialize) -> Self {
        self.arg(rmp_serde::to_vec_named(options).unwrap_or_default())
    }

    /// Add an argument in place.
    pub fn push(&mut self, value: impl ToRedisArgs) {
        self.args.extend(value.to_redis_args());
    }

    /// The keys it uses.
    pub(crate) fn key_names(&self) -> Vec<Vec<u8>> {
        self.keys.iter().map(|key| key.clone().into_bytes()).collect()
    }

    /// The request as sent, by the script's hash.
    pub fn command(&self, shebang: bool) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script.form(shebang).hash).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.args);
        command
    }

    /// Run it. If the script has to be loaded first, both are one write: nobody flushes it in between.
    pub fn run(&self, link: &mut impl ConnectionLike, shebang: bool) -> RedisResult<Value> {
        let command = self.command(shebang);
        match command.query(link) {
            Err(error) if is_no_script(&error) => {
                let load = self.script.form(shebang).load();
                let both = [load.get_packed_command(), command.get_packed_command()].concat();
                match link.req_packed_commands(&both, 0, 2)?.pop().unwrap_or_default() {
                    Value::ServerError(error) => Err(error.into()),
                    reply => Ok(reply),
                }
            }
            other => other,
        }
    }

    /// Load it.
    pub fn load(&self, link: &mut impl ConnectionLike, shebang: bool) -> RedisResult<()> {
        self.script.form(shebang).load().exec(link)
    }
}

/// Whether the server does not know the script (any more).
pub fn is_no_script(error: &redis::RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

#[cfg(test)]
mod tests;
