//! The protocol between a worker and its fork server: lines over a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::signals::held;

/// What was received within the time-out.
pub enum Received {
    /// A line, without its end.
    Line(String),
    /// Nothing.
    Silence,
    /// The other end has closed the socket.
    End,
}

/// One end of the socket.
pub struct Lines {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Lines {
    pub fn new(stream: UnixStream) -> Self {
        Lines { stream, read: Vec::new() }
    }

    pub fn send(&mut self, line: &str) -> io::Result<()> {
        held(|| self.stream.write_all(format!("{line}\n").as_bytes()))
    }

    /// The next line; waits for it, at most until the time-out.
    pub fn receive(&mut self, timeout: Option<Duration>) -> io::Result<Received> {
        if let Some(line) = self.next_read() {
            return Ok(Received::Line(line));
        }
        self.stream.set_read_timeout(timeout)?;
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(Received::End),
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                Ok(self.next_read().map_or(Received::Silence, Received::Line))
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Ok(Received::Silence)
                }
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(Received::End),
                _ => Err(error),
            },
        }
    }

    /// Whether a line is in the buffer, so that polling the socket does not show it.
    pub fn has_read(&self) -> bool {
        self.read.contains(&b'\n')
    }

    fn next_read(&mut self) -> Option<String> {
        let at = self.read.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&self.read[..at]).into_owned();
        self.read.drain(..=at);
        Some(line)
    }

    /// Close the socket: the other end reads its end.
    pub fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl AsFd for Lines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
