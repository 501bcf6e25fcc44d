//! Finds out, for an error message, what kind of server responds if it is not Redis.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use redis::{ErrorKind, RedisError};

use super::failure::{TOO_MANY_CLIENTS, io_kind};
use super::place::Place;
use super::target::Target;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(1);
/// A server that speaks first does so within this time.
const PAUSE: Duration = Duration::from_millis(200);

/// The smallest greeting of a TLS client: version 1.2, one cipher, no extensions. Only the zeros of
/// its random number are left out.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03";
const HELLO_END: &[u8] = b"\x00\x00\x02\x00\x2f\x01\x00";

/// What is at the address, when the first request there has failed with this error.
pub(super) fn what_answers(place: &Place, target: &Target, error: &RedisError) -> Option<Error> {
    let address = place.to_string();
    if let (Some(_), Place::Tcp(host, port)) = (&target.tls, place) {
        // It may wait for the end of the line that the greeting seems to be.
        let answer = talk(host, *port, b"PING\r\n").unwrap_or_default();
        let is_plain = error.is_io_error() && matches!(answer.first(), Some(b'+' | b'-'));
        let reason = "the server does not speak TLS; use redis:// in place of rediss://";
        return is_plain.then(|| Error::Tls { address, reason: reason.into() });
    }
    let is_nonsense = error.kind() == ErrorKind::Parse;
    let is_closed = matches!(
        io_kind(error),
        Some(
            IoErrorKind::ConnectionReset
                | IoErrorKind::ConnectionAborted
                | IoErrorKind::BrokenPipe
                | IoErrorKind::UnexpectedEof
        )
    );
    if !is_nonsense && !is_closed {
        return None;
    }
    let answer = match place {
        Place::Tcp(host, port) => greet(host, *port).unwrap_or_default(),
        Place::Unix(_) => Vec::new(),
    };
    let problem = match answer.as_slice() {
        [0x15 | 0x16, 3, ..] => "expects TLS; connect with rediss://",
        [b'H', b'T', b'T', b'P', ..] | [b'<', ..] => {
            "is a web server, not a Redis server; check the port"
        }
        // The error itself is lost if the server has closed the link before it was read.
        text if text.starts_with(b"-ERR max number") => {
            return Some(Error::ServerUnsuitable { address, problem: TOO_MANY_CLIENTS.into() });
        }
        _ if is_nonsense => "does not respond like a Redis server; check the port",
        _ => return None,
    };
    Some(Error::NotRedis { address, problem: problem.into() })
}

/// What a server says at once, or else answers to the greeting of a TLS client.
fn greet(host: &str, port: u16) -> Option<Vec<u8>> {
    // The line end makes a server that reads lines answer.
    talk(host, port, &[HELLO, &[0; 32], HELLO_END, b"\r\n\r\n"].concat())
}

/// What a server says at once, or else answers.
fn talk(host: &str, port: u16, greeting: &[u8]) -> Option<Vec<u8>> {
    let address = (host, port).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    let mut answer = vec![0; 64];
    stream.set_read_timeout(Some(PAUSE)).ok()?;
    let mut size = stream.read(&mut answer).unwrap_or(0);
    if size == 0 {
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        stream.set_write_timeout(Some(TIMEOUT)).ok()?;
        stream.write_all(greeting).ok()?;
        size = stream.read(&mut answer).ok()?;
    }
    answer.truncate(size);
    Some(answer)
}
