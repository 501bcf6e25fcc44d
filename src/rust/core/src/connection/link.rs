//! One link to a server: a socket with what has arrived. Each wait is cut into slices, so that the user
//! can interrupt it and a time limit holds, also if the server does not respond. After an error the
//! link is of no use: a late reply would count as that to a later request.

use std::io;
use std::time::{Duration, Instant};

use redis::{ConnectionLike, RedisResult, Value, cmd};

use super::failure::unreadable;
use super::limits::Limits;
use super::resp::{Reader, Source};
use super::stop::SLICE;
use super::stream::Stream;

/// An open link.
pub struct Link {
    socket: Socket,
    reader: Reader,
}

struct Socket {
    stream: Stream,
    limits: Limits,
    /// When the transfer of a request or of a reply began, or the limits were last asked since.
    asked: Instant,
}

impl Socket {
    /// Repeat `attempt` until it does something. A transfer that trickles never waits for long, so the
    /// limits are asked all the same, except for how long a silence may last.
    fn wait(
        &mut self,
        mut attempt: impl FnMut(&mut Stream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let since = Instant::now();
        if since.saturating_duration_since(self.asked) >= SLICE {
            self.asked = since;
            if let Some(error) = self.limits.end(Duration::ZERO) {
                return Err(error);
            }
        }
        loop {
            match attempt(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if !is_unready(&error) => return Err(error),
                Ok(n) => return Ok(n),
                Err(_) => {
                    if let Some(error) = self.limits.end(since.elapsed()) {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Windows says `TimedOut`. A signal, such as SIGCHLD, may interrupt any system call.
fn is_unready(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl Source for Socket {
    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wait(|stream| stream.read(into))
    }
}

impl Link {
    pub(super) fn new(stream: Stream, limits: Limits) -> io::Result<Self> {
        let link = Link {
            socket: Socket { stream, limits, asked: Instant::now() },
            reader: Reader::default(),
        };
        link.socket.stream.set_timeout(link.socket.limits.slice())?;
        Ok(link)
    }

    /// Most changes of the limits do not change the slice, and then cost no system call.
    pub(super) fn set_limits(&mut self, limits: Limits) -> io::Result<()> {
        if limits.slice() != self.socket.limits.slice() {
            self.socket.stream.set_timeout(limits.slice())?;
        }
        self.socket.limits = limits;
        Ok(())
    }

    /// Send bytes without waiting for a reply.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> RedisResult<()> {
        self.socket.asked = Instant::now();
        while !bytes.is_empty() {
            let n = self.socket.wait(|stream| stream.write(bytes))?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Send what is answered by the next bytes to arrive. What is there before that answers nothing, such
    /// as what a user subscribed to: replies would be attributed to the wrong requests from then on.
    fn request(&mut self, bytes: &[u8]) -> RedisResult<()> {
        if !self.reader.is_empty() {
            return Err(unreadable("it came before its request".into()));
        }
        self.send(bytes)
    }

    /// Read one reply.
    pub(super) fn receive(&mut self) -> RedisResult<Value> {
        self.socket.asked = Instant::now();
        self.reader.reply(&mut self.socket)
    }
}

impl ConnectionLike for Link {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.request(command)?;
        self.receive()
    }

    /// The first `offset` replies are those to the commands of a transaction: each says that the command
    /// is queued, or why not.
    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.request(commands)?;
        let mut refusal = None;
        for _ in 0..offset {
            if let Value::ServerError(error) = self.receive()? {
                refusal.get_or_insert(error);
            }
        }
        let replies = (0..count).map(|_| self.receive()).collect::<RedisResult<Vec<Value>>>()?;
        refusal.map_or(Ok(replies), |error| Err(error.into()))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        cmd("PING").exec(self).is_ok()
    }

    fn is_open(&self) -> bool {
        true
    }
}
