//! One connection to the server that repairs itself. The redis crate does not reconnect, and after
//! a timeout it would match a late reply to the wrong request. So after any I/O error the link is
//! discarded, a new one is opened, and the same request is sent again. Every request of the engine
//! is idempotent.

mod commands;
mod failure;
mod handshake;
mod post;
mod posted;
mod probe;
mod wrong_type;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, Value,
};

use crate::error::{Error, Result};
use crate::reply::RedisReply;
use crate::scripts::Call;
use crate::signals::held;
use failure::{
    explain, is_answer, is_disturbed, is_loading, is_of_replica, is_out_of_memory, is_passing,
};
use handshake::{ServerInfo, log_in};
use posted::Posted;
use probe::what_answers;

/// Called during every wait: whether to give up. Must be cheap and callable from any thread.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// A `Stop` that never stops.
pub fn never() -> Stop {
    Arc::new(|| false)
}

/// How long a reply may take unless set otherwise. Blocking commands block for less than half of it.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest sleep between two calls of `Stop`.
pub const SLICE: Duration = Duration::from_millis(100);

/// The address of a server, with what is needed to log in.
#[derive(Debug, Clone)]
pub struct ServerAddress {
    /// `redis` or `redis+unix`.
    pub scheme: &'static str,
    /// Its host, unless reached through a socket file.
    pub host: Option<String>,
    /// Its port, unless reached through a socket file.
    pub port: Option<u16>,
    /// Its socket file.
    pub path: Option<String>,
    /// The number of the database.
    pub db: i64,
    /// The password.
    pub password: Option<String>,
}

/// A connection to one server.
pub struct Connection {
    info: ConnectionInfo,
    url: String,
    link: Option<redis::Connection>,
    owner: u32,
    server: ServerInfo,
    retry_timeout: Duration,
    /// For how long at most if the server is out of memory.
    full_timeout: Duration,
    reply_timeout: Duration,
    stop: Stop,
    posted: Option<Posted>,
}

impl Connection {
    /// Connect to a server that can hold queues. There is one attempt, so that a wrong address is
    /// reported at once; an attempt that a signal interrupts is repeated, unless `stop` says to give
    /// up.
    pub fn open(url: &str, stop: Stop) -> Result<Self> {
        let connection = Connection::open_any(url, stop)?;
        match connection.server.problem() {
            None => Ok(connection),
            Some(problem) => {
                Err(Error::ServerUnsuitable { address: connection.address(), problem })
            }
        }
    }

    /// Connect to any server. For processes whose worker has connected before, and for users.
    pub fn open_any(url: &str, stop: Stop) -> Result<Self> {
        let info = parse(url)?;
        let mut connection = Connection {
            info,
            url: url.to_owned(),
            link: None,
            owner: std::process::id(),
            server: ServerInfo::default(),
            retry_timeout: Duration::from_secs(2),
            full_timeout: Duration::MAX,
            reply_timeout: REPLY_TIMEOUT,
            stop,
            posted: None,
        };
        match connection.connect() {
            Ok(()) => Ok(connection),
            Err(error) if is_disturbed(&error) => Err(Error::Interrupted),
            Err(error) => {
                let known = what_answers(connection.info.addr(), connection.address(), &error);
                Err(known.unwrap_or_else(|| connection.explain(error)))
            }
        }
    }

    /// Set for how long a failing request is retried, and what ends that early.
    pub fn set_retry_timeout(&mut self, timeout: Duration, stop: Stop) {
        self.retry_timeout = timeout;
        self.stop = stop;
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
        let limit = |link: &redis::Connection| {
            link.set_read_timeout(Some(timeout))?;
            link.set_write_timeout(Some(timeout))
        };
        if self.link.as_ref().is_some_and(|link| limit(link).is_err()) {
            self.link = None;
        }
    }

    /// A second connection to the same server, opened on first use.
    pub fn duplicate(&self) -> Self {
        Connection {
            info: self.info.clone(),
            url: self.url.clone(),
            link: None,
            owner: std::process::id(),
            server: ServerInfo::default(),
            retry_timeout: self.retry_timeout,
            full_timeout: Duration::MAX,
            reply_timeout: REPLY_TIMEOUT,
            stop: self.stop.clone(),
            posted: None,
        }
    }

    /// Close the link. The next request opens another one.
    pub fn close(&mut self) {
        self.link = None;
    }

