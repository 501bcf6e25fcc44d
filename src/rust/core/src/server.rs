//! A private Redis or Valkey server that lives no longer than this process, even if that is killed.
//! On unix a small shell runs between the two: it holds the reading end of a pipe from this process
//! and ends the server when the pipe closes.

use self::files::{SOCKET, data_dir, percent_encoded, private_file, quoted, scratch_dir};
use self::poll::{POLL, wait_until};
use self::program::{ask_to_end, locate, not_a_program, spawn};
use crate::signals::held;
use crate::{Error, Result};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod files;
#[cfg(unix)]
mod lock;
mod poll;
mod program;
#[cfg(test)]
mod tests;

pub use self::program::find_program;

const START_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(6);
const PORT_ATTEMPTS: u32 = 5;

/// How to start a server; the default is a scratch server on a free port.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Where to keep the data durably. Without it the data are deleted when the server stops.
    pub dir: Option<PathBuf>,
    /// The loopback port; a free one is chosen if absent.
    pub port: Option<u16>,
    /// The server program; looked for with [`find_program`] if absent.
    pub program: Option<PathBuf>,
}

/// A running private server. Dropping it stops the server.
pub struct Server {
    child: Option<Child>,
    /// The process that started the server: forks of it must not stop it.
    owner: u32,
    pid: u32,
    port: u16,
    password: String,
    scratch: PathBuf,
    socket: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub fn start(options: &ServerOptions) -> Result<Server> {
        let program = match &options.program {
            Some(program) => locate(program).ok_or_else(|| not_a_program(program))?,
            None => find_program()?,
        };
        for _ in 1..PORT_ATTEMPTS {
            match Server::launch(&program, options) {
                Err(error) if options.port.is_none() && lost_port(&error) => {}
                outcome => return outcome,
            }
        }
        Server::launch(&program, options)
    }

    fn launch(program: &Path, options: &ServerOptions) -> Result<Server> {
        let scratch = scratch_dir()?;
        let data = options.dir.as_deref().map(data_dir).transpose()?;
        let port = free_port(options.port.filter(|port| *port != 0))?;
        let socket = cfg!(unix).then(|| scratch.path().join(SOCKET));
        let mut server = Server {
            child: None,
            owner: std::process::id(),
            pid: 0,
            port,
            password: random_password()?,
            scratch: scratch.path().to_path_buf(),
            socket,
            data,
        };
        server.run(program, scratch)?;
        Ok(server)
    }

    fn run(&mut self, program: &Path, scratch: TempDir) -> Result<()> {
        #[cfg(unix)]
        let _starting =
            self.data.as_deref().map(|data| lock::take(data, &self.scratch)).transpose()?;
        let config = self.scratch.join("redis.conf");
        private_file(&config)
            .and_then(|mut file| file.write_all(self.config().as_bytes()))
            .map_err(Error::io("cannot write the private server's configuration"))?;
        let log_path = self.dir().join("redis.log");
        let mut log =
            private_file(&log_path).map_err(Error::io("cannot write the private server's log"))?;
        let child = spawn(program, &config, &self.scratch, &log)
            .map_err(Error::io("cannot run the private server's program"))?;
        self.child = Some(child);
        let _ = scratch.keep(); // from here on stop() removes it, in the process that owns it
        self.await_answer(&mut log)
    }

    fn config(&self) -> String {
        let Server { port, password, .. } = self;
        let dir = quoted(self.dir());
        let appendonly = if self.data.is_some() { "yes" } else { "no" };
        let socket = self.socket.as_deref().map_or_else(String::new, |socket| {
            format!("unixsocket {}\nunixsocketperm 700\n", quoted(socket))
        });
        format!(
            "bind 127.0.0.1\nport {port}\nprotected-mode yes\nrequirepass {password}\n{socket}\
             daemonize no\nlogfile \"\"\ndir {dir}\ndatabases 16\n\
             save \"\"\nappendonly {appendonly}\nappendfsync everysec\nstop-writes-on-bgsave-error no\n"
        )
    }

