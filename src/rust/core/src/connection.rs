//! One connection to the server that repairs itself. The redis crate does not reconnect, and after
//! a timeout it would match a late reply to the wrong request. So after any I/O error the link is
//! discarded, a new one is opened, and the same request is sent again. Every request of the engine
//! is idempotent.

mod address;
mod commands;
mod dial;
mod failure;
mod handshake;
mod limits;
mod link;
mod locate;
mod place;
mod post;
mod posted;
mod probe;
mod resp;
mod stop;
mod stream;
mod target;
mod tls;
mod wrong_type;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::error::{Error, Result};
use crate::scripts::Call;
pub use address::ServerAddress;
use failure::{
    explain, is_answer, is_disturbed, is_loading, is_of_replica, is_out_of_memory, is_passing,
    moved_to, unreadable,
};
use handshake::ServerInfo;
use limits::Limits;
pub use link::Link;
use locate::{Found, find};
use place::Place;
use posted::Posted;
use probe::what_answers;
pub use stop::{SLICE, Stop, never};
pub use target::masked;
use target::{Kind, Target};

/// Whether this copy was built with TLS.
pub const HAS_TLS: bool = cfg!(feature = "tls");

/// How long a reply may take unless set otherwise. Blocking commands block for less than half of it.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request follows nodes of a cluster that name another one without a pause. They may name each
/// other for a moment, while a slot changes hands.
const MOVES_MAX: usize = 16;

/// A connection to one server.
pub struct Connection {
    target: Arc<Target>,
    /// Where the server is, as far as is known.
    place: Place,
    /// Other nodes of its cluster.
    others: Vec<Place>,
    link: Option<Link>,
    /// How many have been opened.
    n_links: u64,
    owner: u32,
    server: ServerInfo,
    retry_timeout: Duration,
    /// For how long at most if the server is out of memory.
    full_timeout: Duration,
    reply_timeout: Duration,
    deadline: Option<Instant>,
    stop: Stop,
    posted: Option<Posted>,
}

impl Connection {
    /// Connect to a server that can hold queues. To a single server there is one attempt, so that a
    /// wrong address is reported at once. Behind several addresses another server may just take over.
    pub fn open(url: &str, stop: Stop) -> Result<Self> {
        let connection = Connection::open_any(url, stop)?;
        let is_server = connection.target.kind == Kind::Server;
        match connection.server.problem(is_server) {
            None => Ok(connection),
            Some(problem) => {
                Err(Error::ServerUnsuitable { address: connection.address(), problem })
            }
        }
    }

    /// Connect to any server. For processes whose worker has connected before, and for users.
    pub fn open_any(url: &str, stop: Stop) -> Result<Self> {
        let mut connection = Connection::to(Arc::new(Target::parse(url)?), stop);
        if connection.target.kind != Kind::Server {
            return connection.run(|_, _| Ok(())).map(|()| connection);
        }
        match connection.connect() {
            Ok(()) => Ok(connection),
            Err(error) if is_disturbed(&error) => Err(Error::Interrupted),
            Err(error) => {
                let known = what_answers(&connection.place, &connection.target, &error);
                Err(known.unwrap_or_else(|| connection.explain(error)))
            }
        }
    }

    fn to(target: Arc<Target>, stop: Stop) -> Self {
        Connection {
            place: target.seeds[0].clone(),
            others: Vec::new(),
            target,
            link: None,
            n_links: 0,
            owner: std::process::id(),
            server: ServerInfo::default(),
            retry_timeout: Duration::from_secs(2),
            full_timeout: Duration::MAX,
            reply_timeout: REPLY_TIMEOUT,
            deadline: None,
            stop,
            posted: None,
        }
    }

    /// Set for how long a failing request is retried, and what ends that, or any wait for a reply, early.
    pub fn set_retry_timeout(&mut self, timeout: Duration, stop: Stop) {
        self.retry_timeout = timeout;
        self.stop = stop;
        self.limit_link();
    }

    /// Set for how long a request is retried at most that the server rejects because it is out of memory.
    pub(crate) fn set_full_timeout(&mut self, timeout: Duration) {
        self.full_timeout = timeout;
    }

    /// What ends a wait on this connection early.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// How long a reply may take until its request counts as failed.
    pub fn set_reply_timeout(&mut self, timeout: Duration) {
        self.reply_timeout = timeout;
        self.limit_link();
    }

