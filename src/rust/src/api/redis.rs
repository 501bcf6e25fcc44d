//! Any Redis command, for `rrq_redis()`.

use extendr_api::prelude::*;
use rrq_core::Connection;
use rrq_core::reply::RedisReply;

use rrq_bridge::RResult;
use rrq_bridge::convert::{bytes, or_null, stop};
use rrq_bridge::protect::undisturbed;

/// The URL without its passwords.
#[extendr]
fn rs_url_mask(url: &str) -> RResult<String> {
    Ok(rrq_core::connection::masked(url)?)
}

/// The rules of a user that may use these queues and nothing else.
#[extendr]
fn rs_acl_rules(queues: Vec<String>, durable: bool) -> Vec<String> {
    rrq_core::acl::rules(&queues, durable)
}

/// Whether this copy was built with TLS.
#[extendr]
fn rs_redis_has_tls() -> bool {
    rrq_core::connection::HAS_TLS
}

#[extendr]
fn rs_redis_open(url: &str) -> RResult<ExternalPtr<Connection>> {
    let mut connection = Connection::open_any(url, stop())?;
    // A user's command may not be idempotent, so it is not retried.
    connection.set_retry_timeout(std::time::Duration::ZERO, stop());
    Ok(ExternalPtr::new(connection))
}

#[extendr]
fn rs_redis_command(mut connection: ExternalPtr<Connection>, parts: List) -> RResult<Robj> {
    let parts: Vec<Vec<u8>> = parts.values().map(|part| bytes(&part)).collect();
    Ok(to_robj(undisturbed(|| connection.raw_command(&parts))?))
}

#[extendr]
fn rs_redis_pipeline(mut connection: ExternalPtr<Connection>, commands: List) -> RResult<List> {
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
    let address = connection.server_address();
    list!(
        url = connection.url(),
        address = connection.address(),
        scheme = address.scheme,
        host = or_null(address.host),
        port = or_null(address.port.map(i32::from)),
        path = or_null(address.path),
        db = address.db as i32,
        password = or_null(address.password)
    )
}

/// A reply as R sees it: status replies and errors have a class, binary data is raw.
fn to_robj(reply: RedisReply) -> Robj {
    match reply {
        RedisReply::Nil => ().into(),
        RedisReply::Integer(number) => match i32::try_from(number) {
            Ok(small) if small != i32::MIN => small.into(),
            _ => (number as f64).into(),
        },
        RedisReply::Double(number) => number.into(),
        RedisReply::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.into(),
            Ok(text) => Raw::from_bytes(text.as_bytes()).into(),
            Err(error) => Raw::from_bytes(error.as_bytes()).into(),
        },
        RedisReply::Status(text) => classed(text, "redis_status"),
        RedisReply::Error(message) => classed(message, "redis_error"),
        RedisReply::Array(items) => List::from_values(items.into_iter().map(to_robj)).into(),
    }
}

fn classed(text: String, class: &str) -> Robj {
    let mut value: Robj = text.into();
    // This cannot fail: the value is a new string.
    let _ = value.set_class([class]);
    value
}

extendr_module! {
    mod redis;
    fn rs_url_mask;
    fn rs_acl_rules;
    fn rs_redis_has_tls;
    fn rs_redis_open;
    fn rs_redis_command;
    fn rs_redis_pipeline;
    fn rs_redis_info;
}
