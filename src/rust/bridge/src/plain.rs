//! Plain values (short vectors of numbers or logicals, without attributes, and NULL) in R's
//! serialisation format, written and read without R: it sets up a table of 1099 references for each
//! value, which costs more than a small task does.

use std::sync::OnceLock;

use extendr_api::prelude::*;

use crate::protect::is_bare;

/// For longer vectors R's own code is as fast.
const LONGEST: usize = 64;
const LOGICAL: i32 = 10;
const INTEGER: i32 = 13;
const REAL: i32 = 14;
const NULL: i32 = 254;

/// What every serialised value of this R begins with: format, versions, native encoding.
static PREFIX: OnceLock<Vec<u8>> = OnceLock::new();

/// Learn the prefix from a serialised NULL, whose own part is four bytes.
pub fn set_prefix(serialized_null: &[u8]) {
    let end = serialized_null.len().saturating_sub(4);
    let _ = PREFIX.set(serialized_null[..end].to_vec());
}

/// The serialised form of a plain value; `None` for any other.
pub fn write(value: &Robj) -> Option<Vec<u8>> {
    let prefix = PREFIX.get()?;
    let code = match value.rtype() {
        Rtype::Null => NULL,
        Rtype::Logicals => LOGICAL,
        Rtype::Integers => INTEGER,
        Rtype::Doubles => REAL,
        _ => return None,
    };
    let length = value.len();
    if length > LONGEST || !is_bare(value) {
        return None;
    }
    let mut bytes = Vec::with_capacity(prefix.len() + 8 + 8 * length);
    bytes.extend_from_slice(prefix);
    bytes.extend_from_slice(&code.to_ne_bytes());
    if code == NULL {
        return Some(bytes);
    }
    bytes.extend_from_slice(&(length as i32).to_ne_bytes());
    match code {
        REAL => value.as_real_slice()?.iter().for_each(|x| bytes.extend(x.to_ne_bytes())),
        INTEGER => value.as_integer_slice()?.iter().for_each(|x| bytes.extend(x.to_ne_bytes())),
        _ => value.as_logical_slice()?.iter().for_each(|x| bytes.extend(logical(*x).to_ne_bytes())),
    }
    Some(bytes)
}

fn logical(value: Rbool) -> i32 {
    if value.is_na() { i32::MIN } else { i32::from(value.is_true()) }
}

/// Read a plain value of numbers; `None` for any other, and for one written by another kind of R.
pub fn read(bytes: &[u8]) -> Option<Robj> {
    let item = bytes.strip_prefix(PREFIX.get()?.as_slice())?;
    let (code, rest) = int(item)?;
    if code == NULL {
        return rest.is_empty().then(|| ().into());
    }
    let (length, data) = int(rest)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST)?;
    match code {
        REAL if data.len() == 8 * length => {
            let number = |chunk: &[u8]| f64::from_ne_bytes(chunk.try_into().unwrap_or_default());
            Some(data.chunks_exact(8).map(number).collect_robj())
        }
        INTEGER if data.len() == 4 * length => {
            Some(data.chunks_exact(4).map(|chunk| int(chunk).map_or(0, |x| x.0)).collect_robj())
        }
        _ => None,
    }
}

fn int(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((i32::from_ne_bytes(*head), rest))
}
