//! Any Redis command, for `rrq_redis()`.

use extendr_api::prelude::*;
use rrq_core::Connection;
use rrq_core::reply::Reply;

use rrq_bridge::Outcome;
use rrq_bridge::convert::{bytes, or_null, stop};
use rrq_bridge::protect::undisturbed;

#[extendr]
fn rs_redis_open(url: &str) -> Outcome<ExternalPtr<Connection>> {
    let mut connection = Connection::open(url, stop())?;
    // The engine repeats requests that may be repeated; a user's command may not be.
    connection.set_patience(std::time::Duration::ZERO, stop());
    Ok(ExternalPtr::new(connection))
}

#[extendr]
fn rs_redis_command(mut connection: ExternalPtr<Connection>, parts: List) -> Outcome<Robj> {
    let parts: Vec<Vec<u8>> = parts.values().map(|part| bytes(&part)).collect();
    Ok(to_robj(undisturbed(|| connection.raw_command(&parts))?))
}

#[extendr]
fn rs_redis_pipeline(mut connection: ExternalPtr<Connection>, commands: List) -> Outcome<List> {
    let commands: Vec<Vec<Vec<u8>>> = commands
        .values()
        .filter_map(|command| command.as_list())
        .map(|command| command.values().map(|part| bytes(&part)).collect())
        .collect();
    let replies = undisturbed(|| connection.raw_pipeline(&commands))?;
    Ok(List::from_values(replies.into_iter().map(to_robj)))
}

#[extendr]
fn rs_redis_info(connection: ExternalPtr<Connection>) -> List {
    let place = connection.place();
    list!(
        url = connection.url(),
        address = connection.address(),
        scheme = place.scheme,
        host = or_null(place.host),
        port = or_null(place.port.map(i32::from)),
        path = or_null(place.path),
        db = place.db as i32,
        password = or_null(place.password)
    )
}

/// A reply as R sees it: status texts and errors carry a class, what is not text is raw.
fn to_robj(reply: Reply) -> Robj {
    match reply {
        Reply::Nil => ().into(),
        Reply::Integer(number) => match i32::try_from(number) {
            Ok(small) if small != i32::MIN => small.into(),
            _ => (number as f64).into(),
        },
        Reply::Double(number) => number.into(),
        Reply::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.into(),
            Ok(text) => Raw::from_bytes(text.as_bytes()).into(),
            Err(error) => Raw::from_bytes(error.as_bytes()).into(),
        },
        Reply::Status(text) => classed(text, "redis_status"),
        Reply::Error(message) => classed(message, "redis_error"),
        Reply::Array(items) => List::from_values(items.into_iter().map(to_robj)).into(),
    }
}

fn classed(text: String, class: &str) -> Robj {
    let mut value: Robj = text.into();
    // A class on a fresh string cannot be refused.
    let _ = value.set_class([class]);
    value
}

extendr_module! {
    mod redis;
    fn rs_redis_open;
    fn rs_redis_command;
    fn rs_redis_pipeline;
    fn rs_redis_info;
}
