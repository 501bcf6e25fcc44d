//! A handle on a queue: the connection, the names of the keys, and what a controller remembers.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::durable::Durable;
use crate::queue::settings::Settings;
use crate::scripts::{Call, QUEUE_ATTACH, QUEUE_CONFIGURE, QUEUE_NUMBER};
use crate::store::{Storage, Store, new_mark};
use crate::task::{Deletion, Rules, Stream, Submitter};
use crate::value;
use crate::watch::{Book, Hub};

/// The layout of the stored data that this version reads and writes.
pub const LAYOUT: &str = "2";
/// The queue that tasks go to by default, and that every worker listens to.
pub const DEFAULT_QUEUE: &str = "default";
/// How often a request is sent that the server takes only for a short time after it was sent.
const FRESH_ATTEMPTS: usize = 5;

/// A queue this session or worker is attached to.
pub struct Queue {
    /// The queue id.
    pub id: String,
    /// The names of its keys.
    pub keys: Keys,
    /// The connection to the server.
    pub connection: Connection,
    pub(crate) watch: u64,
    pub(crate) stream: Stream,
    /// The thread that reads for the watches of this controller, if there are any.
    pub(crate) hub: Weak<Hub>,
    /// The watches that watch what is submitted, of which the last one does: the numbers of their streams,
    /// and their tasks so far.
    pub(crate) captures: Vec<(u64, Arc<Book>, Vec<String>)>,
    pub(crate) submitter: Submitter,
    pub(crate) known_objects: HashSet<String>,
    pub(crate) deletion: Deletion,
    /// The request that queues a task, if it was sent and its reply not read, see `task/confirm.rs`.
    pub(crate) posted: Option<Call>,
    pub(crate) defaults: Rules,
    pub(crate) max_bytes: Option<f64>,
    /// Whether submissions wait until they are safe, and where.
    pub(crate) durable: Option<Durable>,
    /// How many files this process has left to others when it last deleted those of objects that are gone.
    pub(crate) lost_files: u64,
    /// Where this process puts large values.
    pub storage: Storage,
    owner: u32,
}

impl Queue {
    /// Attach to queue `id`. `who` names the controller, which creates the queue if it does not
    /// exist; it is empty for a worker, which does not. `default_config` is the packed worker
    /// configuration that every new queue has.
    pub fn attach(
        mut connection: Connection,
        id: &str,
        who: &str,
        default_config: &[u8],
    ) -> Result<Self> {
        let keys = Keys::new(id);
        let mark = new_mark()?;
        let reply = call_while_fresh(&mut connection, |sent_ms| {
            Call::new(&QUEUE_ATTACH, vec![keys.config(), keys.counters()])
                .arg(LAYOUT)
                .arg(default_config)
                .arg(who)
                .arg(&mark)
                .arg(sent_ms)
        })?;
        let mut reply = value::array(reply)?.into_iter();
        let found = value::text(reply.next().unwrap_or_default())?;
        let watch = value::integer(reply.next().unwrap_or_default())?;
        if found.is_empty() {
            return Err(Error::QueueMissing { queue: id.to_owned() });
        }
        if found != LAYOUT {
            let (queue, expected) = (id.to_owned(), LAYOUT.to_owned());
            return Err(Error::Layout { queue, found, expected });
        }
        let settings = match value::bytes(reply.next().unwrap_or_default())?.as_slice() {
            [] => Settings::default(),
            packed => Settings::unpack(id, packed)?,
        };
        let (watch, defaults) = (watch.unsigned_abs(), settings.rules());
        let mut storage = settings.storage();
        storage.mark = value::text(reply.next().unwrap_or_default())?;
        let max_bytes = settings.max_bytes;
        Ok(Queue { watch, defaults, storage, max_bytes, ..Queue::handle(connection, id) })
    }

    /// A queue that another process is attached to. It has no waiter number, so it cannot wait.
    pub fn handle(connection: Connection, id: &str) -> Self {
        Queue {
            id: id.into(),
            keys: Keys::new(id),
            connection,
            watch: 0,
            stream: Stream::default(),
            hub: Weak::new(),
            captures: Vec::new(),
            submitter: Submitter::default(),
            deletion: Deletion::Unknown,
            posted: None,
            known_objects: HashSet::new(),
            defaults: Rules::default(),
            max_bytes: None,
            durable: None,
            lost_files: 0,
            storage: Storage::default(),
            owner: std::process::id(),
        }
    }

