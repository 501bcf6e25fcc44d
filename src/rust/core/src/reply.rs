//! Replies to commands that are not the engine's own, without the client library's types.

use redis::{RedisError, Value};

/// A reply to any command, without the client library's types.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
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
    Array(Vec<Reply>),
    /// An error inside a pipeline.
    Error(String),
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        let pair = |(a, b): (Value, Value)| [Reply::from(a), Reply::from(b)];
        match value {
            Value::Nil => Reply::Nil,
            Value::Int(number) => Reply::Integer(number),
            Value::Double(number) => Reply::Double(number),
            Value::Boolean(flag) => Reply::Integer(i64::from(flag)),
            Value::BulkString(bytes) => Reply::Bytes(bytes),
            Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
            Value::SimpleString(text) => Reply::Status(text),
            Value::Okay => Reply::Status("OK".into()),
            Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
                Reply::Array(items.into_iter().map(Reply::from).collect())
            }
            Value::Map(pairs) => Reply::Array(pairs.into_iter().flat_map(pair).collect()),
            Value::Attribute { data, .. } => Reply::from(*data),
            Value::ServerError(error) => Reply::Error(RedisError::from(error).to_string()),
            other => Reply::Bytes(format!("{other:?}").into_bytes()),
        }
    }
}
