//! A handle on a queue: the connection, the names of the keys, and what a controller remembers.

use std::collections::HashSet;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::scripts::{Call, QUEUE_ATTACH, QUEUE_CONFIGURE, QUEUE_NUMBER};
use crate::task::{Rules, Stream, Submitter};
use crate::value;

/// The layout of the stored data that this version reads and writes.
pub const LAYOUT: &str = "2";
/// The queue that tasks go to by default, and that every worker listens to.
pub const DEFAULT_QUEUE: &str = "default";

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
    pub(crate) submitter: Submitter,
    pub(crate) known_objects: HashSet<String>,
    pub(crate) defaults: Rules,
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
        let call = Call::new(&QUEUE_ATTACH, vec![keys.config(), keys.counters()])
            .arg(LAYOUT)
            .arg(default_config)
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

    /// A queue that another process is attached to. It has no waiter number, so it cannot wait.
    pub fn handle(connection: Connection, id: &str) -> Self {
        Queue {
            id: id.into(),
            keys: Keys::new(id),
            connection,
            watch: 0,
            stream: Stream::default(),
            submitter: Submitter::default(),
            known_objects: HashSet::new(),
            defaults: Rules::default(),
            owner: std::process::id(),
        }
    }

    /// Set the default rules of tasks, before anybody attaches to the queue.
    pub fn configure(connection: &mut Connection, id: &str, rules: &Rules) -> Result<()> {
        let packed = rmp_serde::to_vec_named(rules)
            .map_err(|error| Error::corrupt("the settings of a queue", error))?;
        let call = Call::new(&QUEUE_CONFIGURE, vec![Keys::new(id).config()]).arg(packed);
        match value::integer(connection.call(&call)?)? {
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
            self.submitter = Submitter::default();
        }
        Ok(self.watch)
    }
}
