//! Opens sockets. Finding the address of a name and connecting may take long and cannot be interrupted,
//! so a thread does it, and the caller waits for that thread in slices.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
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
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left.min(SLICE)) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::NotConnected.into()),
            Err(RecvTimeoutError::Timeout) if stop() => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The addresses of a name are tried one after the other. Each gets an equal part of the time that is
/// left, so that one that is silent, as IPv6 may be, leaves some for the others.
fn connect(place: &Place, limit: Duration) -> io::Result<Stream> {
    match place {
        Place::Tcp(host, port) => {
            let end = Instant::now() + limit;
            let addresses = (host.as_str(), *port).to_socket_addrs()?.collect();
            let socket = first(addresses, end, |address, limit| {
                TcpStream::connect_timeout(&address, limit)
            })?;
            socket.set_nodelay(true)?;
            Ok(Stream::Tcp(socket))
        }
        #[cfg(unix)]
        Place::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(Stream::Unix),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The first address that `attempt` succeeds with.
fn first<T>(
    addresses: Vec<SocketAddr>,
    end: Instant,
    mut attempt: impl FnMut(SocketAddr, Duration) -> io::Result<T>,
) -> io::Result<T> {
    let mut outcome = Err(io::Error::other("the host name has no address"));
    for (n_left, address) in (1..=addresses.len() as u32).rev().zip(addresses) {
        let left = end.saturating_duration_since(Instant::now());
        outcome = attempt(address, (left / n_left).max(Duration::from_millis(1)));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_silent_leaves_time_for_the_next() {
        let addresses = ["[2001:db8::1]:1", "192.0.2.1:1"].map(|text| text.parse().unwrap());
        let limit = Duration::from_secs(10);
        let mut limits = Vec::new();
        let found = first(addresses.to_vec(), Instant::now() + limit, |address, limit| {
            limits.push(limit);
            if address.is_ipv6() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(address) }
        });
        assert_eq!(found.unwrap(), addresses[1]);
        assert!(limits[0] <= limit / 2 && limits[1] <= limit);
    }
}