    /// Loading a large data set may take longer than the limit; the server reports that it is
    /// loading.
    fn await_answer(&mut self, log: &mut File) -> Result<()> {
        let mut deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            match ask_pid(&self.url()) {
                Ok(pid) => {
                    self.pid = pid;
                    return Ok(());
                }
                Err(error) if error.code() == Some("LOADING") => {
                    deadline = Instant::now() + START_LIMIT;
                }
                Err(_) if self.has_ended() => return Err(failed_to_start("it exited", log)),
                Err(_) => {}
            }
            sleep(POLL);
        }
        let seconds = START_LIMIT.as_secs();
        Err(failed_to_start(&format!("it did not respond within {seconds} s"), log))
    }

    /// The URL with the password: of the unix socket where supported, otherwise of the loopback
    /// port.
    pub fn url(&self) -> String {
        match &self.socket {
            Some(socket) => {
                format!("redis+unix://{}?pass={}", percent_encoded(socket), self.password)
            }
            None => self.tcp_url(),
        }
    }

    /// The URL of the loopback port with the password.
    pub fn tcp_url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// The unix socket, where supported.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory of data and log: the durable one, or one that is deleted with the server.
    pub fn dir(&self) -> &Path {
        self.data.as_deref().unwrap_or(&self.scratch)
    }

    /// Whether the server accepts connections.
    pub fn is_alive(&mut self) -> bool {
        self.child.is_some() && !self.has_ended() && self.is_listening()
    }

    /// Stops the server and waits until it is gone; does nothing the second time. In a fork of the
    /// process that started it, this only drops the handle, so that the fork does not keep the
    /// server alive.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        if std::process::id() != self.owner {
            return Ok(());
        }
        let _ = shut_down(&self.url()); // quicker than a signal, which the server looks for at 10 Hz
        ask_to_end(&mut child);
        if !wait_until(STOP_LIMIT, || !matches!(child.try_wait(), Ok(None))) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // If the watchdog was killed, its background reader ends the server; that is not a child of
        // this process, so it cannot be waited for.
        if !wait_until(STOP_LIMIT, || !self.is_listening()) {
            return Err(self.unstoppable());
        }
        self.tidy();
        Ok(())
    }

    /// A child that cannot be waited for counts as running: in a fork it is not a child of this
    /// process.
    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    #[cfg(unix)]
    fn is_listening(&self) -> bool {
        lock::answers(&self.scratch.join(SOCKET))
    }

    #[cfg(not(unix))]
    fn is_listening(&self) -> bool {
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }

    fn tidy(&self) {
        let _ = fs::remove_dir_all(&self.scratch);
        #[cfg(unix)]
        if let Some(data) = &self.data {
            lock::release(data, &self.scratch);
        }
    }

    fn unstoppable(&self) -> Error {
        let what = format!("cannot stop the private Redis server, process {}", self.pid);
        Error::io(what)(io::ErrorKind::TimedOut.into())
    }
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { pid, port, .. } = self;
        out.debug_struct("Server").field("pid", pid).field("port", port).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn free_port(wanted: Option<u16>) -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted.unwrap_or(0)))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| {
            let port = wanted.map_or_else(|| "any port".into(), |port| format!("port {port}"));
            Error::ServerStart { reason: format!("cannot listen on {port} of 127.0.0.1: {error}") }
        })
}

/// Another process may take the port between its choice and the server's `bind`.
fn lost_port(error: &Error) -> bool {
    matches!(error, Error::ServerStart { reason } if reason.contains("Address already in use"))
}

fn random_password() -> Result<String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::io("cannot generate a password")(io::Error::other(error.to_string()))
    })?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}

/// The process id as the server reports it: the child of this process is the watchdog.
fn ask_pid(url: &str) -> redis::RedisResult<u32> {
    let info: redis::InfoDict = held(|| {
        let mut con = connect(url, Duration::from_secs(1))?;
        redis::cmd("PING").exec(&mut con)?;
        redis::cmd("INFO").arg("server").query(&mut con)
    })?;
    Ok(info.get("process_id").unwrap_or(0))
}

/// NOSAVE skips the snapshot only: the append-only file of a durable server is still flushed.
fn shut_down(url: &str) -> redis::RedisResult<()> {
    held(|| {
        let mut con = connect(url, Duration::from_millis(500))?;
        redis::cmd("SHUTDOWN").arg("NOSAVE").exec(&mut con)
    })
}

fn connect(url: &str, limit: Duration) -> redis::RedisResult<redis::Connection> {
    let con = redis::Client::open(url)?.get_connection_with_timeout(limit)?;
    con.set_read_timeout(Some(limit))?;
    Ok(con)
}

/// Reads the log through the open file: the watchdog may have deleted it.
fn failed_to_start(what: &str, log: &mut File) -> Error {
    let mut bytes = Vec::new();
    let _ = log.rewind().and_then(|()| log.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    Error::ServerStart { reason: format!("{what}; its log ends with '{last}'") }
}
