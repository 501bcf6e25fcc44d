//! The bytes of a link: a socket of either kind, or TLS on one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::tls::Secured;
use crate::signals::held;

/// An open socket.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<Secured>),
}

impl Stream {
    /// How long a read or a write may wait before it fails with `WouldBlock`.
    pub(super) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Some(timeout);
        let limit = |socket: &TcpStream| {
            socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout))
        };
        match self {
            Stream::Tcp(socket) => limit(socket),
            #[cfg(unix)]
            Stream::Unix(socket) => {
                socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout))
            }
            #[cfg(feature = "tls")]
            Stream::Tls(secured) => limit(&secured.get_ref().0),
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(socket) => socket.read(into),
            #[cfg(unix)]
            Stream::Unix(socket) => socket.read(into),
            #[cfg(feature = "tls")]
            Stream::Tls(secured) => secured.read(into),
        }
    }

    /// The standard library prevents SIGPIPE for TCP only.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Stream::Unix(socket) => held(|| socket.write(bytes)),
            #[cfg(feature = "tls")]
            Stream::Tls(secured) => secured.write(bytes),
        }
    }
}