    /// Use another place for large values than the settings say, and for smaller ones as well. A place
    /// that was chosen must exist.
    pub fn set_storage(&mut self, path: Option<String>, threshold: f64) -> Result<()> {
        let is_chosen = path.is_some();
        let path = path.or_else(|| self.storage.path().map(str::to_owned));
        self.storage = self.storage.moved(self.storage.max_size.min(threshold), path);
        if is_chosen { self.storage.offload().map(|_| ()) } else { Ok(()) }
    }

    /// The objects of the queue.
    pub fn store(&mut self) -> Store<'_> {
        Store::of_queue(&mut self.connection, &self.keys, &self.storage, &self.id)
    }

    /// Choose the settings, before anybody attaches to the queue.
    pub fn configure(connection: &mut Connection, id: &str, settings: &Settings) -> Result<()> {
        let packed = settings.pack()?;
        let call = |sent_ms: u64| {
            Call::new(&QUEUE_CONFIGURE, vec![Keys::new(id).config()])
                .arg(packed.as_slice())
                .arg(sent_ms)
        };
        match value::integer(call_while_fresh(connection, call)?)? {
            1 => Ok(()),
            _ => Err(Error::QueueExists { id: id.to_owned() }),
        }
    }

    /// The error of a request that found no queue.
    pub(crate) fn missing(&self) -> Error {
        Error::QueueMissing { queue: self.id.clone() }
    }

    /// A forked child must not read its parent's event stream, nor count its chunks as its parent's:
    /// it gets its own number and token.
    pub(crate) fn own_watch(&mut self) -> Result<u64> {
        if self.owner != std::process::id() {
            let names = vec![self.keys.config(), self.keys.counters()];
            let number = self.connection.call(&Call::new(&QUEUE_NUMBER, names))?;
            self.watch = u64::try_from(value::integer(number)?).map_err(|_| self.missing())?;
            self.owner = std::process::id();
            self.stream = Stream::default();
            self.posted = None;
            // In the parent a thread may hold the lock of the watch.
            std::mem::forget(std::mem::take(&mut self.captures));
            self.submitter = Submitter::default();
        }
        Ok(self.watch)
    }

    /// The token of this process, and the number of its next request that must be taken only once.
    pub(crate) fn number_request(&mut self) -> Result<(String, u64)> {
        self.own_watch()?;
        self.submitter.next()
    }

    /// Let the server reject what was numbered so far and has not arrived.
    pub(crate) fn withdraw_requests(&mut self) -> Result<()> {
        let call = self.submitter.withdraw(&self.keys);
        call.map_or(Ok(()), |call| self.connection.call(&call).map(drop))
    }

    /// The number of whoever is notified of the ends of new tasks.
    pub(crate) fn submit_watch(&mut self) -> Result<u64> {
        let own = self.own_watch()?;
        Ok(self.captures.last().map_or(own, |(number, ..)| *number))
    }

    /// These tasks are about to be submitted.
    pub(crate) fn capture(captures: &mut [(u64, Arc<Book>, Vec<String>)], ids: &[String]) {
        if let Some((_, book, captured)) = captures.last_mut() {
            book.write(|ledger| ledger.hold(ids));
            captured.extend_from_slice(ids);
        }
    }
}

/// Call a script that may create a queue, and that the server takes only for a short time after it was sent,
/// see `lua/_fresh.lua`. A link so slow that this fails every time is of no use.
fn call_while_fresh(
    connection: &mut Connection,
    call: impl Fn(u64) -> Call,
) -> Result<redis::Value> {
    for _ in 0..FRESH_ATTEMPTS {
        let sent_ms = connection.now_us()? / 1000;
        let reply = connection.call(&call(sent_ms))?;
        if !matches!(reply, redis::Value::Nil | redis::Value::Int(-1)) {
            return Ok(reply);
        }
    }
    let reason = format!("{FRESH_ATTEMPTS} requests in a row took too long to arrive");
    Err(Error::Protocol { reason })
}
