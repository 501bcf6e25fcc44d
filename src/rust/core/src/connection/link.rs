//! One link to a server: a socket with what has arrived. Each wait is cut into slices, so that the user
//! can interrupt it and a time limit holds, also if the server does not respond. After an error the
//! link is of no use: a late reply would count as that to a later request.

use std::io;
use std::time::Instant;

use redis::{ConnectionLike, RedisResult, Value, cmd};

use super::limits::Limits;
use super::resp::{Reader, Source};
use super::stream::Stream;

/// An open link.
pub struct Link {
    socket: Socket,
    reader: Reader,
}

struct Socket {
    stream: Stream,
    limits: Limits,
}

impl Socket {
    /// Repeat `attempt` until it does something.
    fn wait(
        &mut self,
        mut attempt: impl FnMut(&mut Stream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let since = Instant::now();
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
        let mut link =
            Link { socket: Socket { stream, limits: limits.clone() }, reader: Reader::default() };
        link.set_limits(limits)?;
        Ok(link)
    }

    pub(super) fn set_limits(&mut self, limits: Limits) -> io::Result<()> {
        self.socket.stream.set_timeout(limits.slice())?;
        self.socket.limits = limits;
        Ok(())
    }

    /// Send bytes without waiting for a reply.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> RedisResult<()> {
        while !bytes.is_empty() {
            let n = self.socket.wait(|stream| stream.write(bytes))?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Read one reply.
    pub(super) fn receive(&mut self) -> RedisResult<Value> {
        self.reader.reply(&mut self.socket)
    }
}

impl ConnectionLike for Link {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.send(command)?;
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
        self.send(commands)?;
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
