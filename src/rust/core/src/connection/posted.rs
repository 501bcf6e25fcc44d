//! The reply to a call that was sent before its reply is needed: the next thing to read from the link.

use redis::{ErrorKind, RedisError, RedisResult, Value};

use super::failure::is_answer;
use super::link::Link;

/// The reply to a posted call.
pub(super) enum Posted {
    /// It is still to be read: the last of so many.
    Unread(usize),
    /// Another request has read it, or found that it was lost.
    Read(RedisResult<Value>),
}

/// Read so many replies off the link; returns the last one, or the first error.
pub(super) fn receive_last(link: &mut Option<Link>, n: usize) -> RedisResult<Value> {
    let mut last = Ok(Value::Nil);
    for _ in 0..n {
        let reply = receive(link);
        last = last.and(reply);
    }
    last
}

/// Read a reply off the link. The link is dropped when that fails.
fn receive(link: &mut Option<Link>) -> RedisResult<Value> {
    match link.as_mut().ok_or_else(lost)?.receive() {
        Ok(Value::ServerError(error)) => Err(error.into()),
        Ok(value) => Ok(value),
        Err(error) => {
            if !is_answer(&error) {
                *link = None;
            }
            Err(error)
        }
    }
}

/// What a request fails with whose reply went with the link.
pub(super) fn lost() -> RedisError {
    (ErrorKind::Io, "the connection was lost").into()
}
