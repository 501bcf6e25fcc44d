//! Reading the server's replies, and making ids.

use std::io;

use redis::{FromRedisValue, Value};

use crate::error::{Error, Result};

/// How much of a wrong reply an error shows.
const SHOWN: usize = 100;

fn unexpected(what: &str, value: &Value) -> Error {
    let shown: String = format!("{value:?}").chars().take(SHOWN).collect();
    Error::Protocol { reason: format!("expected {what}, got {shown}") }
}

/// The name of a content: a hash of 128 bits.
pub fn content_hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// The elements of an array.
pub fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        other => Err(unexpected("an array", &other)),
    }
}

/// The elements of an array of strings.
pub fn texts(value: Value) -> Result<Vec<String>> {
    array(value)?.into_iter().map(text).collect()
}

/// A whole number.
pub fn integer(value: Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(number),
        other => i64::from_redis_value_ref(&other).map_err(|_| unexpected("a number", &other)),
    }
}

/// Text.
pub fn text(value: Value) -> Result<String> {
    let bytes = bytes(value)?;
    String::from_utf8(bytes)
        .map_err(|error| unexpected("text", &Value::BulkString(error.into_bytes())))
}

fn lossy(value: Value) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(value)?).into_owned())
}

/// Bytes; nil is an error.
pub fn bytes(value: Value) -> Result<Vec<u8>> {
    maybe_bytes(value)?.ok_or_else(|| unexpected("text", &Value::Nil))
}

/// Bytes, or `None` for nil.
pub fn maybe_bytes(value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        Value::Int(number) => Ok(Some(number.to_string().into_bytes())),
        Value::Nil => Ok(None),
        other => Err(unexpected("text", &other)),
    }
}

/// The fields and values of a hash. A name that is no text is none of the engine's, and hides no other.
pub fn pairs(value: Value) -> Result<Vec<(String, Vec<u8>)>> {
    let mut items = match value {
        Value::Map(items) => {
            return items.into_iter().map(|(k, v)| Ok((lossy(k)?, bytes(v)?))).collect();
        }
        other => array(other)?.into_iter(),
    };
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let (Some(field), Some(value)) = (items.next(), items.next()) {
        pairs.push((lossy(field)?, bytes(value)?));
    }
    Ok(pairs)
}

/// How many characters an id has.
pub const ID_WIDTH: usize = 32;

/// A new random id: 32 lower-case hexadecimal characters.
pub fn random_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))
        .map_err(Error::io("cannot generate a random id"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_hexadecimal_characters_and_differ() {
        let (a, b) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(a.len(), 32);
        assert!(a.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()));
        assert_ne!(a, b);
    }

    #[test]
    fn a_reply_of_another_type_is_an_error_that_says_so() {
        let wrong = [
            array(Value::Int(1)).map(drop),
            text(Value::Nil).map(drop),
            bytes(Value::Array(Vec::new())).map(drop),
            integer(Value::BulkString(b"x".to_vec())).map(drop),
            text(Value::BulkString(vec![0xff])).map(drop),
        ];
        for result in wrong {
            assert!(result.unwrap_err().to_string().contains("the server's reply"));
        }
    }

    #[test]
    fn a_hash_is_a_map_or_a_list_of_pairs() {
        let (field, value) = (|| Value::SimpleString("f".into()), || Value::Int(1));
        let expected = [("f".to_owned(), b"1".to_vec())];
        assert_eq!(pairs(Value::Map(vec![(field(), value())])).unwrap(), expected);
        assert_eq!(pairs(Value::Array(vec![field(), value()])).unwrap(), expected);
    }
}
