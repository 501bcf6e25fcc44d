//! A queue as a controller sees it: attach, count, list, take out of, destroy.

use std::collections::HashSet;

use redis::{Cmd, Pipeline};

use crate::config::{self, WorkerConfig};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::files;
use crate::keys::Keys;
use crate::scripts::{Call, QUEUE_ATTACH, QUEUE_CONFIGURE, QUEUE_PAUSE, QUEUE_REMOVE};
use crate::task::{Header, Rules, Stream, query};
use crate::value;
use crate::worker;

/// The layout of the stored data that this version reads and writes.
pub const LAYOUT: &str = "2";
/// The queue tasks go to, and every worker listens to, unless told otherwise.
pub const DEFAULT_QUEUE: &str = "default";

/// How many tasks one request takes out of a queue.
const CHUNK: usize = 256;

/// A queue one is attached to.
pub struct Queue {
    /// The queue id.
    pub id: String,
    /// The names of its keys.
    pub keys: Keys,
    /// The way to the server.
    pub connection: Connection,
    pub(crate) watch: u64,
    pub(crate) stream: Stream,
    pub(crate) known_objects: HashSet<String>,
    pub(crate) defaults: Rules,
    owner: u32,
}

impl Queue {
    /// Attach to queue `id`. `who` says who attaches, which creates the queue when it is new; empty,
    /// for a worker, does not.
    pub fn attach(mut connection: Connection, id: &str, who: &str) -> Result<Self> {
        let keys = Keys::new(id);
        let call = Call::new(&QUEUE_ATTACH, vec![keys.config(), keys.counters()])
            .arg(LAYOUT)
            .arg(WorkerConfig::default().pack()?)
            .arg(who);
        let mut reply = value::array(connection.call(&call)?)?.into_iter();
        let found = value::text(reply.next().unwrap_or_default())?;
        let watch = value::integer(reply.next().unwrap_or_default())?;
        if found.is_empty() {
            return Err(Error::QueueMissing { queue: id.to_owned() });
        }
        if found != LAYOUT {
            let (queue, expected) = (id.to_owned(), LAYOUT.to_owned());
            return Err(Error::Layout { queue, found, expected });
        }
        let defaults = match value::bytes(reply.next().unwrap_or_default())?.as_slice() {
            [] => Rules::default(),
            packed => rmp_serde::from_slice(packed)
                .map_err(|error| Error::corrupt(format!("the settings of queue '{id}'"), error))?,
        };
        let watch = watch.unsigned_abs();
        Ok(Queue { watch, defaults, ..Queue::handle(connection, id) })
    }

    /// A queue somebody else is attached to, for what needs no waiter's number.
    pub fn handle(connection: Connection, id: &str) -> Self {
        Queue {
            id: id.into(),
            keys: Keys::new(id),
            connection,
            watch: 0,
            stream: Stream::default(),
            known_objects: HashSet::new(),
            defaults: Rules::default(),
            owner: std::process::id(),
        }
    }

    /// Set the rules of tasks that are given none, before anybody attaches to the queue.
    pub fn configure(connection: &mut Connection, id: &str, rules: &Rules) -> Result<()> {
        let packed = rmp_serde::to_vec_named(rules)
            .map_err(|error| Error::corrupt("the settings of a queue", error))?;
        let call = Call::new(&QUEUE_CONFIGURE, vec![Keys::new(id).config()]).arg(packed);
        match value::integer(connection.call(&call)?)? {
            1 => Ok(()),
            _ => Err(Error::QueueExists { id: id.to_owned() }),
        }
    }

    /// A forked child must not read its parent's event stream: it gets a number of its own.
    pub(crate) fn own_watch(&mut self) -> Result<u64> {
        if self.owner != std::process::id() {
            let key = self.keys.counters();
            let command = Cmd::new().arg("HINCRBY").arg(key).arg("watch").arg(1).to_owned();
            self.watch = value::integer(self.connection.command(&command)?)?.unsigned_abs();
            self.owner = std::process::id();
            self.stream = Stream::default();
        }
        Ok(self.watch)
    }

