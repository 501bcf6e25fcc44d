//! Replies to commands that are not the engine's own, without the client library's types.

use redis::{RedisError, Value};

/// A reply to any command, without the client library's types.
#[derive(Debug, Clone, PartialEq)]
pub enum RedisReply {
    /// Nothing.
    Nil,
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
    /// Text or binary data.
    Bytes(Vec<u8>),
    /// A status such as `OK`.
    Status(String),
    /// Several replies.
    Array(Vec<RedisReply>),
    /// An error inside a pipeline.
    Error(String),
}

impl From<Value> for RedisReply {
    fn from(value: Value) -> Self {
        let pair = |(a, b): (Value, Value)| [RedisReply::from(a), RedisReply::from(b)];
        match value {
            Value::Nil => RedisReply::Nil,
            Value::Int(number) => RedisReply::Integer(number),
            Value::Double(number) => RedisReply::Double(number),
            Value::Boolean(flag) => RedisReply::Integer(i64::from(flag)),
            Value::BulkString(bytes) => RedisReply::Bytes(bytes),
            Value::VerbatimString { text, .. } => RedisReply::Bytes(text.into_bytes()),
            Value::SimpleString(text) => RedisReply::Status(text),
            Value::Okay => RedisReply::Status("OK".into()),
            Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
                RedisReply::Array(items.into_iter().map(RedisReply::from).collect())
            }
            Value::Map(pairs) => RedisReply::Array(pairs.into_iter().flat_map(pair).collect()),
            Value::Attribute { data, .. } => RedisReply::from(*data),
            Value::ServerError(error) => RedisReply::Error(RedisError::from(error).to_string()),
            other => RedisReply::Bytes(format!("{other:?}").into_bytes()),
        }
    }
}