    /// From when on requests fail rather than wait, with `Error::TimedOut`.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        self.limit_link();
    }

    /// From when on requests fail.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn limits(&self) -> Limits {
        let Connection { stop, reply_timeout, deadline, .. } = self;
        Limits { stop: stop.clone(), reply_timeout: *reply_timeout, deadline: *deadline }
    }

    fn limit_link(&mut self) {
        let limits = self.limits();
        if self.link.as_mut().is_some_and(|link| link.set_limits(limits).is_err()) {
            self.link = None;
        }
    }

    /// How many links this has opened. If that is more than before, another server may have taken over.
    pub(crate) fn n_links(&self) -> u64 {
        self.n_links
    }

    /// A second connection to the same server, opened on first use.
    pub fn duplicate(&self) -> Self {
        Connection {
            place: self.place.clone(),
            others: self.others.clone(),
            retry_timeout: self.retry_timeout,
            ..Connection::to(self.target.clone(), self.stop.clone())
        }
    }

    /// Close the link. The next request opens another one.
    pub fn close(&mut self) {
        self.link = None;
    }

    /// The URL this was opened with, credentials included.
    pub fn url(&self) -> &str {
        &self.target.url
    }

    /// The server, without credentials: `host:port` or a socket's path.
    pub fn address(&self) -> String {
        self.place.to_string()
    }

    /// The parts of the server's address.
    pub fn server_address(&self) -> ServerAddress {
        let login = &self.target.login;
        let (host, port, path) = match &self.place {
            Place::Unix(path) => (None, None, Some(path.display().to_string())),
            Place::Tcp(host, port) => (Some(host.clone()), Some(*port), None),
        };
        let scheme = self.target.scheme().to_owned();
        let password = login.password().map(str::to_owned);
        ServerAddress { scheme, host, port, path, db: login.db(), password }
    }

    /// Send one command, with retries.
    pub fn command(&mut self, command: &redis::Cmd) -> Result<Value> {
        self.run(|link, _| command.query(link)).map_err(|error| {
            let keys: Vec<Vec<u8>> = key_of(command).into_iter().collect();
            self.name_key(&keys, error)
        })
    }

    /// Send commands in one pipeline and read all replies.
    pub fn pipeline(&mut self, pipeline: &redis::Pipeline) -> Result<Vec<Value>> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        self.run(|link, _| pipeline.query(link)).map_err(|error| {
            let keys: Vec<Vec<u8>> = pipeline.cmd_iter().filter_map(key_of).collect();
            self.name_key(&keys, error)
        })
    }

    /// Call a script.
    pub fn call(&mut self, call: &Call) -> Result<Value> {
        self.run(|link, shebang| call.run(link, shebang))
            .map_err(|error| self.name_key_of(call, error))
    }

    /// Call a script and read its reply. One that makes no sense counts as lost.
    pub(crate) fn call_read<T>(
        &mut self,
        call: &Call,
        read: impl Fn(Value) -> Result<T>,
    ) -> Result<T> {
        let read = self.run(|link, shebang| match read(call.run(link, shebang)?) {
            Err(Error::Protocol { reason }) => Err(unreadable(reason)),
            other => Ok(other),
        });
        read.map_err(|error| self.name_key_of(call, error))?
    }

    /// Run `operation` on a live link, repeating it over new links until the retry timeout, which
    /// begins again as long as the server loads its data.
    pub fn run<T>(
        &mut self,
        mut operation: impl FnMut(&mut Link, bool) -> RedisResult<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut deadline = begun + self.retry_timeout;
        let mut n_moves = 0;
        let mut pause = Duration::from_millis(10);
        loop {
            let error = match self.link().and_then(|(link, shebang)| operation(link, shebang)) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if is_disturbed(&error) {
                self.link = None;
                return Err(Error::Interrupted);
            }
            if self.is_late() {
                self.link = None;
                return Err(Error::TimedOut { address: self.address() });
            }
            let is_moved = self.follow(&error);
            if is_moved && n_moves < MOVES_MAX {
                n_moves += 1;
                continue;
            }
            if !is_answer(&error) || is_of_replica(&error) {
                self.link = None;
            }
            // However long a server takes to load its data, it says that it does.
            if is_loading(&error) {
                deadline = Instant::now() + self.retry_timeout;
            }
            let is_given_up = is_out_of_memory(&error) && begun.elapsed() >= self.full_timeout;
            if !(is_moved || is_passing(&error)) || is_given_up || Instant::now() >= deadline {
                return Err(self.explain(error));
            }
            self.rest(pause)?;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Go to the node that a node of a cluster names; returns whether it named one. Without a host, it
    /// means its own.
    fn follow(&mut self, error: &RedisError) -> bool {
        let is_cluster = self.target.kind == Kind::Cluster;
        let Some((host, port)) = moved_to(error).filter(|_| is_cluster) else {
            return false;
        };
        let here = match &self.place {
            Place::Tcp(here, _) if host.is_empty() || host == "?" => here.clone(),
            _ => host,
        };
        self.place = Place::Tcp(here, port);
        self.link = None;
        true
    }

    /// Sleep in slices, so that the user can interrupt it.
    pub(crate) fn rest(&self, pause: Duration) -> Result<()> {
        let end = Instant::now() + pause;
        loop {
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            if self.is_late() {
                return Err(Error::TimedOut { address: self.address() });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(SLICE));
        }
    }

    /// The live link, and whether its server knows `#!lua`, which is not known before it is open. A
    /// forked child must not share its parent's socket: it opens its own.
    fn link(&mut self) -> RedisResult<(&mut Link, bool)> {
        if self.owner != std::process::id() {
            self.owner = std::process::id();
            self.link = None;
        }
        self.read_posted();
        if self.link.is_none() {
            self.connect()?;
        }
        let link = self.link.as_mut().ok_or((ErrorKind::Io, "not connected"))?;
        Ok((link, self.server.knows_shebang()))
    }

    fn connect(&mut self) -> RedisResult<()> {
        let Found { link, place, server, others } =
            find(&self.target, &self.place, &self.others, &self.limits())?;
        if !others.is_empty() {
            self.others = others;
        }
        (self.link, self.place, self.server) = (Some(link), place, server);
        self.n_links += 1;
        Ok(())
    }

    fn explain(&self, source: RedisError) -> Error {
        explain(source, self.address(), self.target.login.db())
    }
}

/// The key that a plain command is about.
fn key_of(command: &redis::Cmd) -> Option<Vec<u8>> {
    match command.args_iter().nth(1) {
        Some(redis::Arg::Simple(key)) => Some(key.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_a_connection_error_with_its_address() {
        match Connection::open("redis://127.0.0.1:1", never()) {
            Err(Error::Connection { address, .. }) => assert_eq!(address, "127.0.0.1:1"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