    /// How many tasks wait in the queue `name`.
    pub fn length(&mut self, name: &str) -> Result<u64> {
        self.counter(&format!("q:{name}"))
    }

    fn counter(&mut self, field: &str) -> Result<u64> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.counters()).arg(field);
        Ok(number(value::maybe_bytes(self.connection.command(&command)?)?))
    }

    /// The ids waiting in the queue `name`, the next to run first.
    pub fn list(&mut self, name: &str) -> Result<Vec<String>> {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        pipeline.cmd("HGET").arg(self.keys.counters()).arg(format!("q:{name}"));
        pipeline.cmd("LRANGE").arg(self.keys.queue(name)).arg(0).arg(-1);
        let mut reply = self.connection.pipeline(&pipeline)?.into_iter();
        let waiting = number(value::maybe_bytes(reply.next().unwrap_or_default())?);
        let listed = value::array(reply.next().unwrap_or_default())?;
        let listed = listed.into_iter().map(value::text).collect::<Result<Vec<_>>>()?;
        // Every waiting task is listed, so that as many ids as tasks are those tasks.
        if listed.len() as u64 == waiting { Ok(listed) } else { self.waiting_among(name, &listed) }
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

    /// Take tasks out of the queue `name`; says of each whether it waited there. They stay PENDING,
    /// but no worker will take them.
    pub fn remove(&mut self, name: &str, ids: &[String]) -> Result<Vec<bool>> {
        let headers = query::headers_if_any(self, ids)?;
        let mut removed = Vec::with_capacity(ids.len());
        for (ids, headers) in ids.chunks(CHUNK).zip(headers.chunks(CHUNK)) {
            let call = Call::new(&QUEUE_REMOVE, vec![self.keys.tasks(), self.keys.counters()])
                .arg(self.keys.prefix())
                .arg(name)
                .arg(ids);
            let flags = value::bytes(self.connection.call(&call)?)?;
            // What was out of the queue before is told apart here, so that the request can be repeated.
            let waited = headers.iter().map(|h| h.as_ref().is_some_and(Header::is_queued));
            removed.extend(flags.iter().zip(waited).map(|(flag, waited)| *flag == b'1' && waited));
        }
        Ok(removed)
    }

    /// Pause the queue `name`, or resume it: workers take no tasks from one that is paused. Says
    /// whether that changed anything.
    pub fn pause(&mut self, name: &str, pause: bool) -> Result<bool> {
        let keys = &self.keys;
        let names = vec![keys.config(), keys.counters(), keys.queue(name), keys.wake(name)];
        let call = Call::new(&QUEUE_PAUSE, names).arg(name).arg(i64::from(pause));
        Ok(value::integer(self.connection.call(&call)?)? == 1)
    }

    /// The names of the queues that are paused.
    pub fn paused(&mut self) -> Result<Vec<String>> {
        config::names(self, config::PAUSE)
    }

    /// How many tasks wait in each queue anything was ever submitted to.
    pub fn lengths(&mut self) -> Result<Vec<(String, u64)>> {
        let mut command = Cmd::new();
        command.arg("HGETALL").arg(self.keys.counters());
        let pairs = value::pairs(self.connection.command(&command)?)?;
        let waiting = |(field, count): (String, Vec<u8>)| {
            let name = field.strip_prefix("q:")?.to_owned();
            Some((name, String::from_utf8(count).ok()?.parse().ok()?))
        };
        Ok(pairs.into_iter().filter_map(waiting).collect())
    }

    /// Delete every key of the queue, or let them expire after some seconds.
    pub fn destroy(&mut self, after_s: Option<u64>) -> Result<()> {
        let names = self.all_keys()?;
        let mut pipeline = Pipeline::new();
        // In one go: a worker's heartbeat between two of them would bring the timers back.
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
        names.extend((1..=self.counter("watch")?).map(|waiter| keys.events(waiter)));
        names.extend([keys.workers(), keys.worker_infos(), keys.config(), keys.counters()]);
        Ok(names)
    }
}

fn number(text: Option<Vec<u8>>) -> u64 {
    text.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}
