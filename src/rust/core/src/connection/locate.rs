//! Finds the server that holds the queue and opens a link to it. There is one way for all kinds of URLs
//! and all that may happen: a link that is lost, that is moved on or that leads to a replica is dropped,
//! and opening the next one looks for the server again.
//!
//! 1. A plain URL names the server.
//! 2. Sentinels are asked where it is, one after the other.
//! 3. Any node of a cluster will do: if it does not hold the slot of the queue, it names the node that
//!    does (`MOVED`), and that is tried next. All keys of a queue share a slot, so a link seldom moves.
//!    While a slot is on its way from one node to another (`ASK`, `TRYAGAIN`), requests are repeated until
//!    it has arrived: as a script needs keys of both nodes, neither could run it.

use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, Value, cmd};

use super::dial::dial;
use super::failure::is_disturbed;
use super::handshake::{ServerInfo, log_in};
use super::limits::Limits;
use super::link::Link;
use super::place::Place;
use super::stream::Stream;
use super::target::{Kind, Target};
#[cfg(feature = "tls")]
use super::tls::{Retried, secure};
use crate::value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open link, where it leads, and which other places are worth trying if it is lost.
pub(super) struct Found {
    pub(super) link: Link,
    pub(super) place: Place,
    pub(super) server: ServerInfo,
    pub(super) others: Vec<Place>,
}

/// Open a link to the server of `target`. `last` is where it was, `others` where it may be.
pub(super) fn find(
    target: &Target,
    last: &Place,
    others: &[Place],
    limits: &Limits,
) -> RedisResult<Found> {
    match &target.kind {
        Kind::Server => open(target, last, limits),
        Kind::Cluster => {
            let mut places = vec![last];
            for place in others.iter().chain(&target.seeds) {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            first(places, |place| {
                let mut found = open(target, place, &short(limits))?;
                found.link.set_limits(limits.clone())?;
                found.others = nodes(&mut found.link);
                Ok(found)
            })
        }
        Kind::Sentinel { service, user, password } => {
            let place = first(target.seeds.iter().collect(), |sentinel| {
                let login = (user.as_deref(), password.as_deref());
                ask_sentinel(target, sentinel, service, login, &short(limits))
            })?;
            let mut found = open(target, &place, &short(limits))?;
            if found.server.is_replica() {
                let detail = format!("the Sentinels name {place}, which is a replica");
                return Err(io::Error::other(detail).into());
            }
            found.link.set_limits(limits.clone())?;
            Ok(found)
        }
    }
}

/// The first that works; if none does, the first error, or better the first that is not only about the
/// network. The user may interrupt it.
fn first<T>(
    places: Vec<&Place>,
    mut attempt: impl FnMut(&Place) -> RedisResult<T>,
) -> RedisResult<T> {
    let mut failure: Option<RedisError> = None;
    for place in places {
        match attempt(place) {
            Ok(found) => return Ok(found),
            Err(error) if is_disturbed(&error) => return Err(error),
            Err(error) => {
                let is_better =
                    !error.is_io_error() && failure.as_ref().is_some_and(RedisError::is_io_error);
                if failure.is_none() || is_better {
                    failure = Some(error);
                }
            }
        }
    }
    Err(failure.unwrap_or_else(|| (ErrorKind::Io, "there is no place to look").into()))
}

/// Where there are other places to try, none is waited for for long.
fn short(limits: &Limits) -> Limits {
    Limits { reply_timeout: limits.reply_timeout.min(CONNECT_TIMEOUT), ..limits.clone() }
}

fn open(target: &Target, place: &Place, limits: &Limits) -> RedisResult<Found> {
    let mut link = connect(target, place, limits)?;
    let server = log_in(&mut link, &target.login)?;
    Ok(Found { link, place: place.clone(), server, others: Vec::new() })
}

/// A link on which nothing has been sent yet.
fn connect(target: &Target, place: &Place, limits: &Limits) -> RedisResult<Link> {
    let stream = dial(place, CONNECT_TIMEOUT.min(limits.left()), &limits.stop)?;
    // No system call of the greeting may wait for longer than the greeting itself.
    let greeting = short(limits);
    stream.set_timeout(greeting.slice())?;
    Ok(Link::new(secured(stream, target, place, &greeting)?, limits.clone())?)
}

#[cfg(feature = "tls")]
fn secured(stream: Stream, target: &Target, place: &Place, limits: &Limits) -> RedisResult<Stream> {
    match (stream, &target.tls, place) {
        (Stream::Tcp(socket), Some(settings), Place::Tcp(host, _)) => {
            let secured = secure(Retried(socket), host, settings, limits)?;
            Ok(Stream::Tls(Box::new(secured)))
        }
        (stream, ..) => Ok(stream),
    }
}

#[cfg(not(feature = "tls"))]
fn secured(stream: Stream, target: &Target, _: &Place, _: &Limits) -> RedisResult<Stream> {
    match target.tls {
        None => Ok(stream),
        Some(_) => Err(super::tls::refusal(
            "this copy of rrq was built without it: install the headers of OpenSSL (Debian: \
             libssl-dev, Fedora: openssl-devel), then install rrq again"
                .into(),
        )),
    }
}

fn ask_sentinel(
    target: &Target,
    sentinel: &Place,
    service: &str,
    (user, password): (Option<&str>, Option<&str>),
    limits: &Limits,
) -> RedisResult<Place> {
    let mut link = connect(target, sentinel, limits)?;
    if let Some(password) = password {
        cmd("AUTH").arg(user).arg(password).exec(&mut link)?;
    }
    let mut ask = cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(service);
    let address: Option<(String, u16)> = ask.query(&mut link)?;
    address.map(|(host, port)| Place::Tcp(host, port)).ok_or_else(|| {
        let detail = format!("is a Sentinel that knows no server `{service}`");
        (ErrorKind::Client, "the server is unknown", detail).into()
    })
}

/// The nodes of a cluster. A user may not be allowed to ask for them.
fn nodes(link: &mut Link) -> Vec<Place> {
    let mut nodes = Vec::new();
    let ranges = cmd("CLUSTER").arg("SLOTS").query::<Vec<Vec<Value>>>(link).unwrap_or_default();
    for node in ranges.into_iter().flat_map(|range| range.into_iter().skip(2)) {
        let mut parts = value::array(node).unwrap_or_default().into_iter();
        let host = parts.next().and_then(|host| value::text(host).ok());
        let port = parts.next().and_then(|port| value::integer(port).ok());
        let port = port.and_then(|port| u16::try_from(port).ok());
        let Some((host, port)) = host.filter(|host| !host.is_empty()).zip(port) else { continue };
        let place = Place::Tcp(host, port);
        if !nodes.contains(&place) {
            nodes.push(place);
        }
    }
    nodes
}