    /// The URL this was opened with, credentials included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server, without credentials: `host:port` or a socket's path.
    pub fn address(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            other => other.to_string(),
        }
    }

    /// The parts of the server's address.
    pub fn server_address(&self) -> ServerAddress {
        let redis = self.info.redis_settings();
        let (scheme, host, port, path) = match self.info.addr() {
            ConnectionAddr::Unix(path) => {
                ("redis+unix", None, None, Some(path.display().to_string()))
            }
            ConnectionAddr::Tcp(host, port) => ("redis", Some(host.clone()), Some(*port), None),
            other => ("redis", Some(other.to_string()), None, None),
        };
        let password = redis.password().map(str::to_owned);
        ServerAddress { scheme, host, port, path, db: redis.db(), password }
    }

    /// Send any command, given as its parts.
    pub fn raw_command(&mut self, parts: &[Vec<u8>]) -> Result<RedisReply> {
        let mut command = redis::Cmd::new();
        command.arg(parts);
        self.command(&command).map(RedisReply::from)
    }

    /// Send any commands in one pipeline. A command that fails does not stop the others.
    pub fn raw_pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<RedisReply>> {
        let mut pipeline = redis::Pipeline::new();
        pipeline.ignore_errors();
        for parts in commands {
            pipeline.add_command(redis::Cmd::new()).arg(parts);
        }
        Ok(self.pipeline(&pipeline)?.into_iter().map(RedisReply::from).collect())
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
            .map_err(|error| self.name_key(&call.key_names(), error))
    }

    /// Run `operation` on a live link, repeating it over new links until the retry timeout, which
    /// begins again as long as the server loads its data.
    pub fn run<T>(
        &mut self,
        mut operation: impl FnMut(&mut redis::Connection, bool) -> RedisResult<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut deadline = begun + self.retry_timeout;
        let mut pause = Duration::from_millis(10);
        loop {
            let error =
                match held(|| self.link().and_then(|(link, shebang)| operation(link, shebang))) {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
            if !is_answer(&error) || is_of_replica(&error) {
                self.link = None;
            }
            // However long a server takes to load its data, it says that it does.
            if is_loading(&error) {
                deadline = Instant::now() + self.retry_timeout;
            }
            let is_given_up = is_out_of_memory(&error) && begun.elapsed() >= self.full_timeout;
            if !is_passing(&error) || is_given_up || Instant::now() >= deadline {
                return Err(self.explain(error));
            }
            self.rest(pause)?;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Sleep in slices, so that the user can interrupt it.
    pub(crate) fn rest(&self, pause: Duration) -> Result<()> {
        let end = Instant::now() + pause;
        loop {
            if (self.stop)() {
                return Err(Error::Interrupted);
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
    fn link(&mut self) -> RedisResult<(&mut redis::Connection, bool)> {
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

    /// Any signal, such as SIGCHLD, may interrupt a system call.
    fn connect(&mut self) -> RedisResult<()> {
        loop {
            match self.connect_once() {
                Err(error) if is_disturbed(&error) && !(self.stop)() => {}
                done => return done,
            }
        }
    }

    fn connect_once(&mut self) -> RedisResult<()> {
        // The client library would log in, too, but hide why that failed.
        let anonymous = RedisConnectionInfo::default().set_skip_set_lib_name();
        let client = Client::open(self.info.clone().set_redis_settings(anonymous))?;
        let mut link =
            client.get_connection_with_timeout(CONNECT_TIMEOUT.min(self.reply_timeout))?;
        link.set_read_timeout(Some(self.reply_timeout))?;
        link.set_write_timeout(Some(self.reply_timeout))?;
        self.server = log_in(&mut link, self.info.redis_settings())?;
        self.link = Some(link);
        Ok(())
    }

    fn explain(&self, source: RedisError) -> Error {
        explain(source, self.address(), self.info.redis_settings().db())
    }
}

/// The key that a plain command is about.
fn key_of(command: &redis::Cmd) -> Option<Vec<u8>> {
    match command.args_iter().nth(1) {
        Some(redis::Arg::Simple(key)) => Some(key.to_vec()),
        _ => None,
    }
}

fn parse(url: &str) -> Result<ConnectionInfo> {
    let refused = |reason: String| Error::Url { url: without_credentials(url), reason };
    if url.starts_with("rediss:") || url.starts_with("valkeys:") {
        let reason =
            "rrq does not support TLS; connect through a tunnel such as stunnel, with redis://";
        return Err(refused(reason.to_owned()));
    }
    let info = url.into_connection_info().map_err(|error| {
        let text = error.to_string();
        refused(match text.split(" - ").next().unwrap_or(&text) {
            "Redis URL did not parse" => "it must begin with redis:// or redis+unix://".to_owned(),
            reason => reason.to_owned(),
        })
    })?;
    let tcp = TcpSettings::default().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

/// The part of a URL that may be shown when it cannot be parsed.
fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let rest = rest.split('?').next().unwrap_or_default();
    format!("{scheme}{}", rest.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for url in [
            "redis://:secret@host:1/x",
            "redis+unix:///a@b?pass=secret",
            "x://secret@h",
            ":secret@h:1",
        ] {
            assert!(!without_credentials(url).contains("secret"), "{url}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_a_connection_error_with_its_address() {
        match Connection::open("redis://127.0.0.1:1", never()) {
            Err(Error::Connection { address, .. }) => assert_eq!(address, "127.0.0.1:1"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
