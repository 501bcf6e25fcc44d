//! Opens sockets. Finding the address of a name and connecting may take long and cannot be interrupted,
//! so a thread does it, and the caller waits for that thread in slices.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::place::Place;
use super::stop::{SLICE, Stop};
use super::stream::Stream;

use crate::signals::unsignalled;

/// Connect within the limit, unless `stop` says to give up: then the error is `Interrupted`.
pub(super) fn dial(place: &Place, limit: Duration, stop: &Stop) -> io::Result<Stream> {
    let (place, deadline) = (place.clone(), Instant::now() + limit);
    let (sender, receiver) = bounded(1);
    let connect = move || drop(sender.send(connect(&place, limit)));
    unsignalled(|| thread::Builder::new().spawn(connect))?;
    loop {
        match receiver.recv_timeout(SLICE) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::NotConnected.into()),
            Err(RecvTimeoutError::Timeout) if stop() => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The addresses of a name are tried one after the other.
fn connect(place: &Place, limit: Duration) -> io::Result<Stream> {
    match place {
        Place::Tcp(host, port) => {
            let mut outcome = Err(io::Error::other("the host name has no address"));
            for address in (host.as_str(), *port).to_socket_addrs()? {
                outcome = TcpStream::connect_timeout(&address, limit);
                if outcome.is_ok() {
                    break;
                }
            }
            let socket = outcome?;
            socket.set_nodelay(true)?;
            Ok(Stream::Tcp(socket))
        }
        #[cfg(unix)]
        Place::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(Stream::Unix),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
